//! async-net: sockets on the reactor of async-io; names are looked up on threads of `blocking`.

use crate::common::process::alone;
use crate::trial::{Middle, Trial};
use async_net::{TcpListener, TcpStream, UdpSocket};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use spinney::group;

async fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 5];
    while stream.read_exact(&mut buffer).await.is_ok() {
        stream.write_all(&buffer).await.unwrap();
    }
}

/// One connection by name, and stays on it if there is a middle.
async fn exchange(middle: Option<Middle>) {
    group(async |g| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        g.spawn(async move { echo(listener.accept().await.unwrap().0).await });
        let mut stream = TcpStream::connect(("localhost", port)).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hello");
        if let Some(middle) = middle {
            middle.amid(stream.read_exact(&mut answer)).await.unwrap();
        }
    })
    .await;
}

async fn datagrams() {
    let [one, two] = ["127.0.0.1:0"; 2].map(UdpSocket::bind);
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    one.send_to(b"hello", two.local_addr().unwrap())
        .await
        .unwrap();
    let mut buffer = [0; 8];
    let (length, from) = two.recv_from(&mut buffer).await.unwrap();
    assert_eq!(
        (&buffer[..length], from),
        (&b"hello"[..], one.local_addr().unwrap())
    );
}

#[test]
fn async_net() {
    alone(|| {
        Trial::default()
            .keeps([("async-io", 1), ("blocking-", 8)])
            .run(
                async || {
                    exchange(None).await;
                    datagrams().await;
                },
                |middle| exchange(Some(middle)),
            );
    });
}
