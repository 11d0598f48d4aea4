//! Servers, each in the process that measures it, and their load, which is a process of its own.

pub(crate) mod epoll;
pub(crate) mod load;
pub(crate) mod on_spinney;
pub(crate) mod on_tokio;

use clap::ValueEnum;

/// What every request to hyper is answered with.
pub(crate) const BODY: &str = "Hello, World!";

/// Bytes of an echo.
pub(crate) const LENGTH: usize = 64;

/// What a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// HTTP/1.1, kept alive.
    Hyper,
    /// HTTP/1.1, a connection for each request, which the server closes.
    HyperClose,
    /// Bytes that come back.
    Echo,
}
