//! A dump says where the socket leads that a task waits for, and in which direction.

use crate::common::hangs::without_hanging;
use crate::common::runtimes::workers;
use spinney::dump::{Endpoint, WaitsFor};
use spinney::net::pipe::pipe;
use spinney::net::{
    Async, TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
};
use spinney::{Group, Runtime, group, yield_now};
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs, process};

/// What the task of that name waits for; `None` as long as it waits for nothing known.
fn waits(runtime: &Runtime, name: &str) -> Option<WaitsFor> {
    let dump = runtime.dump();
    let mut tasks = dump.groups().iter().flat_map(|group| &group.tasks);
    let task = tasks.find(|task| task.name.as_deref() == Some(name))?;
    let first = task.waits_for.first()?;
    assert!(task.to_string().contains(&format!(", waits for {first}")));
    Some(first.clone())
}

/// Where the socket leads for which a task of this future waits, in words and as a value.
async fn said<T: Send + 'static>(
    (runtime, g): (&Runtime, Group<'_, '_>),
    waiting: impl Future<Output = T> + Send + 'static,
) -> (String, Option<Endpoint>) {
    let task = g.spawn_named("waiting", async {
        waiting.await;
    });
    let found = loop {
        match waits(runtime, "waiting") {
            Some(found) => break found,
            None => yield_now().await,
        }
    };
    task.cancel().await;
    let text = found.to_string();
    let (text, descriptor) = text.rsplit_once("on descriptor ").unwrap();
    descriptor.parse::<u32>().unwrap();
    let (WaitsFor::Readable { endpoint, .. } | WaitsFor::Writable { endpoint, .. }) = found else {
        panic!("{text}");
    };
    (text.trim_end().to_owned(), endpoint)
}

fn with_runtime(test: impl AsyncFnOnce((&Runtime, Group<'_, '_>)) + Send + 'static) {
    without_hanging(move || {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| test((&runtime, g)).await));
    });
}

fn from(peer: SocketAddr) -> (String, Option<Endpoint>) {
    (format!("input from {peer}"), Some(Endpoint::Peer(peer)))
}

fn at(local: SocketAddr) -> (String, Option<Endpoint>) {
    (format!("input at {local}"), Some(Endpoint::Local(local)))
}

fn from_path(peer: &Path) -> (String, Option<Endpoint>) {
    let text = format!("input from {}", peer.display());
    (text, Some(Endpoint::PeerPath(peer.to_owned())))
}

fn at_path(local: &Path) -> (String, Option<Endpoint>) {
    let text = format!("input at {}", local.display());
    (text, Some(Endpoint::LocalPath(local.to_owned())))
}

#[test]
fn a_connection_names_its_peer_and_a_listener_its_address() {
    with_runtime(async |here| {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        let (server, client_at) = listener.accept().await.unwrap();
        let accepts = said(here, async move { listener.accept().await.is_ok() });
        assert_eq!(accepts.await, at(address));
        // Accepted, connected, and from the standard library.
        let server = Arc::new(server);
        let reader = Arc::clone(&server);
        let reads = said(here, async move { reader.read(&mut [0]).await.is_ok() });
        assert_eq!(reads.await, from(client_at));
        let client = Arc::new(client);
        let reader = Arc::clone(&client);
        let reads = said(here, async move { reader.read(&mut [0]).await.is_ok() });
        assert_eq!(reads.await, from(address));
        let writes = said(here, async move {
            while client.write(&[0; 1 << 16]).await.is_ok() {}
            server
        });
        let to = format!("output to {address}");
        assert_eq!(writes.await, (to, Some(Endpoint::Peer(address))));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = || std::net::TcpStream::connect(address).unwrap();
        let theirs = TcpStream::from_std(client()).unwrap();
        let reads = said(here, async move { theirs.read(&mut [0]).await.is_ok() });
        assert_eq!(reads.await, from(address));
        let theirs = Async::new(client()).unwrap();
        let reads = said(here, async move {
            let mut read = |mut theirs: &std::net::TcpStream| theirs.read(&mut [0]);
            theirs.read_with(&mut read).await.is_ok()
        });
        assert_eq!(reads.await, from(address));
    });
}

#[test]
fn a_udp_socket_names_its_peer_once_it_has_one() {
    with_runtime(async |here| {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let local = socket.local_addr().unwrap();
        let reader = Arc::clone(&socket);
        let reads = said(here, async move { reader.recv(&mut [0]).await.is_ok() });
        assert_eq!(reads.await, at(local));
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let peer = other.local_addr().unwrap();
        socket.connect(peer).await.unwrap();
        let reader = Arc::clone(&socket);
        let reads = said(here, async move { reader.recv(&mut [0]).await.is_ok() });
        assert_eq!(reads.await, from(peer));
        let socket = Arc::into_inner(socket).unwrap().into_std().unwrap();
        let again = UdpSocket::from_std(socket).unwrap();
        let reads = said(here, async move { again.recv(&mut [0]).await.is_ok() });
        assert_eq!(reads.await, from(peer));
    });
}

/// A path that is there until it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("spinney-end-{name}-{}", process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_unix_socket_names_a_path_as_far_as_there_is_one() {
    with_runtime(async |here| {
        let path = Scratch::new("stream");
        let listener = Arc::new(UnixListener::bind(&path.0).unwrap());
        let client = UnixStream::connect(&path.0).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let accepts = said(here, async move { listener.accept().await.is_ok() });
        assert_eq!(accepts.await, at_path(&path.0));
        let kept = Arc::new((client, server));
        let both = Arc::clone(&kept);
        let reads = said(here, async move { both.0.read(&mut [0]).await.is_ok() });
        assert_eq!(reads.await, from_path(&path.0));
        // The one that connected has no name.
        let reads = said(here, async move { kept.1.read(&mut [0]).await.is_ok() });
        assert_eq!(reads.await, at_path(&path.0));
        let (near, far) = UnixStream::pair().unwrap();
        let reads = said(
            here,
            async move { (near.read(&mut [0]).await.is_ok(), far) },
        );
        assert_eq!(reads.await, ("input".to_owned(), None));
    });
}

#[test]
fn a_unix_socket_for_datagrams_names_a_path_as_well() {
    with_runtime(async |here| {
        let (near, far) = (Scratch::new("near"), Scratch::new("far"));
        let socket = Arc::new(UnixDatagram::bind(&near.0).unwrap());
        let reader = Arc::clone(&socket);
        let reads = said(here, async move { reader.recv(&mut [0]).await.is_ok() });
        assert_eq!(reads.await, at_path(&near.0));
        let _other = UnixDatagram::bind(&far.0).unwrap();
        socket.connect(&far.0).unwrap();
        let reads = said(here, async move { socket.recv(&mut [0]).await.is_ok() });
        assert_eq!(reads.await, from_path(&far.0));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_file_begins_with_an_at() {
    use std::os::linux::net::SocketAddrExt;
    with_runtime(async |here| {
        let name = format!("spinney-end-{}", process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let shown = PathBuf::from(format!("@{name}"));
        let client = UnixStream::connect_addr(&address).await.unwrap();
        let reads = said(here, async move { client.read(&mut [0]).await.is_ok() });
        assert_eq!(reads.await, from_path(&shown));
        let accepts = said(
            here,
            async move { while listener.accept().await.is_ok() {} },
        );
        assert_eq!(accepts.await, at_path(&shown));
    });
}

#[test]
fn a_pipe_leads_nowhere() {
    with_runtime(async |here| {
        let (reader, _writer) = pipe().unwrap();
        let reads = said(here, async move { reader.read(&mut [0]).await.is_ok() });
        assert_eq!(reads.await, ("input".to_owned(), None));
    });
}
