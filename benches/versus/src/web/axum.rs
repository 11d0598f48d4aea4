//! axum with its own `serve`: on tokio, and on spinney with a tokio inside it, where the connections
//! are tasks of `tokio::spawn`.

use super::BODY;
use crate::sides;
use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use spinney::{Group, group};
use std::net::TcpListener;

/// The program.
pub(crate) fn router() -> Router {
    Router::new().route("/plaintext", get(async || BODY))
}

async fn serve(listener: TcpListener) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    axum::serve(listener, router()).await.expect("endless");
}

pub(crate) fn on_tokio(listener: TcpListener) {
    let tokio = sides::tokio();
    let served = tokio.block_on(async { tokio::spawn(serve(listener)).await });
    served.expect("no panic");
}

/// In a child.
pub(crate) fn on_spinney(runtime: &spinney::Runtime, listener: TcpListener) {
    runtime.block_on(group(async |g: Group<'_, '_>| {
        g.spawn(serve(listener));
    }));
}
