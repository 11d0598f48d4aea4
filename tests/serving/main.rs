//! Servers of `spinney::serve` as their clients and operators meet them. The clients are sockets of
//! the standard library, and hyper's; time stands still until a test moves it.

#[path = "../common/mod.rs"]
mod common;

mod bad_clients;
mod bad_services;
mod browser;
mod client;
mod deadlines;
mod endings;
mod limits;
mod metrics;
mod page;
mod requests;
mod restart;
mod resting;
mod routes;
mod running;
