//! Bridges to other people's traits.

#[cfg(feature = "futures")]
pub mod futures;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "openmetrics")]
pub mod openmetrics;
#[cfg(feature = "tokio-io")]
mod tokio_io;
