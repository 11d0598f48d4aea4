//! A thread of the program comes into the pool and forks once, as a library does for one small piece of work: what does
//! that cost?

use crate::measure::{Sample, timed};
use crate::sides;
use crate::workloads::{Workload, cost_of};
use std::hint::black_box;

const VISITS: u32 = 2_000;

pub(crate) const WORKLOAD: Workload = Workload::new(
    "fork_once",
    "a join of two additions on a thread of the program",
    &[
        cost_of("spinney", spinney, VISITS),
        cost_of("rayon", rayon, VISITS),
        cost_of("chili", chili, VISITS),
        cost_of("forte", forte, VISITS),
    ],
)
.quick();

fn visits(fork: impl Fn(u32) -> (u32, u32)) -> Sample {
    timed(|| {
        for n in 0..VISITS {
            assert_eq!(fork(n), (n + 1, n + 2));
        }
    })
}

fn spinney() -> Sample {
    let _entered = sides::spinney().enter();
    visits(|n| spinney::join(|| black_box(n) + 1, || black_box(n) + 2))
}

fn rayon() -> Sample {
    let pool = sides::rayon();
    visits(|n| pool.install(|| rayon::join(|| black_box(n) + 1, || black_box(n) + 2)))
}

fn chili() -> Sample {
    let pool = sides::chili();
    visits(|n| {
        pool.scope()
            .join(|_| black_box(n) + 1, |_| black_box(n) + 2)
    })
}

fn forte() -> Sample {
    let pool = sides::forte();
    visits(|n| pool.join(|_| black_box(n) + 1, |_| black_box(n) + 2))
}
