//! Where sockets lead, for dumps. The system is asked when a socket is made, and a socket that is
//! accepted or connected is told: so a dump asks no descriptor, which could be closed meanwhile and
//! be that of another socket, and reads and writes owe nothing to dumps.

use crate::report::waits_for::Endpoint;
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketAddrUnix, getpeername, getsockname};
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net;
use std::path::PathBuf;

/// The other end of a descriptor, or its own, if it is that of a socket which has such a name.
pub(crate) fn of(socket: impl AsFd) -> Option<Endpoint> {
    let peer = match getpeername(&socket) {
        Ok(peer) => peer,
        Err(Errno::NOTSOCK) => return None,
        Err(_) => None,
    };
    let peer = peer.and_then(|name| named(name, Endpoint::Peer, Endpoint::PeerPath));
    peer.or_else(|| local(socket))
}

/// The own end of a socket, if it has a name.
pub(crate) fn local(socket: impl AsFd) -> Option<Endpoint> {
    let name = getsockname(socket).ok()?;
    named(name, Endpoint::Local, Endpoint::LocalPath)
}

/// The peer of a Unix socket, if it has a name.
pub(crate) fn unix_peer(address: &net::SocketAddr) -> Option<Endpoint> {
    if let Some(path) = address.as_pathname() {
        return Some(Endpoint::PeerPath(path.to_owned()));
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use std::os::linux::net::SocketAddrExt;
        address
            .as_abstract_name()
            .map(|name| Endpoint::PeerPath(abstract_name(name)))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    None
}

fn named(
    name: SocketAddrAny,
    internet: impl FnOnce(SocketAddr) -> Endpoint,
    unix: impl FnOnce(PathBuf) -> Endpoint,
) -> Option<Endpoint> {
    if let Ok(address) = SocketAddr::try_from(name.clone()) {
        return Some(internet(address));
    }
    let name = SocketAddrUnix::try_from(name).ok()?;
    if let Some(path) = name.path() {
        return Some(unix(OsStr::from_bytes(path.to_bytes()).into()));
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // The system has one without a byte where there is none.
        let name = name.abstract_name().filter(|name| !name.is_empty());
        name.map(|name| unix(abstract_name(name)))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    None
}

/// As `ss` shows a name that is no file.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_name(name: &[u8]) -> PathBuf {
    OsStr::from_bytes(&[b"@", name].concat()).into()
}
