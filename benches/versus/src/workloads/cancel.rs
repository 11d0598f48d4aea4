//! 100,000 children wait for ever: what does it cost until one of them is dropped and joined? Spawning is not measured.

use crate::measure::{Sample, Watch};
use crate::sides::{self, Latch};
use crate::workloads::{Side, Workload, cost_of};
use futures_lite::future;
use spinney::{Group, try_group};
use std::future::pending;
use std::sync::Arc;
use tokio::task::JoinSet;

const CHILDREN: u32 = 100_000;
const SIDES: &[Side] = &[
    cost_of("spinney", spinney, CHILDREN),
    cost_of("tokio JoinSet", join_set, CHILDREN),
    cost_of("tokio Vec", tokio_vec, CHILDREN),
    cost_of("smol", smol, CHILDREN),
    cost_of("smol drop", smol_drop, CHILDREN),
];

pub(crate) const WORKLOAD: Workload =
    Workload::new("cancel", "a suspended child cut and joined", SIDES).quick();

/// Says that it was polled, and waits for ever.
async fn waits(polled: Arc<Latch>) {
    polled.hit();
    pending().await
}

fn spinney() -> Sample {
    let polled = Arc::new(Latch::new(CHILDREN));
    let mut watch = None;
    let result = sides::spinney().block_on(try_group(async |g: Group<'_, '_, &'static str>| {
        for _ in 0..CHILDREN {
            g.spawn(waits(Arc::clone(&polled)));
        }
        polled.wait();
        watch = Some(Watch::start());
        g.cancel("enough");
        pending::<Result<(), &'static str>>().await
    }));
    let sample = watch.expect("started").stop();
    assert!(result.is_err());
    sample
}

fn join_set() -> Sample {
    let polled = Arc::new(Latch::new(CHILDREN));
    sides::tokio().block_on(async {
        let mut set = JoinSet::new();
        for _ in 0..CHILDREN {
            set.spawn(waits(Arc::clone(&polled)));
        }
        polled.wait();
        let watch = Watch::start();
        set.shutdown().await;
        watch.stop()
    })
}

fn tokio_vec() -> Sample {
    let polled = Arc::new(Latch::new(CHILDREN));
    sides::tokio().block_on(async {
        let tasks: Vec<_> = (0..CHILDREN)
            .map(|_| tokio::spawn(waits(Arc::clone(&polled))))
            .collect();
        polled.wait();
        let watch = Watch::start();
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        for task in tasks {
            assert!(task.await.is_err());
        }
        watch.stop()
    })
}

fn smol() -> Sample {
    let executor = sides::smol();
    let polled = Arc::new(Latch::new(CHILDREN));
    let tasks: Vec<_> = (0..CHILDREN)
        .map(|_| executor.spawn(waits(Arc::clone(&polled))))
        .collect();
    polled.wait();
    let watch = Watch::start();
    async_io::block_on(async {
        // `cancel` acts at its first poll: all of them first, then the joins.
        let mut joins: Vec<_> = tasks
            .into_iter()
            .map(|task| Box::pin(task.cancel()))
            .collect();
        let mut left = Vec::new();
        for mut join in joins.drain(..) {
            if future::poll_once(&mut join).await.is_none() {
                left.push(join);
            }
        }
        for join in left {
            join.await;
        }
    });
    watch.stop()
}

/// Tells that it was dropped.
struct Dropped(Arc<Latch>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.hit();
    }
}

fn smol_drop() -> Sample {
    let executor = sides::smol();
    let polled = Arc::new(Latch::new(CHILDREN));
    let gone = Arc::new(Latch::new(CHILDREN));
    let tasks: Vec<_> = (0..CHILDREN)
        .map(|_| {
            let (polled, gone) = (Arc::clone(&polled), Dropped(Arc::clone(&gone)));
            executor.spawn(async move {
                let _gone = gone;
                waits(polled).await;
            })
        })
        .collect();
    polled.wait();
    let watch = Watch::start();
    drop(tasks);
    gone.wait();
    watch.stop()
}
