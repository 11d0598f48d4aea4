//! A task has 1,000 closures run on threads for blocking calls, and awaits them all.

use crate::measure::{Sample, timed};
use crate::peers::Peers;
use crate::workloads::{Must, Run, Scale, Workload, must, run};
use spinney::group;
use std::hint::black_box;

const CLOSURES: u32 = 1_000;
const RUNS: &[Run] = &[run("spinney", spinney), run("tokio", tokio)];
const MUST: &[Must] = &[must("tokio", Scale::Cpu, 5.0, 5.0)];

pub(crate) const WORKLOAD: Workload = Workload {
    name: "blocking",
    about: "a closure on a thread for blocking calls, of 1,000 at once",
    operations: CLOSURES,
    runs: RUNS,
    must: MUST,
};

fn spinney(peers: &Peers) -> Sample {
    timed(|| {
        peers.in_spinney(group(async |g| {
            let closures: Vec<_> = (0..CLOSURES)
                .map(|n| g.blocking(move || Ok(black_box(n))))
                .collect();
            let mut sum = 0_u32;
            for closure in closures {
                sum = sum.wrapping_add(closure.await);
            }
            sum
        }))
    })
}

fn tokio(peers: &Peers) -> Sample {
    timed(|| {
        peers.in_tokio(async {
            let closures: Vec<_> = (0..CLOSURES)
                .map(|n| tokio::task::spawn_blocking(move || black_box(n)))
                .collect();
            let mut sum = 0_u32;
            for closure in closures {
                sum = sum.wrapping_add(closure.await.expect("no panic"));
            }
            sum
        })
    })
}
