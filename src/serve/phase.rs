//! The phases of a server, from its start to its end, and the handle by which it is stopped.
//!
//! Phases only go up. The word of the phase, and the two orders, are set before the waiters are
//! woken; a waiter registers first and looks afterwards: see `src/waiters.rs`.

use crate::poll::{budget, frame};
use crate::serve::report::{Counts, Sums};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use crate::waiters::{Key, Waiters};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Where a server is between its start and its end. Phases are ordered, and only go up.
///
/// # Examples
///
/// ```
/// use spinney::serve::{Phase, Server};
///
/// let server = Server::new();
/// assert_eq!(server.handle().phase(), Phase::Starting);
/// assert!(Phase::Ready < Phase::Draining);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// It does not accept yet.
    Starting,
    /// It accepts and serves.
    Ready,
    /// It was told to stop, accepts and serves all the same, and says on `/readyz` that it is about
    /// to go, so that a balancer sends its clients elsewhere.
    LameDuck,
    /// It accepts no more. Idle connections are closed, others after the answer that is under way.
    Draining,
    /// The time to drain is over: what is left is cut and joined.
    Cancelling,
    /// It was forced to end, or cutting took too long: what is left is cut, and joined by the
    /// enclosing group.
    Forced,
    /// It has ended.
    Ended,
}

impl Phase {
    pub(super) const ALL: [Self; 7] = [
        Self::Starting,
        Self::Ready,
        Self::LameDuck,
        Self::Draining,
        Self::Cancelling,
        Self::Forced,
        Self::Ended,
    ];
}

/// There is no order.
const GO_ON: u32 = 0;
const STOP: u32 = 1;
const FORCE: u32 = 2;

/// What a server and its handles share.
pub(super) struct Control {
    phase: AtomicU32,
    order: AtomicU32,
    /// Connections that are open.
    open: AtomicUsize,
    /// Told of a phase, an order, or the end of a connection that the accepting body waits for.
    changed: Waiters,
}

impl Control {
    pub(super) fn new() -> Self {
        Self {
            phase: AtomicU32::new(Phase::Starting as u32),
            order: AtomicU32::new(GO_ON),
            open: AtomicUsize::new(0),
            changed: Waiters::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        // Relaxed: the lock of the waiters orders it for those that wait.
        Phase::ALL[self.phase.load(Ordering::Relaxed) as usize]
    }

    /// Enters a phase, unless a later one has begun.
    pub(super) fn enter(&self, phase: Phase) {
        // Relaxed: as above.
        self.phase.fetch_max(phase as u32, Ordering::Relaxed);
        self.changed.wake_all();
    }

    fn give(&self, order: u32) {
        // Relaxed: as above.
        self.order.fetch_max(order, Ordering::Relaxed);
        self.changed.wake_all();
    }

    pub(super) fn stop(&self) {
        self.give(STOP);
    }

    pub(super) fn is_stopped(&self) -> bool {
        // Relaxed: as above.
        self.order.load(Ordering::Relaxed) >= STOP
    }

    fn is_forced(&self) -> bool {
        // Relaxed: as above.
        self.order.load(Ordering::Relaxed) >= FORCE
    }

    pub(super) fn open(&self) -> usize {
        // Relaxed: as above.
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn opened(&self) {
        // Relaxed: only the accepting body adds.
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection has ended; `full` is the number of them at which the accepting body waits.
    pub(super) fn closed(&self, full: usize) {
        // Relaxed: the lock of the waiters orders it.
        if self.open.fetch_sub(1, Ordering::Relaxed) == full {
            self.changed.wake_all();
        }
    }

    /// Waits until `condition` holds, which is looked at whenever a waiter is told.
    pub(super) fn until<C: Fn(&Self) -> bool>(self: &Arc<Self>, condition: C) -> Until<C> {
        Until {
            control: Arc::clone(self),
            condition,
            key: Key::default(),
        }
    }

    /// Waits for the order to stop.
    pub(super) fn stopped(self: &Arc<Self>) -> Until<impl Fn(&Self) -> bool + use<>> {
        self.until(Self::is_stopped)
    }

    /// Waits for the order to end at once.
    pub(super) fn forced(self: &Arc<Self>) -> Until<impl Fn(&Self) -> bool + use<>> {
        self.until(Self::is_forced)
    }
}

/// The future of [`Control::until`].
pub(super) struct Until<C> {
    control: Arc<Control>,
    condition: C,
    key: Key,
}

impl<C> Unpin for Until<C> {}

impl<C: Fn(&Control) -> bool> Future for Until<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if !(this.condition)(&this.control) {
            this.control.changed.register(&mut this.key, cx.waker());
            if !(this.condition)(&this.control) {
                frame::note_leaf();
                return Poll::Pending;
            }
        }
        budget::spend(cx)
    }
}

impl<C> Drop for Until<C> {
    fn drop(&mut self) {
        self.control.changed.remove(&mut self.key);
    }
}

/// Stops a server from anywhere, and tells in which phase it is.
///
/// # Examples
///
/// ```
/// use spinney::net::TcpListener;
/// use spinney::serve::{Ending, Phase, Server};
/// # use hyper::{Request, Response, body::Bytes};
/// # use http_body_util::Full;
/// # use spinney::serve::RequestBody;
/// # use std::convert::Infallible;
/// # async fn hello(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
/// #     Ok(Response::new(Full::from("hello")))
/// # }
///
/// let report = spinney::block_on(spinney::group(async |g| {
///     let server = Server::new();
///     let handle = server.handle();
///     g.spawn(async move {
///         handle.reached(Phase::Ready).await;
///         handle.stop();
///     });
///     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
///     server.serve(listener, spinney::serve::service_fn(hello)).await
/// }));
/// assert_eq!(report.ending, Ending::Drained);
/// ```
#[derive(Clone)]
pub struct ServerHandle {
    pub(super) control: Arc<Control>,
    pub(super) sums: Arc<Sums>,
}

impl ServerHandle {
    /// Begins the stop: the server goes on to [`Phase::LameDuck`]. Again it does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let handle = spinney::serve::Server::new().handle();
    /// handle.stop(); // it would accept nothing
    /// ```
    pub fn stop(&self) {
        self.control.stop();
    }

    /// Ends the server at once: the server goes on to [`Phase::Forced`].
    ///
    /// # Examples
    ///
    /// ```
    /// let handle = spinney::serve::Server::new().handle();
    /// handle.force();
    /// ```
    pub fn force(&self) {
        self.control.give(FORCE);
    }

    /// The first call stops, the next one forces: for signals.
    ///
    /// # Examples
    ///
    /// ```
    /// let handle = spinney::serve::Server::new().handle();
    /// handle.stop_or_force(); // SIGTERM: drains
    /// handle.stop_or_force(); // and again: at once
    /// ```
    pub fn stop_or_force(&self) {
        match self.control.is_stopped() {
            true => self.force(),
            false => self.stop(),
        }
    }

    /// The phase, as of now.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::serve::{Phase, Server};
    ///
    /// assert_eq!(Server::new().handle().phase(), Phase::Starting);
    /// ```
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.control.phase()
    }

    /// How many connections are open, as of now.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(spinney::serve::Server::new().handle().connections(), 0);
    /// ```
    #[must_use]
    pub fn connections(&self) -> usize {
        self.control.open()
    }

    /// What the server has done, as of now.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(spinney::serve::Server::new().handle().counts().requests, 0);
    /// ```
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.sums.counts()
    }

    /// Waits for a phase, or a later one.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::serve::{Phase, Server};
    ///
    /// let handle = Server::new().handle();
    /// spinney::block_on(handle.reached(Phase::Starting)); // at once
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub fn reached(&self, phase: Phase) -> impl Future<Output = ()> + Send + use<> {
        self.control.until(move |control| control.phase() >= phase)
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}
