//! Names to addresses, on a thread for blocking calls: the system's resolver blocks.

use crate::poll::{budget, frame};
use crate::pool::blocking::Work;
use crate::pool::{blocking_threads, global};
use crate::sync::{Arc, Mutex};
use crate::waiters;
use std::future::poll_fn;
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
    poll_fn(budget::spend).await;
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    let runtime = global::runtime();
    runtime.driver.must_be_here()?;
    let answer = Arc::new(Mutex::new(Answer::default()));
    let reply = Reply(Arc::clone(&answer));
    let name = name.to_owned();
    let call = Box::new(move || {
        let addresses = name.to_socket_addrs().map(Iterator::collect);
        reply.0.lock().addresses = Some(addresses);
        drop(reply);
    });
    blocking_threads::push(&runtime, Work::Call(call));
    Resolve(answer).await
}

/// The thread's end: the waiter is woken when it goes away, with an error if it never answered.
struct Reply(Arc<Mutex<Answer>>);

impl Drop for Reply {
    fn drop(&mut self) {
        let mut answer = self.0.lock();
        answer
            .addresses
            .get_or_insert_with(|| Err(io::Error::other("no thread resolves the name")));
        let waker = answer.waker.take();
        drop(answer);
        if let Some(waker) = waker {
            waiters::wake(waker);
        }
    }
}

struct Resolve(Arc<Mutex<Answer>>);

impl Future for Resolve {
    type Output = io::Result<Vec<SocketAddr>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let new = cx.waker().clone();
        let mut answer = self.0.lock();
        let (polled, left) = match answer.addresses.take() {
            Some(addresses) => (Poll::Ready(addresses), Some(new)),
            None => (Poll::Pending, answer.waker.replace(new)),
        };
        drop(answer);
        waiters::discard(left);
        if polled.is_pending() {
            frame::note_leaf();
        }
        polled
    }
}

impl Drop for Resolve {
    fn drop(&mut self) {
        let waker = self.0.lock().waker.take();
        waiters::discard(waker);
    }
}
