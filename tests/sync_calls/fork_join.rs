//! `join`: both halves run to their end, wherever they run, in the context of the caller.

#![expect(unsafe_code, reason = "an allocator that counts")]

mod context;
mod cuts;
mod ends;
mod in_turn;
mod waits;

use crate::common::drops::on_drop;
use crate::common::durations::NEVER;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::runtimes::workers;
use spinney::{Runtime, Wait, group, join, scope};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, ThreadId};

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls `join` until the second half is begun by another thread, which runs it beside `a`.
fn apart<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    let begun = AtomicBool::new(false);
    join(
        || {
            while !begun.load(SeqCst) {
                // Looks whether a worker is idle by now.
                join(|| (), thread::yield_now);
            }
            a()
        },
        || {
            begun.store(true, SeqCst);
            b()
        },
    )
}

fn here() -> ThreadId {
    thread::current().id()
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = join(|| fib(n - 1), || fib(n - 2));
    a + b
}

#[test]
fn it_works_on_any_thread() {
    let (runtime, _) = workers(2);
    assert_eq!(fib(15), 610);
    let fibs = runtime.block_on(group(async |g| {
        let on_a_worker = g.compute(|| Ok(fib(15)));
        let on_a_blocking_thread = g.blocking(|| Ok(fib(15)));
        let in_a_body = fib(15);
        let in_a_scope = scope(|s| s.compute(|| Ok(fib(15))).wait());
        [
            on_a_worker.await,
            on_a_blocking_thread.await,
            in_a_body,
            in_a_scope,
        ]
    }));
    assert_eq!(fibs, [610; 4]);
}

#[test]
fn halves_run_at_once_where_there_is_an_idle_worker() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let _entered = runtime.enter();
        let (a, b) = apart(here, here);
        assert_ne!(a, b);
        assert!(runtime.metrics().forks > 0);
        let (a, b) = runtime.block_on(group(async |g| g.compute(|| Ok(apart(here, here))).await));
        assert_ne!(a, b);
    });
}

/// Where no worker is idle nothing is published, and nothing is allocated.
#[test]
fn a_half_that_nobody_wants_costs_no_allocation() {
    let runtime = Runtime::builder()
        .workers(1)
        .callers_take_part(false)
        .build()
        .unwrap();
    let (sum, allocations) = runtime.block_on(group(async |g| {
        let count = || {
            let before = ALLOCATIONS.get();
            let sum = fib(12);
            Ok((sum, ALLOCATIONS.get() - before))
        };
        g.compute(count).await
    }));
    assert_eq!((sum, allocations), (144, 0));
    assert_eq!(runtime.metrics().forks, 0);
}

/// The panic of the first half comes out, that of the second goes to the hook; both halves were
/// run.
#[test]
fn one_panic_comes_out_and_the_other_is_reported() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let _entered = runtime.enter();
        let ended = AtomicUsize::new(0);
        let text = panic_of(|| join(|| panic!("a"), || ended.fetch_add(1, SeqCst)));
        assert_eq!(text, "a");
        let text = panic_of(|| join(|| ended.fetch_add(1, SeqCst), || panic!("b")));
        assert_eq!(text, "b");
        assert_eq!((ended.load(SeqCst), seen.texts()), (2, vec![]));
        let text = panic_of(|| join(|| panic!("a"), || panic!("b")));
        assert_eq!((text.as_str(), seen.texts()), ("a", vec!["b".to_owned()]));
        let text = panic_of(|| apart(|| panic!("c"), || panic!("d")));
        assert_eq!((text.as_str(), seen.texts().len()), ("c", 2));
    });
}

/// A value that no caller can be given is dropped, and a panic of its destructor is reported.
#[test]
fn the_value_beside_a_panic_is_dropped() {
    let (runtime, seen) = workers(1);
    let _entered = runtime.enter();
    let text = panic_of(|| join(|| on_drop(|| panic!("drop")), || panic!("b")));
    assert_eq!(
        (text.as_str(), seen.texts()),
        ("b", vec!["drop".to_owned()])
    );
}

/// Many threads from outside at once.
#[test]
fn callers_from_many_threads() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    let _entered = runtime.enter();
                    for _ in 0..200 {
                        assert_eq!(fib(11), 89);
                    }
                });
            }
        });
        runtime.shutdown(NEVER).unwrap();
    });
}
