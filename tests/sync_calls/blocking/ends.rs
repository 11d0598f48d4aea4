//! The end of a runtime with threads for closures.

use crate::common::durations::{NEVER, NOW};
use crate::common::hangs::without_hanging;
use crate::common::polls::{self, wait_until};
use crate::common::runtimes::{noting, workers};
use spinney::{Runtime, blocking, group};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;

/// A closure that does not return is a straggler, by name and place; when it does return, the
/// runtime ends.
#[test]
fn a_closure_that_does_not_return_is_a_straggler() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let gate = Arc::new(Barrier::new(2));
        let (begun, is_begun) = std::sync::mpsc::channel();
        let held = Arc::clone(&gate);
        let mut call = Box::pin({
            let _in_it = runtime.enter();
            blocking(move || {
                begun.send(()).unwrap();
                held.wait();
            })
        });
        {
            let _in_it = runtime.enter();
            assert!(polls::poll_alone(call.as_mut()).is_pending());
        }
        is_begun.recv().unwrap();
        let stragglers = runtime.shutdown(NOW).unwrap_err();
        let places: Vec<_> = stragglers.iter().map(|one| one.location.file()).collect();
        assert_eq!(places, [file!()]);
        gate.wait();
        drop(call);
        runtime.shutdown(NEVER).unwrap();
    });
}

/// An orderly shutdown returns after the last of these threads has left.
#[test]
fn threads_have_left_after_a_shutdown() {
    let count = Arc::new(AtomicUsize::new(0));
    let (up, down) = (Arc::clone(&count), Arc::clone(&count));
    let builder = Runtime::builder()
        .workers(1)
        .on_thread_start(move || {
            up.fetch_add(1, SeqCst);
        })
        .on_thread_stop(move || {
            down.fetch_sub(1, SeqCst);
        });
    let (runtime, _) = noting(builder);
    runtime.block_on(group(async |g| {
        let all = g.keep(Barrier::new(4));
        for _ in 0..4 {
            g.blocking(|| {
                all.wait();
            });
        }
    }));
    // Perhaps not the worker yet.
    assert!(count.load(SeqCst) >= 4);
    runtime.shutdown(NEVER).unwrap();
    assert_eq!(count.load(SeqCst), 0);
}

/// Ends its runtime when it is woken.
struct Ends(Arc<Runtime>, Mutex<Option<usize>>);

impl Wake for Ends {
    fn wake(self: Arc<Self>) {
        let stragglers = self
            .0
            .shutdown(NEVER)
            .map_or_else(|named| named.len(), |()| 0);
        *self.1.lock().unwrap() = Some(stragglers);
    }
}

/// A foreign waker that is called on such a thread is inside the runtime: to end it from there only
/// requests that.
#[test]
fn a_waker_ends_the_runtime_on_whose_thread_it_is_called() {
    without_hanging(|| {
        let runtime = Arc::new(workers(1).0);
        let ends = Arc::new(Ends(Arc::clone(&runtime), Mutex::default()));
        let gate = Arc::new(Barrier::new(2));
        let held = Arc::clone(&gate);
        let mut call = pin!(blocking(move || {
            held.wait();
        }));
        let waker = Waker::from(Arc::clone(&ends));
        {
            let _in_it = runtime.enter();
            let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        gate.wait();
        wait_until(|| ends.1.lock().unwrap().is_some());
        assert_eq!(*ends.1.lock().unwrap(), Some(1));
        runtime.shutdown(NEVER).unwrap();
    });
}

/// The same goes for the hooks of such a thread.
#[test]
fn a_hook_ends_the_runtime_whose_thread_begins_or_ends() {
    without_hanging(|| {
        for at_start in [true, false] {
            let slot = Arc::new(Mutex::new(None::<Arc<Runtime>>));
            let asked = Arc::new(AtomicUsize::new(0));
            let (theirs, count) = (Arc::clone(&slot), Arc::clone(&asked));
            let hook = move || {
                if thread::current().name() != Some("spinney-blocking") {
                    return;
                }
                let runtime = theirs.lock().unwrap().take();
                if let Some(runtime) = runtime {
                    // From inside: the tasks that are there are named, or all had ended.
                    drop(runtime.shutdown(NEVER));
                    count.fetch_add(1, SeqCst);
                }
            };
            let builder = Runtime::builder().workers(1);
            let builder = match at_start {
                true => builder.on_thread_start(hook),
                false => builder.on_thread_stop(hook),
            };
            let runtime = Arc::new(noting(builder).0);
            *slot.lock().unwrap() = Some(Arc::clone(&runtime));
            let call = std::panic::AssertUnwindSafe(|| runtime.block_on(blocking(|| ())));
            let ended = std::panic::catch_unwind(call);
            assert_eq!(ended.is_err(), at_start);
            runtime.shutdown(NEVER).unwrap();
            assert_eq!(asked.load(SeqCst), 1);
        }
    });
}
