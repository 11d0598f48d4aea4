//! Dumps on a signal, by a thread of their own: a program whose workers are all stuck runs no task.
//!
//! The thread sleeps in a read from a socket, to which the handler of the signal writes (`listen`).
//! So it needs neither a worker nor the driver nor another thread. It takes the dump as any caller
//! outside does, under short locks, none of which is held while a task is polled.

use crate::pool::global;
use crate::pool::shared::Shared;
use crate::pool::snapshot;
use crate::report::dump::Dump;
use crate::report::tried::failed;
use crate::signal::Signal;
use crate::signal::listen::{Handlers, Heard, can_be_heard};
use crate::sync::thread::JoinHandle;
use crate::sync::{Arc, Weak, thread};
use crate::unwind;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// Hands a dump of the runtime of this thread to `tell` each time a signal of this kind comes,
/// until the value that it returns is dropped.
///
/// A thread of its own takes the dump and calls `tell`, so this works while every worker is stuck.
/// Signals that come while a dump is told are one. In a thread without a runtime the global one is
/// meant, as in [`current::dump`](crate::current::dump). What else listens for the signal hears it
/// as well; where nothing does, it does not end the program by itself any more.
///
/// # Examples
///
/// ```
/// use rustix::process::{Signal as Raw, getpid, kill_process};
/// use spinney::signal::{Signal, dump_on};
/// use std::sync::mpsc;
///
/// let (tell, told) = mpsc::channel();
/// let dumps = dump_on(Signal::USR1, move |dump| {
///     eprintln!("{dump}"); // what `kill -USR1` is for
///     tell.send(dump.groups().len()).unwrap();
/// })?;
/// spinney::scope(|_| {
///     kill_process(getpid(), Raw::USR1).unwrap();
///     assert_eq!(told.recv(), Ok(1)); // the scope
/// });
/// drop(dumps); // no more; `std::mem::forget` keeps it for the whole program
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// A kind that cannot be heard, such as `SIGKILL`; no descriptor or no thread is left; or the
/// process was forked from that of the runtime.
///
/// # Panics
///
/// If `tell` panics, a line to stderr says so, and the next signal is told again.
pub fn dump_on(kind: Signal, tell: impl FnMut(Dump) + Send + 'static) -> io::Result<DumpOn> {
    can_be_heard(&[kind])?;
    let unheard = |error| failed(error, "cannot listen for signals");
    global::with_runtime(|shared| {
        shared.driver.must_be_here()?;
        let (bytes, wake) = UnixStream::pair().map_err(unheard)?;
        let handlers = Handlers::new(vec![kind], wake)?;
        let (heard, runtime) = (Arc::clone(&handlers.heard), Arc::downgrade(shared));
        let theirs = Weak::clone(&runtime);
        let serve = move || serve(&bytes, &heard, &theirs, tell);
        let thread = shared.thread("dumps").spawn(serve).map_err(unheard)?;
        Ok(DumpOn {
            kind,
            handlers,
            thread: Some(thread),
            process: std::process::id(),
        })
    })
}

/// The loop of the thread.
fn serve(
    mut bytes: &UnixStream,
    heard: &Heard,
    runtime: &Weak<Shared>,
    mut tell: impl FnMut(Dump),
) {
    let mut room = [0; 64];
    loop {
        match bytes.read(&mut room) {
            Ok(0) => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        // None: those of a byte were taken before, or it was a process that was forked from here.
        if heard.take(0) == 0 {
            continue;
        }
        let Some(shared) = runtime.upgrade() else {
            continue;
        };
        let dump = snapshot::take(&shared);
        drop(shared);
        if let Err(payload) = unwind::catch(|| tell(dump)) {
            let text = unwind::message(&*payload);
            let _ = writeln!(
                io::stderr(),
                "spinney: what a dump is told to panicked ({text})"
            );
            unwind::discard(payload);
        }
    }
}

/// Dumps on a signal, until it is dropped: what [`dump_on`] returns.
///
/// # Examples
///
/// ```
/// use spinney::signal::{DumpOn, Signal, dump_on};
///
/// struct Server {
///     dumps: DumpOn,
/// }
///
/// let server = Server { dumps: dump_on(Signal::USR2, |dump| eprintln!("{dump}"))? };
/// drop(server); // nothing is told any more
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Blocking
///
/// The drop waits until a dump that is being told is told.
#[must_use = "dropped, it hears no signal"]
pub struct DumpOn {
    kind: Signal,
    handlers: Handlers,
    thread: Option<JoinHandle<()>>,
    /// The process that has the thread.
    process: u32,
}

impl Drop for DumpOn {
    fn drop(&mut self) {
        // A process that was forked from this one shares the socket, and has no such thread.
        if self.process != std::process::id() {
            return;
        }
        self.handlers.heard.end();
        let Some(thread) = self.thread.take() else {
            return;
        };
        // What it tells may drop this.
        if thread.thread().id() != thread::current().id() {
            // It catches panics.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for DumpOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DumpOn").field(&self.kind).finish()
    }
}
