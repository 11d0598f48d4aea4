//! axum: a router served by hyper, a child for each connection; and by its own `serve`.

use crate::common::process::alone;
use crate::http::get;
use crate::served::served;
use crate::trial::{Middle, Trial, unanswered};
use axum::Router;
use axum::extract::Path;
use axum::routing;
use hyper::server::conn::http1;
use hyper_util::service::TowerToHyperService;
use spinney::net::TcpStream;
use spinney::{Group, Never, group};
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::Pin;

pub(crate) fn router(middle: Option<Middle>) -> Router {
    let square = async |Path(number): Path<u32>| (number * number).to_string();
    let stuck = move || {
        let middle = middle.clone();
        async move { middle.unwrap().amid(pending::<()>()).await }
    };
    let router = Router::new().route("/square/{number}", routing::get(square));
    router.route("/stuck", routing::get(stuck))
}

pub(crate) fn serve(router: Router) -> impl Fn(TcpStream) -> Connection {
    move |stream| {
        let service = TowerToHyperService::new(router.clone());
        let http = http1::Builder::new().serve_connection(stream, service);
        // A client that was cut may reset it.
        Box::pin(async { _ = http.await })
    }
}

pub(crate) type Connection = Pin<Box<dyn Future<Output = ()> + Send>>;

#[test]
fn axum() {
    alone(|| {
        Trial::default().run(
            || {
                served(serve(router(None)), async |address| {
                    let (status, body) = get(address, "/square/7").await.unwrap();
                    assert_eq!((status.as_u16(), &body[..]), (200, &b"49"[..]));
                    assert_eq!(get(address, "/nowhere").await.unwrap().0, 404);
                })
            },
            |middle| {
                served(serve(router(Some(middle))), async |address| {
                    unanswered(get(address, "/stuck")).await;
                })
            },
        );
    });
}

/// Its own `serve` in a child, until the group is asked to stop.
async fn own_serve<C>(router: Router, client: impl FnOnce(SocketAddr) -> C + Send)
where
    C: Future<Output = ()> + Send,
{
    group(async |g: Group<'_, '_, Never>| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0");
        let listener = listener.await.unwrap();
        let address = listener.local_addr().unwrap();
        let handle = g.handle();
        g.spawn(async move {
            let stop = async move { handle.stopping().await };
            let serve = axum::serve(listener, router).with_graceful_shutdown(stop);
            serve.await.unwrap();
        });
        client(address).await;
        g.stop();
    })
    .await;
}

#[test]
fn axum_serve() {
    alone(|| {
        Trial::default().with_tokio().run(
            || {
                own_serve(router(None), async |address| {
                    let (status, body) = get(address, "/square/7").await.unwrap();
                    assert_eq!((status.as_u16(), &body[..]), (200, &b"49"[..]));
                })
            },
            |middle| {
                own_serve(router(Some(middle)), async |address| {
                    unanswered(get(address, "/stuck")).await;
                })
            },
        );
    });
}
