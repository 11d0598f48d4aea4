//! A deadline of gRPC across two servers: tonic's services on `spinney::serve` with `Deadlines`, the
//! first of which calls the second through tonic's client with `ForwardDeadlines`. Time stands still
//! until a test moves it.

use crate::common::drops::on_drop;
use crate::common::process::alone;
use crate::libraries::grpc::Text;
use crate::running::{Running, patient, start, until};
use async_channel::{Receiver, Sender, bounded};
use bytes::Bytes;
use futures_lite::future::Boxed;
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::rt::Executor;
use hyper::{Request, Response};
use spinney::net::TcpStream;
use spinney::serve::{Deadlines, ForwardDeadlines};
use spinney::{ServiceHandle, block_on, group};
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codegen::StdError;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Service, service_fn};

const TOLD: &str = "/relay.Relay/Told";
const STUCK: &str = "/relay.Relay/Stuck";

/// A connection of HTTP/2 that speaks for a client of tonic.
struct Channel(SendRequest<Body>);

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Boxed<hyper::Result<Response<Incoming>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

async fn connect(address: SocketAddr, services: ServiceHandle) -> Channel {
    let stream = TcpStream::connect_addr(address).await.unwrap();
    let (sender, connection) = handshake(services.clone(), stream).await.unwrap();
    services.execute(async { _ = connection.await });
    Channel(sender)
}

/// Calls a method, and says for how long it waits if it waits for so many milliseconds.
async fn call<C>(
    channel: C,
    address: SocketAddr,
    method: &'static str,
    millis: Option<u64>,
) -> Result<String, Status>
where
    C: GrpcService<Body>,
    C::ResponseBody: tonic::codegen::Body<Data = Bytes> + Send + 'static,
    <C::ResponseBody as tonic::codegen::Body>::Error: Into<StdError> + Send,
{
    let mut client = Grpc::with_origin(channel, format!("http://{address}").parse().unwrap());
    client
        .ready()
        .await
        .map_err(|_| Status::unavailable("it is gone"))?;
    let mut request = tonic::Request::new(String::new());
    if let Some(millis) = millis {
        request.set_timeout(Duration::from_millis(millis));
    }
    let path = PathAndQuery::from_static(method);
    let answer = client.unary(request, path, Text).await?;
    Ok(answer.into_inner())
}

/// Where a handler that has begun says so, and what lets it go on.
#[derive(Clone)]
struct Gate {
    begun: Sender<()>,
    go_on: Receiver<()>,
}

/// `Told` answers with the `grpc-timeout` of its request, `Stuck` does not answer. A relay passes
/// the call on to the next machine, behind a gate.
#[derive(Clone)]
struct Relay {
    next: Option<SocketAddr>,
    gate: Gate,
    /// Handlers that have ended, with their children.
    ended: Arc<AtomicUsize>,
}

impl NamedService for Relay {
    const NAME: &'static str = "relay.Relay";
}

impl Relay {
    async fn answer(self, method: &'static str, told: String) -> Result<String, Status> {
        let ended = Arc::clone(&self.ended);
        let child = on_drop(move || _ = ended.fetch_add(1, SeqCst));
        group(async |g| {
            g.spawn(async move {
                let _child = child;
                match (self.next, method) {
                    (Some(next), _) => {
                        self.gate.begun.send(()).await.unwrap();
                        self.gate.go_on.recv().await.unwrap();
                        group(async |h| {
                            let channel = connect(next, h.service_handle()).await;
                            let channel = ForwardDeadlines::new().around(channel);
                            Ok(call(channel, next, method, None).await)
                        })
                        .await
                    }
                    (None, TOLD) => Ok(Ok(told)),
                    (None, _) => {
                        self.gate.begun.send(()).await.unwrap();
                        pending().await
                    }
                }
            })
            .await
        })
        .await
    }
}

impl Service<Request<Body>> for Relay {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let relay = self.clone();
        Box::pin(async move {
            let method = if request.uri().path() == TOLD {
                TOLD
            } else {
                STUCK
            };
            let told = request.headers().get("grpc-timeout");
            let told = told.map_or("-", |value| value.to_str().unwrap()).to_owned();
            let unary = service_fn(move |_: tonic::Request<String>| {
                let answer = relay.clone().answer(method, told.clone());
                async { answer.await.map(tonic::Response::new) }
            });
            Ok(tonic::server::Grpc::new(Text).unary(unary, request).await)
        })
    }
}

/// One of the machines.
struct Machine {
    server: Running,
    begun: Receiver<()>,
    go_on: Sender<()>,
    ended: Arc<AtomicUsize>,
}

impl Machine {
    fn start(next: Option<SocketAddr>) -> Self {
        let (begun, begins) = bounded(1);
        let (go_on, goes_on) = bounded(1);
        let ended = Arc::new(AtomicUsize::new(0));
        let relay = Relay {
            next,
            gate: Gate {
                begun,
                go_on: goes_on,
            },
            ended: Arc::clone(&ended),
        };
        let service = Deadlines::new().around(Routes::new(relay));
        Self {
            server: start(patient(), service),
            begun: begins,
            go_on,
            ended,
        }
    }

    fn ended(&self) -> usize {
        self.ended.load(SeqCst)
    }
}

/// Two of them, of which the first asks the second.
fn machines() -> [Machine; 2] {
    let second = Machine::start(None);
    [Machine::start(Some(second.server.address)), second]
}

/// A call of a client that waits for so many milliseconds, and what happens meanwhile.
fn during(
    machine: &Machine,
    method: &'static str,
    millis: Option<u64>,
    meanwhile: impl FnOnce(),
) -> Result<String, Status> {
    let address = machine.server.address;
    thread::scope(|scope| {
        let client = scope.spawn(move || {
            block_on(group(async |g| {
                let channel = connect(address, g.service_handle()).await;
                call(channel, address, method, millis).await
            }))
        });
        meanwhile();
        client.join().unwrap()
    })
}

#[test]
fn what_is_left_of_a_deadline_of_grpc_goes_to_the_next_machine() {
    alone(|| {
        let [first, second] = machines();
        let cases = [
            (Some(3000), "2500000u"),
            (Some(700), "200000u"),
            (None, "-"),
        ];
        for (millis, told) in cases {
            let answer = during(&first, TOLD, millis, || {
                first.begun.recv_blocking().unwrap();
                first.server.clock.advance(Duration::from_millis(500));
                first.go_on.send_blocking(()).unwrap();
            });
            assert_eq!(answer.unwrap(), told, "{millis:?}");
        }
        for machine in [first, second] {
            assert_eq!(machine.ended(), 3);
            let (report, told) = machine.server.stop();
            assert_eq!((report.counts.answered, report.counts.cut), (3, 0));
            assert_eq!(report.counts.expired, 0);
            assert!(told.is_empty(), "{told:?}");
        }
    });
}

#[test]
fn a_late_call_of_grpc_exceeds_its_deadline_on_all_machines() {
    alone(|| {
        let [first, second] = machines();
        let mut joined = (0, 0);
        let answer = during(&first, STUCK, Some(3000), || {
            first.begun.recv_blocking().unwrap();
            first.go_on.send_blocking(()).unwrap();
            second.begun.recv_blocking().unwrap();
            joined = (first.ended(), second.ended());
            first.server.clock.advance(Duration::from_secs(3));
        });
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        assert_eq!(joined, (0, 0), "both of them were at work");
        assert_eq!(first.ended(), 1, "its child was joined before the answer");
        // The clock of the second stands still: it hears that its caller has reset the stream.
        until(|| second.ended() == 1);
        let (report, _) = first.server.stop();
        assert_eq!((report.counts.answered, report.counts.expired), (1, 1));
        let (report, _) = second.server.stop();
        assert_eq!((report.counts.answered, report.counts.cut), (0, 1));
    });
}

#[test]
fn the_next_machine_gives_up_by_itself() {
    alone(|| {
        let [first, second] = machines();
        let answer = during(&first, STUCK, Some(3000), || {
            first.begun.recv_blocking().unwrap();
            first.go_on.send_blocking(()).unwrap();
            second.begun.recv_blocking().unwrap();
            // That of the first stands still.
            second.server.clock.advance(Duration::from_secs(3));
        });
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        assert_eq!((first.ended(), second.ended()), (1, 1));
        let (report, _) = first.server.stop();
        assert_eq!((report.counts.answered, report.counts.expired), (1, 0));
        let (report, _) = second.server.stop();
        assert_eq!((report.counts.answered, report.counts.expired), (1, 1));
    });
}
