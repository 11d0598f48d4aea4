//! Owned halves: the end of the stream, and the way back to one connection.

use crate::common::hangs::without_hanging;
use crate::common::sockets::tcp_pair;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use spinney::block_on;
use spinney::net::ReuniteError;
use std::io::ErrorKind;

/// A request and its answer, as in many protocols: the end of the request is the end of the stream.
#[test]
fn a_dropped_writing_half_ends_its_stream_and_the_reading_half_goes_on() {
    without_hanging(|| {
        block_on(async {
            let (near, mut far) = tcp_pair().await;
            let (mut reader, writer) = near.into_split();
            writer.write_all(b"request").await.unwrap();
            drop(writer);
            let mut request = Vec::new();
            far.read_to_end(&mut request).await.unwrap();
            far.write_all(b"answer to ").await.unwrap();
            far.write_all(&request).await.unwrap();
            drop(far);
            let mut answer = Vec::new();
            reader.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, b"answer to request");
        });
    });
}

#[test]
fn a_dropped_reading_half_leaves_the_writing_half_as_it_is() {
    without_hanging(|| {
        block_on(async {
            let (near, mut far) = tcp_pair().await;
            let (reader, mut writer) = near.into_split();
            drop(reader);
            writer.write_all(b"one").await.unwrap();
            writer.write_all(b"two").await.unwrap();
            writer.close().await.unwrap();
            drop(writer); // once more
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"onetwo");
        });
    });
}

#[test]
fn a_forgotten_writing_half_ends_nothing() {
    without_hanging(|| {
        block_on(async {
            let (near, far) = tcp_pair().await;
            let (reader, writer) = near.into_split();
            writer.forget();
            far.write_all(b"x").await.unwrap();
            reader.read_exact(&mut [0]).await.unwrap();
            let nothing = far.try_peek(&mut [0]).unwrap_err();
            assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
            drop(reader); // the connection closes
            assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
        });
    });
}

#[test]
fn halves_of_one_connection_are_that_connection_again() {
    without_hanging(|| {
        block_on(async {
            let (near, mut far) = tcp_pair().await;
            let (other, _far) = tcp_pair().await;
            let (reader, writer) = near.into_split();
            let (other_reader, other_writer) = other.into_split();
            let ReuniteError(reader, other_writer) = reader.reunite(other_writer).unwrap_err();
            other_reader.reunite(other_writer).unwrap();
            let near = reader.reunite(writer).unwrap();
            near.write_all(b"still open").await.unwrap();
            far.write_all(b"x").await.unwrap();
            near.read_exact(&mut [0]).await.unwrap();
            drop(near);
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"still open");
        });
    });
}
