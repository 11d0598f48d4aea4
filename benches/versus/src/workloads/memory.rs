//! How much memory does a child need that waits for ever, and a task that waits in a group of its own?

use crate::measure::Figures;
use crate::process;
use crate::sides::{self, Latch};
use crate::workloads::{Workload, says};
use futures_lite::future;
use spinney::group;
use std::mem;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use tokio::task::JoinSet;

/// Alive at once; enough that the pages of the runtime itself vanish in the mean.
const CHILDREN: u32 = 500_000;
const GROUPS: u32 = 100_000;

pub(crate) const IDLE_CHILD: Workload = Workload::new(
    "idle_child",
    "bytes of a child that waits for ever",
    &[
        says("spinney", |_| spinney(CHILDREN, || Idle)),
        says("tokio", |_| tokio(CHILDREN, || Idle)),
        says("smol", |_| smol(CHILDREN, || Idle)),
        says("forte", |_| forte(CHILDREN, || Idle)),
    ],
)
.quick()
.once();

pub(crate) const IDLE_GROUP: Workload = Workload::new(
    "idle_group",
    "bytes of a task and of the open group in which it waits for ever",
    &[
        says("spinney", |_| {
            spinney(GROUPS, || async { group(async |_| Idle.await).await })
        }),
        says("tokio JoinSet", |_| {
            tokio(GROUPS, || async {
                let set: JoinSet<()> = JoinSet::new();
                Idle.await;
                drop(set);
            })
        }),
    ],
)
.once();

/// Counts those that were polled.
static POLLED: OnceLock<Latch> = OnceLock::new();

/// A future of no size that is never ready.
struct Idle;

impl Future for Idle {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        POLLED.get().expect("it is counted").hit();
        Poll::Pending
    }
}

/// Resident memory for each of the children that are spawned.
fn each(count: u32, spawn: impl FnOnce()) -> Figures {
    let polled = POLLED.get_or_init(|| Latch::new(count));
    let before = process::resident();
    spawn();
    polled.wait();
    let bytes = (process::resident() - before) / f64::from(count);
    Figures::from([("bytes".to_owned(), bytes)])
}

fn spinney<F: Future<Output = ()> + Send + 'static>(count: u32, child: fn() -> F) -> Figures {
    sides::spinney().block_on(async {
        let mut figures = Figures::new();
        let mut children = Box::pin(group(async |g| {
            figures = each(count, || {
                for _ in 0..count {
                    g.spawn(child());
                }
            });
        }));
        // The body is done at the first poll; its children are not, and end with the process.
        assert_eq!(future::poll_once(&mut children).await, None);
        mem::forget(children);
        figures
    })
}

fn tokio<F: Future<Output = ()> + Send + 'static>(count: u32, child: fn() -> F) -> Figures {
    let runtime = sides::tokio();
    each(count, || {
        for _ in 0..count {
            runtime.spawn(child());
        }
    })
}

fn smol<F: Future<Output = ()> + Send + 'static>(count: u32, child: fn() -> F) -> Figures {
    let executor = sides::smol();
    each(count, || {
        for _ in 0..count {
            // A detached task that nobody can wake is dropped; the handle keeps it.
            mem::forget(executor.spawn(child()));
        }
    })
}

fn forte<F: Future<Output = ()> + Send + 'static>(count: u32, child: fn() -> F) -> Figures {
    let pool = sides::forte();
    each(count, || {
        for _ in 0..count {
            mem::forget(pool.spawn(child()));
        }
    })
}
