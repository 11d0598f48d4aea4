//! Memory, by what the system says of a process that runs one side once: peak of skynet, bytes of
//! an idle child.

use crate::peers::{Latch, Peers};
use crate::workloads::skynet;
use futures_lite::future;
use serde::Serialize;
use spinney::group;
use std::pin::Pin;
use std::process::Command;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::{env, fs};

/// Idle children that are alive at once; enough that the pages of the runtime itself vanish in the
/// mean.
const IDLE: u32 = 500_000;

/// A question that a process of its own answers with one number.
pub(crate) struct Probe {
    pub(crate) name: &'static str,
    pub(crate) peer: &'static str,
    /// What is counted.
    about: &'static str,
    /// In bytes.
    run: fn(&Peers) -> f64,
}

/// All of them; within one name, spinney comes first.
pub(crate) const ALL: &[Probe] = &[
    rss("spinney", |peers| peak(peers, skynet::spinney)),
    rss("tokio", |peers| peak(peers, skynet::tokio)),
    rss("async-executor", |peers| peak(peers, skynet::executor)),
    idle("spinney", idle_spinney),
    idle("tokio", idle_tokio),
    idle("async-executor", idle_executor),
];

const fn rss(peer: &'static str, run: fn(&Peers) -> f64) -> Probe {
    Probe {
        name: "skynet_peak_rss",
        peer,
        about: "peak memory of a tree of 1.1 million tasks",
        run,
    }
}

const fn idle(peer: &'static str, run: fn(&Peers) -> f64) -> Probe {
    Probe {
        name: "bytes_per_idle_child",
        peer,
        about: "memory of a child that waits for ever",
        run,
    }
}

/// One side's answer.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) name: &'static str,
    pub(crate) peer: &'static str,
    #[serde(skip)]
    pub(crate) about: &'static str,
    pub(crate) bytes: f64,
}

impl Probe {
    /// Asks in a process of its own.
    pub(crate) fn ask(&self) -> Answer {
        let output = Command::new(env::current_exe().expect("this program"))
            .args(["--probe", self.name, self.peer])
            .output()
            .expect("this program runs again");
        let text = String::from_utf8_lossy(&output.stdout);
        Answer {
            name: self.name,
            peer: self.peer,
            about: self.about,
            bytes: text.trim().parse().expect("one number"),
        }
    }

    /// Answers in this process.
    pub(crate) fn answer(name: &str, peer: &str) -> Option<f64> {
        let probe = ALL
            .iter()
            .find(|probe| probe.name == name && probe.peer == peer)?;
        Some((probe.run)(&Peers::start()))
    }
}

/// A line of `/proc/self/status`, in bytes.
fn status(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(field));
    let kilobytes: f64 = line
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|number| number.parse().ok())
        .expect("a number of kB");
    kilobytes * 1024.0
}

fn peak<R>(peers: &Peers, run: fn(&Peers) -> R) -> f64 {
    let before = status("VmRSS");
    run(peers);
    status("VmHWM") - before
}

/// Counts the children that were polled.
static POLLED: OnceLock<Latch> = OnceLock::new();

/// A future of no size that is never ready.
struct Idle;

impl Future for Idle {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        polled().hit();
        Poll::Pending
    }
}

fn polled() -> &'static Latch {
    POLLED.get_or_init(|| Latch::new(IDLE))
}

/// Resident memory for each of the children that `spawn` starts.
fn each(spawn: impl FnOnce()) -> f64 {
    let polled = polled();
    let before = status("VmRSS");
    spawn();
    polled.wait();
    (status("VmRSS") - before) / f64::from(IDLE)
}

fn idle_spinney(peers: &Peers) -> f64 {
    peers.spinney.block_on(async {
        let mut bytes = 0.0;
        let mut children = Box::pin(group(async |g| {
            bytes = each(|| {
                for _ in 0..IDLE {
                    g.spawn(Idle);
                }
            });
        }));
        // The body is done at the first poll; its children are not, and end with the process.
        assert_eq!(future::poll_once(&mut children).await, None);
        std::mem::forget(children);
        bytes
    })
}

fn idle_tokio(peers: &Peers) -> f64 {
    each(|| {
        for _ in 0..IDLE {
            peers.tokio.spawn(Idle);
        }
    })
}

fn idle_executor(peers: &Peers) -> f64 {
    each(|| {
        for _ in 0..IDLE {
            // A detached task that nobody can wake is dropped; the handle keeps it.
            std::mem::forget(peers.executor.spawn(Idle));
        }
    })
}
