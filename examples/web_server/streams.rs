//! What is not over with the head of an answer: uploads, events, WebSockets.

use crate::children::number;
use crate::errors::Error;
use crate::routes::{Request, Response, plain};
use futures_lite::{AsyncWriteExt, FutureExt, StreamExt, stream};
use futures_util::SinkExt;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::StatusCode;
use hyper::body::{Bytes, Frame};
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    UPGRADE,
};
use hyper::upgrade::{Upgraded, on};
use hyper_util::rt::TokioIo;
use spinney::fs::{File, remove_file};
use spinney::serve::{ConnectionHandle, RequestBody};
use spinney::{Group, current, sleep};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use std::{env, process};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

/// A file of what the client sends, written as it comes. Half of one is removed, also if the request is cut.
pub async fn upload(g: Group<'_, '_, Error>, mut body: RequestBody) -> Result<Response, Error> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, SeqCst);
    let path = env::temp_dir().join(format!("web_server-{}-{number}", process::id()));
    let mut file = File::create(&path).await.map_err(Error::Disk)?;
    let (path, is_whole) = g.keep((path, AtomicBool::new(false)));
    g.defer(async move {
        if !is_whole.load(SeqCst) {
            let _ = remove_file(path).await;
        }
    });
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame.map_err(Error::Body)?.into_data() {
            file.write_all(&bytes).await.map_err(Error::Disk)?;
            length += bytes.len();
        }
    }
    file.close().await.map_err(Error::Disk)?;
    is_whole.store(true, SeqCst);
    Ok(plain(format!("{length} bytes in {}\n", path.display())))
}

/// Server-sent events, each a number, until the client goes away or the server drains.
pub fn events(request: &Request) -> Result<Response, Error> {
    let pause = Duration::from_millis(number(request, "ms", 1000, 60_000)?);
    let events = stream::unfold(0_u64, move |number| async move {
        if number > 0 {
            let goes_on = async {
                sleep(pause).await;
                Some(())
            };
            let stops = async {
                current::stopping().await;
                None
            };
            goes_on.or(stops).await?;
        }
        let event = Bytes::from(format!("id: {number}\ndata: {number}\n\n"));
        Some((Ok::<_, Infallible>(Frame::data(event)), number + 1))
    });
    let mut response = Response::new(Either::Right(StreamBody::new(events).boxed_unsync()));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// Switches to a WebSocket, which is a child of the connection: the request is over with this answer.
pub fn web_socket(mut request: hyper::Request<RequestBody>) -> Result<Response, Error> {
    let upgrade = on(&mut request);
    let connection = request.extensions().get::<ConnectionHandle>();
    let (Some(connection), Some(key)) = (connection, request.headers().get(SEC_WEBSOCKET_KEY))
    else {
        return Err(Error::Query("a WebSocket is asked for".to_owned()));
    };
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()))
        .map_err(|_| Error::Failed("the key of the WebSocket has no answer"))?;
    connection.spawn(async {
        if let Ok(upgraded) = upgrade.await {
            echo(upgraded).await;
        }
    });
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers: [(HeaderName, HeaderValue); 3] = [
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    response.headers_mut().extend(headers);
    Ok(response)
}

/// Each message comes back, until the server drains: then the client is asked to close, and has the grace for it.
async fn echo(upgraded: Upgraded) {
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    loop {
        let next = async { socket.next().await.and_then(Result::ok).map(Some) };
        let stops = async {
            current::stopping().await;
            Some(None)
        };
        match next.or(stops).await {
            Some(Some(message)) if message.is_text() || message.is_binary() => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Some(Some(_)) => {} // pings and closes are answered already
            Some(None) => break,
            None => return,
        }
    }
    let away = CloseFrame {
        code: CloseCode::Away,
        reason: "the server stops".into(),
    };
    if socket.close(Some(away)).await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}
