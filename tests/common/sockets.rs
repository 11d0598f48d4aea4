//! Sockets that are connected.

use spinney::net::{TcpListener, TcpStream};

/// Both ends of a connection.
pub(crate) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect_addr(listener.local_addr().unwrap());
    (near.await.unwrap(), listener.accept().await.unwrap().0)
}
