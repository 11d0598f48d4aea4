//! Connecting without blocking.

use crate::driver::sources::Direction;
use crate::net::address::{Target, failed_at, no_address};
use crate::net::happy_eyeballs;
use crate::net::registered::Registered;
use crate::net::resolve::resolve;
use crate::poll::budget;
use crate::report::waits_for::Endpoint;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

/// Connects to a target: by turns to the addresses of a name, one after the other to those that the
/// caller gave in an order of its own.
pub(crate) async fn any(target: &Target) -> io::Result<Registered<TcpStream>> {
    let addresses = resolve(target).await?;
    // An address may fail at once.
    poll_fn(budget::spend).await;
    if !matches!(target, Target::Addresses(_)) {
        let addresses = happy_eyeballs::in_turns(addresses);
        return happy_eyeballs::connect(target, addresses, one).await;
    }
    let mut last = no_address(target);
    for address in addresses {
        match one(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = failed_at(error, "connect to", target, address),
        }
    }
    Err(last)
}

/// One attempt.
pub(crate) async fn one(address: SocketAddr) -> io::Result<Registered<TcpStream>> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    by(stream_socket(family)?, address).await
}

/// A socket for a connection, in non-blocking mode.
pub(crate) fn stream_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(socket_with(family, SocketType::STREAM, flags, None)?)
}

/// Connects a socket in non-blocking mode.
pub(crate) async fn by(socket: OwnedFd, address: SocketAddr) -> io::Result<Registered<TcpStream>> {
    match connect(&socket, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS | rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let stream = Registered::new(TcpStream::from(socket), Some(Endpoint::Peer(address)))?;
    let connected = stream.operation(Direction::Write, |io| {
        sockopt::socket_error(io)??;
        match io.peer_addr() {
            Ok(_) => Ok(()),
            // Neither failed nor connected: not yet.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Err(error) => Err(error),
        }
    });
    connected.await?;
    Ok(stream)
}
