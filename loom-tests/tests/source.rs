//! Models of `src/driver/source.rs`: an event between a try and the clear is not lost, nor one
//! before a waiter registers.

use loom_tests::run::{explore, mutants};
use loom_tests::sync;
use std::task::{Wake, Waker};
use sync::cell::{Racy, UnsafeCell};
use sync::{Arc, Mutex, thread};

#[path = "../../src/keyed_queue.rs"]
mod keyed_queue;
#[expect(dead_code, reason = "a list of wakers needs a part of it")]
#[path = "../../src/unwind.rs"]
mod unwind;
#[expect(
    dead_code,
    reason = "wakers without a key have no part in these models"
)]
#[path = "../../src/waiters.rs"]
mod waiters;

#[path = "../../src/driver"]
mod driver {
    pub mod source;
}

use driver::source::Readiness;
use waiters::Key;

#[derive(Default)]
struct Bell(Racy);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.set(1);
    }
}

/// A socket: bytes that came, as the kernel counts them, and what the poller knows of it.
struct Socket {
    bytes: Mutex<u32>,
    readiness: Readiness,
    /// What the poller wrote before the event.
    news: UnsafeCell<u32>,
}

// SAFETY: it may be shared, because the model checker watches every access to the news.
unsafe impl Sync for Socket {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Socket {}

impl Socket {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            bytes: Mutex::new(0),
            readiness: Readiness::new(),
            news: UnsafeCell::new(0),
        })
    }

    fn arrive(&self) {
        *self.bytes.lock() += 1;
        self.readiness.event();
    }

    /// One poll of a reader; whether it got a byte. If not, its waker is registered.
    fn read(&self, key: &mut Key, bell: &Arc<Bell>) -> bool {
        let mut registered = false;
        loop {
            let seen = self.readiness.look();
            if seen.is_ready() {
                let mut bytes = self.bytes.lock();
                if *bytes > 0 {
                    *bytes -= 1;
                    return true;
                }
                drop(bytes);
                self.readiness.clear(seen);
            } else if registered {
                return false;
            } else {
                let waker = Waker::from(Arc::clone(bell));
                self.readiness.waiters.register(key, &waker);
                registered = true;
            }
        }
    }
}

/// A reader gets the byte, or is woken for it, however its try, clear and registration fall around
/// the event.
#[test]
fn model_an_event_is_not_lost() {
    explore(|| {
        let socket = Socket::new();
        let theirs = Arc::clone(&socket);
        let poller = thread::spawn(move || theirs.arrive());
        let bell = Arc::new(Bell::default());
        let got = socket.read(&mut Key::default(), &bell);
        poller.join().unwrap();
        assert!(got || bell.0.get() == 1, "the event is lost");
    });
}

/// Two readers, two events: none sleeps while there is a byte.
#[test]
fn model_two_waiters() {
    explore(|| {
        let socket = Socket::new();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let socket = Arc::clone(&socket);
                let bell = Arc::new(Bell::default());
                let theirs = Arc::clone(&bell);
                let thread = thread::spawn(move || socket.read(&mut Key::default(), &theirs));
                (thread, bell)
            })
            .collect();
        socket.arrive();
        let mut got = 0;
        for (thread, bell) in readers {
            if thread.join().unwrap() {
                got += 1;
            } else {
                // The other one may have taken the byte before this one looked.
                let woken = bell.0.get() == 1;
                assert!(woken || *socket.bytes.lock() == 0, "the event is lost");
            }
        }
        assert!(got <= 1);
    });
}

/// The clear of one reader does not undo what an event told the other.
#[test]
fn model_a_late_clear() {
    explore(|| {
        let socket = Socket::new();
        let seen = socket.readiness.look();
        let theirs = Arc::clone(&socket);
        let reader = thread::spawn(move || theirs.readiness.clear(seen));
        socket.arrive();
        assert!(socket.readiness.look().is_ready());
        reader.join().unwrap();
        assert!(socket.readiness.look().is_ready(), "a stale clear");
    });
}

/// What the poller did before the event comes before the try of the reader that sees it.
#[test]
fn model_an_event_carries_news() {
    explore(|| {
        let socket = Socket::new();
        socket.readiness.clear(socket.readiness.look());
        let theirs = Arc::clone(&socket);
        let poller = thread::spawn(move || {
            theirs.news.with_mut(|news| unsafe { *news = 1 });
            theirs.readiness.event();
        });
        if socket.readiness.look().is_ready() {
            socket.news.with(|news| assert_eq!(unsafe { *news }, 1));
        }
        poller.join().unwrap();
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/driver/source.rs"], &[]);
}

#[test]
fn spurious_failures() {
    loom_tests::run::spurious_failures(&["src/driver/source.rs"]);
}
