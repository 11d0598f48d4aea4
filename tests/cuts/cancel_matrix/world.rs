//! What a run notes, and what its tasks wait for.

use super::model::Case;
use crate::matrix::{Answer, Gate, throw};
use spinney::current::CancelKind;
use spinney::dump::TaskId;
use spinney::time::ManualClock;
use spinney::{Runtime, current};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Something that is dropped: its name, in which task, and why.
#[derive(Clone, Debug)]
pub(crate) struct Dropped {
    pub(crate) who: &'static str,
    pub(crate) task: Option<TaskId>,
    pub(crate) reason: Option<CancelKind>,
}

pub(crate) struct World {
    pub(crate) case: Case,
    pub(crate) runtime: Runtime,
    pub(crate) clock: ManualClock,
    pub(crate) drops: Mutex<Vec<Dropped>>,
    /// The victim has come to what it does.
    pub(crate) arrived: Gate,
    /// Nothing is cancelled any more: the tasks that live on may end.
    pub(crate) calm: Gate,
    /// What the victim's cut waits for may end.
    pub(crate) hold: Gate,
    /// What a thread holds goes on.
    pub(crate) go: Gate,
    pub(crate) plugs: AtomicUsize,
    pub(crate) plugged: Gate,
    /// The sibling fails.
    pub(crate) fail: Gate,
    /// The cause is there, or will come by itself.
    pub(crate) acted: Gate,
    /// Another task was cut: so the cut has come to the group.
    pub(crate) seen: Gate,
    pub(crate) signal: AtomicBool,
    pub(crate) polled: AtomicBool,
    pub(crate) deferred: AtomicBool,
    pub(crate) victim: Mutex<Option<TaskId>>,
    pub(crate) outputs: AtomicUsize,
    pub(crate) joined: Mutex<Option<bool>>,
    pub(crate) answer: Mutex<Answer>,
}

impl World {
    pub(crate) fn new(case: Case, runtime: Runtime, clock: ManualClock) -> Self {
        Self {
            case,
            runtime,
            clock,
            drops: Mutex::default(),
            arrived: Gate::default(),
            calm: Gate::default(),
            hold: Gate::default(),
            go: Gate::default(),
            plugs: AtomicUsize::new(0),
            plugged: Gate::default(),
            fail: Gate::default(),
            acted: Gate::default(),
            seen: Gate::default(),
            signal: AtomicBool::new(false),
            polled: AtomicBool::new(false),
            deferred: AtomicBool::new(false),
            victim: Mutex::default(),
            outputs: AtomicUsize::new(0),
            joined: Mutex::default(),
            answer: Mutex::default(),
        }
    }

    pub(crate) fn note(&self, who: &'static str) {
        let reason = current::cancel_reason().map(|reason| reason.kind());
        let task = current::task_id();
        self.drops
            .lock()
            .unwrap()
            .push(Dropped { who, task, reason });
    }

    pub(crate) fn of(&self, who: &str) -> Vec<Dropped> {
        let drops = self.drops.lock().unwrap();
        drops
            .iter()
            .filter(|drop| drop.who == who)
            .cloned()
            .collect()
    }

    pub(crate) fn local(self: &Arc<Self>, who: &'static str) -> Local {
        Local(Arc::clone(self), who)
    }
}

/// Notes its drop.
pub(crate) struct Local(pub(crate) Arc<World>, &'static str);

impl Drop for Local {
    fn drop(&mut self) {
        let Self(world, who) = self;
        world.note(who);
        match *who {
            "witness" => world.seen.open(),
            "victim" if world.case.panics => throw("victim"),
            _ => {}
        }
    }
}

pub(crate) struct Output(pub(crate) Arc<World>);

impl Drop for Output {
    fn drop(&mut self) {
        self.0.outputs.fetch_add(1, SeqCst);
    }
}
