//! tokio's cooperative budget: outside of tokio's own tasks there is none, so nothing waits for one
//! to be refilled; and what is always ready keeps its worker, but not its siblings.

use super::{both, parked};
use crate::common::hangs::without_hanging;
use spinney::{Errors, Group, GroupBuilder, cooperative, group, sleep};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

const MS: Duration = Duration::from_millis(1);

/// More than tokio's budget of 128.
const MANY: usize = 1000;

async fn receives() -> usize {
    let (send, mut receive) = mpsc::unbounded_channel();
    (0..MANY).for_each(|n| send.send(n).unwrap());
    drop(send);
    let mut count = 0;
    while receive.recv().await.is_some() {
        count += 1;
    }
    count
}

#[test]
fn a_leaf_never_waits_for_a_budget() {
    without_hanging(|| {
        both(1, |builder| {
            let runtime = builder.build().unwrap();
            assert_eq!(runtime.block_on(receives()), MANY);
            let child = || group(async |g| g.spawn(async { Ok(receives().await) }).await);
            assert_eq!(runtime.block_on(child()), MANY);
            // In one poll.
            let polls = group(async |g| {
                g.spawn(async {
                    let mut polls = 0;
                    let mut future = Box::pin(receives());
                    std::future::poll_fn(|cx| {
                        polls += 1;
                        future.as_mut().poll(cx)
                    })
                    .await;
                    Ok(polls)
                })
                .await
            });
            assert_eq!(runtime.block_on(polls), 1);
        });
    });
}

/// A caller inside a task of another tokio runtime has that one's budget below, which nothing
/// refills while it waits.
#[test]
fn a_wait_inside_a_tokio_task_has_no_budget_either() {
    without_hanging(|| {
        let runtime = Arc::new(parked(1).build().unwrap());
        let other = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let ours = Arc::clone(&runtime);
        let counts = other.block_on(async move {
            tokio::spawn(async move {
                let body = ours.block_on(receives());
                let child = ours.block_on(group(async |g| {
                    g.spawn(async {
                        // Deferred by that runtime, if the caller ran it.
                        tokio::task::yield_now().await;
                        Ok(receives().await)
                    })
                    .await
                }));
                (body, child)
            })
            .await
            .unwrap()
        });
        assert_eq!(counts, (MANY, MANY));
    });
}

/// The same in a task of our own tokio.
#[test]
fn a_wait_inside_an_escaped_task_gets_on() {
    without_hanging(|| {
        both(2, |builder| {
            let runtime = Arc::new(builder.build().unwrap());
            let inner = Arc::clone(&runtime);
            let waits = move || {
                inner.block_on(group(async |g| {
                    g.spawn(async {
                        tokio::task::yield_now().await;
                        Ok(receives().await)
                    })
                    .await
                }))
            };
            let count = runtime.block_on(async { tokio::spawn(async move { waits() }).await });
            assert_eq!(count.unwrap(), MANY);
        });
    });
}

/// A child that takes what is always there neither holds up its siblings nor, if it says
/// `cooperative`, is out of the reach of a cut.
#[test]
fn what_is_always_ready_starves_no_sibling() {
    without_hanging(|| {
        let runtime = parked(1)
            .callers_take_part(false)
            .on_stall(drop)
            .build()
            .unwrap();
        let over = Arc::new(AtomicBool::new(false));
        runtime.block_on(group(async |g: Group<'_, '_>| {
            let theirs = Arc::clone(&over);
            g.spawn(async move {
                let permits = Semaphore::new(1);
                while !theirs.load(SeqCst) {
                    drop(permits.acquire().await.unwrap());
                }
            });
            g.spawn(async move {
                sleep(MS).await;
                tokio::time::sleep(MS).await;
                over.store(true, SeqCst);
            });
        }));
        let cut: Result<(), Errors<&str>> = runtime.block_on(GroupBuilder::new().run(async |g| {
            g.spawn(async {
                let permits = Semaphore::new(1);
                loop {
                    drop(cooperative(permits.acquire()).await.unwrap());
                }
            });
            sleep(MS).await;
            Err("enough")
        }));
        assert!(cut.is_err());
    });
}
