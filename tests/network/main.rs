//! Sockets and pipes: what each kind does, what is left behind, and how errors name what failed.

#[path = "../common/mod.rs"]
mod common;

mod datagrams;
mod descriptors;
mod pipes;
mod sockets;
mod streams;
mod unix;

use spinney::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// Both ends of a connection.
async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect_addr(listener.local_addr().unwrap());
    (near.await.unwrap(), listener.accept().await.unwrap().0)
}

/// A path that no other test uses; what is there is removed at the end.
struct Free(PathBuf);

impl Free {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, SeqCst);
        let name = format!("spinney-network-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl AsRef<Path> for Free {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Free {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
