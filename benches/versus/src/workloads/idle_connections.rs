//! How much memory does a server need for a connection that is kept and idle? 1,000 come in a second, and then nothing happens for
//! a while. The clients are a process of its own; the kernel's part of a socket is nobody's.

use crate::measure::{Figures, Length};
use crate::process;
use crate::web::parties::{self, Party};
use crate::web::{axum, on_serve};
use crate::workloads::{Workload, says};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

const CONNECTIONS: u32 = 5_000;
/// After the last one has come.
const SETTLE: Duration = Duration::from_secs(3);

pub(crate) const WORKLOAD: Workload = Workload::new(
    "idle_connections",
    "bytes of an idle connection to axum's router, of 5,000: on our server with all its limits, or on axum's `serve`",
    &[
        says("spinney", |length| measured(length, on_serve::router)),
        says("tokio", |length| measured(length, axum::on_tokio)),
    ],
);

fn measured(_: Length, serve: fn(TcpListener)) -> Figures {
    parties::raise_descriptors();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || serve(listener));
    // What the first requests need is not theirs.
    drop(Party::idle(address, 16).expect("clients"));
    let before = process::resident();
    let _clients = Party::idle(address, CONNECTIONS).expect("clients");
    thread::sleep(SETTLE);
    let bytes = (process::resident() - before) / f64::from(CONNECTIONS);
    Figures::from([("bytes".to_owned(), bytes)])
}
