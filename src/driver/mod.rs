//! The driver: what an idle worker sleeps in. It knows wakers, and neither tasks nor groups.
//!
//! From the bottom up: `clock` is the only place that reads the time; `slab` gives the memory of
//! timers back; `wheel` keeps deadlines in order; `timers` are a few wheels, so that workers do not
//! meet; `role` is the protocol of the one worker that waits for time and I/O, and of how the
//! others are woken; `source` is the cached readiness of a source of I/O, in one direction;
//! `sources` are those that are watched, by key; `system` is the platform's half of what the worker
//! waits in (`epoll.rs` on Linux, `portable.rs` elsewhere); `beside` is tokio's driver, in which it
//! may wait, too (`tokio.rs`, or `no_tokio.rs` without the feature), `tokio_runtime` what is driven
//! there and how it ends, and `lent` how that goes from one thread to another; `selector` is the
//! whole of that; `driver` puts them together.

#[cfg(feature = "tokio")]
#[path = "tokio.rs"]
pub(crate) mod beside;
#[cfg(not(feature = "tokio"))]
#[path = "no_tokio.rs"]
pub(crate) mod beside;
pub(crate) mod clock;
#[expect(clippy::module_inception, reason = "it holds `Driver`")]
pub(crate) mod driver;
#[cfg(feature = "tokio")]
pub(crate) mod lent;
pub(crate) mod role;
pub(crate) mod selector;
pub(crate) mod slab;
pub(crate) mod source;
pub(crate) mod sources;
#[cfg(target_os = "linux")]
#[path = "epoll.rs"]
pub(crate) mod system;
#[cfg(not(target_os = "linux"))]
#[path = "portable.rs"]
pub(crate) mod system;
pub(crate) mod timers;
#[cfg(feature = "tokio")]
pub(crate) mod tokio_runtime;
pub(crate) mod wheel;

#[cfg(test)]
mod tests;
