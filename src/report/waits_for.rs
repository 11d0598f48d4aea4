//! What a task waits for, and where a socket leads that it waits for.

use crate::report::failure::TaskId;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a task waits for, in a [`TaskDump`](crate::dump::TaskDump).
///
/// # Examples
///
/// ```
/// use spinney::dump::WaitsFor;
/// use spinney::{Runtime, group, sleep, yield_now};
/// use std::time::Duration;
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// let waits = || {
///     let dump = runtime.dump();
///     let tasks = dump.groups().iter().flat_map(|group| &group.tasks);
///     tasks.flat_map(|task| task.waits_for.clone()).collect::<Vec<_>>()
/// };
/// runtime.block_on(group(async |g| {
///     let sleeper = g.spawn(sleep(Duration::from_secs(60)));
///     while waits().is_empty() {
///         yield_now().await; // until it was polled
///     }
///     assert!(matches!(waits()[..], [WaitsFor::Timer { .. }]));
///     sleeper.cancel().await;
/// }));
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitsFor {
    /// A timer: a sleep, a timeout, a tick.
    #[non_exhaustive]
    Timer {
        /// When it is due, on the clock of the runtime.
        due: Instant,
        /// For how long it is not.
        left: Duration,
    },
    /// A socket, to be readable, or to have a connection to be accepted.
    #[non_exhaustive]
    Readable {
        /// Its file descriptor; `ss -tnp` and `/proc/self/fd` know it.
        descriptor: i32,
        /// Where it leads, if it is a socket with an address.
        endpoint: Option<Endpoint>,
    },
    /// A socket, to be writable, or to be connected.
    #[non_exhaustive]
    Writable {
        /// Its file descriptor.
        descriptor: i32,
        /// Where it leads, if it is a socket with an address.
        endpoint: Option<Endpoint>,
    },
    /// The value of a child.
    Child(TaskId),
    /// The children of a group, by its name, or where it was opened.
    Children(String),
    /// A thread for closures that block: it is in the line.
    BlockingThread,
    /// A place among the children of a group that run at a time:
    /// [`Bounded`](crate::Bounded).
    #[non_exhaustive]
    Place {
        /// The group, by its name, or where it was opened.
        group: String,
        /// How many places there are.
        limit: usize,
    },
}

/// Where a socket leads, in a [`WaitsFor`]: as it was when the socket was made, accepted, or
/// connected by a method of ours.
///
/// # Examples
///
/// ```
/// use spinney::dump::{Endpoint, WaitsFor};
/// use spinney::net::{TcpListener, TcpStream};
/// use spinney::{block_on, current, group, yield_now};
///
/// block_on(group(async |g| {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     let stream = TcpStream::connect(address).await?;
///     let reader = g.spawn_named("reader", async move {
///         let _ = stream.read(&mut [0]).await; // nothing comes
///     });
///     let reads_from = || {
///         let dump = current::dump();
///         let mut tasks = dump.groups().iter().flat_map(|group| &group.tasks);
///         match tasks.find(|task| task.name.as_deref() == Some("reader"))?.waits_for.first()? {
///             WaitsFor::Readable { endpoint, .. } => endpoint.clone(),
///             _ => None,
///         }
///     };
///     while reads_from() != Some(Endpoint::Peer(address)) {
///         yield_now().await; // until it reads
///     }
///     reader.cancel().await;
///     Ok::<(), std::io::Error>(())
/// })).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// The other end, of a connection or of a UDP socket that is connected.
    Peer(SocketAddr),
    /// Its own end: that of a listener, or of a UDP socket that is not connected.
    Local(SocketAddr),
    /// The path of the other end of a Unix socket. A name that is no file begins with `@`.
    PeerPath(PathBuf),
    /// The path of its own end: of a listener, or of what was accepted there.
    LocalPath(PathBuf),
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timer { left, .. } => write!(f, "a timer, due in {left:.1?}"),
            Self::Readable {
                descriptor,
                endpoint,
            } => {
                f.write_str("input ")?;
                write_end(f, endpoint.as_ref(), "from")?;
                write!(f, "on descriptor {descriptor}")
            }
            Self::Writable {
                descriptor,
                endpoint,
            } => {
                f.write_str("output ")?;
                write_end(f, endpoint.as_ref(), "to")?;
                write!(f, "on descriptor {descriptor}")
            }
            Self::Child(task) => write!(f, "task {task}"),
            Self::Children(group) => write!(f, "the children of group {group}"),
            Self::BlockingThread => f.write_str("a thread that may block"),
            Self::Place { group, limit } => write!(f, "one of {limit} places in group {group}"),
        }
    }
}

/// What a task waits for, behind what is said of it.
pub(crate) fn write_all(f: &mut impl fmt::Write, waits: &[WaitsFor]) -> fmt::Result {
    for (at, waits_for) in waits.iter().enumerate() {
        let joint = if at == 0 { ", waits for" } else { " and" };
        write!(f, "{joint} {waits_for}")?;
    }
    Ok(())
}

/// `from 10.0.0.1:443 `, or `at 0.0.0.0:80 `.
fn write_end(f: &mut fmt::Formatter<'_>, end: Option<&Endpoint>, peer: &str) -> fmt::Result {
    match end {
        None => Ok(()),
        Some(Endpoint::Peer(address)) => write!(f, "{peer} {address} "),
        Some(Endpoint::Local(address)) => write!(f, "at {address} "),
        Some(Endpoint::PeerPath(path)) => write!(f, "{peer} {} ", path.display()),
        Some(Endpoint::LocalPath(path)) => write!(f, "at {} ", path.display()),
    }
}
