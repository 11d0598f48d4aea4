//! Clients that tell the next machine how long its caller waits.

use crate::serve::deadlines::Deadlines;
use hyper::Request;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A layer of `tower` for clients: each request says how much time is left.
///
/// It writes what [`Deadlines::forward`] does: in `grpc-timeout`, or in a header in milliseconds,
/// how long the group that calls has left up to its [`deadline`](crate::current::deadline). The
/// group's own cut drops the call at that deadline, and so resets its stream. It belongs outside
/// layers that call from tasks of their own, such as a `Buffer`: those have no deadline.
///
/// # Examples
///
/// Around a channel of tonic it is `ForwardDeadlines::new().around(channel)`; in a stack of layers:
///
/// ```
/// use hyper::{HeaderMap, Request};
/// use spinney::serve::{ForwardDeadlines, service_fn};
/// use spinney::{Group, block_on, try_group};
/// use std::time::Duration;
/// use tower_service::Service;
///
/// // In place of a client: it answers with the head of what it is to send.
/// async fn echo(request: Request<()>) -> Result<HeaderMap, ()> {
///     Ok(request.headers().clone())
/// }
/// let client = service_fn(echo);
/// let mut client = ForwardDeadlines::new().around(client);
/// let sent = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
///     g.deadline(Duration::from_secs(60), "too late");
///     Ok(client.call(Request::new(())).await.unwrap())
/// }));
/// let left = sent.unwrap()["x-request-timeout-ms"].to_str().unwrap().parse::<u64>();
/// assert!(left.unwrap() <= 60_000);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ForwardDeadlines {
    deadlines: Deadlines,
}

impl ForwardDeadlines {
    /// With the header `x-request-timeout-ms`.
    ///
    /// # Examples
    ///
    /// ```
    /// let layer = spinney::serve::ForwardDeadlines::new();
    /// # drop(layer);
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self::with(Deadlines::new())
    }

    /// With the header of these deadlines.
    ///
    /// # Examples
    ///
    /// ```
    /// use hyper::header::HeaderName;
    /// use spinney::serve::{Deadlines, ForwardDeadlines};
    ///
    /// let deadlines = Deadlines::new().header(HeaderName::from_static("x-patience"));
    /// let layer = ForwardDeadlines::with(deadlines);
    /// # drop(layer);
    /// ```
    #[must_use]
    pub const fn with(deadlines: Deadlines) -> Self {
        Self { deadlines }
    }

    /// The client, whose requests say how much time is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::serve::{ForwardDeadlines, Forwarding};
    ///
    /// fn forwarding<C>(client: C) -> Forwarding<C> {
    ///     ForwardDeadlines::new().around(client)
    /// }
    /// ```
    pub fn around<C>(self, client: C) -> Forwarding<C> {
        Forwarding {
            deadlines: self.deadlines,
            client,
        }
    }
}

impl<C> Layer<C> for ForwardDeadlines {
    type Service = Forwarding<C>;

    fn layer(&self, client: C) -> Forwarding<C> {
        self.clone().around(client)
    }
}

/// A client with [`ForwardDeadlines`] around it.
///
/// # Examples
///
/// ```
/// use spinney::serve::{ForwardDeadlines, Forwarding, ServiceFn, service_fn};
///
/// let client: Forwarding<ServiceFn<_>> =
///     ForwardDeadlines::new().around(service_fn(|n: u8| std::future::ready(n)));
/// # drop(client);
/// ```
#[derive(Clone, Debug)]
pub struct Forwarding<C> {
    deadlines: Deadlines,
    client: C,
}

impl<C: Service<Request<B>>, B> Service<Request<B>> for Forwarding<C> {
    type Response = C::Response;
    type Error = C::Error;
    type Future = C::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.client.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> C::Future {
        self.deadlines.forward(request.headers_mut());
        self.client.call(request)
    }
}
