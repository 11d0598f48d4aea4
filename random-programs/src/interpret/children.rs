//! Steps that give a group something: children, services, cleanups, values.

use super::foreign::foreign;
use super::opened::once;
use super::parting::{Keeps, Parts};
use super::{Boxed, Grp, Guarded, Home, Late, Place, Value, frame, spin, spin_until};
use crate::program::{Act, Frame, Id, Op, Site, Use};
use crate::record::{Began, Event, Fault, OnDrop, TICK, To, World};
use spinney::future::CancelTask;
use spinney::{Failure, StartError, Supervised, Task, TaskSet, Wait, current, shield, sleep};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

impl<'s, 'p: 's> Place<'_, 's, 'p> {
    /// What needs a group.
    pub(super) async fn grouped(&mut self, group: Grp<'s, 'p>, id: Id, op: &Op) {
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
            Op::Stopping => foreign(self.bad_for_code(), group.stopping()).await,
            Op::Keep => {
                world.note(Event::Kept(id));
                self.kept = Some(group.keep(Keeps::new(world, id)));
            }
            Op::KeepParting(parting) => _ = group.keep(Parts::new(world, *parting)),
            Op::Defer(program) => {
                let cleanup = frame(world, self.home(), program, None);
                // A cleanup makes no errors.
                group.defer(async move { drop(cleanup.await) });
                world.note(Event::Spawned(program.id));
            }
            Op::Spawn(program, used) => {
                let task = group.spawn(frame(world, self.home(), program, None));
                world.note(Event::Spawned(program.id));
                self.task(program.id, task, *used).await;
            }
            Op::Supervise(program, used) => {
                let task = group.supervise(frame(world, self.home(), program, None));
                world.note(Event::Spawned(program.id));
                self.supervised(program.id, task, *used).await;
            }
            Op::Closure(site, program, used) => {
                let future = frame(world, self.home(), program, None);
                let closure = move || future.wait();
                let task = match site {
                    Site::Compute => group.compute(closure),
                    Site::Blocking => group.blocking(closure),
                };
                world.note(Event::Spawned(program.id));
                self.task(program.id, task, *used).await;
            }
            Op::Racer(until_cut, spins, act) => {
                race(world, group, self.home(), id, (*until_cut, *spins), act);
            }
            Op::Service(program) => {
                group.service(frame(world, self.home(), program, None));
                world.note(Event::Spawned(program.id));
            }
            Op::Start(program, awaited) => self.start(group, id, program, *awaited).await,
            Op::Set(programs, reads) => self.set(group, id, programs, *reads).await,
            Op::Post(program) => {
                let child: Boxed<'static, _> = frame(world, Home::default(), program, None);
                match group.handle().spawn(child) {
                    Ok(()) => world.note(Event::Spawned(program.id)),
                    Err(child) => {
                        world.note(Event::Refused(program.id));
                        shield(async { drop(child) }).await;
                    }
                }
            }
            _ => unreachable!("it needs no group"),
        }
    }

    async fn task(&mut self, id: Id, task: Task<'s, Value>, used: Use) {
        match used {
            Use::Leave => drop(task),
            Use::Await => {
                drop(foreign(self.bad, task).await);
                self.world.note(Event::Read(id, true));
            }
            Use::Late => self.late.push(Late::Task(id, task)),
            Use::Cancel => {
                self.world.note(Event::Cancelling(id));
                task.cancel();
                self.world.note(Event::Cancelled(id));
            }
            Use::Join | Use::Later(_) => {
                pause(used).await;
                self.world.note(Event::Cancelling(id));
                let join: CancelTask<'_, _> = task.cancel();
                self.world.note(Event::Cancelled(id));
                let value = foreign(self.bad, join).await;
                self.world.note(Event::Joined(id, value.is_some()));
            }
        }
    }

    async fn supervised(&mut self, id: Id, task: Supervised<'s, Value, Fault>, used: Use) {
        let world = self.world;
        match used {
            Use::Leave => drop(task),
            Use::Await => read(world, id, foreign(self.bad, task).await),
            Use::Late => self.late.push(Late::Supervised(id, task)),
            Use::Cancel => {
                world.note(Event::Cancelling(id));
                drop(task.cancel());
            }
            Use::Join | Use::Later(_) => {
                pause(used).await;
                world.note(Event::Cancelling(id));
                match foreign(self.bad, task.cancel()).await {
                    Some(result) => read(world, id, result),
                    None => world.note(Event::Joined(id, false)),
                }
            }
        }
    }

    pub(super) async fn read_late(&mut self) -> Result<(), Fault> {
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
        let home = self.home();
        let mut start = Guarded {
            _gone: OnDrop::new(world, Event::Let(id)),
            inner: group.start(|ready| frame(world, home, program, Some(ready))),
        };
        world.note(Event::Spawned(program.id));
        let result = match awaited {
            true => foreign(self.bad, &mut start.inner).await,
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
            let (id, member) = (program.id, frame(world, self.home(), program, None));
            set.inner
                .spawn(async move { member.await.map(|value| (id, value)) });
            world.note(Event::Spawned(id));
        }
        for read in 0..usize::from(reads) {
            match foreign(self.bad_for_code(), set.inner.next()).await {
                Some(Ok((member, _value))) => world.note(Event::Read(member, true)),
                Some(Err(failure)) => fail(world, To::Reader(id), failure),
                None => {
                    world.note(Event::SetOver(id, read));
                    break;
                }
            }
        }
    }
}

/// A child that notes nothing of its own.
fn race<'s, 'p: 's>(
    world: &Arc<World>,
    group: Grp<'s, 'p>,
    home: Home<'s, 'p>,
    id: Id,
    (until_cut, spins): (bool, u8),
    act: &Act,
) {
    let (world, act) = (Arc::clone(world), act.clone());
    group.spawn(async move {
        let program = match &act {
            Act::Service(program) | Act::Defer(program) | Act::Spawn(program) => Some(program),
            Act::Fail => None,
        };
        let last = program.map(|program| frame(&world, home, program, None));
        world.comes();
        if until_cut {
            spin_until(current::is_cancelled);
        }
        spin(spins);
        match (act, last) {
            (Act::Service(_), Some(last)) => drop(group.service(last)),
            (Act::Defer(_), Some(last)) => group.defer(async move { drop(last.await) }),
            (Act::Spawn(_), Some(last)) => drop(group.spawn(last)),
            _ => return Err(Fault::raise(&world, id)),
        }
        Ok(())
    });
}

/// Gives a child some time before it is cancelled.
async fn pause(used: Use) {
    if let Use::Later(ticks) = used {
        sleep(TICK * u32::from(ticks)).await;
    }
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
