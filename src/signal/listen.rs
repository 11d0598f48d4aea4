//! Listeners.
//!
//! # Protocol
//!
//! A listener has a counter for each kind and a pair of sockets, one of which the driver watches.
//! The handler: 1. add one to the counter; 2. write a byte. A poll: 1. read all bytes; 2. take what
//! the counters have; 3. if that is nothing, wait for the next event of the socket.
//!
//! # Why no signal is lost
//!
//! If the handler counts before the poll takes, the poll has it. If it counts later, it also writes
//! later than the poll has read, and that makes an event. A write that finds the socket full is no
//! loss either: its bytes are read after that, and the counters are taken after them.
//!
//! A handler runs in the middle of anything. This one allocates nothing, takes no lock, and calls
//! the system by `write` alone; the registry saves `errno`.

#![expect(unsafe_code, reason = "a handler promises what may be done in it")]

use crate::driver::sources::Direction;
use crate::net::registered::Registered;
use crate::poll::budget;
use crate::report::tried::failed;
use crate::signal::Signal;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::waiters::Key;
use futures_core::Stream;
use signal_hook_registry::{FORBIDDEN, SigId, register, unregister};
use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Waits for Ctrl-C, or another `SIGINT`, that comes after this call.
///
/// For each further one in a loop take [`Signals`], which hears what comes in between.
///
/// # Examples
///
/// ```no_run
/// use spinney::Wait;
/// use spinney::signal::ctrl_c;
///
/// ctrl_c().wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// There is no descriptor left for it.
///
/// # Cancellation
///
/// Dropping the future ends the listening; Ctrl-C does not end the program by itself again.
pub fn ctrl_c() -> impl Future<Output = io::Result<()>> + Send {
    first(Signal::INT)
}

/// Waits for a request to end, `SIGTERM`, that comes after this call: what a service manager sends.
///
/// # Examples
///
/// ```no_run
/// use spinney::Wait;
/// use spinney::signal::terminate;
///
/// terminate().wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// There is no descriptor left for it.
///
/// # Cancellation
///
/// Dropping the future ends the listening; `SIGTERM` does not end the program by itself again.
pub fn terminate() -> impl Future<Output = io::Result<()>> + Send {
    first(Signal::TERM)
}

fn first(kind: Signal) -> impl Future<Output = io::Result<()>> + Send {
    let signals = Signals::new([kind]);
    async move {
        signals?.next().await;
        Ok(())
    }
}

/// A listener for signals of several kinds: a stream that does not end.
///
/// Those of one kind are in order. Of several kinds that came between two polls each has its turn.
///
/// # Examples
///
/// ```
/// use rustix::process::{Signal as Raw, getpid, kill_process};
/// use spinney::Wait;
/// use spinney::signal::{Signal, Signals};
///
/// let mut signals = Signals::new([Signal::HUP, Signal::USR1])?;
/// kill_process(getpid(), Raw::USR1)?;
/// assert_eq!(signals.next().wait(), Signal::USR1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Signals {
    /// The other end of the socket that the handler writes to.
    bytes: Registered<UnixStream>,
    key: Key,
    handlers: Handlers,
    /// What was taken from the counters, and not yielded yet.
    taken: Vec<usize>,
    /// The kind whose turn it is.
    turn: usize,
}

/// What the handler shares with the listener.
pub(super) struct Heard {
    kinds: Vec<(Signal, AtomicUsize)>,
    wake: UnixStream,
}

impl Heard {
    /// In a handler.
    fn hear(&self, kind: usize) {
        if let Some((_, count)) = self.kinds.get(kind) {
            // Relaxed: the call into the kernel below comes after it, and the event that this makes
            // before the poll that takes it; and a swap has the latest value.
            count.fetch_add(1, Ordering::Relaxed);
            let _ = rustix::io::write(&self.wake, &[0]);
        }
    }

    /// Takes what the counter of this kind has.
    pub(super) fn take(&self, kind: usize) -> usize {
        let count = self.kinds.get(kind).map(|(_, count)| count);
        // Relaxed: see `hear`.
        count.map_or(0, |count| count.swap(0, Ordering::Relaxed))
    }

    /// The other end of the socket comes to its end.
    pub(super) fn end(&self) {
        let _ = self.wake.shutdown(Shutdown::Write);
    }
}

/// Handlers that are registered, until they are dropped.
pub(super) struct Handlers {
    pub(super) heard: Arc<Heard>,
    registered: Vec<SigId>,
}

impl Handlers {
    /// Has signals of these kinds heard from now on, which write to `wake`.
    pub(super) fn new(kinds: Vec<Signal>, wake: UnixStream) -> io::Result<Self> {
        wake.set_nonblocking(true)?;
        let counters = kinds.iter().map(|kind| (*kind, AtomicUsize::new(0)));
        let heard = Heard {
            kinds: counters.collect(),
            wake,
        };
        // What was registered is taken back if one of them fails.
        let mut handlers = Self {
            heard: Arc::new(heard),
            registered: Vec::with_capacity(kinds.len()),
        };
        for (at, kind) in kinds.into_iter().enumerate() {
            let heard = Arc::clone(&handlers.heard);
            // SAFETY: the action is fit for a handler: an addition to an atomic, and a write to a
            // descriptor that does not block. It does not panic, and the registry drops it outside
            // of handlers.
            let id = unsafe { register(kind.as_raw(), move || heard.hear(at)) }?;
            handlers.registered.push(id);
        }
        Ok(handlers)
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        // When this returns no handler uses the action any more.
        for id in self.registered.drain(..) {
            unregister(id);
        }
    }
}

/// An error if one of these kinds cannot be heard.
pub(super) fn can_be_heard(kinds: &[Signal]) -> io::Result<()> {
    match kinds.iter().find(|kind| FORBIDDEN.contains(&kind.as_raw())) {
        Some(kind) => {
            let text = format!("{kind} cannot be heard");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
        None => Ok(()),
    }
}

impl Signals {
    /// Hears signals of these kinds from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::signal::{Signal, Signals};
    ///
    /// let signals = Signals::new([Signal::INT, Signal::TERM]);
    /// assert!(signals.is_ok());
    /// assert!(Signals::new([Signal::KILL]).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// A kind that cannot be heard, or only by code that does not return, such as `SIGKILL` or
    /// `SIGSEGV`; or there is no descriptor left.
    pub fn new(kinds: impl IntoIterator<Item = Signal>) -> io::Result<Self> {
        let kinds: Vec<_> = kinds.into_iter().collect();
        can_be_heard(&kinds)?;
        let unheard = |error| failed(error, "cannot listen for signals");
        let (bytes, wake) = UnixStream::pair().map_err(unheard)?;
        bytes.set_nonblocking(true)?;
        let bytes = Registered::new(bytes, None).map_err(unheard)?;
        let taken = vec![0; kinds.len()];
        Ok(Self {
            handlers: Handlers::new(kinds, wake)?,
            bytes,
            key: Key::default(),
            taken,
            turn: 0,
        })
    }

    /// Waits for the next signal.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use spinney::Wait;
    /// use spinney::signal::{Signal, Signals};
    ///
    /// let mut signals = Signals::new([Signal::INT, Signal::TERM])?;
    /// println!("{} drains", signals.next().wait());
    /// println!("{} forces", signals.next().wait());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Signal {
        poll_fn(|cx| self.poll_signal(cx)).await
    }

    fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        loop {
            if self.taken.iter().any(|count| *count > 0) {
                ready!(budget::spend(cx));
                if let Some(signal) = self.take_one() {
                    return Poll::Ready(signal);
                }
            }
            let (heard, taken) = (&self.handlers.heard, &mut self.taken);
            // There is no error: what the socket has is not looked at.
            let _ = ready!(
                self.bytes
                    .poll_io(Direction::Read, Some(&mut self.key), cx, |bytes| take(
                        bytes, heard, taken
                    ))
            );
        }
    }

    /// A signal that was taken from the counters, of the kind whose turn it is.
    fn take_one(&mut self) -> Option<Signal> {
        for _ in 0..self.taken.len() {
            let at = self.turn;
            self.turn = (at + 1) % self.taken.len();
            if self.taken[at] > 0 {
                self.taken[at] -= 1;
                return Some(self.handlers.heard.kinds[at].0);
            }
        }
        None
    }
}

/// Reads all bytes, and then takes what the counters have.
fn take(mut bytes: &UnixStream, heard: &Heard, taken: &mut [usize]) -> io::Result<()> {
    let mut room = [0; 64];
    loop {
        match bytes.read(&mut room) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    let mut any = false;
    for (kind, taken) in taken.iter_mut().enumerate() {
        *taken += heard.take(kind);
        any |= *taken > 0;
    }
    match any {
        true => Ok(()),
        false => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Stream for Signals {
    type Item = Signal;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        self.get_mut().poll_signal(cx).map(Some)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.handlers.heard.kinds.iter().map(|(kind, _)| kind);
        f.debug_list().entries(kinds).finish()
    }
}
