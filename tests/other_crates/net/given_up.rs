//! What waits and is given up leaves nothing behind.

use super::{peer, where_all_block};
use crate::common::hangs::without_hanging;
use crate::common::polls::{Count, once, wait_until};
use crate::common::process::{alone, alone_by, resident};
use crate::common::runtimes::workers;
use crate::common::sockets::tcp_pair;
use futures_lite::{AsyncRead, AsyncReadExt};
use spinney::net::{TcpListener, TcpStream, lookup_host};
use spinney::{Group, block_on, group, try_group};
use std::fs::OpenOptions;
use std::future::pending;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

/// A read has no future that could take its waker back, and a direction keeps the last two: those
/// before were woken, so that none waits in vain.
#[test]
fn reads_that_are_given_up_leave_two_wakers() {
    block_on(async {
        let (client, _server) = tcp_pair().await;
        let wakers: Vec<_> = (0..100).map(|_| Arc::new(Count::default())).collect();
        for waker in &wakers {
            let waker = Waker::from(Arc::clone(waker));
            let mut cx = Context::from_waker(&waker);
            // Twice: the same waker is kept once.
            for _ in 0..2 {
                let read = Pin::new(&mut &client).poll_read(&mut cx, &mut [0; 16]);
                assert!(read.is_pending());
            }
        }
        for (number, waker) in wakers.iter().enumerate() {
            let kept = number >= 98;
            assert_eq!(Arc::strong_count(waker), 1 + usize::from(kept), "{number}");
            assert_eq!(waker.0.load(SeqCst), usize::from(!kept), "{number}");
        }
        drop(client);
        assert!(wakers.iter().all(|waker| Arc::strong_count(waker) == 1));
    });
}

/// More readers than a direction keeps wakers of: each gets its byte.
#[test]
fn no_reader_of_many_is_forgotten() {
    without_hanging(|| {
        block_on(group(async |g| {
            let (client, mut server) = peer().await;
            let client = g.keep(client);
            let readers: Vec<_> = (0..5)
                .map(|_| {
                    g.spawn(async move {
                        let mut stream = client;
                        Ok(AsyncReadExt::read(&mut stream, &mut [0]).await.unwrap())
                    })
                })
                .collect();
            for _ in 0..5 {
                server.write_all(b"x").unwrap();
                spinney::yield_now().await;
            }
            for reader in readers {
                assert_eq!(reader.await, 1);
            }
        }));
    });
}

/// An accept takes its waker back.
#[test]
fn an_accept_that_is_given_up_leaves_no_waker() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let waker = Arc::new(Count::default());
        for _ in 0..100 {
            let theirs = Waker::from(Arc::clone(&waker));
            let mut accepts: Vec<_> = (0..10).map(|_| listener.accept()).collect();
            for accept in &mut accepts {
                let polled = Pin::new(accept).poll(&mut Context::from_waker(&theirs));
                assert!(polled.is_pending());
            }
        }
        assert_eq!(Arc::strong_count(&waker), 1);
    });
}

/// Waiters for a stop that go away take their wakers along; the others are woken in order.
#[test]
fn waiters_for_a_stop_leave_nothing_and_are_woken_in_order() {
    struct One(usize, Arc<Mutex<Vec<usize>>>);

    impl Wake for One {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    block_on(group(async |g| {
        let order = Arc::new(Mutex::default());
        let wakers: Vec<_> = (0..1000)
            .map(|at| Arc::new(One(at, Arc::clone(&order))))
            .collect();
        let mut waiting = Vec::new();
        for one in &wakers {
            let mut stopping = Box::pin(g.stopping());
            let waker = Waker::from(Arc::clone(one));
            let polled = stopping.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            waiting.push(Some(stopping));
        }
        // Nine of ten go away, the even ones first, and a tenth is polled once more.
        let goes = |at: &usize| at % 10 != 3;
        let even = (0..1000).filter(|at| at % 2 == 0).filter(goes);
        let odd = (0..1000).filter(|at| at % 2 == 1).filter(goes);
        for at in even.chain(odd) {
            waiting[at] = None;
            assert_eq!(Arc::strong_count(&wakers[at]), 1);
        }
        for at in (3..1000).step_by(100) {
            let waker = Waker::from(Arc::clone(&wakers[at]));
            let stopping = waiting[at].as_mut().unwrap();
            assert!(
                stopping
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        g.stop();
        let woken = order.lock().unwrap();
        assert!(woken.iter().copied().eq((3..1000).step_by(10)));
    }));
}

/// Lookups that are given up while the only thread is busy leave the line, with their memory.
#[test]
fn lookups_that_are_given_up_leave_the_line() {
    alone(|| {
        where_all_block(async |gate| {
            let name = "x".repeat(1000); // no port: it is no name that anything is asked for
            let before = resident();
            for _ in 0..50_000 {
                let connect = pin!(TcpStream::connect(&name));
                assert!(once(connect).await.is_pending());
            }
            let grown = resident().saturating_sub(before);
            gate.store(true, SeqCst);
            assert!(grown < 8 << 20, "{} MB more", grown >> 20);
            assert!(TcpStream::connect(&name).await.is_err());
        });
    });
}

/// The C library reads names of hosts from the file of `HOSTALIASES`, which is a pipe here: a lookup
/// stays in it until the pipe is closed. Where names are asked for elsewhere there is an answer.
#[test]
fn a_resolver_without_an_answer_holds_up_neither_a_cut_nor_a_shutdown() {
    let with_a_pipe = "export HOSTALIASES=$(mktemp -d)/names && mkfifo \"$HOSTALIASES\" || exit
        \"$0\" \"$@\"; status=$?; rm -r \"${HOSTALIASES%/*}\"; exit $status";
    alone_by(with_a_pipe, || {
        let (runtime, seen) = workers(2);
        let pipe = std::env::var("HOSTALIASES").unwrap();
        let mut open = OpenOptions::new();
        // Without a wait it fails while nobody reads.
        let open = open.write(true).custom_flags(libc::O_NONBLOCK);
        let (answers, answered) = mpsc::channel();
        let asked = OnceLock::new();
        let result: Result<(), _> = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            g.spawn(async move {
                answers
                    .send(lookup_host(("spinney-oak", 80)).await.is_err())
                    .unwrap();
            });
            wait_until(|| {
                let opened = open.open(&pipe).map(|file| asked.set(file));
                opened.is_ok() || answered.try_recv().is_ok()
            });
            g.cancel("cut");
            pending().await
        }));
        assert_eq!(result.unwrap_err().first(), &"cut");
        runtime.shutdown(Duration::ZERO).unwrap();
        assert!(seen.texts().is_empty());
        // It waits for it still.
        drop(asked);
    });
}
