//! The driver: what an idle worker sleeps in. It knows wakers, and neither tasks nor groups.
//!
//! `clock` is the only place that reads the time; `wheel` keeps deadlines in order; `role` is the protocol of the one
//! worker that waits for time and I/O, and of how the others are woken; `selector` is what it waits in, over `system`,
//! the platform's half; `poller` puts them together; `source` is the cached readiness of a socket, and `registered` a
//! socket with its registration.

pub(crate) mod clock;
pub(crate) mod poller;
pub(crate) mod registered;
pub(crate) mod role;
pub(crate) mod selector;
pub(crate) mod source;
#[cfg(target_os = "linux")]
#[path = "epoll.rs"]
pub(crate) mod system;
#[cfg(not(target_os = "linux"))]
#[path = "portable.rs"]
pub(crate) mod system;
pub(crate) mod wheel;

#[cfg(test)]
mod tests;
