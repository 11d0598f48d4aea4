//! What a program for gRPC has from its code generator: a service whose messages are text.

use crate::trial::Middle;
use bytes::{Buf, BufMut, Bytes};
use futures::{Stream, StreamExt, stream};
use futures_lite::future::Boxed;
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{StdError, http};
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status, Streaming};
use tower::{Service, service_fn};

/// Messages are text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let text = String::from_utf8(bytes.into());
        text.map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

type Texts = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

/// The service: `One` answers a text with a text, `Many` a text with its letters, `Sum` texts with
/// all of them, `Each` each of many with one; `Stuck` does not answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letters {
    pub(crate) middle: Option<Middle>,
}

impl NamedService for Letters {
    const NAME: &'static str = "letters.Letters";
}

async fn one(request: Request<String>) -> Result<Response<String>, Status> {
    Ok(Response::new(request.into_inner().to_uppercase()))
}

async fn many(request: Request<String>) -> Result<Response<Texts>, Status> {
    let letters: Vec<_> = request
        .into_inner()
        .chars()
        .map(|c| Ok(c.to_string()))
        .collect();
    Ok(Response::new(stream::iter(letters).boxed()))
}

async fn sum(request: Request<Streaming<String>>) -> Result<Response<String>, Status> {
    let mut texts = request.into_inner();
    let mut sum = String::new();
    while let Some(text) = texts.message().await? {
        sum += &text;
    }
    Ok(Response::new(sum))
}

async fn each(request: Request<Streaming<String>>) -> Result<Response<Texts>, Status> {
    let texts = request.into_inner();
    Ok(Response::new(
        texts.map(|text| Ok(text?.to_uppercase())).boxed(),
    ))
}

impl Service<http::Request<Body>> for Letters {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let middle = self.middle.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(Text);
            let response = match request.uri().path().rsplit('/').next().unwrap() {
                "One" => grpc.unary(service_fn(one), request).await,
                "Many" => grpc.server_streaming(service_fn(many), request).await,
                "Sum" => grpc.client_streaming(service_fn(sum), request).await,
                "Each" => grpc.streaming(service_fn(each), request).await,
                _ => middle.unwrap().amid(pending()).await,
            };
            Ok(response)
        })
    }
}

/// A client of that service over any channel.
pub(crate) struct Client<T>(pub(crate) tonic::client::Grpc<T>);

impl<T> Client<T>
where
    T: GrpcService<Body>,
    T::Error: Debug,
    T::ResponseBody: tonic::codegen::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as tonic::codegen::Body>::Error: Into<StdError> + Send,
{
    async fn ready(&mut self, method: &'static str) -> PathAndQuery {
        self.0.ready().await.unwrap();
        PathAndQuery::from_static(method)
    }

    /// A call of each kind.
    pub(crate) async fn all(&mut self) {
        let path = self.ready("/letters.Letters/One").await;
        let one = self.0.unary(request("abc"), path, Text).await.unwrap();
        assert_eq!(one.into_inner(), "ABC");

        let path = self.ready("/letters.Letters/Many").await;
        let many = self.0.server_streaming(request("abc"), path, Text).await;
        assert_eq!(collect(many.unwrap()).await, ["a", "b", "c"]);

        let path = self.ready("/letters.Letters/Sum").await;
        let texts = Request::new(stream::iter(["a", "b", "c"].map(String::from)));
        let sum = self.0.client_streaming(texts, path, Text).await.unwrap();
        assert_eq!(sum.into_inner(), "abc");

        let path = self.ready("/letters.Letters/Each").await;
        let texts = Request::new(stream::iter(["a", "b", "c"].map(String::from)));
        let each = self.0.streaming(texts, path, Text).await.unwrap();
        assert_eq!(collect(each).await, ["A", "B", "C"]);
    }

    /// A call that is not answered, with a deadline if there is one.
    pub(crate) async fn stuck(&mut self, deadline: Option<Duration>) -> Status {
        let path = self.ready("/letters.Letters/Stuck").await;
        let mut request = request("abc");
        if let Some(deadline) = deadline {
            request.set_timeout(deadline);
        }
        let answer = self.0.unary::<_, String, _>(request, path, Text).await;
        answer.unwrap_err()
    }
}

fn request(text: &str) -> Request<String> {
    Request::new(text.to_owned())
}

async fn collect(texts: Response<Streaming<String>>) -> Vec<String> {
    let texts = texts.into_inner();
    texts.map(Result::unwrap).collect().await
}
