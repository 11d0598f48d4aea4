//! Fork-join: naive Fibonacci numbers, where every addition is a `join`, and the price of coming in
//! from outside.

use crate::measure::{Sample, timed};
use crate::peers::Peers;
use crate::workloads::{Must, Run, Scale, Workload, must, run};
use std::hint::black_box;

const N: u32 = 26;
/// Additions of `fib(26)`: `fib(27) - 1`.
const JOINS: u32 = 196_417;
const FIB_RUNS: &[Run] = &[run("spinney", spinney), run("rayon", rayon)];
const FIB_MUST: &[Must] = &[must("rayon", Scale::Wall, 2.2, 2.2)];

pub(crate) const FIB: Workload = Workload {
    name: "join_fib",
    about: "a join of two calls, without a threshold",
    operations: JOINS,
    runs: FIB_RUNS,
    must: FIB_MUST,
};

const VISITS: u32 = 1_000;
const OUTSIDE_RUNS: &[Run] = &[
    run("spinney", spinney_from_outside),
    run("rayon", rayon_from_outside),
];
const OUTSIDE_MUST: &[Must] = &[must("rayon", Scale::Wall, 30.0, 30.0)];

pub(crate) const OUTSIDE: Workload = Workload {
    name: "join_from_outside",
    about: "a join of two additions on a thread of the program",
    operations: VISITS,
    runs: OUTSIDE_RUNS,
    must: OUTSIDE_MUST,
};

fn spinney_fib(n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = spinney::join(|| spinney_fib(n - 1), || spinney_fib(n - 2));
    a + b
}

fn rayon_fib(n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = rayon::join(|| rayon_fib(n - 1), || rayon_fib(n - 2));
    a + b
}

fn spinney(peers: &Peers) -> Sample {
    timed(|| {
        peers.spinney.block_on(spinney::group(async |g| {
            g.compute(|| Ok(spinney_fib(N))).await
        }))
    })
}

fn rayon(peers: &Peers) -> Sample {
    timed(|| peers.rayon.install(|| rayon_fib(N)))
}

fn spinney_from_outside(peers: &Peers) -> Sample {
    let _entered = peers.spinney.enter();
    timed(|| {
        for n in 0..VISITS {
            black_box(spinney::join(|| black_box(n) + 1, || black_box(n) + 2));
        }
    })
}

fn rayon_from_outside(peers: &Peers) -> Sample {
    timed(|| {
        for n in 0..VISITS {
            let both = || rayon::join(|| black_box(n) + 1, || black_box(n) + 2);
            black_box(peers.rayon.install(both));
        }
    })
}
