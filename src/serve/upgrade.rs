//! What a request may leave running on its connection.

use crate::api::group::group_handle::GroupHandle;
use crate::api::group::handle::Never;
use crate::serve::connection_state::Connection;
use std::fmt;

/// The group of a connection, to which work belongs that outlives its request, such as a WebSocket.
/// It is an extension of each request.
///
/// # Examples
///
/// ```
/// use hyper::{Request, Response, StatusCode, header::UPGRADE};
/// use hyper::body::Bytes;
/// use http_body_util::Empty;
/// use spinney::{current, serve::{ConnectionHandle, RequestBody}};
///
/// /// Answers 101, and talks another protocol from then on.
/// fn upgrade(mut request: Request<RequestBody>) -> Response<Empty<Bytes>> {
///     let on_upgrade = hyper::upgrade::on(&mut request);
///     let connection = request.extensions().get::<ConnectionHandle>().unwrap();
///     connection.spawn(async {
///         let Ok(upgraded) = on_upgrade.await else { return };
///         // Here the protocol is spoken, until the server drains.
///         current::stopping().await;
///         drop(upgraded);
///     });
///     let switching = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
///     switching.header(UPGRADE, "echo").body(Empty::new()).unwrap()
/// }
/// ```
#[derive(Clone)]
pub struct ConnectionHandle(GroupHandle<Never>);

impl ConnectionHandle {
    pub(super) fn of(connection: &Connection) -> Self {
        Self(connection.group.clone())
    }

    /// Starts a child of the connection, which does not end before it: a drain waits for it, up to
    /// the time to drain, and [`current::stopping`](crate::current::stopping) tells it of the
    /// drain. A panic of it ends the connection.
    ///
    /// If the connection has ended, the future is dropped, unpolled.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::serve::ConnectionHandle;
    ///
    /// fn later(connection: &ConnectionHandle) {
    ///     connection.spawn(async { println!("after the answer") });
    /// }
    /// ```
    #[track_caller]
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) {
        if let Err(refused) = self.0.spawn(future) {
            drop(refused);
        }
    }
}

impl fmt::Debug for ConnectionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionHandle").finish_non_exhaustive()
    }
}
