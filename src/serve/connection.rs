//! One connection: its group, its one timer, and its orderly end.
//!
//! The body of the group looks whether the server drains, goes on with the conversation, in which
//! hyper speaks (`src/serve/conversation.rs`), and then looks at the limits of what the connection
//! does (`src/serve/activity.rs`). The requests run inside hyper's future, and so in this group.

use crate::api::group::builder::GroupBuilder;
use crate::api::group::handle::{Group, Never};
use crate::api::here::current;
use crate::pool::global;
use crate::serve::accept::{Accept, Peer, Transport};
use crate::serve::activity::{Activity, Limit};
use crate::serve::body::BoxError;
use crate::serve::connection_state::{Connection, Open, Serving};
use crate::serve::contained::{contained, report};
use crate::serve::conversation::Conversation;
use crate::serve::request::answer;
use crate::serve::service::Served;
use crate::serve::transport::Noted;
use crate::sync::Arc;
use crate::time::{self, Sleep, sleep_until};
use hyper::Request;
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::service_fn;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// One connection, from its handshake to its end. Whatever happens in it stays in it.
pub(super) async fn connection<A, S, B>(
    server: Arc<Serving>,
    open: Open,
    handshake: A::Handshake,
    peer: Peer,
    service: S,
) where
    A: Accept,
    S: Served<B>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let sums = Arc::clone(&server.sums);
    let group = GroupBuilder::<Never>::new()
        .name("conn")
        .run(async move |g| Ok(talk(g, server, handshake, peer, service).await));
    match contained(group).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(_))) => sums.broken_connections.bump_shared(),
        Ok(Err(errors)) => match *errors.first() {},
        Err(payload) => {
            sums.panicked_connections.bump_shared();
            report(peer.connection(), payload, true);
        }
    }
    open.end();
}

/// Lets hyper talk to the client.
async fn talk<H, T, S, B>(
    g: Group<'_, '_>,
    server: Arc<Serving>,
    handshake: H,
    peer: Peer,
    service: S,
) -> Result<(), BoxError>
where
    H: Future<Output = io::Result<T>> + Send,
    T: Transport,
    S: Served<B>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let limits = server.limits;
    let begun = server.nanos(global::now());
    let (transport, at_once) = shake_hands(handshake, limits.patience.head).await?;
    let connection = Arc::new(Connection {
        server,
        peer,
        activity: Activity::new(begun),
        group: g.handle(),
    });
    if !at_once && current::is_stopping() {
        connection.activity.expects_head();
    }
    let transport = Noted::new(transport, Arc::clone(&connection));
    let requests = Arc::clone(&connection);
    let serve = service_fn(move |request: Request<Incoming>| {
        answer(Arc::clone(&requests), service.clone(), request)
    });
    let mut conversation = Conversation::Quiet(transport, serve);
    let mut stopping = pin!(g.stopping());
    let mut watch = Watch::default();
    let mut closing = false;
    poll_fn(|cx| {
        let activity = &connection.activity;
        if !activity.drains() && stopping.as_mut().poll(cx).is_ready() {
            activity.drain();
        }
        // An answer that hyper is about to write says that it is the last one.
        let mut closes = activity.drains() && activity.is_busy();
        loop {
            if closes && !closing {
                closing = true;
                activity.closes(connection.server.nanos(global::now()));
                conversation.close();
            }
            if let Poll::Ready(ended) = conversation.poll(cx) {
                return Poll::Ready(ended);
            }
            let limit = watch.poll(&connection, cx);
            if limit == Poll::Ready(Limit::Slow) {
                return Poll::Ready(Err(Slow.into()));
            }
            if limit == Poll::Ready(Limit::Quiet) {
                activity.rests();
                conversation.rest();
                continue;
            }
            // hyper has read, so that a request that is on its way was seen.
            closes = limit == Poll::Ready(Limit::Idle) || activity.drains() && activity.may_close();
            if closing || !closes {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// The transport, if it comes in time, and whether it was there at once.
async fn shake_hands<T>(
    handshake: impl Future<Output = io::Result<T>>,
    limit: Duration,
) -> Result<(T, bool), BoxError> {
    let mut handshake = pin!(time::timeout(limit, handshake));
    let mut at_once = true;
    let transport = poll_fn(|cx| {
        let shaken = handshake.as_mut().poll(cx);
        at_once &= shaken.is_ready();
        shaken
    });
    let transport = transport.await??;
    Ok((transport, at_once))
}

/// The timer of a connection.
#[derive(Default)]
struct Watch {
    timer: Option<(u64, Sleep)>,
}

impl Watch {
    /// The limit that is over. The timer is set anew only where it would be too late, or fired too
    /// early: not for each request.
    fn poll(&mut self, connection: &Connection, cx: &mut Context<'_>) -> Poll<Limit> {
        let server = &connection.server;
        loop {
            let Some((at, limit)) = connection.activity.limit(&server.limits.patience) else {
                return Poll::Pending;
            };
            match &mut self.timer {
                Some((set, timer)) if *set <= at => {
                    if timer.poll_coarsely(cx).is_pending() {
                        return Poll::Pending;
                    }
                    let over = *set == at;
                    self.timer = None;
                    if over {
                        return Poll::Ready(limit);
                    }
                }
                timer => match server.started.checked_add(Duration::from_nanos(at)) {
                    Some(instant) => *timer = Some((at, sleep_until(instant))),
                    None => return Poll::Pending,
                },
            }
        }
    }
}

/// The client is too slow.
#[derive(Debug)]
struct Slow;

impl std::fmt::Display for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the client is too slow")
    }
}

impl std::error::Error for Slow {}
