//! 100,000 children are spawned, and their values taken, by a task, or by a body on which a thread that is none of the
//! runtime's blocks: what does one of them cost?

use crate::measure::{Sample, timed};
use crate::sides::{self, in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::{Workload, cost_of};
use spinney::group;
use std::future::Future;

const CHILDREN: u32 = 100_000;

/// The sum of the values.
const SUM: u64 = CHILDREN as u64 * (CHILDREN as u64 - 1) / 2;

pub(crate) const INSIDE: Workload = Workload::new(
    "spawn_inside",
    "a child spawned by a task, its value taken",
    &[
        cost_of("spinney", || sums(in_spinney, spinney()), CHILDREN),
        cost_of("tokio", || sums(in_tokio, tokio()), CHILDREN),
        cost_of("smol", || sums(in_smol, smol()), CHILDREN),
        cost_of("forte", forte_inside, CHILDREN),
    ],
)
.quick();

pub(crate) const OUTSIDE: Workload = Workload::new(
    "spawn_outside",
    "a child spawned by the body of block_on, its value taken",
    &[
        cost_of("spinney", spinney_outside, CHILDREN),
        cost_of("tokio", tokio_outside, CHILDREN),
        cost_of("smol", || sums(async_io::block_on, smol()), CHILDREN),
        cost_of("forte", forte_outside, CHILDREN),
    ],
)
.quick();

fn sums<F: Future<Output = u64>>(run: impl FnOnce(F) -> u64, program: F) -> Sample {
    timed(|| assert_eq!(run(program), SUM))
}

fn spinney_outside() -> Sample {
    sums(|program| sides::spinney().block_on(program), spinney())
}

fn tokio_outside() -> Sample {
    sums(|program| sides::tokio().block_on(program), tokio())
}

fn forte_inside() -> Sample {
    let spawn = |i| forte::spawn(async move { i });
    sums(in_forte, sum_of(spawn))
}

/// The pool's own `spawn`, as the caller is in none.
fn forte_outside() -> Sample {
    let spawn = |i| sides::forte().spawn(async move { i });
    sums(|program| sides::forte().block_on(program), sum_of(spawn))
}

/// Spawns all, and takes their values in turn.
async fn sum_of<T: Future<Output = u32>>(spawn: impl Fn(u32) -> T) -> u64 {
    let tasks: Vec<_> = (0..CHILDREN).map(spawn).collect();
    let mut sum = 0;
    for task in tasks {
        sum += u64::from(task.await);
    }
    sum
}

fn spinney() -> impl Future<Output = u64> + Send + 'static {
    group(async |g| sum_of(|i| g.spawn(async move { Ok(i) })).await)
}

async fn tokio() -> u64 {
    let tasks: Vec<_> = (0..CHILDREN)
        .map(|i| tokio::spawn(async move { i }))
        .collect();
    let mut sum = 0;
    for task in tasks {
        sum += u64::from(task.await.expect("no panic"));
    }
    sum
}

fn smol() -> impl Future<Output = u64> + Send + 'static {
    let executor = sides::smol();
    sum_of(|i| executor.spawn(async move { i }))
}
