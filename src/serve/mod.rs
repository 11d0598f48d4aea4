//! Servers of HTTP: a group for each connection and for each request, limits that a careful
//! operator would choose, and an end in phases.
//!
//! hyper speaks HTTP/1.1 and HTTP/2; spinney accepts, limits, drains, cuts and counts.

mod accept;
mod activity;
mod body;
mod connection;
mod connection_state;
mod contained;
mod conversation;
mod deadline_headers;
mod deadlines;
mod forwarding;
mod inherited;
mod phase;
mod report;
mod request;
mod routed_body;
mod routes;
#[cfg(feature = "openmetrics")]
mod routes_metrics;
mod routes_tree;
mod server;
mod service;
mod timed_body;
mod transport;
mod upgrade;

pub use accept::{Accept, Peer, Transport};
pub use body::{BodyError, BoxError, RequestBody};
pub use deadlines::{AnsweringInTime, Deadlines, Timely};
pub use forwarding::{ForwardDeadlines, Forwarding};
pub use inherited::{Inherited, InheritedSocket, inherited};
pub use phase::{Phase, ServerHandle};
pub use report::{Counts, Ending, Report};
pub use routed_body::RoutedBody;
pub use routes::{Answering, Routed, Routes};
pub use server::Server;
pub use service::{ServiceFn, service_fn};
pub use timed_body::TimedBody;
pub use upgrade::ConnectionHandle;
