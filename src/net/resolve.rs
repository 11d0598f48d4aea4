//! Names to addresses, on a thread of its own: the system's resolver blocks.

use crate::group::frame;
use crate::sync::{Arc, Mutex, thread};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// What the thread and the future share.
#[derive(Default)]
struct Answer {
    addresses: Option<io::Result<Vec<SocketAddr>>>,
    waker: Option<Waker>,
}

/// Resolves `name`, which is `host:port` or an address.
pub(crate) async fn resolve(name: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    let answer = Arc::new(Mutex::new(Answer::default()));
    let theirs = Arc::clone(&answer);
    let name = name.to_owned();
    thread::Builder::new()
        .name("spinney-resolve".to_owned())
        .spawn(move || {
            let addresses = name.to_socket_addrs().map(Iterator::collect);
            let waker = {
                let mut answer = theirs.lock();
                answer.addresses = Some(addresses);
                answer.waker.take()
            };
            if let Some(waker) = waker {
                crate::waiters::wake(waker);
            }
        })?;
    Resolve(answer).await
}

struct Resolve(Arc<Mutex<Answer>>);

impl Future for Resolve {
    type Output = io::Result<Vec<SocketAddr>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let mut answer = self.0.lock();
        match answer.addresses.take() {
            Some(addresses) => Poll::Ready(addresses),
            None => {
                let old = answer.waker.replace(waker);
                drop(answer);
                drop(old);
                frame::note_leaf();
                Poll::Pending
            }
        }
    }
}
