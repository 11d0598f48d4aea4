//! Models of `src/latch.rs`: wait x set x the end of the frame in which the latch lives.

use loom_tests::run::{explore, mutants};
use loom_tests::sync;
use std::ptr::NonNull;
use std::task::{Wake, Waker};
use sync::cell::{Racy, UnsafeCell};
use sync::{Arc, thread};

#[path = "../../src/keyed_queue.rs"]
mod keyed_queue;
#[path = "../../src/latch.rs"]
mod latch;
#[expect(dead_code, reason = "a latch needs a part of it")]
#[path = "../../src/unwind.rs"]
mod unwind;
#[expect(dead_code, reason = "a latch needs a part of it")]
#[path = "../../src/waiters.rs"]
mod waiters;

use latch::Latch;

#[derive(Default)]
struct Bell(Racy);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.set(1);
    }
}

/// The frame of a waiter.
struct Frame {
    latch: Latch,
    result: UnsafeCell<u32>,
}

struct Setter(NonNull<Frame>);

// SAFETY: it may be sent: the model checker watches every access to the frame, also one after it
// was freed.
unsafe impl Send for Setter {}

impl Setter {
    fn set(self) {
        let frame = self.0.as_ptr();
        // SAFETY: not set yet, so the frame is there.
        unsafe { &(*frame).result }.with_mut(|result| unsafe { *result = 7 });
        // SAFETY: not set yet, so the frame is there.
        let latch = NonNull::from(unsafe { &(*frame).latch });
        // SAFETY: it is set once, and the frame is there until then.
        unsafe { Latch::set(latch) };
    }
}

/// What the waiter does first: it looks so many times, then waits.
fn model(looks: usize) {
    let frame = NonNull::from(Box::leak(Box::new(Frame {
        latch: Latch::new(),
        result: UnsafeCell::new(0),
    })));
    let setter = Setter(frame);
    let thread = thread::spawn(move || setter.set());
    // SAFETY: the frame is there until it is freed below.
    let latch = unsafe { &frame.as_ref().latch };
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut over = (0..looks).any(|_| latch.is_set());
    // SAFETY: this thread alone waits.
    over = over || unsafe { latch.wait(&waker) };
    // SAFETY: this thread alone waits.
    over = over || unsafe { latch.wait(&waker) };
    let free = || {
        // SAFETY: the latch was seen set: no other thread reaches the frame.
        let frame = unsafe { Box::from_raw(frame.as_ptr()) };
        frame
            .result
            .with(|result| assert_eq!(unsafe { *result }, 7));
    };
    if over {
        free();
        thread.join().unwrap();
    } else {
        thread.join().unwrap();
        assert_eq!(bell.0.get(), 1, "who waits is woken");
        assert!(latch.is_set());
        free();
    }
}

/// The waiter sees the result, or is woken when it is there; its frame may go away at once.
#[test]
fn model_wait_against_set() {
    explore(|| model(0));
}

/// A waiter that looks first.
#[test]
fn model_look_against_set() {
    explore(|| model(2));
}

#[test]
fn mutants_die() {
    mutants(&["src/latch.rs"], &[]);
}

#[test]
fn spurious_failures() {
    loom_tests::run::spurious_failures(&["src/latch.rs"]);
}
