//! Runtimes side by side and one inside the other, and what tokio refuses.

use super::{both, parked};
use crate::common::hangs::without_hanging;
use crate::common::panics::text;
use spinney::{Group, Wait, block_on, group};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Duration;
use tokio::runtime::Handle;

const MS: Duration = Duration::from_millis(1);

async fn nap() {
    tokio::time::sleep(MS).await;
}

#[test]
fn two_runtimes_have_a_tokio_each() {
    without_hanging(|| {
        let one = parked(1).build().unwrap();
        let two = parked(1).build().unwrap();
        let id = |runtime: &spinney::Runtime| runtime.block_on(async { Handle::current().id() });
        assert_ne!(id(&one), id(&two));
        // One inside the other, and back again: whose children, his tokio.
        one.block_on(group(async |_: Group<'_, '_>| {
            let (first, one, two) = (Handle::current().id(), &one, &two);
            nap().await;
            two.block_on(group(async |h| {
                assert_ne!(Handle::current().id(), first);
                h.spawn(async { nap().await }).await;
                one.block_on(async {
                    assert_eq!(Handle::current().id(), first);
                    nap().await;
                });
                assert_ne!(Handle::current().id(), first);
            }));
            assert_eq!(Handle::current().id(), first);
        }));
    });
}

/// `#[tokio::main]` around a program that has groups.
#[test]
fn a_program_under_tokio_main_has_groups() {
    #[tokio::main(flavor = "current_thread")]
    async fn one() {
        whole().await;
    }
    #[tokio::main(worker_threads = 2)]
    async fn many() {
        whole().await;
    }
    async fn whole() {
        let runtime = parked(2).build().unwrap();
        let entered = runtime.enter();
        // The body is polled by that tokio, the child has ours.
        let (body, child) = group(async |g| {
            nap().await;
            let body = Handle::current().id();
            let child = async {
                nap().await;
                Ok(Handle::current().id())
            };
            (body, g.spawn(child).await)
        })
        .await;
        drop(entered);
        assert_ne!(body, child);
        // And a sync call in it.
        runtime.block_on(group(async |g: Group<'_, '_>| {
            nap().await;
            for _ in 0..4 {
                g.spawn(async {
                    nap().await;
                    tokio::task::yield_now().await;
                });
            }
        }));
        nap().await;
    }
    without_hanging(|| {
        one();
        many();
    });
}

/// A runtime of the user's own beside ours: children await what it runs.
#[test]
fn a_runtime_of_the_users_is_beside() {
    without_hanging(|| {
        let users = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        both(1, |builder| {
            let runtime = builder.build().unwrap();
            runtime.block_on(group(async |g: Group<'_, '_>| {
                let theirs = users.handle().clone();
                g.spawn(async move {
                    let answer = theirs.spawn(async {
                        nap().await;
                        42
                    });
                    nap().await;
                    assert_eq!(answer.await.unwrap(), 42);
                });
            }));
        });
    });
}

/// `block_on` of tokio inside a child: of its handle, and of another runtime. The worker that it
/// blocks is replaced.
#[test]
fn tokio_block_on_works_in_a_child() {
    without_hanging(|| {
        both(1, |builder| {
            let builder = builder.callers_take_part(false).on_stall(drop);
            let runtime = builder.build().unwrap();
            runtime.block_on(group(async |g: Group<'_, '_>| {
                g.spawn(async { Handle::current().block_on(nap()) }).await;
                g.spawn(async {
                    let other = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .unwrap();
                    other.block_on(async {
                        nap().await;
                        group(async |g| g.spawn(async { nap().await }).await).wait();
                    });
                })
                .await;
            }));
        });
    });
}

#[test]
fn block_in_place_works_in_a_child() {
    without_hanging(|| {
        both(1, |builder| {
            let runtime = builder.build().unwrap();
            let sum = group(async |g| {
                g.spawn(async { Ok(tokio::task::block_in_place(|| 1 + 1)) })
                    .await
            });
            assert_eq!(runtime.block_on(sum), 2);
        });
    });
}

/// In tasks of `tokio::spawn` it needs a tokio with threads of its own.
#[test]
fn block_in_place_in_an_escaped_task_needs_background() {
    without_hanging(|| {
        let outcomes = Mutex::new(Vec::new());
        both(1, |builder| {
            let runtime = builder.build().unwrap();
            let task = async { tokio::task::block_in_place(|| 1 + 1) };
            let joined = runtime.block_on(async { tokio::spawn(task).await });
            outcomes.lock().unwrap().push(joined.is_ok());
        });
        assert_eq!(*outcomes.lock().unwrap(), [false, true]);
    });
}

/// tokio's local tasks belong to one thread, and a child to none.
#[test]
fn local_tasks_are_refused_with_a_message() {
    without_hanging(|| {
        both(1, |builder| {
            let runtime = builder.build().unwrap();
            let spawns = || async { drop(tokio::task::spawn_local(async {})) };
            let child = group(async |g| {
                g.spawn(async { drop(tokio::task::spawn_local(async {})) })
                    .await;
            });
            for refused in [
                catch_unwind(AssertUnwindSafe(|| runtime.block_on(spawns()))),
                catch_unwind(AssertUnwindSafe(|| runtime.block_on(child))),
            ] {
                let said = text(&*refused.unwrap_err()).to_owned();
                assert!(
                    said.contains("`spawn_local` called from outside of a `task::LocalSet`"),
                    "{said}"
                );
            }
        });
    });
}

/// A `LocalSet` is a future of one thread: the body of a caller can be that.
#[test]
fn a_local_set_is_a_body() {
    without_hanging(|| {
        both(1, |builder| {
            let runtime = builder.build().unwrap();
            let entered = runtime.enter();
            let set = tokio::task::LocalSet::new();
            let answer = block_on(set.run_until(async {
                let local = tokio::task::spawn_local(async {
                    nap().await;
                    tokio::task::yield_now().await;
                    let rc = std::rc::Rc::new(42);
                    *rc
                });
                local.await.unwrap()
            }));
            assert_eq!(answer, 42);
            drop(entered);
        });
    });
}
