//! async-io: sockets and timers of a reactor that has a thread of its own.

use crate::common::process::alone;
use crate::served::{echo, served};
use crate::trial::Trial;
use async_io::{Async, Timer};
use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

async fn exchange(address: SocketAddr) -> Async<TcpStream> {
    let mut stream = Async::<TcpStream>::connect(address).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
    stream
}

#[test]
fn async_io() {
    alone(|| {
        Trial::default().keeps([("async-io", 1)]).run(
            || {
                served(echo, async |address| {
                    exchange(address).await;
                    Timer::after(Duration::from_millis(1)).await;
                })
            },
            |middle| {
                served(echo, async move |address| {
                    let stream = exchange(address).await;
                    let idle = or(async { stream.readable().await.unwrap() }, async {
                        Timer::after(Duration::from_secs(3600)).await;
                    });
                    middle.amid(idle).await;
                })
            },
        );
    });
}
