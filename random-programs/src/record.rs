//! What happened: one list for all threads, and the values whose drops are watched.

use crate::program::{Id, Program};
use spinney::time::ManualClock;
use spinney::{Errors, GroupHandle, Unobserved};
use std::any::Any;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One tick of the clock.
pub const TICK: Duration = Duration::from_millis(1);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A frame's future was made, with its captures.
    Made(Id),
    /// Its first poll, and the place in the list of what its thread had noted before.
    Polled(Id, Option<usize>),
    /// Its code came to the end: with a value, or with an error.
    Ended(Id, bool),
    /// Its captures were dropped.
    Dropped(Id),
    /// The call that starts a frame has returned.
    Spawned(Id),
    /// `GroupHandle::spawn` gave a frame back.
    Refused(Id),
    /// A step is over.
    Done(Id),
    /// A step waited for time: how long, in whole ticks, and whether a timeout elapsed.
    Timed(Id, u128, bool),
    /// The future of a group or a race is about to be dropped, resolved or not.
    Leaving(Id),
    /// It was dropped unresolved; whether the thread was panicking.
    Gone(Id, bool),
    /// It was forgotten after it had been polled, or before.
    Forgotten(Id),
    /// It resolved: `None` with a value, else with these errors, each with its `after_cancel`, and so many omitted.
    Resolved(Id, Option<(Vec<(Id, bool)>, usize)>),
    /// A set, or a start, is about to be dropped.
    Let(Id),
    /// An error or a panic begins, by the step that made it.
    Raised(Id),
    /// An error or a panic reached somebody.
    Delivered(Id, To),
    /// A step's failure was delivered twice.
    Twice(Id),
    /// `cancel` is about to be called on a frame's handle.
    Cancelling(Id),
    /// That call has returned.
    Cancelled(Id),
    /// What the join of a cancel gave: whether the frame had finished with a value.
    Joined(Id, bool),
    /// A frame's value was read from its handle: `Ok`, or a failure.
    Read(Id, bool),
    /// `TaskSet::next` said that there is nothing more, after so many items.
    SetOver(Id, usize),
    /// `Start` gave `Ok`, a failure, or `NotReady`.
    Started(Id, Began),
    /// `Ready::set` was called by this step.
    SetReady(Id),
    /// The group was asked to stop by this step.
    Stopped(Id),
    /// The step gave its group a value.
    Kept(Id),
    /// That value was dropped.
    KeptDropped(Id),
    /// A frame was dropped after a value that it borrows from its group: memory that may have been freed.
    Stale(Id),
    /// The value of a frame was made.
    Valued(Id),
    /// It was dropped.
    ValueDropped(Id),
    /// A shield was entered.
    Shielded(Id),
    /// A shield was left: whether its steps were run to their end, which includes a failure, and whether the thread was
    /// panicking.
    Unshielded(Id, bool, bool),
    /// A `join` came back, or out of it came a panic.
    Rejoined(Id),
    /// A panic that no step made.
    Alien(String),
    /// A destructor begins to wait.
    Parting(Id),
    /// It has waited.
    Parted(Id),
    /// The future of a group was put on the shelf of its frame.
    Shelved(Id),
    /// It was taken from there.
    Taken(Id),
    /// The group in which this one was polled first has ended.
    Orphaned(Id),
    /// A frame is about to be spawned through a handle of this group.
    Knocks(Id, Id),
    /// After everything a handle of this group was used: whether it gave the future back.
    LastKnock(Id, bool),
    /// A relay is over, and so many of its values are left.
    Relayed(Id, usize),
    /// The outermost group has resolved or panicked.
    Over,
    /// What the runtime says to be alive then: tasks, groups, timers.
    Alive(u64, u64, u64),
    /// The tasks and groups of a second answer, when one more of each is alive: an end that counts twice hides it.
    AliveAfter(u64, u64),
    /// The runtime was shut down; the text of its stragglers.
    ShutDown(Option<String>),
    /// Nothing of the runtime is left in memory: no group, because each keeps the one around it, and the outermost keeps
    /// the runtime.
    Freed,
}

/// Who received a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The `Errors` of a group or a race.
    Errors(Id),
    /// The reader of a frame's handle.
    Reader(Id),
    /// The runtime's hook.
    Hook,
    /// Whoever blocks in the outermost group: a panic.
    Caller,
    /// The thread that polled the future of this group by hand: a panic.
    Poller(Id),
}

/// What a start came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Began {
    /// Ready.
    Ready,
    /// Failed before.
    Failed,
    /// `NotReady`
    NotReady,
}

thread_local! {
    /// The place of what this thread noted last. A thread serves one program.
    static LAST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The list, and the clock.
#[derive(Debug, Default)]
pub struct World {
    log: Mutex<Vec<Event>>,
    faults: AtomicUsize,
    clock: ManualClock,
    /// How many said that they are here.
    here: AtomicUsize,
    /// Groups whose handles are wanted, and those handles.
    lent: BTreeSet<Id>,
    handles: Mutex<BTreeMap<Id, Door>>,
}

/// A handle of a group.
pub type Door = GroupHandle<Fault>;

impl World {
    /// For a program.
    #[must_use]
    pub fn of(program: &Program) -> Self {
        Self {
            lent: program.lent.clone(),
            ..Self::default()
        }
    }

    /// Takes the handle of a group, if somebody will ask for it.
    pub fn lend(&self, group: Id, handle: impl FnOnce() -> Door) {
        if self.lent.contains(&group) {
            let handle = handle();
            let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
            handles.insert(group, handle);
        }
    }

    /// The handle of a group.
    pub fn handle(&self, group: Id) -> Option<Door> {
        let handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.get(&group).cloned()
    }

    /// All handles; nobody has them afterwards.
    pub fn take_handles(&self) -> BTreeMap<Id, Door> {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut handles)
    }

    /// How many said that they are here.
    pub fn here(&self) -> usize {
        self.here.load(SeqCst)
    }

    /// Somebody is here.
    pub fn comes(&self) {
        self.here.fetch_add(1, SeqCst);
    }

    /// Notes an event.
    pub fn note(&self, event: Event) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = LAST.try_with(|last| last.set(Some(log.len())));
        log.push(event);
    }

    /// Notes the first poll of a frame. What its thread did before, it did before it took this one up.
    pub fn begins(&self, frame: Id) {
        self.note(Event::Polled(frame, LAST.get()));
    }

    /// Whether a frame was polled.
    pub fn has_begun(&self, frame: Id) -> bool {
        let polled = |event: &Event| matches!(event, Event::Polled(id, _) if *id == frame);
        self.events().iter().any(polled)
    }

    /// How many errors exist, those of deadlines included.
    pub fn faults(&self) -> usize {
        self.faults.load(SeqCst)
    }

    /// Everything so far, in order.
    pub fn events(&self) -> Vec<Event> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The clock of the runtime.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Notes how long a step took by the clock.
    pub fn timed(&self, step: Id, since: Instant, elapsed: bool) {
        let passed = self.clock.now().saturating_duration_since(since);
        self.note(Event::Timed(
            step,
            passed.as_nanos() / TICK.as_nanos(),
            elapsed,
        ));
    }

    /// What the hook does with a failure.
    pub fn unobserved(&self, failure: Unobserved) {
        self.received(failure.payload, To::Hook);
    }

    /// Notes where a payload arrived.
    pub fn received(&self, payload: Box<dyn Any + Send>, to: To) {
        match payload.downcast::<Fault>() {
            Ok(fault) => fault.deliver(to),
            Err(payload) if payload.is::<Hostile>() => {
                self.note(Event::Alien(format!(
                    "the panic of a foreign waker to {to:?}"
                )));
            }
            Err(payload) => {
                let text = payload.downcast_ref::<String>().map(String::as_str);
                let text = text.or(payload.downcast_ref::<&str>().copied());
                self.note(Event::Alien(format!(
                    "{} to {to:?}",
                    text.unwrap_or("no text")
                )));
            }
        }
    }
}

/// The payload with which a foreign waker panics.
#[derive(Debug)]
pub struct Hostile;

/// An error, or the payload of a panic. Its number is that of the step that made it.
#[derive(Debug)]
pub struct Fault {
    world: Arc<World>,
    step: Id,
    seen: AtomicBool,
}

impl Fault {
    /// A failure that happens now.
    pub fn raise(world: &Arc<World>, step: Id) -> Self {
        world.note(Event::Raised(step));
        Self::in_case(world, step)
    }

    /// An error for a deadline that may never be reached.
    pub fn in_case(world: &Arc<World>, step: Id) -> Self {
        world.faults.fetch_add(1, SeqCst);
        Self {
            world: Arc::clone(world),
            step,
            seen: AtomicBool::new(false),
        }
    }

    /// The step that made it.
    pub fn step(&self) -> Id {
        self.step
    }

    /// Somebody has it.
    pub fn deliver(&self, to: To) {
        self.world.note(match self.seen.swap(true, SeqCst) {
            false => Event::Delivered(self.step, to),
            true => Event::Twice(self.step),
        });
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        self.world.faults.fetch_sub(1, SeqCst);
    }
}

/// Notes that errors came out of a group or a race.
pub fn receive(from: Id, errors: &Errors<Fault>) -> (Vec<(Id, bool)>, usize) {
    let entries = errors.entries().map(|entry| {
        entry.error.deliver(To::Errors(from));
        (entry.error.step, entry.after_cancel)
    });
    (entries.collect(), errors.omitted())
}

/// Notes an event when it is dropped.
#[derive(Debug)]
pub struct OnDrop(Arc<World>, Event);

impl OnDrop {
    /// Notes this event, later.
    pub fn new(world: &Arc<World>, event: Event) -> Self {
        Self(Arc::clone(world), event)
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.note(self.1.clone());
    }
}
