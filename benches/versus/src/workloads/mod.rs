//! The workloads: a file for each claim, with a function for each peer.

mod block_on;
mod blocking;
mod cancel;
mod chained;
mod fan_in;
mod fork_join;
mod one_microsecond;
mod ping_pong;
mod requests;
mod scope;
pub(crate) mod skynet;
mod spawn_injected;
mod spawn_inside;
mod spawn_outside;
mod spawn_unobserved;
mod ten_children;
mod ticks;
mod timers;
mod wake_busy;
mod yields;

use crate::measure::Sample;
use crate::peers::Peers;
pub(crate) use figures::Scale;

/// One program, written once for each peer.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// What one operation is.
    pub(crate) about: &'static str,
    /// How many of them a run does.
    pub(crate) operations: u32,
    /// spinney first.
    pub(crate) runs: &'static [Run],
    pub(crate) must: &'static [Must],
}

/// The program as one peer runs it.
pub(crate) struct Run {
    pub(crate) peer: &'static str,
    pub(crate) run: fn(&Peers) -> Sample,
}

/// A target: so many times as fast as a peer, at least, under either allocator.
pub(crate) struct Must {
    pub(crate) peer: &'static str,
    pub(crate) by: Scale,
    pub(crate) system: f64,
    pub(crate) mimalloc: f64,
}

const fn run(peer: &'static str, run: fn(&Peers) -> Sample) -> Run {
    Run { peer, run }
}

const fn must(peer: &'static str, by: Scale, system: f64, mimalloc: f64) -> Must {
    Must {
        peer,
        by,
        system,
        mimalloc,
    }
}

/// What is measured in wall time and CPU time, in the order in which it is run.
pub(crate) const COSTS: &[&Workload] = &[
    &spawn_outside::WORKLOAD,
    &spawn_inside::WORKLOAD,
    &spawn_unobserved::WORKLOAD,
    &spawn_injected::WORKLOAD,
    &fan_in::WORKLOAD,
    &ten_children::WORKLOAD,
    &skynet::WORKLOAD,
    &chained::WORKLOAD,
    &one_microsecond::WORKLOAD,
    &yields::WORKLOAD,
    &ping_pong::ONE,
    &ping_pong::THOUSAND,
    &cancel::WORKLOAD,
    &timers::WORKLOAD,
    &block_on::READY,
    &block_on::READY_ON_A_WORKER,
    &block_on::SPAWN,
    &blocking::WORKLOAD,
    &fork_join::FIB,
    &fork_join::OUTSIDE,
    &scope::WORKLOAD,
];

/// What is measured by the median and the tail of its delays; here one operation is a run.
pub(crate) const DELAYS: &[&Workload] = &[
    &wake_busy::WORKLOAD,
    &ticks::IDLE,
    &ticks::BESIDE_THREADS,
    &requests::ALONE,
    &requests::BESIDE_TASKS,
];
