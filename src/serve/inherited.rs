//! Listeners that a service manager has opened for the program: the contract of `sd_listen_fds`.
//!
//! The environment is only read. To remove variables is unsafe while other threads may read them,
//! and needless: they name this process, so no child mistakes them for its own.

#![expect(
    unsafe_code,
    reason = "a number in the environment is a descriptor without an owner"
)]

use crate::net::{TcpListener, UnixListener};
use crate::sync::atomic::{AtomicBool, Ordering};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, sockopt};
use std::env;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// The first descriptor that is passed.
const FIRST: RawFd = 3;

/// They were given to a caller.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A socket that the program has inherited, by the name that it was given.
///
/// # Examples
///
/// ```
/// use spinney::serve::{InheritedSocket, inherited};
///
/// for socket in inherited()? {
///     match socket.socket {
///         InheritedSocket::Tcp(listener) => println!("{}: {listener:?}", socket.name),
///         InheritedSocket::Unix(listener) => println!("{}: {listener:?}", socket.name),
///         _ => println!("{}: not for a server of HTTP", socket.name),
///     }
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Inherited {
    /// What its entry in `LISTEN_FDNAMES` says; `unknown` without one.
    pub name: String,
    /// The socket.
    pub socket: InheritedSocket,
}

/// A socket by its kind.
///
/// # Examples
///
/// ```
/// use spinney::serve::{InheritedSocket, inherited};
///
/// let tcp = inherited()?.into_iter().find_map(|inherited| match inherited.socket {
///     InheritedSocket::Tcp(listener) => Some(listener),
///     _ => None,
/// });
/// assert!(tcp.is_none()); // none was passed
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum InheritedSocket {
    /// A listener of TCP.
    Tcp(TcpListener),
    /// A listener on a Unix socket.
    Unix(UnixListener),
    /// Anything else, such as a socket of datagrams, or a pipe.
    Other(OwnedFd),
}

/// The sockets that a service manager, such as systemd, has opened for this process, in their
/// order; none if it was started by hand.
///
/// They come as `sd_listen_fds` says: `LISTEN_FDS` of them, from descriptor 3 on, if `LISTEN_PID`
/// is this process; `LISTEN_FDNAMES` has their names, with a colon in between. A program that is
/// started anew finds the same sockets, with all clients that have come meanwhile: so a restart
/// loses none.
///
/// The first call gets them, and a later one none. Nothing else in the program may take them. No
/// process that is started from here on inherits them. A listener belongs to the runtime of the
/// caller, as one that it had opened would.
///
/// # Examples
///
/// ```
/// use spinney::net::TcpListener;
/// use spinney::serve::{InheritedSocket, inherited};
///
/// /// The socket of the service manager, or one of our own.
/// async fn listen() -> std::io::Result<TcpListener> {
///     match inherited()?.into_iter().next().map(|first| first.socket) {
///         Some(InheritedSocket::Tcp(listener)) => Ok(listener),
///         _ => TcpListener::bind("127.0.0.1:0").await,
///     }
/// }
/// spinney::block_on(listen())?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// `InvalidData` if the variables are no numbers; those of the system, for a descriptor that is not
/// there. Those that were taken before that are closed.
pub fn inherited() -> io::Result<Vec<Inherited>> {
    let of = |name| env::var(name).ok();
    let (pid, count, names) = (of("LISTEN_PID"), of("LISTEN_FDS"), of("LISTEN_FDNAMES"));
    let count = passed(pid.as_deref(), count.as_deref(), std::process::id())?;
    // Relaxed: one call alone takes them; nothing else is ordered by it.
    if count == 0 || TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let names = names.unwrap_or_default();
    let mut names = names.split(':');
    let numbers = FIRST..FIRST.saturating_add(count);
    numbers
        .map(|number| {
            let name = names.next().filter(|name| !name.is_empty());
            Ok(Inherited {
                name: name.unwrap_or("unknown").to_owned(),
                socket: kind(take(number)?)?,
            })
        })
        .collect()
}

/// How many were passed to the process `own`.
fn passed(pid: Option<&str>, count: Option<&str>, own: u32) -> io::Result<RawFd> {
    let (Some(pid), Some(count)) = (pid, count) else {
        return Ok(0);
    };
    let invalid = |_| io::Error::from(ErrorKind::InvalidData);
    if pid.parse::<u32>().map_err(invalid)? != own {
        return Ok(0);
    }
    let count: u16 = count.parse().map_err(invalid)?;
    Ok(count.into())
}

/// The owner of a descriptor, which no process inherits from us.
fn take(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the service manager has opened it for this process (LISTEN_PID), to be taken once,
    // and this call takes it: TAKEN was not set. So it is open, and has no other owner.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    match fcntl_setfd(&owned, FdFlags::CLOEXEC) {
        Ok(()) => Ok(owned),
        Err(error) => {
            // There is none after all, and so nothing to close.
            let _ = owned.into_raw_fd();
            Err(error.into())
        }
    }
}

fn kind(socket: OwnedFd) -> io::Result<InheritedSocket> {
    if !sockopt::socket_acceptconn(&socket).unwrap_or(false) {
        return Ok(InheritedSocket::Other(socket));
    }
    Ok(match sockopt::socket_domain(socket.as_fd())? {
        AddressFamily::INET | AddressFamily::INET6 => {
            InheritedSocket::Tcp(TcpListener::from_std(socket.into())?)
        }
        AddressFamily::UNIX => InheritedSocket::Unix(UnixListener::from_std(socket.into())?),
        _ => InheritedSocket::Other(socket),
    })
}

#[cfg(test)]
mod tests {
    use super::passed;

    #[test]
    fn what_was_passed_to_another_process_is_not_ours() {
        assert_eq!(passed(None, Some("2"), 7).unwrap(), 0);
        assert_eq!(passed(Some("7"), None, 7).unwrap(), 0);
        assert_eq!(passed(Some("8"), Some("2"), 7).unwrap(), 0);
        assert_eq!(passed(Some("8"), Some("nonsense"), 7).unwrap(), 0);
        assert_eq!(passed(Some("7"), Some("2"), 7).unwrap(), 2);
        assert_eq!(passed(Some("7"), Some("0"), 7).unwrap(), 0);
        for (pid, count) in [("7", "nonsense"), ("7", "-1"), ("", "2"), ("7", "99999")] {
            let error = passed(Some(pid), Some(count), 7).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        }
    }
}
