//! A server on loopback, and a client of it, in one group.

use spinney::group;
use spinney::net::{TcpListener, TcpStream};
use std::future::Future;
use std::net::SocketAddr;

/// Serves each connection as a child of the group around the client. That group ends when the
/// client has returned and all connections have ended.
pub(crate) async fn served<S, C>(
    serve: impl Fn(TcpStream) -> S + Send + Sync + 'static,
    client: impl FnOnce(SocketAddr) -> C + Send,
) -> C::Output
where
    S: Future<Output = ()> + Send + 'static,
    C: Future + Send,
    C::Output: Send,
{
    group(async |g| {
        let serve = g.keep(serve);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        g.service(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                g.spawn(serve(stream));
            }
        });
        client(address).await
    })
    .await
}

/// Sends back what comes, until the peer has no more.
pub(crate) async fn echo(stream: TcpStream) {
    let mut buffer = [0; 1024];
    loop {
        // A client that was cut may have reset its connection.
        let Ok(read @ 1..) = stream.read(&mut buffer).await else {
            return;
        };
        if stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
