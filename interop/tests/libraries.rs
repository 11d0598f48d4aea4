//! A file for each library.

mod any_spawner;
mod async_fs;
mod async_io;
mod async_nats;
mod async_net;
mod async_process;
mod async_tungstenite;
mod axum;
pub(crate) mod certificates;
mod futures_rustls;
mod futures_timer;
pub(crate) mod grpc;
mod hickory_resolver;
mod moka;
mod notify;
mod quinn;
mod rayon;
mod redis;
mod reqwest;
mod sqlx;
mod tokio_postgres;
mod tokio_rustls;
mod tokio_tungstenite;
mod tokio_util;
mod tonic;
mod tower;
