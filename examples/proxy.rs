//! A TCP proxy: each connection is a child that copies both ways; a stop lets those that are open end.

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use spinney::io::{copy, copy_bidirectional};
use spinney::net::{TcpListener, TcpStream};
use spinney::{Group, block_on, try_group};
use std::{io, net::SocketAddr};

async fn proxy(g: Group<'_, '_, io::Error>, at: TcpListener, to: SocketAddr) -> io::Result<()> {
    while let Some(next) = g.unless_stopping(at.accept()).await {
        let (inbound, _) = next?;
        g.spawn(async move {
            let outbound = TcpStream::connect_addr(to).await?;
            let copied = copy_bidirectional(inbound, outbound).await;
            Ok(copied.unwrap_or_default()) // one that breaks is no end of the proxy
        });
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example says what it showed")]
fn main() {
    let answer = block_on(try_group(async |g: Group<'_, '_, io::Error>| {
        let echo = TcpListener::bind("127.0.0.1:0").await?;
        let (at, to) = (TcpListener::bind("127.0.0.1:0").await?, echo.local_addr()?);
        let mut client = TcpStream::connect_addr(at.local_addr()?).await?;
        g.spawn(async move {
            let (stream, _) = echo.accept().await?;
            copy(&stream, &stream).await
        });
        g.spawn(proxy(g, at, to));
        client.write_all(b"hello").await?;
        client.close().await?; // its half: that goes through, and comes back
        let mut text = String::new();
        client.read_to_string(&mut text).await?;
        g.stop();
        Ok(text)
    }));
    println!("there and back through the proxy: {}", answer.unwrap());
}
