//! The server: what its operator may choose, the accepting, and the phases of its end.
//!
//! # The order of a stop
//!
//! 1. Say so on `/readyz`, and go on for the time of the lame duck.
//! 2. Accept the clients in the queue of the system: they were told that they are connected.
//! 3. Close the listener: from here on new clients are refused.
//! 4. Ask all connections to stop. One that is idle closes; one whose client has sent a request
//!    answers it first.
//! 5. After the time to drain, cut what is left, and join it.
//! 6. If that takes too long, or the operator forces it, say what is left, and leave it to the
//!    enclosing group to join it.

use crate::api::group::builder::GroupBuilder;
use crate::api::group::handle::Group;
use crate::api::here::current;
use crate::net::pause::Pause;
use crate::pool::global;
use crate::serve::accept::{Accept, Peer};
use crate::serve::activity::Patience;
use crate::serve::body::{BoxError, RequestBody};
use crate::serve::connection::connection;
use crate::serve::connection_state::{Limits, OnAcceptError, Serving};
use crate::serve::contained::report;
use crate::serve::phase::{Control, Phase, ServerHandle};
use crate::serve::report::{Ending, Report, Sums};
use crate::serve::service::Served;
use crate::sync::Arc;
use crate::time::sleep;
use crate::tree::survey;
use crate::unwind;
use hyper::body::{Body, Bytes};
use hyper::{Request, Response};
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tower_service::Service;

/// Clients that a stop still accepts. The queue of a listener holds no more.
const QUEUE: usize = 1024;

/// The least room for a head: hyper's.
const LEAST_HEAD: usize = 8192;

/// A server of HTTP/1.1 and HTTP/2, with the limits that a careful operator would choose.
///
/// Each connection has a group, and so has each request, in that of its connection. A client that
/// hangs up, or a deadline, cuts the request's group, which is joined like any other. The server
/// drains when [`ServerHandle::stop`] says so, or when an enclosing group is asked to stop.
///
/// | what | limit, unless chosen otherwise |
/// |---|---|
/// | the head of a request, a handshake | 10 s |
/// | between requests of a connection | 75 s |
/// | a request, up to the head of its answer | 30 s, then 503 |
/// | the next piece of a request's body | 30 s |
/// | a client that takes no bytes | 30 s |
/// | connections | 10,000; then it does not accept |
/// | connections of an address | as many as all |
/// | requests under way | as many as come; else 503 with `Retry-After: 1` |
/// | a head | 32 KiB |
/// | to drain, and to cut what is left | 10 s, 5 s |
///
/// A connection of HTTP/1.1 that is idle for a second rests: its buffers, some 20 kB, are given
/// back until the next request, unless the last one had a body.
///
/// HTTP/2 is served to clients that begin with its preface; with TLS, that is what ALPN agrees on:
/// [`Accept`] says where there is a listener for that.
///
/// # Examples
///
/// ```no_run
/// use hyper::{Request, Response, body::Bytes};
/// use http_body_util::Full;
/// use spinney::net::TcpListener;
/// use spinney::serve::{RequestBody, Server, service_fn};
/// use std::convert::Infallible;
///
/// async fn hello(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
///     Ok(Response::new(Full::from("hello\n")))
/// }
///
/// # fn main() -> std::io::Result<()> {
/// spinney::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:8080").await?;
///     let report = Server::new().serve(listener, service_fn(hello)).await;
///     println!("{report}");
///     Ok(())
/// })
/// # }
/// ```
pub struct Server {
    limits: Limits,
    control: Arc<Control>,
    sums: Arc<Sums>,
    on_accept_error: Option<OnAcceptError>,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! durations {
    ($($(#[$doc:meta])* $name:ident => $($field:ident).+;)*) => {$(
        $(#[$doc])*
        ///
        /// `Duration::MAX` means never.
        ///
        /// # Examples
        ///
        /// ```
        /// use std::time::Duration;
        ///
        #[doc = concat!(
            "let server = spinney::serve::Server::new().",
            stringify!($name),
            "(Duration::from_secs(7));"
        )]
        /// # drop(server);
        /// ```
        #[must_use = "it is the server with this choice"]
        pub fn $name(mut self, duration: Duration) -> Self {
            self.limits.$($field).+ = duration;
            self
        }
    )*};
}

impl Server {
    /// A server with the limits of the table.
    ///
    /// # Examples
    ///
    /// ```
    /// let server = spinney::serve::Server::new();
    /// # drop(server);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            limits: Limits {
                patience: Patience {
                    head: Duration::from_secs(10),
                    idle: Duration::from_secs(75),
                    write: Duration::from_secs(30),
                },
                request: Duration::from_secs(30),
                body: Duration::from_secs(30),
                connections: 10_000,
                per_address: usize::MAX,
                in_flight: usize::MAX,
                head_bytes: 32 * 1024,
                lame_duck: Duration::ZERO,
                drain: Duration::from_secs(10),
                cancel: Duration::from_secs(5),
            },
            control: Arc::new(Control::new()),
            sums: Arc::default(),
            on_accept_error: None,
        }
    }

    durations! {
        /// How long a client may take for the head of a request, or for its handshake.
        header_timeout => patience.head;
        /// How long a connection may be idle between two requests.
        idle_timeout => patience.idle;
        /// How long a client may take no bytes of an answer.
        write_timeout => patience.write;
        /// How long a request may take up to the head of its answer. Then its group is cut and
        /// joined, and the client gets 503.
        request_deadline => request;
        /// How long the next piece of a request's body may take, while it is asked for.
        body_timeout => body;
        /// How long the server goes on accepting after it was told to stop, so that balancers that
        /// read `/readyz` send clients elsewhere.
        lame_duck => lame_duck;
        /// How long connections may take to end by themselves, once nothing is accepted any more.
        drain_timeout => drain;
        /// How long what is cut may take to end, before the server leaves it to the enclosing
        /// group.
        cancel_timeout => cancel;
    }

    /// How many connections may be open. While there are as many, the server does not accept, and
    /// clients wait in the queue of the system.
    ///
    /// # Examples
    ///
    /// ```
    /// let server = spinney::serve::Server::new().max_connections(100);
    /// # drop(server);
    /// ```
    ///
    /// # Panics
    ///
    /// With zero.
    #[must_use = "it is the server with this choice"]
    pub fn max_connections(mut self, count: usize) -> Self {
        assert!(count > 0, "a server without connections serves nothing");
        self.limits.connections = count;
        self
    }

    /// How many connections an address may have. One more is closed at once.
    ///
    /// # Examples
    ///
    /// ```
    /// let server = spinney::serve::Server::new().max_connections_per_address(20);
    /// # drop(server);
    /// ```
    #[must_use = "it is the server with this choice"]
    pub fn max_connections_per_address(mut self, count: usize) -> Self {
        self.limits.per_address = count;
        self
    }

    /// How many requests may be under way, to the end of their answers. One more gets 503 with
    /// `Retry-After: 1`.
    ///
    /// # Examples
    ///
    /// ```
    /// let server = spinney::serve::Server::new().max_requests_in_flight(1000);
    /// # drop(server);
    /// ```
    #[must_use = "it is the server with this choice"]
    pub fn max_requests_in_flight(mut self, count: usize) -> Self {
        self.limits.in_flight = count;
        self
    }

    /// How many bytes the head of a request may have; 8,192 at least, which is hyper's least. A
    /// longer one gets 431.
    ///
    /// # Examples
    ///
    /// ```
    /// let server = spinney::serve::Server::new().max_header_bytes(64 * 1024);
    /// # drop(server);
    /// ```
    #[must_use = "it is the server with this choice"]
    pub fn max_header_bytes(mut self, bytes: usize) -> Self {
        self.limits.head_bytes = bytes.max(LEAST_HEAD);
        self
    }

    /// What hears why the system gave no connection, and for how long the server waits before it
    /// asks again.
    ///
    /// # Examples
    ///
    /// ```
    /// let server = spinney::serve::Server::new().on_accept_error(|error, pause| {
    ///     eprintln!("cannot accept: {error}; trying again in {pause:?}");
    /// });
    /// # drop(server);
    /// ```
    #[must_use = "it is the server with this choice"]
    pub fn on_accept_error(
        mut self,
        hook: impl Fn(&io::Error, Duration) + Send + Sync + 'static,
    ) -> Self {
        self.on_accept_error = Some(Arc::new(hook));
        self
    }

    /// What stops the server, and tells in which phase it is.
    ///
    /// # Examples
    ///
    /// ```
    /// let server = spinney::serve::Server::new();
    /// let handle = server.handle(); // for signals, for routes
    /// # drop(handle);
    /// ```
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle {
            control: Arc::clone(&self.control),
            sums: Arc::clone(&self.sums),
        }
    }

    /// Serves until it is told to stop, and has drained. Each connection gets a clone of `service`,
    /// and so does each request: a clone should be cheap.
    ///
    /// # Examples
    ///
    /// Any `tower` service is served, such as a router of axum (without its feature `tokio`):
    ///
    /// ```
    /// use spinney::serve::{Accept, BoxError, Report, RequestBody, Server};
    /// use hyper::{Request, Response, body::{Body, Bytes}};
    /// use std::time::Duration;
    /// use tower_service::Service;
    ///
    /// async fn run<S, B>(listener: impl Accept, service: S) -> Report
    /// where
    ///     S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>>,
    ///     S: Clone + Send + 'static,
    ///     S::Future: Send + 'static,
    ///     B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    /// {
    ///     let server = Server::new().request_deadline(Duration::from_secs(5));
    ///     server.serve(listener, service).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// None: what a connection or a request meets is counted in the report. An error or a panic of
    /// the service is answered by 500 and goes to the runtime's hook
    /// ([`on_unobserved`](crate::RuntimeBuilder::on_unobserved)), with the method and the path as
    /// its name; so does a panic beside a request, such as that of a destructor of a body or of the
    /// service, which ends its connection at most.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the listener and cuts all connections, which the enclosing group
    /// joins.
    pub async fn serve<A, S, B>(self, listener: A, service: S) -> Report
    where
        A: Accept,
        S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>>,
        S: Clone + Send + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let Self {
            limits,
            control,
            sums,
            on_accept_error,
        } = self;
        let server = Arc::new(Serving::new(
            limits,
            Arc::clone(&control),
            Arc::clone(&sums),
            on_accept_error,
            global::now(),
        ));
        let inner = Arc::clone(&server);
        let group = GroupBuilder::<TimeIsOver>::new()
            .name("server")
            .run(async move |g| {
                accept_all(g, listener, service, inner).await;
                Ok(())
            });
        let (ending, stragglers) = {
            let mut group = pin!(group);
            let mut escalation = pin!(escalate(Arc::clone(&control), limits));
            let mut stopping = pin!(current::stopping());
            poll_fn(|cx| {
                if !control.is_stopped() && stopping.as_mut().poll(cx).is_ready() {
                    control.stop();
                }
                if let Poll::Ready(ended) = group.as_mut().poll(cx) {
                    let ending = match ended {
                        Ok(()) => Ending::Drained,
                        Err(_) => Ending::Cancelled,
                    };
                    return Poll::Ready((ending, Vec::new()));
                }
                if escalation.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                control.enter(Phase::Forced);
                let node = server.group.lock().take();
                let left = node.map_or_else(Vec::new, |node| survey::stragglers(&node));
                Poll::Ready((Ending::Forced, left))
            })
            .await
        };
        control.enter(Phase::Ended);
        Report {
            ending,
            counts: sums.counts(),
            stragglers,
            listener: server.listener.lock().take(),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The time to drain is over.
struct TimeIsOver;

/// Follows the phases of the end; ready when the server is to be forced.
async fn escalate(control: Arc<Control>, limits: Limits) {
    let slow = async {
        let drains = |control: &Control| control.phase() >= Phase::Draining;
        control.until(drains).await;
        sleep(limits.drain).await;
        control.enter(Phase::Cancelling);
        sleep(limits.cancel).await;
    };
    unless(pin!(control.forced()), slow).await;
}

/// The body of the server's group: accepts until the server is to drain, and asks all to stop.
async fn accept_all<A, S, B>(
    g: Group<'_, '_, TimeIsOver>,
    mut listener: A,
    service: S,
    server: Arc<Serving>,
) where
    A: Accept,
    S: Served<B>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let control = Arc::clone(&server.control);
    *server.group.lock() = Some(g.node().to_ref());
    let limits = server.limits;
    let welcoming = Arc::clone(&server);
    let mut welcome = move |(handshake, peer): (A::Handshake, Peer)| {
        let server = Arc::clone(&welcoming);
        server.sums.connections.bump_shared();
        let Some(open) = server.admit(peer) else {
            server.sums.refused_connections.bump_shared();
            return;
        };
        match unwind::catch(|| service.clone()) {
            Ok(service) => {
                g.spawn(connection::<A, S, B>(
                    server, open, handshake, peer, service,
                ));
            }
            Err(payload) => {
                server.sums.panicked_connections.bump_shared();
                report(peer.connection(), payload, true);
                open.end();
            }
        }
    };
    control.enter(Phase::Ready);
    let mut failed = accept_until(control.stopped(), &mut listener, &server, &mut welcome).await;
    if failed.is_none() && !limits.lame_duck.is_zero() {
        control.enter(Phase::LameDuck);
        failed = accept_until(
            sleep(limits.lame_duck),
            &mut listener,
            &server,
            &mut welcome,
        )
        .await;
    }
    if failed.is_none() {
        for _ in 0..QUEUE {
            if control.open() >= limits.connections {
                break;
            }
            match listener.accept_now() {
                Ok(accepted) => welcome(accepted),
                Err(error) if is_of_the_client(&error) => {}
                _ => break, // the queue is empty, or nothing can be had from it
            }
        }
    }
    drop(listener);
    // A service whose destructor panics cuts no request.
    if let Err(payload) = unwind::drop_quietly(welcome) {
        report("server".to_owned(), payload, true);
    }
    control.enter(Phase::Draining);
    *server.listener.lock() = failed;
    g.stop_within(limits.drain, TimeIsOver);
}

/// Accepts until `end` is ready, or the listener cannot go on.
async fn accept_until<A: Accept>(
    end: impl Future<Output = ()> + Send,
    listener: &mut A,
    server: &Arc<Serving>,
    welcome: &mut impl FnMut((A::Handshake, Peer)),
) -> Option<io::Error> {
    let mut end = pin!(end);
    let mut pause = Pause::default();
    loop {
        let most = server.limits.connections;
        let next = async {
            server
                .control
                .until(move |control| control.open() < most)
                .await;
            listener.accept().await
        };
        match unless(end.as_mut(), next).await? {
            Ok(accepted) => {
                pause.end();
                welcome(accepted);
            }
            // That client has gone; the next one may be there already.
            Err(error) if is_of_the_client(&error) => server.sums.accept_errors.bump_shared(),
            Err(error) if is_for_good(&error) => return Some(error),
            // No descriptors, no memory: only time helps. Open connections go on, and will give
            // some back.
            Err(error) => {
                server.sums.accept_errors.bump_shared();
                let lasts = pause.begin(global::now());
                if let Some(hook) = &server.on_accept_error {
                    hook(&error, lasts);
                }
                unless(end.as_mut(), sleep(lasts)).await?;
            }
        }
    }
}

/// What `future` resolves to, or nothing if `end` is ready first.
async fn unless<T>(
    mut end: Pin<&mut (impl Future<Output = ()> + Send)>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match end.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => future.as_mut().poll(cx).map(Some),
    })
    .await
}

fn is_of_the_client(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

/// There is no listener any more: its descriptor was closed, or is that of something else.
fn is_for_good(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let number = Errno::from_io_error(error);
    matches!(number, Some(Errno::BADF | Errno::INVAL | Errno::NOTSOCK))
}
