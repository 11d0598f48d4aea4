//! Requests at a fixed rate, whether the server keeps up or not: how long from the time when one
//! was due to its answer? Alone, and beside four tasks of the same runtime that compute for about
//! 100 us between two polls.

mod load;
mod servers;

use crate::measure::Sample;
use crate::peers::Peers;
use crate::workloads::{Run, Workload, run};
use load::Load;
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

pub(crate) const ALONE: Workload = Workload {
    name: "requests",
    about: "the answer of a server, 2,000 requests a second",
    operations: 1,
    runs: ALONE_RUNS,
    must: &[],
};

pub(crate) const BESIDE_TASKS: Workload = Workload {
    name: "requests_beside_tasks",
    about: "the same beside four tasks that compute",
    operations: 1,
    runs: BESIDE_RUNS,
    must: &[],
};

const ALONE_RUNS: &[Run] = &[
    run("spinney", |peers| measured(peers, servers::spinney, 0)),
    run("tokio", |peers| measured(peers, servers::tokio, 0)),
    run("async-io", |peers| measured(peers, servers::executor, 0)),
];

const BESIDE_RUNS: &[Run] = &[
    run("spinney", |peers| measured(peers, servers::spinney, HOGS)),
    run("tokio", |peers| measured(peers, servers::tokio, HOGS)),
    run("async-io", |peers| measured(peers, servers::executor, HOGS)),
];

const HOGS: u32 = 4;

/// A server that serves so many connections to their end, beside so many tasks that compute.
type Serve = fn(&Peers, TcpListener, hogs: u32);

fn measured(peers: &Peers, serve: Serve, hogs: u32) -> Sample {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    listener.set_nonblocking(true).expect("a socket");
    thread::scope(|s| {
        let load = s.spawn(move || Load::connect(address).run());
        serve(peers, listener, hogs);
        Sample::of(load.join().expect("no panic"))
    })
}
