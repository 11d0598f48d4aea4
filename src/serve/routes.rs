//! Ready-made routes for those who operate a server: whether it lives, whether it is ready, and
//! what its tasks do.
//!
//! None is there unless it is mounted. `/debug/tasks` shows names, places in the source and the
//! groups of other requests: it must not face the internet.

use crate::poll::budget;
use crate::pool::global;
use crate::serve::phase::{Phase, ServerHandle};
use crate::serve::routed_body::RoutedBody;
#[cfg(feature = "openmetrics")]
use crate::serve::routes_metrics;
use crate::serve::routes_tree::{Cache, Form, PLAIN, Tree, answer};
use crate::sync::{Arc, Mutex};
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_service::Service;

/// Routes for operators, around a service of one's own.
///
/// Each is a path that the program chooses. `GET` alone is answered; other requests go on to the
/// service.
///
/// | route | answers |
/// |---|---|
/// | live | 200 while the server answers at all |
/// | ready | 200 in [`Phase::Ready`], else 503 with the name of the phase |
/// | tasks | the tree of groups and tasks: text, JSON, or a page, as `Accept` asks |
/// | metrics | numbers of the runtime and the server, for Prometheus (feature `openmetrics`) |
///
/// A query says it, too: `?format=text`, `json`, `html`, or `events`, which are JSON once a second.
/// The tasks are those of the runtime on which the service is called; their text is at most 200 ms
/// old. It must not face the internet: it shows names, places in the source, and the groups of
/// other requests.
///
/// # Examples
///
/// ```
/// use spinney::serve::{Routes, Server, service_fn};
/// # use spinney::serve::RequestBody;
/// # use hyper::{Request, Response, body::Bytes};
/// # use http_body_util::Full;
/// # use std::convert::Infallible;
/// # async fn hello(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
/// #     Ok(Response::new(Full::from("hello")))
/// # }
///
/// let server = Server::new();
/// let routes = Routes::new(server.handle())
///     .live("/livez")
///     .ready("/readyz")
///     .tasks("/debug/tasks"); // on a listener of its own, or behind a proxy that hides it
/// let service = routes.around(service_fn(hello));
/// # drop((server, service));
/// ```
#[derive(Clone)]
pub struct Routes {
    server: ServerHandle,
    live: Option<&'static str>,
    ready: Option<&'static str>,
    tasks: Option<&'static str>,
    #[cfg(feature = "openmetrics")]
    metrics: Option<&'static str>,
    cache: Arc<Mutex<Cache>>,
}

impl Routes {
    /// No routes yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::serve::{Routes, Server};
    ///
    /// let routes = Routes::new(Server::new().handle());
    /// # drop(routes);
    /// ```
    #[must_use]
    pub fn new(server: ServerHandle) -> Self {
        Self {
            server,
            live: None,
            ready: None,
            tasks: None,
            #[cfg(feature = "openmetrics")]
            metrics: None,
            cache: Arc::default(),
        }
    }

    /// Whether the server lives is told at this path.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::serve::{Routes, Server};
    ///
    /// let routes = Routes::new(Server::new().handle()).live("/livez");
    /// # drop(routes);
    /// ```
    #[must_use = "it is the routes with this one"]
    pub const fn live(mut self, path: &'static str) -> Self {
        self.live = Some(path);
        self
    }

    /// Whether the server is ready is told at this path.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::serve::{Routes, Server};
    ///
    /// let routes = Routes::new(Server::new().handle()).ready("/readyz");
    /// # drop(routes);
    /// ```
    #[must_use = "it is the routes with this one"]
    pub const fn ready(mut self, path: &'static str) -> Self {
        self.ready = Some(path);
        self
    }

    /// The tree of groups and tasks is shown at this path, which must not face the internet.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::serve::{Routes, Server};
    ///
    /// let routes = Routes::new(Server::new().handle()).tasks("/debug/tasks");
    /// # drop(routes);
    /// ```
    #[must_use = "it is the routes with this one"]
    pub const fn tasks(mut self, path: &'static str) -> Self {
        self.tasks = Some(path);
        self
    }

    /// The numbers of the runtime are written at this path, in the text format of OpenMetrics
    /// ([`Exporter`](crate::compat::openmetrics::Exporter)), and with them those of the server:
    /// `spinney_server_requests_total` and the others of [`Counts`](crate::serve::Counts),
    /// `spinney_server_open_connections`, and `spinney_server_phase`, which is 1 for the phase that
    /// its label names.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::serve::{Routes, Server};
    ///
    /// let routes = Routes::new(Server::new().handle()).metrics("/metrics");
    /// # drop(routes);
    /// ```
    #[cfg(feature = "openmetrics")]
    #[must_use = "it is the routes with this one"]
    pub const fn metrics(mut self, path: &'static str) -> Self {
        self.metrics = Some(path);
        self
    }

    /// The service with the routes in front of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::serve::{Routed, Routes, Server};
    ///
    /// fn with_health<S>(server: &Server, service: S) -> Routed<S> {
    ///     Routes::new(server.handle()).live("/livez").ready("/readyz").around(service)
    /// }
    /// ```
    pub fn around<S>(self, service: S) -> Routed<S> {
        Routed {
            routes: self,
            service,
        }
    }

    /// The answer of a route, if the request is for one.
    fn answer<B>(&self, request: &Request<B>) -> Option<Own> {
        if request.method() != Method::GET {
            return None;
        }
        let path = Some(request.uri().path());
        if path == self.live {
            return Some(Own::Now(Some(text(StatusCode::OK, "alive\n"))));
        }
        if path == self.ready {
            let phase = self.server.phase();
            let (status, said) = match phase {
                Phase::Ready => (StatusCode::OK, "ready\n".to_owned()),
                _ => (StatusCode::SERVICE_UNAVAILABLE, format!("{phase:?}\n")),
            };
            return Some(Own::Now(Some(text(status, said))));
        }
        #[cfg(feature = "openmetrics")]
        if path == self.metrics {
            let metrics = routes_metrics::metrics(self.server.clone());
            return Some(Own::Later(Box::pin(metrics)));
        }
        if path == self.tasks {
            let tree = Tree {
                server: self.server.clone(),
                cache: Arc::clone(&self.cache),
                shared: global::runtime(),
            };
            return Some(match Form::of(request) {
                Form::Events => Own::Events(tree),
                form => Own::Later(Box::pin(tree.show(form))),
            });
        }
        None
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes")
            .field("live", &self.live)
            .field("ready", &self.ready)
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

fn text(status: StatusCode, said: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = answer::<Bytes>(PLAIN, said);
    *answer.status_mut() = status;
    answer
}

/// A service with [`Routes`] in front of it.
///
/// # Examples
///
/// ```
/// use spinney::serve::{Routed, Routes, Server, ServiceFn, service_fn};
///
/// let routed: Routed<ServiceFn<_>> =
///     Routes::new(Server::new().handle()).around(service_fn(|n: u8| std::future::ready(n)));
/// # drop(routed);
/// ```
#[derive(Clone, Debug)]
pub struct Routed<S> {
    routes: Routes,
    service: S,
}

impl<S, Q, T> Service<Request<Q>> for Routed<S>
where
    S: Service<Request<Q>, Response = Response<T>>,
{
    type Response = Response<RoutedBody<T>>;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        match self.routes.answer(&request) {
            Some(own) => Answering {
                kind: Kind::Own { own },
            },
            None => Answering {
                kind: Kind::OfService {
                    future: self.service.call(request),
                },
            },
        }
    }
}

/// An answer of a route.
enum Own {
    Now(Option<Response<Bytes>>),
    Later(Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>),
    Events(Tree),
}

pin_project! {
    /// The future of a [`Routed`] service.
    pub struct Answering<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F> {
        Own { own: Own },
        OfService { #[pin] future: F },
    }
}

impl<F, T, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<T>, E>>,
{
    type Output = Result<Response<RoutedBody<T>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let own = match self.project().kind.project() {
            KindProjection::Own { own } => match own {
                Own::Now(answer) => {
                    ready!(budget::spend(cx));
                    answer.take().expect("polled after it was ready")
                }
                Own::Later(later) => ready!(later.as_mut().poll(cx)),
                Own::Events(tree) => {
                    let events = RoutedBody::events(tree.clone());
                    return Poll::Ready(Ok(answer("text/event-stream", events)));
                }
            },
            KindProjection::OfService { future } => {
                let answer = ready!(future.poll(cx))?;
                return Poll::Ready(Ok(answer.map(RoutedBody::of_service)));
            }
        };
        Poll::Ready(Ok(own.map(RoutedBody::own)))
    }
}

impl<F> fmt::Debug for Answering<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
