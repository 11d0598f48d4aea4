//! A task has closures run on threads for blocking calls: what does one cost, one after the other and of 1,000 at once?

use crate::measure::{Sample, timed};
use crate::sides::{in_smol, in_spinney, in_tokio};
use crate::workloads::{Workload, cost_of};
use spinney::group;
use std::hint::black_box;

const ONE_AFTER_THE_OTHER: u32 = 500;
const AT_ONCE: u32 = 1_000;

pub(crate) const ONE_BY_ONE: Workload = Workload::new(
    "blocking_one_by_one",
    "a closure on a thread for blocking calls, awaited before the next one",
    &[
        cost_of("spinney", one_by_one_spinney, ONE_AFTER_THE_OTHER),
        cost_of("tokio", one_by_one_tokio, ONE_AFTER_THE_OTHER),
        cost_of("smol", one_by_one_smol, ONE_AFTER_THE_OTHER),
    ],
);

pub(crate) const MANY: Workload = Workload::new(
    "blocking_many",
    "a closure on a thread for blocking calls, of 1,000 at once",
    &[
        cost_of("spinney", many_spinney, AT_ONCE),
        cost_of("tokio", many_tokio, AT_ONCE),
        cost_of("smol", many_smol, AT_ONCE),
    ],
);

/// What the closures return, added up.
fn sum(closures: u32) -> u32 {
    closures * (closures - 1) / 2
}

fn one_by_one_spinney() -> Sample {
    let program = group(async |g| {
        for n in 0..ONE_AFTER_THE_OTHER {
            assert_eq!(g.blocking(move || Ok(black_box(n))).await, n);
        }
    });
    timed(|| in_spinney(program))
}

fn one_by_one_tokio() -> Sample {
    let program = async {
        for n in 0..ONE_AFTER_THE_OTHER {
            let closure = tokio::task::spawn_blocking(move || black_box(n));
            assert_eq!(closure.await.expect("no panic"), n);
        }
    };
    timed(|| in_tokio(program))
}

fn one_by_one_smol() -> Sample {
    let program = async {
        for n in 0..ONE_AFTER_THE_OTHER {
            assert_eq!(blocking::unblock(move || black_box(n)).await, n);
        }
    };
    timed(|| in_smol(program))
}

fn many_spinney() -> Sample {
    let program = group(async |g| {
        let closures: Vec<_> = (0..AT_ONCE)
            .map(|n| g.blocking(move || Ok(black_box(n))))
            .collect();
        let mut sum = 0;
        for closure in closures {
            sum += closure.await;
        }
        sum
    });
    timed(|| assert_eq!(in_spinney(program), sum(AT_ONCE)))
}

fn many_tokio() -> Sample {
    let program = async {
        let closures: Vec<_> = (0..AT_ONCE)
            .map(|n| tokio::task::spawn_blocking(move || black_box(n)))
            .collect();
        let mut sum = 0;
        for closure in closures {
            sum += closure.await.expect("no panic");
        }
        sum
    };
    timed(|| assert_eq!(in_tokio(program), sum(AT_ONCE)))
}

fn many_smol() -> Sample {
    let program = async {
        let closures: Vec<_> = (0..AT_ONCE)
            .map(|n| blocking::unblock(move || black_box(n)))
            .collect();
        let mut sum = 0;
        for closure in closures {
            sum += closure.await;
        }
        sum
    };
    timed(|| assert_eq!(in_smol(program), sum(AT_ONCE)))
}
