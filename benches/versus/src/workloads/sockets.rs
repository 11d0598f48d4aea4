//! Programs over sockets: the same text for the traits of futures-io, which spinney's and smol's sockets have, and for
//! those of tokio.

use std::hint::spin_loop;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Bytes of a request, and of its answer.
pub(super) const LENGTH: usize = 64;

macro_rules! programs {
    ($name:ident, $traits:ident $(:: $path:ident)*) => {
        pub(super) mod $name {
            use super::{LENGTH, compute};
            use crate::measure::Delays;
            use std::time::{Duration, Instant};
            use $traits $(:: $path)*::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

            /// Sends back what comes, until the client goes away.
            pub(in super::super) async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
                let mut buffer = [0; LENGTH];
                while stream.read_exact(&mut buffer).await.is_ok() {
                    if stream.write_all(&buffer).await.is_err() {
                        return;
                    }
                }
            }

            /// The same, but it computes for so long before each answer.
            pub(in super::super) async fn answer(
                mut stream: impl AsyncRead + AsyncWrite + Unpin,
                time: Duration,
            ) {
                let mut buffer = [0; LENGTH];
                while stream.read_exact(&mut buffer).await.is_ok() {
                    compute(time);
                    if stream.write_all(&buffer).await.is_err() {
                        return;
                    }
                }
            }

            /// Sends the next request when the last one was answered.
            pub(in super::super) async fn ask(
                mut stream: impl AsyncRead + AsyncWrite + Unpin,
                end: Instant,
            ) -> Delays {
                let mut delays = Delays::new();
                let mut buffer = [0; LENGTH];
                while Instant::now() < end {
                    let sent = Instant::now();
                    stream.write_all(&[7; LENGTH]).await.expect("a server");
                    stream.read_exact(&mut buffer).await.expect("a server");
                    assert_eq!(buffer, [7; LENGTH]);
                    delays.add(sent.elapsed());
                }
                delays
            }
        }
    };
}

programs!(futures, futures_lite);
programs!(tokios, tokio::io);

/// Keeps a processor busy.
pub(super) fn compute(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        spin_loop();
    }
}

/// The two ends of one connection.
pub(super) fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let client = TcpStream::connect(address).expect("a connection");
    let (server, _) = listener.accept().expect("a connection");
    for end in [&client, &server] {
        end.set_nodelay(true).expect("a socket");
    }
    (client, server)
}

pub(super) fn in_spinney(end: TcpStream) -> spinney::net::TcpStream {
    end.set_nonblocking(true).expect("a socket");
    spinney::net::TcpStream::from_std(end).expect("registered")
}

pub(super) fn in_tokio(end: TcpStream) -> tokio::net::TcpStream {
    end.set_nonblocking(true).expect("a socket");
    tokio::net::TcpStream::from_std(end).expect("registered")
}

pub(super) fn in_smol(end: TcpStream) -> async_io::Async<TcpStream> {
    async_io::Async::new(end).expect("registered")
}
