//! The driver: what an idle worker sleeps in. It knows wakers, and neither tasks nor groups.
//!
//! `clock` is the only place that reads the time; `timers` keeps deadlines in order; `poller` is the role of the one
//! worker that waits for time and I/O, and how the others are woken.

pub(crate) mod clock;
pub(crate) mod poller;
pub(crate) mod timers;
