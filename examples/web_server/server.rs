//! Accepting, serving, stopping.
//!
//! # The order of a stop
//!
//! 1. Accept whoever is in the queue of the system: they were told that they are connected.
//! 2. Close the listener: from here on new clients are refused.
//! 3. Ask all connections to stop. One that is idle closes; one whose client has sent a request answers it first.
//! 4. After the grace, cut what is left.
//!
//! So a request that was sent before step 2 is answered, unless the grace is too short for it.

use crate::counters::{BROKEN, CONNECTIONS, Counts, NOT_ACCEPTED, REQUESTS, Running};
use crate::lines::{log, log_panic, say};
use crate::orders::Orders;
use crate::routes::answer;
use futures_lite::FutureExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use spinney::compat::hyper::Timer;
use spinney::net::{TcpListener, TcpStream};
use spinney::{Errors, Group, GroupBuilder, sleep};
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Poll, ready};
use std::time::Duration;

/// How long a client may take to send the head of its next request, and so also how long it may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait when the system has no file descriptors, at first and at most.
const PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How many clients a stop still accepts. The queue of the listener holds no more.
const QUEUE: usize = 1024;

/// How the server ended, which is also the error with which its group is cut.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    Drained,
    GraceIsOver,
    Forced,
}

/// What was under way when the stop began.
pub struct Stop {
    connections: Counts,
    requests: Counts,
}

impl Stop {
    fn now() -> Self {
        Self {
            connections: CONNECTIONS.counts(),
            requests: REQUESTS.counts(),
        }
    }
}

impl fmt::Display for Stop {
    /// What has become of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = REQUESTS.counts().since(self.requests);
        let connections = CONNECTIONS.counts().since(self.connections);
        write!(
            f,
            "requests: {} drained, {} cancelled; connections: {} drained, {} cancelled",
            requests.finished, requests.cancelled, connections.finished, connections.cancelled
        )
    }
}

/// Serves until it is ordered to stop.
pub async fn serve(listener: TcpListener, orders: &Orders, grace: Duration) -> (Ending, Stop) {
    let mut stop = None;
    let server = GroupBuilder::<Ending>::new().name("server").run(async |g| {
        accept(g, listener, orders).await;
        let now = stop.insert(Stop::now());
        say(format_args!(
            "stopping: {} connections open, {} requests in flight; waiting up to {grace:?} (a second signal forces)",
            now.connections.open, now.requests.open
        ));
        g.stop_within(grace, Ending::GraceIsOver);
        Ok(Ending::Drained) // once the last connection has ended
    });
    let drained = async { server.await.unwrap_or_else(Errors::into_first) };
    let forced = async {
        orders.force().await;
        Ending::Forced
    };
    let ending = drained.or(forced).await;
    (ending, stop.unwrap_or_else(Stop::now))
}

/// Accepts until the order to stop.
async fn accept(g: Group<'_, '_, Ending>, listener: TcpListener, orders: &Orders) {
    let mut pause = PAUSE;
    while let Some(accepted) = orders.unless_stopped(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                pause = PAUSE;
                welcome(g, stream);
            }
            // That client has gone; the next one may be there already.
            Err(error) if is_of_the_client(&error) => {}
            // No descriptors, no memory: only time helps. Open connections go on, and will give some back.
            Err(error) => {
                NOT_ACCEPTED.fetch_add(1, SeqCst);
                log(format_args!(
                    "cannot accept: {error}; trying again in {pause:?}"
                ));
                orders.unless_stopped(sleep(pause)).await;
                pause = LONGEST_PAUSE.min(2 * pause);
            }
        }
    }
    for _ in 0..QUEUE {
        match listener.try_accept() {
            Ok((stream, _)) => welcome(g, stream),
            Err(error) if is_of_the_client(&error) => {}
            Err(_) => break, // the queue is empty, or nothing can be had from it
        }
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

/// A task for a connection. Nobody awaits it: the group "server" does not end before it.
fn welcome(g: Group<'_, '_, Ending>, stream: TcpStream) {
    g.spawn(connection(stream, CONNECTIONS.begin()));
}

/// One connection, from its first byte to its end. Whatever happens in it stays in it.
async fn connection(stream: TcpStream, running: Running) {
    // It fails if the client has gone, and then so does the first read.
    let _ = stream.set_nodelay(true);
    let group = GroupBuilder::new()
        .name("conn")
        .run(async |g| talk(g, &stream).await);
    if let Some(Err(_)) = contained(group).await {
        BROKEN.fetch_add(1, SeqCst);
    }
    running.finish();
}

/// Lets hyper talk to the client. Handlers run inside hyper's future, and so in the group `g`.
async fn talk(g: Group<'_, '_, hyper::Error>, stream: &TcpStream) -> Result<(), hyper::Error> {
    let mut http = pin!(
        http1::Builder::new()
            .timer(Timer)
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(stream, service_fn(answer))
    );
    let mut stopping = pin!(g.stopping());
    let ended = poll_fn(|cx| {
        if let Poll::Ready(ended) = http.as_mut().poll(cx) {
            return Poll::Ready(Some(ended));
        }
        ready!(stopping.as_mut().poll(cx));
        match stream.try_peek(&mut [0]) {
            // More has come in. hyper will be woken, will read it, and we are here again.
            Ok(1..) => Poll::Pending,
            // Nothing is on its way to hyper.
            _ => Poll::Ready(None),
        }
    });
    match ended.await {
        Some(ended) => ended,
        None => {
            http.as_mut().graceful_shutdown();
            http.await
        }
    }
}

/// Awaits `future`. A panic in it is logged and ends nothing else; if it is a group, so are the panics of its children.
pub async fn contained<T>(future: impl Future<Output = T>) -> Option<T> {
    let caught = AssertUnwindSafe(future).catch_unwind().await;
    caught.map_err(log_panic).ok()
}
