//! Runs a program on a real runtime.

use crate::program::{Frame, GroupProgram, How, Id, Nest, Op, Site, Step, Use};
use crate::record::{Began, Event, Fault, OnDrop, TICK, To, World, receive};
use spinney::{
    Builder, CancelTask, Errors, Failure, Group, Ready, StartError, Supervised, Task, TaskSet,
    Wait, join, race, shield, sleep, timeout, try_group, yield_now,
};
use std::future::{Future, pending, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

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
    let opened = Opened::new(world, group.id, free(world, group));
    let (world, id) = (Arc::clone(world), group.id);
    async move {
        opened
            .await
            .map(drop)
            .or_else(|errors| settle(&world, id, errors, None))
    }
}

/// What a frame works with.
struct Place<'a, 's, 'p> {
    world: &'a Arc<World>,
    /// `None` where everything has to be `'static`.
    group: Option<Grp<'s, 'p>>,
    late: Vec<Late<'s>>,
    ready: Option<Ready<Value>>,
}

/// A handle that is read at the end of the frame.
enum Late<'s> {
    Task(Id, Task<'s, Value>),
    Supervised(Id, Supervised<'s, Value, Fault>),
}

/// The future of a frame: notes when it is made, polled, at its end, and dropped.
fn frame<'s>(
    world: &Arc<World>,
    group: Option<Grp<'s, '_>>,
    program: &Frame,
    ready: Option<Ready<Value>>,
) -> Boxed<'s, Result<Value, Fault>> {
    let Frame { id, steps } = program.clone();
    world.note(Event::Made(id));
    let capture = OnDrop::new(world, Event::Dropped(id));
    let world = Arc::clone(world);
    Box::pin(async move {
        let _capture = capture;
        world.begins(id);
        let mut place = Place {
            world: &world,
            group,
            late: Vec::new(),
            ready,
        };
        let mut result = run(&mut place, &steps).await;
        if result.is_ok() {
            result = place.read_late().await;
        }
        let result = result.map(|()| {
            world.note(Event::Valued(id));
            OnDrop::new(&world, Event::ValueDropped(id))
        });
        world.note(Event::Ended(id, result.is_ok()));
        result
    })
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

impl<'s, 'p: 's> Place<'_, 's, 'p> {
    async fn step(&mut self, step: &Step) -> Result<(), Fault> {
        let id = step.id;
        match &step.op {
            Op::Yield(times) => {
                for _ in 0..*times {
                    yield_now().await;
                }
            }
            Op::Busy(times) => (0..*times).for_each(|_| thread::yield_now()),
            Op::Sleep(ticks) => {
                let since = self.world.clock().now();
                sleep(TICK * u32::from(*ticks)).await;
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
                self.world.note(Event::Shielded(id));
                let mut left = Left(Arc::clone(self.world), id, false);
                shield(async {
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

    /// What needs a group.
    async fn grouped(&mut self, group: Grp<'s, 'p>, id: Id, op: &Op) {
        let world = self.world;
        let ticks = |ticks: &u8| TICK * u32::from(*ticks);
        match op {
            Op::Cancel => group.cancel(Fault::raise(world, id)),
            Op::Deadline(after) => group.deadline(ticks(after), Fault::in_case(world, id)),
            Op::Stop => {
                world.note(Event::Stopped(id));
                group.stop();
            }
            Op::StopWithin(grace) => {
                world.note(Event::Stopped(id));
                group.stop_within(ticks(grace), Fault::in_case(world, id));
            }
            Op::Stopping => group.stopping().await,
            Op::Keep => {
                world.note(Event::Kept(id));
                group.keep(OnDrop::new(world, Event::KeptDropped(id)));
            }
            Op::Defer(program) => {
                let cleanup = frame(world, self.group, program, None);
                // A cleanup makes no errors.
                group.defer(async move { drop(cleanup.await) });
                world.note(Event::Spawned(program.id));
            }
            Op::Spawn(program, used) => {
                let task = group.spawn(frame(world, self.group, program, None));
                world.note(Event::Spawned(program.id));
                self.task(program.id, task, *used).await;
            }
            Op::Supervise(program, used) => {
                let task = group.supervise(frame(world, self.group, program, None));
                world.note(Event::Spawned(program.id));
                self.supervised(program.id, task, *used).await;
            }
            Op::Closure(site, program, used) => {
                let future = frame(world, self.group, program, None);
                let closure = move || future.wait();
                let task = match site {
                    Site::Compute => group.compute(closure),
                    Site::Blocking => group.blocking(closure),
                };
                world.note(Event::Spawned(program.id));
                self.task(program.id, task, *used).await;
            }
            Op::Service(program) => {
                group.service(frame(world, self.group, program, None));
                world.note(Event::Spawned(program.id));
            }
            Op::Start(program, awaited) => self.start(group, id, program, *awaited).await,
            Op::Set(programs, reads) => self.set(group, id, programs, *reads).await,
            Op::Post(program) => {
                let child: Boxed<'static, _> = frame(world, None, program, None);
                match group.handle().spawn(child) {
                    Ok(()) => world.note(Event::Spawned(program.id)),
                    Err(_) => world.note(Event::Refused(program.id)),
                }
            }
            _ => unreachable!("it needs no group"),
        }
    }

    async fn task(&mut self, id: Id, task: Task<'s, Value>, used: Use) {
        match used {
            Use::Leave => drop(task),
            Use::Await => {
                drop(task.await);
                self.world.note(Event::Read(id, true));
            }
            Use::Late => self.late.push(Late::Task(id, task)),
            Use::Cancel => {
                self.world.note(Event::Cancelling(id));
                task.cancel();
                self.world.note(Event::Cancelled(id));
            }
            Use::Join => {
                self.world.note(Event::Cancelling(id));
                let join: CancelTask<'_, _> = task.cancel();
                self.world.note(Event::Cancelled(id));
                let value = join.await;
                self.world.note(Event::Joined(id, value.is_some()));
            }
        }
    }

    async fn supervised(&mut self, id: Id, task: Supervised<'s, Value, Fault>, used: Use) {
        let world = self.world;
        match used {
            Use::Leave => drop(task),
            Use::Await => read(world, id, task.await),
            Use::Late => self.late.push(Late::Supervised(id, task)),
            Use::Cancel => {
                world.note(Event::Cancelling(id));
                drop(task.cancel());
            }
            Use::Join => {
                world.note(Event::Cancelling(id));
                match task.cancel().await {
                    Some(result) => read(world, id, result),
                    None => world.note(Event::Joined(id, false)),
                }
            }
        }
    }

    async fn read_late(&mut self) -> Result<(), Fault> {
        for late in std::mem::take(&mut self.late) {
            match late {
                Late::Task(id, task) => {
                    drop(task.await);
                    self.world.note(Event::Read(id, true));
                }
                Late::Supervised(id, task) => read(self.world, id, task.await),
            }
        }
        Ok(())
    }

    async fn start(&mut self, group: Grp<'s, 'p>, id: Id, program: &Frame, awaited: bool) {
        let world = self.world;
        let mut start = Guarded {
            _gone: OnDrop::new(world, Event::Let(id)),
            inner: group.start(|ready| frame(world, Some(group), program, Some(ready))),
        };
        world.note(Event::Spawned(program.id));
        let result = match awaited {
            true => (&mut start.inner).await,
            false => match once(Pin::new(&mut start.inner)).await {
                Poll::Ready(result) => result,
                Poll::Pending => return,
            },
        };
        let began = match result {
            Ok(value) => {
                drop(value);
                Began::Ready
            }
            Err(StartError::Error(fault)) => {
                fault.deliver(To::Reader(program.id));
                Began::Failed
            }
            Err(StartError::Panic(payload)) => {
                world.received(payload, To::Reader(program.id));
                Began::Failed
            }
            Err(StartError::NotReady) => Began::NotReady,
        };
        world.note(Event::Started(id, began));
    }

    async fn set(&mut self, group: Grp<'s, 'p>, id: Id, programs: &[Frame], reads: u8) {
        let world = self.world;
        let set: TaskSet<'s, 'p, (Id, Value), Fault> = group.set();
        let mut set = Guarded {
            _gone: OnDrop::new(world, Event::Let(id)),
            inner: set,
        };
        for program in programs {
            let (id, member) = (program.id, frame(world, Some(group), program, None));
            set.inner
                .spawn(async move { member.await.map(|value| (id, value)) });
            world.note(Event::Spawned(id));
        }
        for read in 0..usize::from(reads) {
            match set.inner.next().await {
                Some(Ok((member, _value))) => world.note(Event::Read(member, true)),
                Some(Err(failure)) => fail(world, To::Reader(id), failure),
                None => {
                    world.note(Event::SetOver(id, read));
                    break;
                }
            }
        }
    }

    async fn race(&mut self, id: Id, programs: &[Frame]) {
        let world = self.world;
        let contestants = programs
            .iter()
            .map(|program| frame(world, None, program, None));
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
            let (id, future) = (program.id, frame(world, self.group, program, None));
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

    async fn nest(&mut self, id: Id, nest: &Nest) -> Result<(), Fault> {
        let Nest {
            group: program,
            how,
            passes_on,
            ..
        } = nest;
        let world = self.world;
        let passes_on = passes_on.then_some(id);
        let mut opened = match self.group {
            Some(group) if !nest.free => {
                Opened::new(world, program.id, nested(world, group, program))
            }
            Some(group) if *how == How::Escape => {
                let mut opened = Opened::new(world, program.id, free(world, program));
                // The first poll is in a group that ends before the second.
                let early = group.group(async move |_: Group<'_, 's>| {
                    let polled = once(Pin::new(&mut opened)).await;
                    (opened, polled)
                });
                let (opened, polled) = early.await;
                let result = match polled {
                    Poll::Ready(result) => result,
                    Poll::Pending => opened.await,
                };
                return finish(world, program.id, result, passes_on);
            }
            _ => Opened::new(world, program.id, free(world, program)),
        };
        let result = match how {
            How::Await | How::Escape => opened.await,
            How::Shielded => shield(opened).await,
            How::Wait => opened.wait(),
            How::Timeout(ticks) => {
                let since = world.clock().now();
                let result = timeout(TICK * u32::from(*ticks), opened).await;
                world.timed(id, since, result.is_err());
                match result {
                    Ok(result) => result,
                    Err(_) => return Ok(()),
                }
            }
            How::Once => match polls(&mut opened, 1).await {
                Poll::Ready(result) => result,
                Poll::Pending => opened.await,
            },
            How::Half => {
                let poll = || {
                    let polled = once(Pin::new(&mut opened)).wait();
                    (opened, polled)
                };
                // The first half takes long enough for another thread to run the second one.
                let idle = || (0..8).for_each(|_| thread::yield_now());
                let ((), (opened, polled)) = join(idle, poll);
                match polled {
                    Poll::Ready(result) => result,
                    Poll::Pending => opened.await,
                }
            }
            How::Drop(times) => match polls(&mut opened, *times).await {
                Poll::Ready(result) => result,
                Poll::Pending => return Ok(()),
            },
            How::Forget(times) => match polls(&mut opened, *times).await {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    opened.forget();
                    return Ok(());
                }
            },
            How::Move(times) => match polls(&mut opened, *times).await {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    self.send(nest, opened, passes_on);
                    return Ok(());
                }
            },
        };
        finish(world, program.id, result, passes_on)
    }

    /// Sends the future of a group to a new child.
    fn send(&self, nest: &Nest, opened: Opened<'s>, passes_on: Option<Id>) {
        let Some(group) = self.group else { return };
        let (mover, inner) = (nest.mover, nest.group.id);
        self.world.note(Event::Made(mover));
        let capture = OnDrop::new(self.world, Event::Dropped(mover));
        let world = Arc::clone(self.world);
        group.spawn(async move {
            let _capture = capture;
            let opened = opened;
            world.begins(mover);
            let result = finish(&world, inner, opened.await, passes_on);
            world.note(Event::Ended(mover, result.is_ok()));
            result
        });
        self.world.note(Event::Spawned(mover));
    }
}

/// A group of its own.
fn free(
    world: &Arc<World>,
    program: &GroupProgram,
) -> Boxed<'static, Result<Value, Errors<Fault>>> {
    let (world, program) = (Arc::clone(world), program.clone());
    let deadline = program
        .deadline
        .map(|ticks| (TICK * u32::from(ticks), Fault::in_case(&world, program.id)));
    let body =
        async move |h: Group<'_, 'static, Fault>| frame(&world, Some(h), &program.body, None).await;
    match deadline {
        Some((after, error)) => Box::pin(Builder::new().deadline(after, error).run(body)),
        None => Box::pin(try_group(body)),
    }
}

/// A group inside another.
fn nested<'s>(
    world: &Arc<World>,
    group: Grp<'s, '_>,
    program: &GroupProgram,
) -> Boxed<'s, Result<Value, Errors<Fault>>> {
    let (world, program) = (Arc::clone(world), program.clone());
    let deadline = program
        .deadline
        .map(|ticks| (TICK * u32::from(ticks), Fault::in_case(&world, program.id)));
    let body =
        async move |h: Group<'_, 's, Fault>| frame(&world, Some(h), &program.body, None).await;
    match deadline {
        Some((after, error)) => Box::pin(Builder::new().deadline(after, error).run_in(group, body)),
        None => Box::pin(group.try_group(body)),
    }
}

/// What a frame makes of the result of an inner group.
fn finish(
    world: &Arc<World>,
    group: Id,
    result: Result<Value, Errors<Fault>>,
    passes_on: Option<Id>,
) -> Result<(), Fault> {
    match result {
        Ok(value) => {
            drop(value);
            Ok(())
        }
        Err(errors) => settle(world, group, errors, passes_on),
    }
}

fn settle(
    world: &Arc<World>,
    _group: Id,
    errors: Errors<Fault>,
    passes_on: Option<Id>,
) -> Result<(), Fault> {
    drop(errors);
    passes_on.map_or(Ok(()), |step| Err(Fault::raise(world, step)))
}

fn read(world: &World, id: Id, result: Result<Value, Failure<Fault>>) {
    match result {
        Ok(_value) => world.note(Event::Read(id, true)),
        Err(failure) => {
            fail(world, To::Reader(id), failure);
            world.note(Event::Read(id, false));
        }
    }
}

fn fail(world: &World, to: To, failure: Failure<Fault>) {
    match failure {
        Failure::Error(fault) => fault.deliver(to),
        Failure::Panic(payload) => {
            world.received(payload, to);
        }
    }
}

async fn once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Polls so many times, with a yield after each; the last poll is followed by a yield, too.
async fn polls<F: Future + Unpin>(future: &mut F, times: u8) -> Poll<F::Output> {
    for _ in 0..times {
        if let Poll::Ready(value) = once(Pin::new(future)).await {
            return Poll::Ready(value);
        }
        yield_now().await;
    }
    Poll::Pending
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

/// The future of a group or a race: notes how it ends.
struct Opened<'s> {
    leaving: Option<OnDrop>,
    future: Boxed<'s, Result<Value, Errors<Fault>>>,
    ticket: Ticket,
}

struct Ticket {
    world: Arc<World>,
    id: Id,
    resolved: bool,
}

impl<'s> Opened<'s> {
    fn new(world: &Arc<World>, id: Id, future: Boxed<'s, Result<Value, Errors<Fault>>>) -> Self {
        Self {
            leaving: Some(OnDrop::new(world, Event::Leaving(id))),
            future,
            ticket: Ticket {
                world: Arc::clone(world),
                id,
                resolved: false,
            },
        }
    }

    fn forget(mut self) {
        self.ticket.world.note(Event::Forgotten(self.ticket.id));
        std::mem::forget(self.leaving.take());
        std::mem::forget(self);
    }
}

impl Future for Opened<'_> {
    type Output = Result<Value, Errors<Fault>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.future.as_mut().poll(cx);
        if let Poll::Ready(result) = &polled {
            let id = self.ticket.id;
            self.ticket.resolved = true;
            let failed = result.as_ref().err().map(|errors| receive(id, errors));
            self.ticket.world.note(Event::Resolved(id, failed));
        }
        polled
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.resolved {
            self.world.note(Event::Gone(self.id, thread::panicking()));
        }
    }
}
