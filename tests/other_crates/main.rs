//! No islands: the futures, wakers, errors, sockets and tokens of other crates.

#[path = "../common/mod.rs"]
mod common;

mod bad_wakers;
mod cancellation_token;
mod errors_with_other_crates;
mod foreign_futures;
mod hyper;
mod net;
mod send_inference;
