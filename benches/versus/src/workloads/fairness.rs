//! 64 tasks compute for about a microsecond between two `yield_now`, for a second: how much more often was the luckiest
//! polled than the unluckiest?

use crate::measure::{Figures, Length};
use crate::sides::{self, in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::one_microsecond::work;
use crate::workloads::{Workload, says};
use futures_lite::future;
use spinney::group;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TASKS: u32 = 64;
const TIME: Duration = Duration::from_secs(1);

pub(crate) const WORKLOAD: Workload = Workload::new(
    "fairness",
    "polls of the luckiest of 64 yielding tasks for each of the unluckiest",
    &[
        says("spinney", spinney),
        says("tokio", tokio),
        says("smol", smol),
        says("forte", forte),
    ],
)
.quick();

type Polls = Arc<Vec<AtomicU64>>;

fn polls() -> Polls {
    Arc::new((0..TASKS).map(|_| AtomicU64::new(0)).collect())
}

async fn yields<F: Future>(polls: Polls, index: u32, end: Instant, yield_now: fn() -> F) {
    let mine = &polls[index as usize];
    while Instant::now() < end {
        mine.fetch_add(1, Ordering::Relaxed);
        black_box(work(index));
        yield_now().await;
    }
}

fn figures(polls: &Polls) -> Figures {
    let counts: Vec<_> = polls
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .collect();
    let most = counts.iter().copied().max().unwrap_or(0);
    let least = counts.iter().copied().min().unwrap_or(0);
    // Of one that was never polled: as if it had been polled once.
    Figures::from([
        ("max_by_min".to_owned(), most as f64 / least.max(1) as f64),
        ("polls".to_owned(), counts.iter().sum::<u64>() as f64),
    ])
}

fn spinney(length: Length) -> Figures {
    let polls = polls();
    let each = Arc::clone(&polls);
    let end = Instant::now() + length.of(TIME);
    in_spinney(group(async move |g| {
        for index in 0..TASKS {
            g.spawn(yields(Arc::clone(&each), index, end, spinney::yield_now));
        }
    }));
    figures(&polls)
}

fn tokio(length: Length) -> Figures {
    let polls = polls();
    let each = Arc::clone(&polls);
    let end = Instant::now() + length.of(TIME);
    in_tokio(async move {
        let tasks: Vec<_> = (0..TASKS)
            .map(|index| yields(Arc::clone(&each), index, end, tokio::task::yield_now))
            .map(tokio::spawn)
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    figures(&polls)
}

fn smol(length: Length) -> Figures {
    let executor = sides::smol();
    let polls = polls();
    let each = Arc::clone(&polls);
    let end = Instant::now() + length.of(TIME);
    in_smol(async move {
        let tasks: Vec<_> = (0..TASKS)
            .map(|index| yields(Arc::clone(&each), index, end, future::yield_now))
            .map(|task| executor.spawn(task))
            .collect();
        for task in tasks {
            task.await;
        }
    });
    figures(&polls)
}

fn forte(length: Length) -> Figures {
    let polls = polls();
    let each = Arc::clone(&polls);
    let end = Instant::now() + length.of(TIME);
    in_forte(async move {
        let tasks: Vec<_> = (0..TASKS)
            .map(|index| yields(Arc::clone(&each), index, end, future::yield_now))
            .map(forte::spawn)
            .collect();
        for task in tasks {
            task.await;
        }
    });
    figures(&polls)
}
