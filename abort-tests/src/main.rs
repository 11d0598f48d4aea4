//! A program that aborts at a panic: nothing in it can be unwound. It runs the case that its argument names, which ends
//! normally or aborts. `tests/abort.rs` builds it with the profile `abort`, and says which case does what.

use spinney::{
    Errors, Group, Runtime, Wait, current, group, join, scope, shield, try_group, try_scope,
    yield_now,
};
use std::future::{Future, pending, poll_fn};
use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

/// A case that takes longer hangs. It is no measure of speed: one takes a few milliseconds.
const HANGS: Duration = Duration::from_secs(60);

fn main() {
    if !cfg!(panic = "abort") {
        exit(2);
    }
    thread::spawn(|| {
        thread::sleep(HANGS);
        exit(3);
    });
    match std::env::args().nth(1).unwrap_or_default().as_str() {
        "groups_and_scopes_work" => groups_and_scopes_work(),
        "the_error_of_a_child_comes_out" => the_error_of_a_child_comes_out(),
        "a_wait_goes_on_when_its_group_is_cut" => goes_on(Cut::Group, When::During),
        "a_wait_goes_on_when_its_task_is_cut" => goes_on(Cut::Task, When::During),
        "a_wait_begins_in_a_group_that_was_cut" => goes_on(Cut::Group, When::Before),
        "a_wait_begins_in_a_task_that_was_cut" => goes_on(Cut::Task, When::Before),
        "what_a_cut_task_waits_for_runs_to_its_end" => what_a_cut_task_waits_for_runs_to_its_end(),
        "what_a_cut_closure_waits_for_runs_to_its_end" => {
            what_a_cut_closure_waits_for_runs_to_its_end();
        }
        "a_body_waits_for_a_child_that_was_cut" => a_body_waits_for_a_child_that_was_cut(),
        "a_scope_waits_for_a_child_that_was_cut" => a_scope_waits_for_a_child_that_was_cut(),
        "a_task_waits_for_a_sibling_that_was_cut" => awaits_a_dead_sibling(false),
        "a_shield_awaits_a_sibling_that_was_cut" => awaits_a_dead_sibling(true),
        _ => exit(4),
    }
}

/// A caller runs no task in place: the one that it runs may wait for what it is to do.
fn runtime() -> Runtime {
    let builder = Runtime::builder().workers(2).callers_take_part(false);
    builder.build().unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

fn block_until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// Opens once, and counts how often it was asked whether it is open.
#[derive(Default)]
struct Door {
    inside: Mutex<(bool, Option<Waker>)>,
    asked: AtomicUsize,
}

impl Door {
    fn open(&self) {
        let mut inside = self.inside.lock().unwrap();
        inside.0 = true;
        let waker = inside.1.take();
        drop(inside);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn passed(&self) -> impl Future<Output = ()> {
        poll_fn(|cx| {
            let mut inside = self.inside.lock().unwrap();
            self.asked.fetch_add(1, SeqCst);
            if inside.0 {
                return Poll::Ready(());
            }
            inside.1 = Some(cx.waker().clone());
            Poll::Pending
        })
    }
}

fn groups_and_scopes_work() {
    let sum = runtime().block_on(group(async |g| {
        let numbers = g.keep([1, 2, 3]);
        let child = g.spawn(async { Ok(numbers.iter().sum::<u32>()) });
        let waits = g.spawn(async {
            let inner = group(async |h| h.spawn(async { Ok(10) }).await);
            Ok(inner.wait())
        });
        // Cut while it is suspended: it is dropped, and nothing has to be unwound.
        let cut = g.spawn(pending::<()>());
        assert!(cut.cancel().await.is_none());
        child.await + waits.await
    }));
    assert_eq!(sum, 16);
    let mut numbers = [1, 2, 3];
    scope(|s| {
        for number in &mut numbers {
            s.spawn(async { *number *= 2 });
        }
    });
    assert_eq!(numbers, [2, 4, 6]);
}

/// Its siblings are suspended, one of them at another, and are dropped.
async fn fails() -> Result<(), &'static str> {
    let result = try_group(async |g: Group<'_, '_, &str>| {
        let sibling = g.spawn(pending::<()>());
        g.spawn(sibling);
        g.spawn(async {
            yield_now().await;
            Err::<(), _>("child")
        });
        pending::<Result<(), _>>().await
    });
    let errors = result.await.unwrap_err();
    assert_eq!(errors.len(), 1);
    Err(errors.into_first())
}

fn the_error_of_a_child_comes_out() {
    let runtime = runtime();
    assert_eq!(runtime.block_on(fails()), Err("child"));
    let waited = runtime.block_on(group(async |g| g.spawn(async { Ok(fails().wait()) }).await));
    assert_eq!(waited, Err("child"));
    let result = try_scope(|s: Group<'_, '_, &str>| {
        s.spawn(pending::<()>());
        s.spawn(fails());
        Ok(())
    });
    assert_eq!(result.unwrap_err().into_first(), "child");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Group,
    Task,
}

/// When the cut comes: before the wait or during it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    During,
}

/// A task waits at a door that opens only after the cut.
fn goes_on(cut: Cut, when: When) {
    let runtime = runtime();
    let door = Arc::new(Door::default());
    let [begun, was_cut, passed] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
    let result = thread::scope(|threads| {
        threads.spawn(|| {
            block_until(|| was_cut.load(SeqCst) && door.asked.load(SeqCst) > 0);
            // A wait that looked at the cut is a better test, but it need not look.
            for _ in 0..100_000 {
                if door.asked.load(SeqCst) > 1 {
                    break;
                }
                thread::yield_now();
            }
            door.open();
        });
        runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            let task = {
                let (door, begun, passed) = (door.clone(), begun.clone(), passed.clone());
                g.spawn(async move {
                    begun.store(true, SeqCst);
                    block_until(|| when == When::During || current::is_cancelled());
                    door.passed().wait();
                    passed.store(true, SeqCst);
                    pending::<()>().await;
                    unreachable!("the cut lands at the first suspension after the wait");
                })
            };
            let waits = || when == When::Before || door.asked.load(SeqCst) > 0;
            until(|| begun.load(SeqCst) && waits()).await;
            if cut == Cut::Group {
                g.cancel("cut");
                was_cut.store(true, SeqCst);
                return Ok(());
            }
            let joined = task.cancel();
            was_cut.store(true, SeqCst);
            assert!(joined.await.is_none());
            Ok(())
        }))
    });
    assert!(passed.load(SeqCst));
    let expected = if cut == Cut::Group {
        Err("cut")
    } else {
        Ok(())
    };
    assert_eq!(result.map_err(Errors::into_first), expected);
}

/// Groups and scopes that are opened in a wait are not cut from outside.
fn what_a_cut_task_waits_for_runs_to_its_end() {
    let [begun, sum] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let result = runtime().block_on(try_group(async |g: Group<'_, '_, &str>| {
        let (began, total) = (begun.clone(), sum.clone());
        g.spawn(async move {
            began.store(1, SeqCst);
            block_until(current::is_cancelled);
            let child = async {
                yield_now().await;
                Ok(1)
            };
            let waited = group(async |h| h.spawn(child).await).wait();
            let mut scoped = 0;
            scope(|s| {
                s.spawn(async {
                    yield_now().await;
                    scoped = 2;
                });
            });
            total.store(waited + scoped, SeqCst);
        });
        until(|| begun.load(SeqCst) == 1).await;
        Err::<(), _>("cut")
    }));
    assert_eq!(result.unwrap_err().into_first(), "cut");
    assert_eq!(sum.load(SeqCst), 3);
}

/// The same of closures, and of the halves of a `join` in one.
fn what_a_cut_closure_waits_for_runs_to_its_end() {
    fn waits() -> usize {
        let child = async {
            yield_now().await;
            Ok(1)
        };
        group(async |g| g.spawn(child).await).wait()
    }
    let [begun, sum] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let result = runtime().block_on(try_group(async |g: Group<'_, '_, &str>| {
        let closure = || {
            let (began, total) = (begun.clone(), sum.clone());
            move || {
                began.fetch_add(1, SeqCst);
                block_until(current::is_cancelled);
                let (one, other) = join(waits, waits);
                total.fetch_add(one + other, SeqCst);
            }
        };
        g.compute(closure());
        g.blocking(closure());
        until(|| begun.load(SeqCst) == 2).await;
        Err::<(), _>("cut")
    }));
    assert_eq!(result.unwrap_err().into_first(), "cut");
    assert_eq!(sum.load(SeqCst), 4);
}

fn a_body_waits_for_a_child_that_was_cut() {
    let _ = runtime().block_on(try_group(async |g: Group<'_, '_, &str>| {
        let child = g.spawn(pending::<()>());
        g.cancel("cut");
        child.wait();
        Ok(())
    }));
}

fn a_scope_waits_for_a_child_that_was_cut() {
    let _ = try_scope(|s: Group<'_, '_, &str>| {
        let child = s.spawn(pending::<()>());
        s.spawn(async { Err::<(), _>("sibling") });
        child.wait();
        Ok(())
    });
}

fn awaits_a_dead_sibling(in_a_shield: bool) {
    let begun = Arc::new(AtomicBool::new(false));
    let _ = runtime().block_on(try_group(async |g: Group<'_, '_, &str>| {
        let sibling = g.spawn(pending::<()>());
        let began = begun.clone();
        g.spawn(async move {
            began.store(true, SeqCst);
            if in_a_shield {
                shield(sibling).await;
            } else {
                sibling.wait();
            }
        });
        until(|| begun.load(SeqCst)).await;
        Err::<(), _>("cut")
    }));
}
