//! Models of `src/parker.rs`.

use loom_tests::run::{explore, mutants};
use loom_tests::sync;
use sync::{Arc, Mutex, cell::UnsafeCell, thread};

#[path = "../../src/parker.rs"]
mod parker;

/// A payload that is written before the token is given and read after it was taken.
struct Shared {
    parker: parker::Parker,
    payload: UnsafeCell<u32>,
}

// SAFETY: it may be shared, because the model checker watches every access to the payload.
unsafe impl Sync for Shared {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Shared {}

fn shared() -> Arc<Shared> {
    Arc::new(Shared {
        parker: parker::Parker::new(),
        payload: UnsafeCell::new(0),
    })
}

/// A park returns after an unpark, whichever comes first, and sees what the waker wrote.
#[test]
fn model_park_and_unpark() {
    explore(|| {
        let shared = shared();
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || {
            theirs.payload.with_mut(|payload| unsafe { *payload = 1 });
            let _ = theirs.parker.unpark();
        });
        shared.parker.park();
        shared
            .payload
            .with(|payload| assert_eq!(unsafe { *payload }, 1));
        waker.join().unwrap();
    });
}

/// Two wakers are enough for two parks only if both tokens are seen; one park never hangs.
#[test]
fn model_two_wakers() {
    explore(|| {
        let shared = shared();
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let _ = shared.parker.unpark();
                })
            })
            .collect();
        shared.parker.park();
        for waker in wakers {
            waker.join().unwrap();
        }
        let _ = shared.parker.take_token();
    });
}

/// A token that is taken without parking carries the waker's writes.
#[test]
fn model_take_token() {
    explore(|| {
        let shared = shared();
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || {
            theirs.payload.with_mut(|payload| unsafe { *payload = 1 });
            let _ = theirs.parker.unpark();
        });
        if shared.parker.take_token() {
            shared
                .payload
                .with(|payload| assert_eq!(unsafe { *payload }, 1));
        }
        waker.join().unwrap();
    });
}

/// An unparker that finds the owner in the driver is told so, or the owner finds the token.
#[test]
fn model_polling() {
    explore(|| {
        let shared = shared();
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || {
            theirs.payload.with_mut(|payload| unsafe { *payload = 1 });
            theirs.parker.unpark()
        });
        let begun = shared.parker.begin_polling();
        let token = !begun || shared.parker.end_polling();
        if token {
            shared
                .payload
                .with(|payload| assert_eq!(unsafe { *payload }, 1));
        }
        let notify = waker.join().unwrap();
        assert!(!notify || begun);
        assert!(token || !notify);
    });
}

/// A worker that waits says that it is in the driver, and sleeps on the parker of its seat, as in
/// `src/pool/waiting.rs`: the waker of its wait, which is told so, wakes it there. It has said
/// before where that is. A waker of the seat comes between.
#[test]
fn model_a_wait_on_the_parker_of_a_seat() {
    explore(|| {
        let (wait, seat) = (shared(), shared());
        let place = Arc::new(Mutex::new(false));
        let (theirs, at, found) = (Arc::clone(&wait), Arc::clone(&seat), Arc::clone(&place));
        let waker = thread::spawn(move || {
            theirs.payload.with_mut(|payload| unsafe { *payload = 1 });
            if theirs.parker.unpark() {
                assert!(*found.lock(), "it does not find the seat");
                let _ = at.parker.unpark();
            }
        });
        let at = Arc::clone(&seat);
        let other = thread::spawn(move || {
            let _ = at.parker.unpark();
        });
        *place.lock() = true;
        if wait.parker.begin_polling() {
            while !wait.parker.has_token() {
                seat.parker.park();
            }
            assert!(wait.parker.end_polling());
        }
        wait.payload
            .with(|payload| assert_eq!(unsafe { *payload }, 1));
        waker.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/parker.rs"], &[]);
}
