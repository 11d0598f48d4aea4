//! The victim: everything that a task can be doing when the cut comes, and its handle.

use super::Fault;
use super::model::{Cause, Doing};
use super::world::{Local, Output, World};
use spinney::dump::TaskId;
use spinney::net::TcpListener;
use spinney::{
    Group, Ready, Supervised, Task, Wait, group, race, scope, shield, sleep, timeout, yield_now,
};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A task that the victim starts, and that never ends by itself.
async fn inner(local: Local) {
    local.0.arrived.open();
    pending().await
}

/// Makes what comes as a cause, as far as it is a call.
pub(crate) fn act(world: &World, g: Group<'_, '_, Fault>, outer: Group<'_, '_, Fault>) {
    match world.case.cause {
        Cause::GroupCancel => g.cancel("cancel"),
        Cause::Outer => outer.cancel("outer"),
        Cause::Deadline | Cause::GraceOver => world.clock.advance(2 * SECOND),
        Cause::SiblingError | Cause::SiblingPanic => world.fail.open(),
        Cause::Dropped => {
            world.signal.store(true, SeqCst);
            return;
        }
        Cause::Shutdown if world.case.doing == Doing::Itself => {
            let left = world.runtime.shutdown(Duration::ZERO);
            assert_eq!(left.unwrap_err().len(), 1, "the caller");
        }
        _ => {}
    }
    world.acted.open();
}

/// The victim. `frame` is dropped with it, polled or not.
pub(crate) async fn victim<'g>(
    frame: Local,
    g: Group<'g, '_, Fault>,
    outer: Group<'_, '_, Fault>,
    helper: Option<Task<'g, ()>>,
) -> Result<Output, Fault> {
    let world = Arc::clone(&frame.0);
    world.polled.store(true, SeqCst);
    let mine = || world.local("inner");
    let arrive = || world.arrived.open();
    match world.case.doing {
        Doing::Unpolled | Doing::Channel => {
            arrive();
            pending_in_a_channel().await;
        }
        Doing::Busy => {
            arrive();
            world.go.block();
        }
        Doing::Ready => {
            arrive();
            world.go.block();
            return Ok(Output(Arc::clone(&world)));
        }
        Doing::Itself => {
            arrive();
            act(&world, g, outer);
        }
        Doing::Sleep => {
            arrive();
            sleep(HOUR).await;
        }
        Doing::Timeout => {
            arrive();
            let _ = timeout(HOUR, pending::<()>()).await;
        }
        Doing::Yield => {
            arrive();
            loop {
                yield_now().await;
            }
        }
        Doing::Accept => {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            arrive();
            let _ = listener.accept().await;
        }
        Doing::AwaitTask => {
            arrive();
            helper.unwrap().await;
        }
        Doing::Shield => {
            shield(async {
                arrive();
                world.hold.pass().await;
                world.deferred.store(true, SeqCst);
            })
            .await;
        }
        Doing::Nested => {
            group(async |h| {
                h.group(async |i| {
                    i.spawn(inner(mine()));
                    pending::<()>().await;
                })
                .await;
            })
            .await;
        }
        Doing::Wait => {
            arrive();
            pending::<()>().wait();
        }
        Doing::Scope => scope(|s| {
            s.spawn(inner(mine()));
        }),
        Doing::Defer => {
            let theirs = Arc::clone(&world);
            group(async move |h| {
                h.defer(async move {
                    theirs.arrived.open();
                    theirs.hold.pass().await;
                    theirs.deferred.store(true, SeqCst);
                });
            })
            .await;
        }
        Doing::Start => {
            let local = mine();
            let start = g.start(|ready: Ready<()>| async move {
                inner(local).await;
                ready.set(());
            });
            let _ = start.await;
        }
        Doing::Set => {
            let mut set = g.set();
            set.spawn(inner(mine()));
            let _ = set.next().await;
        }
        Doing::Bounded => {
            let places = g.bounded(1);
            let local = mine();
            let calm = Arc::clone(&world);
            places
                .spawn(async move {
                    let _local = local;
                    calm.calm.pass().await;
                })
                .await;
            arrive();
            places.spawn(async {}).await;
        }
        Doing::Stream => {
            let local = mine();
            let mut stream = g.stream(async move |mut out: spinney::Yielder<()>| {
                inner(local).await;
                out.send(()).await;
            });
            stream.next().await;
        }
        Doing::Race => {
            let local = mine();
            let never = async move {
                inner(local).await;
                Ok::<(), Fault>(())
            };
            let _ = race([never]).await;
        }
    }
    pending().await // what it waited for came with the cancel: the cut lands here
}

async fn pending_in_a_channel() {
    let (_sender, receiver) = async_channel::bounded::<()>(1);
    let _ = receiver.recv().await;
}

/// The join of a victim that was cancelled: whether it had finished.
pub(crate) type Joining<'s> = Pin<Box<dyn Future<Output = bool> + Send + 's>>;

pub(crate) enum Handle<'s> {
    Task(Task<'s, Output>),
    Supervised(Supervised<'s, Output, Fault>),
}

impl<'s> Handle<'s> {
    pub(crate) fn id(&self) -> TaskId {
        match self {
            Self::Task(task) => task.id(),
            Self::Supervised(task) => task.id(),
        }
    }

    /// Acts at the call.
    pub(crate) fn cancel(self) -> Joining<'s> {
        match self {
            Self::Task(task) => {
                let cancel = task.cancel();
                Box::pin(async { cancel.await.is_some() })
            }
            Self::Supervised(task) => {
                let cancel = task.cancel();
                Box::pin(async { cancel.await.is_some() })
            }
        }
    }
}
