//! Runs a program on a real runtime.

mod children;
mod foreign;
mod nest;
mod opened;
mod parting;
mod relay;
mod shelf;

use crate::program::{Bad, Frame, GroupProgram, Id, Op, Step};
use crate::record::{Event, Fault, OnDrop, TICK, To, World};
use foreign::foreign;
use opened::Opened;
use parting::{Bomb, Keeps, Parts, Reads};
use shelf::{Abroad, Kept};
use spinney::{
    Group, Ready, Supervised, Task, Wait, current, join, race, shield, sleep, timeout, yield_now,
};
use std::future::{Future, pending};
use std::hint::spin_loop;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type Grp<'s, 'p> = Group<'s, 'p, Fault>;
/// The value of a frame: notes its drop.
type Value = OnDrop;

/// The outermost group.
///
/// # Errors
///
/// Never: its errors are noted.
pub fn root(
    world: &Arc<World>,
    group: &GroupProgram,
) -> impl Future<Output = Result<(), Fault>> + Send + 'static {
    let opened = Opened::new(world, group.id, nest::free(world, group));
    let (world, id) = (Arc::clone(world), group.id);
    async move {
        opened
            .await
            .map(drop)
            .or_else(|errors| nest::settle(&world, id, errors, None))
    }
}

/// What a frame works with.
struct Place<'a, 's, 'p> {
    world: &'a Arc<World>,
    /// `None` where everything has to be `'static`.
    group: Option<Grp<'s, 'p>>,
    /// What the group keeps: its children borrow it.
    kept: Option<&'s Keeps>,
    late: Vec<Late<'s>>,
    ready: Option<Ready<Value>>,
    /// Futures of groups that it goes on without, oldest first.
    shelf: Vec<Kept<'s>>,
    /// Those that are in the hands of threads.
    abroad: Vec<Abroad>,
    bombs: Vec<Bomb>,
    /// What is awaited is polled with a waker that panics in this function first.
    bad: Option<Bad>,
    /// How many were here before the last step that took time.
    seen: usize,
}

/// A handle that is read at the end of the frame.
enum Late<'s> {
    Task(Id, Task<'s, Value>),
    Supervised(Id, Supervised<'s, Value, Fault>),
}

/// Where a frame belongs, and what it borrows there.
#[derive(Clone, Copy, Default)]
struct Home<'s, 'p> {
    group: Option<Grp<'s, 'p>>,
    kept: Option<&'s Keeps>,
}

/// The future of a frame: notes when it is made, polled, at its end, and dropped.
fn frame<'s>(
    world: &Arc<World>,
    home: Home<'s, '_>,
    program: &Frame,
    ready: Option<Ready<Value>>,
) -> Boxed<'s, Result<Value, Fault>> {
    let Frame { id, steps, parting } = program.clone();
    world.note(Event::Made(id));
    let capture = Capture {
        parts: parting.map(|parting| Parts::new(world, parting)),
        _reads: home.kept.map(|kept| Reads::new(world, id, kept)),
        _gone: OnDrop::new(world, Event::Dropped(id)),
    };
    let world = Arc::clone(world);
    Box::pin(async move {
        let mut capture = capture;
        world.begins(id);
        let mut place = Place {
            world: &world,
            group: home.group,
            kept: home.kept,
            late: Vec::new(),
            ready,
            shelf: Vec::new(),
            abroad: Vec::new(),
            bombs: Vec::new(),
            bad: None,
            seen: world.here(),
        };
        let mut result = run(&mut place, &steps).await;
        if result.is_ok() {
            result = place.read_late().await;
        }
        place.bombs.clear(); // panics
        let result = result.map(|()| {
            world.note(Event::Valued(id));
            OnDrop::new(&world, Event::ValueDropped(id))
        });
        world.note(Event::Ended(id, result.is_ok()));
        if let Some(parts) = &mut capture.parts {
            parts.end();
        }
        result
    })
}

/// The captures of a frame, dropped in this order.
struct Capture<'s> {
    parts: Option<Parts>,
    _reads: Option<Reads<'s>>,
    _gone: OnDrop,
}

fn run<'a>(place: &'a mut Place<'_, '_, '_>, steps: &'a [Step]) -> Boxed<'a, Result<(), Fault>> {
    Box::pin(async move {
        for step in steps {
            place.step(step).await?;
            place.world.note(Event::Done(step.id));
        }
        Ok(())
    })
}

impl<'s, 'p> Place<'_, 's, 'p> {
    fn home(&self) -> Home<'s, 'p> {
        Home {
            group: self.group,
            kept: self.kept,
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), Fault> {
        let id = step.id;
        if !matches!(step.op, Op::Spin(_) | Op::Meet) {
            self.seen = self.world.here();
        }
        match &step.op {
            Op::Yield(times) => {
                for _ in 0..*times {
                    yield_now().await;
                }
            }
            Op::Spin(times) => spin(*times),
            Op::Here => self.world.comes(),
            Op::Meet => self.meet(),
            Op::UntilCut => {
                self.world.comes();
                spin_until(current::is_cancelled);
            }
            Op::Shelf(which, what) => self.use_shelf(*which, *what).await?,
            Op::Relay(times, end) => relay::relay(self.world, id, *times, *end).await,
            Op::Knock(_, group, frame) => {
                // What was refused is dropped here, by nobody's cut: what waits in its captures needs a shield.
                if let Some(refused) = self.knock(*group, frame) {
                    shield(async { drop(refused) }).await;
                }
            }
            Op::Block(steps) => run(self, steps).await?,
            Op::Foreign(bad, steps) => {
                let before = self.bad.replace(*bad);
                let result = run(self, steps).await;
                self.bad = before;
                result?;
            }
            Op::Bomb => self.bombs.push(Bomb::new(self.world, id)),
            Op::Busy(times) => (0..*times).for_each(|_| thread::yield_now()),
            Op::Stall(millis) => thread::sleep(Duration::from_millis(u64::from(*millis))),
            Op::Sleep(ticks) => {
                let since = self.world.clock().now();
                foreign(self.bad, sleep(TICK * u32::from(*ticks))).await;
                self.world.timed(id, since, false);
            }
            Op::Pend => pending().await,
            Op::Fail => return Err(Fault::raise(self.world, id)),
            Op::Panic => resume_unwind(Box::new(Fault::raise(self.world, id))),
            Op::Ready => {
                if let Some(ready) = self.ready.take() {
                    self.world.note(Event::SetReady(id));
                    self.world.note(Event::Valued(id));
                    ready.set(OnDrop::new(self.world, Event::ValueDropped(id)));
                }
            }
            Op::Race(frames) => self.race(id, frames).await,
            Op::Join(first, second) => self.join(id, first, second)?,
            Op::Nest(nest) => self.nest(id, nest).await?,
            Op::Shield(steps) => {
                shield(async {
                    // Not before: a cut may land at a shield that has not begun.
                    self.world.note(Event::Shielded(id));
                    let mut left = Left(Arc::clone(self.world), id, false);
                    let result = run(self, steps).await;
                    left.2 = true;
                    result
                })
                .await?;
            }
            Op::Timeout(ticks, steps) => {
                let (world, since) = (self.world, self.world.clock().now());
                let result = timeout(TICK * u32::from(*ticks), run(self, steps)).await;
                world.timed(id, since, result.is_err());
                result.unwrap_or(Ok(()))?;
            }
            grouped => {
                if let Some(group) = self.group {
                    self.grouped(group, id, grouped).await;
                }
            }
        }
        Ok(())
    }

    /// Waits for somebody on another thread, who may have come before.
    fn meet(&self) {
        spin_until(|| self.world.here() > self.seen);
    }

    /// A child through a handle of any group that has been opened, wherever that is; given back if it is refused.
    fn knock(&self, group: Id, program: &Frame) -> Option<Boxed<'static, Result<Value, Fault>>> {
        let handle = self.world.handle(group)?;
        let child: Boxed<'static, _> = frame(self.world, Home::default(), program, None);
        self.world.note(Event::Knocks(program.id, group));
        match handle.spawn(child) {
            Ok(()) => {
                self.world.note(Event::Spawned(program.id));
                None
            }
            Err(child) => {
                self.world.note(Event::Refused(program.id));
                Some(child)
            }
        }
    }

    async fn race(&mut self, id: Id, programs: &[Frame]) {
        let world = self.world;
        let contestants = programs
            .iter()
            .map(|program| frame(world, Home::default(), program, None));
        let contestants: Vec<Boxed<'static, _>> = contestants.collect();
        let race: Boxed<'static, _> = Box::pin(race(contestants));
        if let Err(errors) = Opened::new(world, id, race).await {
            drop(errors);
        }
    }

    /// Both halves are run to their end. Of their failures the first one is this frame's; panics come out of `join`.
    fn join(&mut self, id: Id, first: &Frame, second: &Frame) -> Result<(), Fault> {
        let world = self.world;
        let _joined = OnDrop::new(world, Event::Rejoined(id));
        let half = |program: &Frame| {
            let (id, future) = (program.id, frame(world, self.home(), program, None));
            move || Half(id, Some(future.wait()))
        };
        let (first, second) = join(half(first), half(second));
        for half in [&first, &second] {
            let well = matches!(half.1, Some(Ok(_)));
            world.note(Event::Read(half.0, well));
        }
        first.pass_on()?;
        second.pass_on()
    }
}

/// Takes a moment.
fn spin(times: u8) {
    (0..u32::from(times) * 2).for_each(|_| spin_loop());
}

/// Spins, and now and then lets another thread run; gives up at last.
fn spin_until(there: impl Fn() -> bool) {
    for round in 0..4000 {
        if there() {
            return;
        }
        match round % 100 {
            99 => thread::yield_now(),
            _ => spin_loop(),
        }
    }
}

/// What a half came to. Dropped unread, its error had no reader but the one who drops it.
struct Half(Id, Option<Result<Value, Fault>>);

impl Half {
    fn pass_on(mut self) -> Result<(), Fault> {
        self.1.take().map_or(Ok(()), |result| result.map(drop))
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        if let Some(Err(fault)) = self.1.take() {
            fault.deliver(To::Reader(self.0));
        }
    }
}

/// Notes that a shield was left.
struct Left(Arc<World>, Id, bool);

impl Drop for Left {
    fn drop(&mut self) {
        self.0
            .note(Event::Unshielded(self.1, self.2, thread::panicking()));
    }
}

/// Notes the drop of something just before it.
struct Guarded<T> {
    _gone: OnDrop,
    inner: T,
}
