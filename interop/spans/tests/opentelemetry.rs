//! OpenTelemetry: a whole request of a server is one tree in its exporter.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use opentelemetry::trace::{SpanId, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use spinney::net::TcpListener;
use spinney::serve::{RequestBody, Server, service_fn};
use spinney::{Group, GroupBuilder, Never, Runtime, group, yield_now};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;

/// Two parts at the same time, one of which has parts itself.
async fn answer(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let handled =
        GroupBuilder::<Never>::new()
            .name("parts")
            .run(async |g: Group<'_, '_, Never>| {
                g.spawn(async {
                    yield_now().await;
                    let rows = GroupBuilder::<Never>::new().name("rows").run(async |h| {
                        for _ in 0..2 {
                            h.spawn(async {
                                yield_now().await;
                                info_span!("row").in_scope(|| ());
                                Ok(())
                            });
                        }
                        Ok(())
                    });
                    rows.await.unwrap();
                    Ok(())
                });
                g.spawn(async {
                    yield_now().await;
                    info_span!("template").in_scope(|| ());
                    Ok(())
                });
                Ok(())
            });
    handled
        .instrument(info_span!("handler", path))
        .await
        .unwrap();
    Ok(Response::new(Full::default()))
}

fn get(address: std::net::SocketAddr, path: &str) {
    let mut client = TcpStream::connect(address).unwrap();
    write!(client, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

/// The names from a span up to its root.
fn path<'a>(spans: &'a [SpanData], mut span: &'a SpanData) -> Vec<&'a str> {
    let mut names = vec![&*span.name];
    while span.parent_span_id != SpanId::INVALID {
        let parent = spans
            .iter()
            .find(|other| other.span_context.span_id() == span.parent_span_id);
        span = parent.expect("a parent is exported, too");
        names.push(&*span.name);
    }
    names
}

/// What is above the parts of a request: the program's own span, and the groups of `serve`.
const UP: [&str; 5] = ["parts", "handler", "request", "conn", "server"];

#[test]
fn a_request_is_one_tree() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("spinney"));
    let layer = layer.with_filter(LevelFilter::INFO);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let report = runtime.block_on(group(async |g| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new();
        let handle = server.handle();
        g.blocking(move || {
            get(address, "/one");
            get(address, "/two");
            handle.stop();
        });
        server.serve(listener, service_fn(answer)).await
    }));
    assert_eq!(report.counts.answered, 2);
    provider.force_flush().unwrap();
    let spans = exporter.get_finished_spans().unwrap();
    let of =
        |name: &str| -> Vec<&SpanData> { spans.iter().filter(|span| span.name == name).collect() };
    assert_eq!(
        (of("handler").len(), of("parts").len(), of("rows").len()),
        (2, 2, 2)
    );
    assert_eq!((of("row").len(), of("template").len()), (4, 2));
    for row in of("row") {
        assert_eq!(path(&spans, row)[..2], ["row", "rows"]);
        assert_eq!(path(&spans, row)[2..], UP);
    }
    for template in of("template") {
        assert_eq!(path(&spans, template)[0], "template");
        assert_eq!(path(&spans, template)[1..], UP);
    }
    // Each request has its own: two rows and one template below each handler.
    for handler in of("handler") {
        let below = |name| {
            let all = of(name).into_iter();
            all.filter(|span| {
                let mut at = *span;
                while at.span_context.span_id() != handler.span_context.span_id() {
                    match spans
                        .iter()
                        .find(|up| up.span_context.span_id() == at.parent_span_id)
                    {
                        Some(up) => at = up,
                        None => return false,
                    }
                }
                true
            })
            .count()
        };
        assert_eq!((below("row"), below("template")), (2, 1));
    }
}
