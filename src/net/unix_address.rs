//! Addresses of Unix sockets: paths, and on Linux names that are no files.

use crate::net::address::failed;
use rustix::net::SocketAddrUnix;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

/// The bytes of the longest path that fits into an address: one of `sun_path` is for the end.
const LONGEST: usize = if cfg!(any(target_os = "linux", target_os = "android")) {
    107
} else {
    103
};

/// The address of a path; its error says what is wrong with the path.
pub(crate) fn at(path: &Path) -> io::Result<SocketAddr> {
    let bytes = path.as_os_str().as_bytes();
    SocketAddr::from_pathname(path).map_err(|error| {
        let text = match bytes.len() {
            length if length > LONGEST => {
                format!("the path has {length} bytes, a socket's has {LONGEST} at most")
            }
            _ => error.to_string(),
        };
        io::Error::new(error.kind(), text)
    })
}

/// The error of an attempt on a path.
pub(crate) fn failed_path(error: io::Error, verb: &str, path: &Path) -> io::Error {
    failed(error, format_args!("cannot {verb} {}", path.display()))
}

/// The error of an attempt on an address.
pub(crate) fn failed_addr(error: io::Error, verb: &str, address: &SocketAddr) -> io::Error {
    match address.as_pathname() {
        Some(path) => failed_path(error, verb, path),
        // `"name" (abstract)`, or `(unnamed)`.
        None => failed(error, format_args!("cannot {verb} {address:?}")),
    }
}

/// An address in the form of the calls that make no socket block.
pub(crate) fn for_connect(address: &SocketAddr) -> io::Result<SocketAddrUnix> {
    if let Some(path) = address.as_pathname() {
        return Ok(SocketAddrUnix::new(path)?);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use std::os::linux::net::SocketAddrExt;
        if let Some(name) = address.as_abstract_name() {
            return Ok(SocketAddrUnix::new_abstract_name(name)?);
        }
    }
    let text = "an unnamed socket has no address";
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}
