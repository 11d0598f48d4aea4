//! Descriptors and registrations: all are gone when their owners are, and where there is no room
//! for one more the error says for what.

use crate::common::place::Place;
use crate::common::polls::until;
use crate::common::process::{alone, entries, limit_descriptors};
use crate::common::sockets::tcp_pair;
use spinney::net::pipe::{OpenOptions, pipe};
use spinney::net::{
    Async, TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
    lookup_host,
};
use spinney::signal::{Signal, Signals};
use spinney::{Group, block_on, try_group};
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// The sources that the process has registered with its pollers.
fn registrations() -> usize {
    let files = fs::read_dir("/proc/self/fdinfo").unwrap();
    // The one of the folder itself has gone by now.
    let texts = files.filter_map(|file| fs::read_to_string(file.ok()?.path()).ok());
    texts.map(|text| text.matches("tfd:").count()).sum()
}

/// Descriptors, and registrations of them.
fn held() -> (usize, usize) {
    (entries("/proc/self/fd"), registrations())
}

/// One of each kind that is opened here.
async fn one_of_each() {
    let place = Place::new();
    let path = place.at("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let (reader, writer) = client.into_split();
    drop(writer);
    let (near, far) = tcp_pair().await;
    let (one, _other) = UnixStream::pair().unwrap();
    // A socket that was given back is registered no more; one that is taken over is.
    let registered = registrations();
    let one = one.into_std().unwrap();
    let far = far.into_std().unwrap();
    assert_eq!(registrations(), registered - 2);
    let one = UnixStream::from_std(one).unwrap();
    assert_eq!(registrations(), registered - 1);
    let (read, write) = pipe().unwrap();
    let datagrams = (
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UnixDatagram::pair().unwrap(),
    );
    // Its own descriptor, and the one that is watched.
    let before = held();
    let source = Async::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    assert_eq!(held(), (before.0 + 2, before.1 + 1));
    let source = source.into_inner();
    assert_eq!(held(), (before.0 + 1, before.1));
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .connect("127.0.0.1:1".parse().unwrap())
        .await
        .unwrap_err();
    drop((
        server, reader, near, far, one, read, write, datagrams, source,
    ));
}

#[test]
fn what_is_dropped_leaves_nothing_behind() {
    alone(|| {
        block_on(async {
            one_of_each().await;
            let before = held();
            for _ in 0..100 {
                one_of_each().await;
            }
            assert_eq!(held(), before);
        });
    });
}

/// A connect is given up, a wait is cut, a group is cancelled: sockets are closed.
#[test]
fn what_is_cut_leaves_nothing_behind() {
    alone(|| {
        block_on(async {
            one_of_each().await;
            let before = held();
            let result = try_group(async |g: Group<'_, '_, ()>| {
                let waiting = g.keep(AtomicUsize::new(0));
                for _ in 0..20 {
                    g.spawn(async {
                        let (near, _far) = tcp_pair().await;
                        waiting.fetch_add(1, SeqCst);
                        near.read(&mut [0]).await.unwrap();
                        Ok(())
                    });
                    g.spawn(async {
                        let (near, _far) = UnixStream::pair().unwrap();
                        waiting.fetch_add(1, SeqCst);
                        near.read(&mut [0]).await.unwrap();
                        Ok(())
                    });
                }
                until(|| waiting.load(SeqCst) == 40).await;
                Err::<(), _>(())
            });
            assert!(result.await.is_err());
            assert_eq!(held(), before);
        });
    });
}

fn names<T>(result: io::Result<T>, text: &str) {
    let Err(error) = result else {
        panic!("there is room for {text}")
    };
    assert_eq!(
        error.to_string(),
        format!("{text}: Too many open files (os error 24)")
    );
}

#[test]
fn where_there_is_no_room_the_error_says_for_what() {
    alone(|| {
        block_on(async {
            let place = Place::new();
            let path = place.at("socket");
            let name = path.display();
            let _listener = UnixListener::bind(&path).unwrap();
            let free = fs::File::open("/dev/null").unwrap().as_raw_fd() as u64;
            limit_descriptors(free);
            names(
                TcpListener::bind("127.0.0.1:0").await,
                "cannot bind to 127.0.0.1:0",
            );
            names(
                TcpStream::connect("127.0.0.1:1").await,
                "cannot connect to 127.0.0.1:1",
            );
            names(UnixListener::bind(&path), &format!("cannot bind to {name}"));
            names(
                UnixStream::connect(&path).await,
                &format!("cannot connect to {name}"),
            );
            names(UnixStream::pair(), "cannot make a pair of sockets");
            names(
                UdpSocket::bind("127.0.0.1:0").await,
                "cannot bind to 127.0.0.1:0",
            );
            names(UnixDatagram::unbound(), "cannot make a socket");
            names(UnixDatagram::pair(), "cannot make a pair of sockets");
            names(UnixDatagram::bind(&path), &format!("cannot bind to {name}"));
            names(TcpSocket::new_v4(), "cannot make a socket");
            names(pipe(), "cannot make a pipe");
            let open = OpenOptions::new().open_receiver("/dev/null");
            names(open, "cannot open /dev/null for reading");
            names(Async::new(io::stderr()), "cannot watch a descriptor");
            // The resolver has files, too, and does not say that these are what it lacks.
            let host = "localhost:1";
            let unknown = lookup_host(host).await.unwrap_err().to_string();
            assert!(unknown.starts_with("cannot look up localhost:1: "));
            assert!(TcpStream::connect(host).await.is_err());
            names(Signals::new([Signal::USR1]), "cannot listen for signals");
        });
    });
}
