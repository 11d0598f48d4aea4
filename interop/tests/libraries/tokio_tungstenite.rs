//! tokio-tungstenite: WebSockets on our sockets, which have tokio's traits by the
//! feature `tokio-io`.

use crate::common::process::alone;
use crate::served::served;
use crate::trial::{Middle, Trial};
use futures::{SinkExt, StreamExt};
use spinney::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};

async fn serve(stream: TcpStream) {
    let mut socket = accept_async(stream).await.unwrap();
    // A client that was cut says no farewell, which is an error.
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() {
            socket.send(message).await.unwrap();
        }
    }
}

/// One message and its answer; then the connection stays idle if there is a middle.
async fn exchange(middle: Option<Middle>) {
    served(serve, async |address| {
        let stream = TcpStream::connect_addr(address).await.unwrap();
        let url = format!("ws://{address}/");
        let (mut socket, _) = client_async(url, stream).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert_eq!(answer, Message::text("hello"));
        if let Some(middle) = middle {
            let _ = middle.amid(socket.next()).await;
        }
        socket.close(None).await.unwrap();
        // The peer's farewell, and the end.
        while socket.next().await.is_some() {}
    })
    .await;
}

#[test]
fn tokio_tungstenite() {
    alone(|| Trial::default().run(|| exchange(None), |middle| exchange(Some(middle))));
}
