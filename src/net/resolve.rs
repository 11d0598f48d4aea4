//! Names to addresses, on a thread for blocking calls: the system's resolver blocks.

use crate::keyed_queue::Key;
use crate::net::address::{Target, ToSocketAddrs, failed, failed_at, no_address, target};
use crate::poll::{budget, frame};
use crate::pool::shared::Shared;
use crate::pool::{blocking_threads, global};
use crate::sync::{Arc, Mutex, Weak};
use crate::waiters;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::vec;

/// Looks up the addresses of a host, with a port: in the order of the system, which puts those
/// first that are most likely to be reached.
///
/// [`TcpStream::connect`](crate::net::TcpStream::connect) and the like look names up by themselves.
///
/// # Examples
///
/// ```
/// use spinney::net::lookup_host;
///
/// spinney::block_on(async {
///     for address in lookup_host(("localhost", 80)).await? {
///         assert!(address.ip().is_loopback() && address.port() == 80);
///     }
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
///
/// # Errors
///
/// That of the resolver; its text names the host.
///
/// # Cancellation
///
/// Dropping the future gives the lookup up: if it has not begun it is not made; one that has begun
/// ends on its thread.
///
/// # Blocking
///
/// Never: it is done on a thread for calls that block. Addresses are returned as they are.
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<vec::IntoIter<SocketAddr>> {
    Ok(resolve(&target(&host)).await?.into_iter())
}

/// What the thread and the future share.
#[derive(Default)]
struct Answer {
    addresses: Option<io::Result<Vec<SocketAddr>>>,
    waker: Option<Waker>,
}

/// The addresses of a target.
pub(crate) async fn resolve(target: &Target) -> io::Result<Vec<SocketAddr>> {
    poll_fn(budget::spend).await;
    if let Target::Addresses(addresses) = target {
        return Ok(addresses.clone());
    }
    look_up(target.clone())
        .await
        .map_err(|error| failed(error, format_args!("cannot look up {target}")))
}

/// Does `f` with one address of a target after the other, until it succeeds. `verb` is what the
/// error, that of the last one, says of it.
pub(crate) async fn first_of<T>(
    target: &Target,
    verb: &str,
    f: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = no_address(target);
    for address in resolve(target).await? {
        match f(address) {
            Ok(done) => return Ok(done),
            Err(error) => last = failed_at(error, verb, target, address),
        }
    }
    Err(last)
}

fn ask(target: &Target) -> io::Result<Vec<SocketAddr>> {
    match target {
        Target::Addresses(addresses) => Ok(addresses.clone()),
        Target::Name(name) => name.to_socket_addrs().map(Iterator::collect),
        Target::Host(host, port) => (&**host, *port).to_socket_addrs().map(Iterator::collect),
    }
}

async fn look_up(target: Target) -> io::Result<Vec<SocketAddr>> {
    let runtime = global::runtime();
    runtime.driver.must_be_here()?;
    let answer = Arc::new(Mutex::new(Answer::default()));
    let reply = Reply(Arc::clone(&answer));
    let call = Box::new(move || {
        let addresses = ask(&target);
        reply.0.lock().addresses = Some(addresses);
        drop(reply);
    });
    let key = blocking_threads::push_call(&runtime, call);
    let resolve = Resolve {
        answer,
        key: Some(key),
        runtime: Arc::downgrade(&runtime),
    };
    resolve.await
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

/// Waits for the answer. When it is dropped, a lookup that has not begun is not made.
struct Resolve {
    answer: Arc<Mutex<Answer>>,
    /// Where the call stands in the line for a thread.
    key: Option<Key>,
    /// The future may outlive the runtime.
    runtime: Weak<Shared>,
}

impl Future for Resolve {
    type Output = io::Result<Vec<SocketAddr>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let new = cx.waker().clone();
        let mut answer = self.answer.lock();
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
        let waker = self.answer.lock().waker.take();
        waiters::discard(waker);
        if let (Some(runtime), Some(key)) = (self.runtime.upgrade(), self.key.take()) {
            drop(runtime.blocking.take_out(key));
        }
    }
}
