//! Processes that belong to a group.
//!
//! A [`Command`] starts a process in a group, which does not end before it has reaped the process.
//! So no process outlives the code that needed it: when its [`Child`] is dropped, as by a cut, or
//! when body and children of the group have ended, a process that still runs is asked to end, and
//! killed after a grace.
//!
//! ```
//! use spinney::process::Command;
//! use spinney::{Group, Wait, try_group};
//! use std::io::{Error, ErrorKind};
//! use std::time::Duration;
//!
//! let result = try_group(async |g: Group<'_, '_, Error>| {
//!     g.deadline(Duration::from_millis(10), ErrorKind::TimedOut.into());
//!     Command::new("sleep").arg("1000").status().await?;
//!     Ok(())
//! })
//! .wait();
//! assert_eq!(result.unwrap_err().first().kind(), ErrorKind::TimedOut); // and no `sleep` is left
//! ```
//!
//! # How a process is ended
//!
//! 1. A signal asks it to end: `SIGTERM`, or that of [`Command::stop_signal`]. `SIGCONT` follows,
//!    as a process that is stopped would not heed it.
//! 2. After the time of [`Command::grace`], which is 5 s if it is not set, it is killed.
//! 3. It is reaped, and then the group goes on with its end.
//!
//! The time goes by the clock of the group's runtime. [`Runtime::shutdown`] waits for it. A process
//! of another user, which may not be signalled, is waited for.
//!
//! # Processes that a process starts
//!
//! Each process leads a process group of its own, and the signals go to all that are in it. What is
//! left in it when the process has ended by itself is ended in the same way, so that nothing that a
//! shell has sent to the background stays behind. A process that leaves it, as daemons do by
//! `setsid`, is not reached. Those that a process has started are reaped by the system, or, where
//! this program takes its part (the first process of a container, a "child subreaper"), with it.
//!
//! A process group of its own is in the background of a terminal. Ctrl-C there reaches this program
//! alone: it has to end its groups (`signal::ctrl_c`), or its processes outlive it. And a process
//! that reads from the terminal is stopped; so standard input is empty, unless
//! [`Command::stdin`] says otherwise. For programs that talk with a person, such as an editor,
//! there is [`Command::share_process_group`].
//!
//! # Let go
//!
//! A process that is to live on is let go explicitly, by [`Child::detach`] or
//! [`Command::kill_on_cut`]: its group does not wait for it, and the runtime reaps it.
//!
//! # Other code that reaps
//!
//! A process is watched by a descriptor of its own (a pidfd), and by a thread where there is none.
//! Handlers of `SIGCHLD` are left alone. Code that waits for just any child, by `wait(-1)`, or a
//! program that ignores `SIGCHLD`, takes the status away: then [`Child::wait`] is an error, whose
//! source is `ECHILD`, and hangs not.
//!
//! [`Runtime::shutdown`]: crate::Runtime::shutdown

mod child;
mod command;
mod keeper;
mod running;
mod streams;
mod watch;

pub use crate::signal::Signal;
pub use child::Child;
pub use command::Command;
pub use std::process::{ExitStatus, Output, Stdio};
pub use streams::{ChildStderr, ChildStdin, ChildStdout};
