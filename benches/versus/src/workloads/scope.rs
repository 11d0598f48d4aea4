//! A scope of four children that a thread of the program opens, as sync code does for one piece of
//! work.

use crate::measure::{Sample, timed};
use crate::peers::Peers;
use crate::workloads::{Run, Workload, run};
use std::hint::black_box;

const SCOPES: u32 = 1_000;
const CHILDREN: usize = 4;
const RUNS: &[Run] = &[run("spinney", spinney), run("rayon", rayon)];

pub(crate) const WORKLOAD: Workload = Workload {
    name: "scope_from_outside",
    about: "a scope of four closures on a thread of the program",
    operations: SCOPES,
    runs: RUNS,
    must: &[],
};

fn spinney(peers: &Peers) -> Sample {
    let _entered = peers.spinney.enter();
    timed(|| {
        let mut numbers = [0_u32; CHILDREN];
        for _ in 0..SCOPES {
            spinney::scope(|s| {
                for number in &mut numbers {
                    s.compute(move || *number = black_box(*number) + 1);
                }
            });
        }
        numbers
    })
}

fn rayon(peers: &Peers) -> Sample {
    timed(|| {
        let mut numbers = [0_u32; CHILDREN];
        for _ in 0..SCOPES {
            peers.rayon.scope(|s| {
                for number in &mut numbers {
                    s.spawn(move |_| *number = black_box(*number) + 1);
                }
            });
        }
        numbers
    })
}
