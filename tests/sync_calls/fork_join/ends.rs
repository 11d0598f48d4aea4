//! A runtime that ends while halves are there.

use super::{apart, fib};
use crate::common::durations::{NEVER, NOW};
use crate::common::hangs::without_hanging;
use crate::common::polls::wait_until;
use crate::common::runtimes::workers;
use spinney::join;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self};

/// A runtime that ends while a caller from outside is in a `join` gives it its grace; without one
/// the halves are run all the same.
#[test]
fn a_join_outlives_its_runtime() {
    without_hanging(|| {
        for round in 0..100 {
            let (runtime, _) = workers(2);
            let begun = &AtomicBool::new(false);
            thread::scope(|threads| {
                let runtime = &runtime;
                threads.spawn(move || {
                    let _entered = runtime.enter();
                    let half = || {
                        begun.store(true, SeqCst);
                        fib(14)
                    };
                    assert_eq!(join(half, half), (377, 377));
                });
                wait_until(|| begun.load(SeqCst));
                let grace = if round % 2 == 0 { NOW } else { NEVER };
                runtime.shutdown(grace).unwrap();
            });
        }
    });
}

/// A half of a caller from outside that does not return is a straggler: the end of the worker that
/// runs it is not waited for.
#[test]
fn a_half_that_does_not_return_is_a_straggler() {
    without_hanging(|| {
        for in_a_body in [true, false] {
            let (runtime, _) = workers(2);
            let (begun, gate) = (&AtomicBool::new(false), &AtomicBool::new(false));
            thread::scope(|threads| {
                let runtime = &runtime;
                threads.spawn(move || {
                    let both = || {
                        let waits = || {
                            begun.store(true, SeqCst);
                            wait_until(|| gate.load(SeqCst));
                        };
                        apart(|| (), waits);
                    };
                    match in_a_body {
                        true => runtime.block_on(async { both() }),
                        false => {
                            let _entered = runtime.enter();
                            both();
                        }
                    }
                });
                wait_until(|| begun.load(SeqCst));
                let stragglers = runtime.shutdown(NOW).unwrap_err();
                let names: Vec<_> = stragglers.iter().map(|one| one.name.as_deref()).collect();
                assert_eq!(names, [Some("a half of a `join` outside every task")]);
                gate.store(true, SeqCst);
            });
            runtime.shutdown(NEVER).unwrap();
        }
    });
}

/// A half may end the runtime, on whatever thread, also while the other one runs.
#[test]
fn a_half_ends_its_runtime() {
    without_hanging(|| {
        for first in [true, false] {
            let (runtime, _) = workers(2);
            let _entered = runtime.enter();
            let ends = || drop(runtime.shutdown(NEVER));
            let ((), ()) = match first {
                true => apart(ends, || assert_eq!(fib(10), 55)),
                false => apart(|| assert_eq!(fib(10), 55), ends),
            };
            runtime.shutdown(NEVER).unwrap();
        }
    });
}
