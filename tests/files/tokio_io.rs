//! tokio's traits, without a runtime of tokio's.

use crate::common::place::Place;
use crate::common::runtimes::workers;
use crate::common::sockets::tcp_pair;
use futures_lite::StreamExt;
use spinney::fs::File;
use spinney::net::pipe::pipe;
use spinney::process::{Command, Stdio};
use spinney::{block_on, group};
use std::io::{IoSlice, SeekFrom};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt, copy_bidirectional, duplex,
};
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec};
use tokio_util::compat::TokioAsyncReadCompatExt;

/// By the traits: sockets have methods of these names.
async fn put(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    writer.write_all(bytes).await.unwrap();
}

async fn shut(writer: &mut (impl AsyncWrite + Unpin)) {
    writer.shutdown().await.unwrap();
}

async fn get(reader: &mut (impl AsyncRead + Unpin), count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    reader.read_exact(&mut bytes).await.unwrap();
    bytes
}

async fn rest(reader: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[test]
fn codecs_run_on_sockets_and_halves() {
    use futures_util_sink::send;
    let (runtime, _) = workers(2);
    runtime.block_on(group(async |g| {
        let (near, far) = tcp_pair().await;
        g.spawn(async move {
            let (reader, writer) = far.into_split();
            let mut lines = FramedRead::new(reader, LinesCodec::new());
            let mut answers = FramedWrite::new(writer, LinesCodec::new());
            while let Some(line) = lines.next().await {
                send(&mut answers, line.unwrap().to_uppercase()).await;
            }
        });
        let mut lines = tokio_util::codec::Framed::new(near, LinesCodec::new());
        for text in ["one", "two", &"x".repeat(100_000)] {
            send(&mut lines, text.to_owned()).await;
            assert_eq!(lines.next().await.unwrap().unwrap(), text.to_uppercase());
        }
        // To close a sink shuts its writer down: the other end sees the end.
        let mut near = lines.into_inner();
        shut(&mut near).await;
        assert!(rest(&mut near).await.is_empty());
    }));
}

/// Sinks without a crate for them.
mod futures_util_sink {
    use std::fmt::Debug;
    use std::future::poll_fn;
    use std::pin::Pin;
    use tokio_util::codec::{Encoder, Framed, FramedWrite, LinesCodec};

    pub(super) trait Sender {
        fn start(&mut self, line: String);
        async fn flush(&mut self);
    }

    macro_rules! senders {
        ($($type:ident),*) => {$(
            impl<W> Sender for $type<W, LinesCodec>
            where
                LinesCodec: Encoder<String, Error: Debug>,
                W: tokio::io::AsyncWrite + Unpin,
            {
                fn start(&mut self, line: String) {
                    let this = Pin::new(self);
                    futures_sink::Sink::start_send(this, line).unwrap();
                }

                async fn flush(&mut self) {
                    let flush = poll_fn(|cx| {
                        futures_sink::Sink::<String>::poll_flush(Pin::new(&mut *self), cx)
                    });
                    flush.await.unwrap();
                }
            }
        )*};
    }

    senders!(Framed, FramedWrite);

    pub(super) async fn send(sink: &mut impl Sender, line: String) {
        sink.start(line);
        sink.flush().await;
    }
}

#[test]
fn tokios_copy_goes_both_ways() {
    block_on(group(async |g| {
        let (mut client, mut inbound) = tcp_pair().await;
        let (mut outbound, mut server) = tcp_pair().await;
        let proxy = g.spawn(async move {
            Ok(copy_bidirectional(&mut inbound, &mut outbound)
                .await
                .unwrap())
        });
        put(&mut client, b"question").await;
        shut(&mut client).await;
        assert_eq!(rest(&mut server).await, b"question");
        put(&mut server, b"answer").await;
        drop(server);
        assert_eq!(rest(&mut client).await, b"answer");
        assert_eq!(proxy.await, (8, 6));
    }));
}

/// And ours over what has tokio's traits alone.
#[test]
fn our_copy_takes_tokios_streams_through_its_adapter() {
    block_on(async {
        let (mut near, far) = duplex(10);
        let copied = spinney::io::copy(far.compat(), Vec::new());
        let send = async {
            near.write_all(b"more than ten bytes").await.unwrap();
            drop(near);
        };
        let (copied, ()) = futures_lite::future::zip(copied, send).await;
        assert_eq!(copied.unwrap(), 19);
    });
}

#[test]
fn many_slices_are_one_write() {
    block_on(async {
        let (mut near, mut far) = tcp_pair().await;
        assert!(near.is_write_vectored());
        let slices: Vec<_> = (0..2000).map(|_| IoSlice::new(b"a")).collect();
        let written = AsyncWriteExt::write_vectored(&mut near, &slices).await;
        assert_eq!(written.unwrap(), 1024);
        assert_eq!(get(&mut far, 1024).await, [b'a'; 1024]);
        let (_, writer) = near.into_split();
        assert!(writer.is_write_vectored());
    });
}

/// To close the pipe of a process is to close it: there is nothing else to be read from it.
#[test]
fn the_streams_of_a_process_and_pipes_have_the_traits() {
    let text = block_on(group(async |g| {
        let mut cat = Command::new("cat");
        let cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut cat = cat.spawn(g).unwrap();
        let mut input = cat.stdin.take().unwrap();
        let slices: Vec<_> = (0..2000).map(|_| IoSlice::new(b"a")).collect();
        let written = AsyncWriteExt::write_vectored(&mut input, &slices).await;
        assert_eq!(written.unwrap(), 1024);
        let (mut receiver, mut sender) = pipe().unwrap();
        put(&mut sender, b"end").await;
        shut(&mut sender).await;
        drop(sender);
        put(&mut input, &rest(&mut receiver).await).await;
        shut(&mut input).await;
        rest(&mut cat.stdout.take().unwrap()).await
    }));
    assert_eq!(text, [&[b'a'; 1024][..], b"end"].concat());
}

/// A reference reads and writes, too.
#[test]
fn a_shared_socket_is_read_and_written_at_once() {
    block_on(async {
        let (near, mut far) = tcp_pair().await;
        let read = async { get(&mut &near, 2).await };
        let write = async {
            put(&mut &near, b"hi").await;
            let echoed = get(&mut far, 2).await;
            put(&mut far, &echoed).await;
        };
        let (found, ()) = futures_lite::future::zip(read, write).await;
        assert_eq!(found, b"hi");
    });
}

#[test]
fn files_are_read_written_and_sought() {
    let place = Place::new();
    block_on(async {
        let mut options = File::options();
        let options = options.read(true).write(true).create(true);
        let mut file = options.open(place.at("file")).await.unwrap();
        file.write_all(b"0123456789").await.unwrap();
        assert_eq!(file.seek(SeekFrom::Start(3)).await.unwrap(), 3);
        let mut text = [0; 3];
        file.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"345");
        assert_eq!(file.stream_position().await.unwrap(), 6);
        assert!(file.seek(SeekFrom::Current(-7)).await.is_err());
        assert_eq!(file.seek(SeekFrom::End(-1)).await.unwrap(), 9);
        let mut rest = String::new();
        file.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "9");
        file.shutdown().await.unwrap();
    });
    assert_eq!(std::fs::read(place.at("file")).unwrap(), b"0123456789");
}

#[test]
fn the_standard_streams_have_the_traits() {
    fn reads<T: AsyncRead + Send + Unpin>(_: T) {}
    fn writes<T: AsyncWrite + Send + Unpin>(_: T) {}
    reads(spinney::io::stdin());
    writes(spinney::io::stdout());
    block_on(async {
        let mut complaints = spinney::io::stderr();
        complaints.write_all(b"").await.unwrap();
        complaints.flush().await.unwrap();
    });
}
