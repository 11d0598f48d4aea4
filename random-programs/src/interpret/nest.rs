//! Inner groups, and what becomes of their futures.

use super::foreign::foreign;
use super::opened::{Opened, once, polls};
use super::shelf::{Held, Kept};
use super::{Boxed, Grp, Home, Place, Value, frame};
use crate::program::{Bad, GroupProgram, How, Id, Nest};
use crate::record::{Event, Fault, OnDrop, TICK, World};
use spinney::{Errors, Group, GroupBuilder, Wait, current, join, shield, timeout, try_group};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

impl<'s> Place<'_, 's, '_> {
    pub(super) async fn nest(&mut self, id: Id, nest: &Nest) -> Result<(), Fault> {
        let Nest {
            group: program,
            how,
            passes_on,
            ..
        } = nest;
        let world = self.world;
        let passes_on = passes_on.then_some(id);
        if let How::Keep(times) = how {
            return self.keep(nest, *times, passes_on).await;
        }
        let mut opened = match self.group {
            Some(group) if !nest.free => {
                Opened::new(world, program.id, nested(world, group, program))
            }
            Some(group) if *how == How::Escape => {
                let opened = Opened::new(world, program.id, free(world, program));
                let mut opened = opened.by_hand(program.body.id);
                // The first poll is in a group that ends before the second.
                let early = group.group(async move |_: Group<'_, 's>| {
                    let polled = once(Pin::new(&mut opened)).await;
                    (opened, polled)
                });
                let (opened, polled) = early.await;
                world.note(Event::Orphaned(program.id));
                let result = match polled {
                    Poll::Ready(result) => result,
                    Poll::Pending => opened.await,
                };
                return finish(world, program.id, result, passes_on);
            }
            _ => Opened::new(world, program.id, free(world, program)),
        };
        if !matches!(
            how,
            How::Await | How::Shielded | How::Wait | How::Timeout(_)
        ) {
            opened = opened.by_hand(program.body.id);
        }
        let result = match how {
            How::Await | How::Escape | How::Keep(_) => foreign(self.bad_for_code(), opened).await,
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
                    self.send((nest.mover, program.id), opened, passes_on, false);
                    return Ok(());
                }
            },
        };
        finish(world, program.id, result, passes_on)
    }

    /// Polls it so many times in a row, and goes on without it.
    async fn keep(&mut self, nest: &Nest, times: u8, passes_on: Option<Id>) -> Result<(), Fault> {
        let (world, program) = (self.world, &nest.group);
        let mut future = match self.group {
            Some(group) if !nest.free => {
                let opened = Opened::new(world, program.id, nested(world, group, program));
                Held::Nested(opened.by_hand(program.body.id))
            }
            _ => {
                let opened = Opened::new(world, program.id, free(world, program));
                Held::Free(opened.by_hand(program.body.id))
            }
        };
        for _ in 0..times {
            if let Poll::Ready(result) = once(Pin::new(&mut future)).await {
                return finish(world, program.id, result, passes_on);
            }
        }
        world.note(Event::Shelved(program.id));
        self.shelf.push(Kept {
            group: program.id,
            mover: nest.mover,
            passes_on,
            polled: times > 0,
            future,
        });
        Ok(())
    }

    /// An `async` block or function, such as the body of a group, would be ended by a panic in its own poll: that of a clone,
    /// or of a wake by reference.
    pub(super) fn bad_for_code(&self) -> Option<Bad> {
        let elsewhere = |bad: &Bad| matches!(bad, Bad::Wake | Bad::Drop);
        self.bad.filter(elsewhere)
    }

    /// Sends the future of a group to a new child.
    pub(super) fn send(
        &self,
        (mover, inner): (Id, Id),
        opened: Opened<'s>,
        passes_on: Option<Id>,
        late: bool,
    ) {
        let Some(group) = self.group else { return };
        self.world.note(Event::Made(mover));
        let capture = OnDrop::new(self.world, Event::Dropped(mover));
        let world = Arc::clone(self.world);
        group.spawn(async move {
            let _capture = capture;
            let mut opened = opened;
            world.begins(mover);
            let mut polled = Poll::Pending;
            if late {
                // Not awaited there: who awaits in a shield what was cut waits for ever.
                shield(async {
                    current::stopping().await;
                    polled = polls(&mut opened, 2).await;
                })
                .await;
            }
            let result = match polled {
                Poll::Ready(result) => result,
                Poll::Pending => opened.await,
            };
            let result = finish(&world, inner, result, passes_on);
            world.note(Event::Ended(mover, result.is_ok()));
            result
        });
        self.world.note(Event::Spawned(mover));
    }
}

/// A group of its own.
pub(super) fn free(
    world: &Arc<World>,
    program: &GroupProgram,
) -> Boxed<'static, Result<Value, Errors<Fault>>> {
    let (world, program) = (Arc::clone(world), program.clone());
    let deadline = program
        .deadline
        .map(|ticks| (TICK * u32::from(ticks), Fault::in_case(&world, program.id)));
    let body = async move |h: Group<'_, 'static, Fault>| {
        world.lend(program.id, || h.handle());
        let home = Home {
            group: Some(h),
            kept: None,
        };
        frame(&world, home, &program.body, None).await
    };
    match deadline {
        Some((after, error)) => Box::pin(GroupBuilder::new().deadline(after, error).run(body)),
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
    let body = async move |h: Group<'_, 's, Fault>| {
        world.lend(program.id, || h.handle());
        let home = Home {
            group: Some(h),
            kept: None,
        };
        frame(&world, home, &program.body, None).await
    };
    match deadline {
        Some((after, error)) => Box::pin(
            GroupBuilder::new()
                .deadline(after, error)
                .run_in(group, body),
        ),
        None => Box::pin(group.try_group(body)),
    }
}

/// What a frame makes of the result of an inner group.
pub(super) fn finish(
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

pub(super) fn settle(
    world: &Arc<World>,
    _group: Id,
    errors: Errors<Fault>,
    passes_on: Option<Id>,
) -> Result<(), Fault> {
    drop(errors);
    passes_on.map_or(Ok(()), |step| Err(Fault::raise(world, step)))
}
