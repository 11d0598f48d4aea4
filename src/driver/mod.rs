//! The driver: what an idle worker sleeps in. It knows wakers, and neither tasks nor groups.
//!
//! `clock` is the only place that reads the time; `timers` keeps deadlines in order; `poller` is the role of the one
//! worker that waits for time and I/O, and how the others are woken; `source` is the cached readiness of a socket, and
//! `registered` a socket with its registration.

pub(crate) mod clock;
pub(crate) mod poller;
pub(crate) mod registered;
pub(crate) mod source;
pub(crate) mod timers;
