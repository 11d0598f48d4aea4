//! axum without its feature `tokio`: a router served by hyper, a child for each connection.

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
use std::future::{Future, pending};

fn router(middle: Option<Middle>) -> Router {
    let square = async |Path(number): Path<u32>| (number * number).to_string();
    let stuck = move || {
        let middle = middle.clone();
        async move { middle.unwrap().amid(pending::<()>()).await }
    };
    let router = Router::new().route("/square/{number}", routing::get(square));
    router.route("/stuck", routing::get(stuck))
}

fn serve(router: Router) -> impl Fn(TcpStream) -> Connection {
    move |stream| {
        let service = TowerToHyperService::new(router.clone());
        let http = http1::Builder::new().serve_connection(stream, service);
        // A client that was cut may reset it.
        Box::pin(async { _ = http.await })
    }
}

type Connection = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

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
