//! What spinney has to reach: a row for each figure that has a target.

use crate::counts;
use crate::workloads;
use std::io;

/// The two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Latency,
    Cost,
}

/// One figure of one program.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) table: Table,
    /// In words.
    pub(crate) work: &'static str,
    pub(crate) workload: &'static str,
    /// That of spinney's sides which is meant.
    pub(crate) ours: &'static str,
    pub(crate) figure: &'static str,
    /// The more the better.
    pub(crate) more: bool,
    pub(crate) targets: &'static [Target],
}

/// What the figure has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// At most so many times a side's; if more is better, at least.
    Times(&'static str, f64),
    /// At most so much, whatever the others have.
    AtMost(f64),
}

use Table::{Cost, Latency};
use Target::{AtMost, Times};

const fn row(
    table: Table,
    work: &'static str,
    (workload, figure): (&'static str, &'static str),
    targets: &'static [Target],
) -> Row {
    Row {
        table,
        work,
        workload,
        ours: "spinney",
        figure,
        more: false,
        targets,
    }
}

impl Row {
    const fn of(self, ours: &'static str) -> Self {
        Self { ours, ..self }
    }

    const fn more(self) -> Self {
        Self { more: true, ..self }
    }
}

const CPU: &str = "cpu_ns";
const WALL: &str = "wall_ns";
const MEDIAN: &str = "p50_ns";
const TAIL: &str = "p99_ns";

/// All of them, in the order of the tables.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row(Latency, "a busy runtime is woken from outside, p50", ("wake_busy", MEDIAN), &[Times("tokio", 1.0)]),
    row(Latency, "the same, p99", ("wake_busy", TAIL), &[Times("tokio", 1.0)]),
    row(Latency, "an idle runtime is woken from outside, p50", ("wake_parked", MEDIAN), &[Times("tokio", 0.7)]),
    row(Latency, "the same, p99.9", ("wake_parked", "p999_ns"), &[Times("tokio", 0.15)]),
    row(Latency, "64 sockets beside 4 computing tasks: CPU of a request", ("sockets_and_hogs", CPU), &[Times("tokio", 1.0)]),
    row(Latency, "the same, p99 of a request", ("sockets_and_hogs", TAIL), &[Times("tokio", 0.8)]),
    row(Latency, "the same, units of the computing tasks in a second", ("sockets_and_hogs", "hog_per_s"), &[Times("tokio", 1.0)]).more(),
    row(Latency, "an echo beside two busy threads: round trips in a second", ("echo_beside_threads", "trips_per_s"), &[Times("tokio", 1.0)]).more(),
    row(Latency, "hyper, 64 connections: p99", ("hyper_64", TAIL), &[Times("tokio", 1.0)]),
    row(Latency, "the same, CPU of the server for a request", ("hyper_64", CPU), &[Times("tokio", 0.96)]),
    row(Latency, "echo, 64 connections: p99", ("echo_64", TAIL), &[Times("tokio", 1.0)]),
    row(Latency, "the same, CPU of the server for an echo", ("echo_64", CPU), &[Times("tokio", 0.96)]),
    row(Latency, "hyper, a connection for each request: CPU of the server", ("hyper_close_64", CPU), &[Times("tokio", 0.95)]),
    row(Latency, "our server with all its limits, 64 connections: p99 beside a bare hyper", ("serve_64", TAIL), &[Times("tokio", 1.0)]),
    row(Latency, "the same, CPU of the server for a request", ("serve_64", CPU), &[Times("tokio", 0.97)]),
    row(Latency, "the same, its tree and numbers read once a second, beside not read", ("serve_64_watched", CPU), &[Times("spinney unwatched", 1.02)]),
    row(Latency, "hyper over 64 sockets of tokio: CPU of the server", ("hyper_of_tokio_64", CPU), &[Times("tokio", 1.05)]),
    row(Latency, "echo over 64 sockets of tokio: CPU of the server", ("echo_of_tokio_64", CPU), &[Times("tokio", 1.05)]),
    row(Latency, "axum's own server, over 64 sockets of tokio: CPU of the server", ("axum_of_tokio_64", CPU), &[Times("tokio", 1.05)]),
    row(Latency, "a proxy, 200 connections: its CPU for a message", ("proxy_200", CPU), &[Times("tokio", 1.0)]),
    row(Latency, "the same, p99", ("proxy_200", TAIL), &[Times("tokio", 1.0)]),
    row(Latency, "400 closures of 10 ms beside a 5 ms timer and an echo: the latest", ("closures_and_timer", "max_ns"), &[AtMost(25e6)]),
    row(Latency, "one worker near its limit: the longest answer", ("near_limit", "max_ns"), &[Times("tokio", 1.2)]),
    row(Latency, "64 yielding tasks: most polls / fewest", ("fairness", "max_by_min"), &[AtMost(1.05)]),
    row(Latency, "idle: wake-ups in 10 s", ("idle", "wakeups"), &[AtMost(0.0)]),
    row(Latency, "idle with a far timer: wake-ups in 10 s", ("idle_far_timer", "wakeups"), &[AtMost(0.0)]),

    row(Cost, "a child spawned inside", ("spawn_inside", CPU), &[Times("tokio", 0.16), Times("forte", 0.75)]),
    row(Cost, "a child spawned outside", ("spawn_outside", CPU), &[Times("tokio", 0.16), Times("forte", 0.75)]),
    row(Cost, "a child whose handle is dropped", ("spawn_unobserved", CPU), &[Times("tokio", 0.16), Times("forte", 1.0)]),
    row(Cost, "children spawned and awaited one by one", ("spawn_await", CPU), &[Times("tokio", 0.25), Times("forte", 0.75)]),
    row(Cost, "each child starts the next one", ("chained", CPU), &[Times("tokio", 0.25), Times("forte", 1.3)]),
    row(Cost, "a group of ten children", ("ten_children", CPU), &[Times("tokio JoinSet", 0.11), Times("forte", 0.85)]),
    row(Cost, "the same, read through a set", ("ten_children", CPU), &[Times("tokio JoinSet", 0.15)]).of("spinney set"),
    row(Cost, "a child of 100,000, with its result", ("fan_in", CPU), &[Times("tokio JoinSet", 0.10), Times("forte", 1.0)]),
    row(Cost, "the same, read through a set", ("fan_in", CPU), &[Times("tokio JoinSet", 0.17)]).of("spinney set"),
    row(Cost, "instructions of a group without children", ("group_of_none", "instructions"), &[AtMost(250.0)]),
    row(Cost, "instructions of a group with one child", ("group_of_one", "instructions"), &[AtMost(900.0)]),
    row(Cost, "a `yield_now`", ("yields", CPU), &[Times("tokio", 0.20), Times("forte", 0.75)]),
    row(Cost, "ping-pong of one pair", ("ping_pong_1", CPU), &[Times("tokio", 0.65), Times("forte", 1.0)]),
    row(Cost, "a question, its answer through a one-shot channel", ("one_shot", CPU), &[Times("tokio", 0.55), Times("forte", 1.0)]),
    row(Cost, "a timer created and dropped, 10,000 live", ("timers", CPU), &[Times("tokio", 0.18), Times("smol", 0.5)]),
    row(Cost, "100,000 children cancelled and joined", ("cancel", CPU), &[Times("tokio JoinSet", 0.17), Times("smol drop", 0.45)]),
    row(Cost, "`block_on` of a ready future, off a worker", ("block_on_ready", CPU), &[Times("tokio", 0.05)]),
    row(Cost, "the same, on a worker", ("block_on_ready_inside", CPU), &[Times("smol", 0.4)]),
    row(Cost, "`block_on` of a child that is spawned at once", ("block_on_spawn", CPU), &[Times("tokio", 0.012), Times("forte", 0.9)]),
    row(Cost, "blocking closures one by one", ("blocking_one_by_one", CPU), &[Times("tokio", 0.5)]),
    row(Cost, "1,000 blocking closures at once", ("blocking_many", CPU), &[Times("tokio", 0.04)]),
    row(Cost, "join: Fibonacci", ("fib", CPU), &[Times("chili", 1.05)]),
    row(Cost, "join: a binary tree", ("uts_binary", CPU), &[Times("chili", 1.05)]),
    row(Cost, "join: a geometric tree", ("uts_geometric", CPU), &[Times("chili", 1.05)]),
    row(Cost, "quicksort from a caller, wall", ("quicksort", WALL), &[Times("rayon", 0.97)]),
    row(Cost, "a caller's scope of four, wall", ("scope_of_four", WALL), &[Times("rayon", 0.5)]),
    row(Cost, "a caller's scope of 100,000, wall", ("scope_flat", WALL), &[Times("rayon", 0.5)]),
    row(Cost, "a caller's scope, closures that spawn two each, wall", ("scope_tree", WALL), &[Times("rayon", 0.8)]),
    row(Cost, "a caller's scope, eleven queens, wall", ("queens", WALL), &[Times("rayon", 0.9)]),
    row(Cost, "enter from outside and fork once, wall", ("fork_once", WALL), &[Times("forte", 1.1)]),
    row(Cost, "memory of a tree of 1.1 million tasks", ("skynet", "rss_bytes"), &[Times("tokio", 0.02)]),
    row(Cost, "bytes of an idle child", ("idle_child", "bytes"), &[AtMost(80.0)]),
    row(Cost, "bytes of a task with an open idle group", ("idle_group", "bytes"), &[AtMost(600.0)]),
    row(Cost, "bytes of an idle connection to a server of axum's router", ("idle_connections", "bytes"), &[Times("tokio", 0.6)]),
    row(Cost, "spawn and await: instructions, plain build / LTO", ("spawn_await", "plain_by_lto"), &[AtMost(1.15)]),
    row(Cost, "`yield_now`: instructions, plain build / LTO", ("yields", "plain_by_lto"), &[AtMost(1.15)]),
];

/// A row that names what there is not is a mistake, and not a program that was not measured.
pub(crate) fn check() -> io::Result<()> {
    for row in ROWS {
        let wrong = |what: &str| {
            let error = format!("the target {:?} names no {what} that there is", row.work);
            Err(io::Error::other(error))
        };
        let Some(workload) = workloads::find(row.workload) else {
            if counts::has(row.workload) {
                continue;
            }
            return wrong("program");
        };
        let named = row.targets.iter().filter_map(|target| match target {
            Times(side, _) => Some(*side),
            AtMost(_) => None,
        });
        for side in named.chain([row.ours]) {
            if workload.side(side).is_none() {
                return wrong("side");
            }
        }
    }
    Ok(())
}
