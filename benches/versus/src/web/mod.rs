//! Servers, each in the process that measures it, and their load, which is a process of its own.

pub(crate) mod axum;
pub(crate) mod epoll;
pub(crate) mod load;
pub(crate) mod on_both;
pub(crate) mod on_serve;
pub(crate) mod on_spinney;
pub(crate) mod on_tokio;
pub(crate) mod parties;
pub(crate) mod proxy;

use clap::ValueEnum;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use std::convert::Infallible;

/// What every request to hyper is answered with.
pub(crate) const BODY: &str = "Hello, World!";

/// Bytes of an echo.
pub(crate) const LENGTH: usize = 64;

/// What every server of hyper answers.
async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(
        BODY.as_bytes(),
    ))))
}

/// What a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// HTTP/1.1, kept alive.
    Hyper,
    /// HTTP/1.1, a connection for each request, which the server closes.
    HyperClose,
    /// Bytes that come back.
    Echo,
    /// The same, through a proxy.
    Proxy,
}

impl Kind {
    /// How many the load has open.
    fn connections(self) -> u64 {
        match self {
            Self::Hyper | Self::HyperClose | Self::Echo => 64,
            Self::Proxy => 200,
        }
    }
}
