//! Signals to this program, as futures and as a stream.
//!
//! ```no_run
//! use spinney::signal::ctrl_c;
//! use spinney::{Wait, group, sleep};
//! use std::time::Duration;
//!
//! group(async |g| {
//!     g.service(async move {
//!         ctrl_c().await.unwrap();
//!         g.stop();
//!     });
//!     while !g.is_stopping() {
//!         sleep(Duration::from_millis(100)).await; // the work
//!     }
//! })
//! .wait();
//! ```
//!
//! # What is heard, and when
//!
//! A listener hears what comes after it was made, not what comes after its first poll. Each of any
//! number of listeners hears each signal. What comes between two polls is counted, and yielded that
//! often. But the system itself keeps one signal of a kind for a process that has not yet taken it:
//! what it merges so comes once.
//!
//! Handlers of other code are called as before: signal-hook-registry, on which this stands, as
//! tokio and signal-hook do, chains them. Once the last listener of a kind has gone its part of the
//! handler goes, too, but the system's default action does not come back: from the first listener
//! for `SIGINT` on, Ctrl-C ends the program no more by itself.
//!
//! # Fork
//!
//! A process that was forked from this one has the handlers, until it calls `exec`: what it gets
//! there is heard by no listener here. New listeners there are errors, unless a runtime was made
//! there.

#[cfg(feature = "signal")]
mod dump_on;
mod kind;
#[cfg(feature = "signal")]
mod listen;

#[cfg(feature = "signal")]
pub use dump_on::{DumpOn, dump_on};
pub use kind::Signal;
#[cfg(feature = "signal")]
pub use listen::{Signals, ctrl_c, terminate};
