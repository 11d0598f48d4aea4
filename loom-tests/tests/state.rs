//! Models of `src/task/state.rs`: wake x run x cancel x complete x handle, and references.

use loom_tests::run::{explore, mutants};
use loom_tests::sync;
use sync::cell::{Racy, UnsafeCell};
use sync::{Arc, thread};

#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/task"]
mod task {
    pub mod state;
}

use task::state::{Pause, Release, State, Wake};

/// A task as far as the word is concerned: `future` is what a runner touches, `message` what a
/// waker wrote, `output` what a handle takes.
struct Task {
    state: State,
    future: UnsafeCell<u32>,
    message: UnsafeCell<u32>,
    output: UnsafeCell<u32>,
    racy: Racy,
}

// SAFETY: it may be shared, because the model checker watches every access.
unsafe impl Sync for Task {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Task {}

fn task() -> Arc<Task> {
    Arc::new(Task {
        state: State::scheduled(),
        future: UnsafeCell::new(0),
        message: UnsafeCell::new(0),
        output: UnsafeCell::new(0),
        racy: Racy::default(),
    })
}

fn poll(task: &Task) {
    task.future.with_mut(|future| unsafe { *future += 1 });
}

/// Runs the task until it is idle; whether it was cut.
fn run(task: &Task) -> bool {
    loop {
        let before = task.state.start();
        poll(task);
        let mut cutting = before.is_cancelled();
        loop {
            if cutting {
                let _ = task.state.complete(false);
                return true;
            }
            match task.state.pause(false, cutting) {
                Pause::Idle => return false,
                Pause::Requeue => break,
                Pause::Cut => cutting = true,
            }
        }
    }
}

/// A wake that comes while the task runs, or after it, leads to another poll, which sees what the
/// waker wrote.
#[test]
fn model_a_wake_is_never_lost() {
    explore(|| {
        let task = task();
        let theirs = Arc::clone(&task);
        let waker = thread::spawn(move || {
            theirs.message.with_mut(|message| unsafe { *message = 1 });
            let mine = theirs.state.wake();
            if mine {
                assert!(!run(&theirs));
            }
            mine
        });
        // First poll; then what a wake demands.
        let mut polls = 0;
        loop {
            let _ = task.state.start();
            poll(&task);
            polls += 1;
            if polls == 2 {
                task.message
                    .with(|message| assert_eq!(unsafe { *message }, 1));
            }
            if task.state.pause(false, false) != Pause::Requeue {
                break;
            }
        }
        let theirs = waker.join().unwrap();
        task.future
            .with(|future| assert!(unsafe { *future } == 2 || (!theirs && polls == 1)));
    });
}

/// A waker that finds the task scheduled by another leaves, and the run that follows sees its
/// writes.
#[test]
fn model_the_second_waker_is_seen() {
    explore(|| {
        let task = task();
        let theirs = Arc::clone(&task);
        let second = thread::spawn(move || {
            theirs.racy.set(1);
            let mine = theirs.state.wake();
            if mine {
                let _ = run(&theirs);
            }
            mine
        });
        let _ = task.state.start();
        let mut seen = task.racy.get();
        if task.state.pause(false, false) == Pause::Requeue {
            let _ = task.state.start();
            seen = task.racy.get();
            let _ = task.state.pause(false, false);
        }
        let mine = second.join().unwrap();
        assert!(mine || seen == 1);
    });
}

/// A task in a queue is run by the thread that redeems its ticket, or cut by the canceller that
/// claims it there, and never both; it is freed once, after everything else.
#[test]
fn model_a_ticket_against_a_cut() {
    explore(|| {
        let task = Arc::new(Task {
            state: State::waiting(),
            future: UnsafeCell::new(0),
            message: UnsafeCell::new(0),
            output: UnsafeCell::new(0),
            racy: Racy::default(),
        });
        let run_once = |task: &Task| {
            let _ = task.state.start();
            poll(task);
            let _ = task.state.complete(false);
            task.state.drop_reference()
        };
        let theirs = Arc::clone(&task);
        let redeemer = thread::spawn(move || {
            let mine = theirs.state.wake();
            let freed = theirs.state.drop_reference();
            assert!(!(mine && freed), "the engine's reference is left");
            freed || mine && run_once(&theirs)
        });
        let theirs = Arc::clone(&task);
        let canceller = thread::spawn(move || theirs.state.cancel() && run_once(&theirs));
        let released = task.state.drop_handle();
        assert_ne!(released, Release::DropOutput);
        let freed = [
            released == Release::Free,
            redeemer.join().unwrap(),
            canceller.join().unwrap(),
        ];
        assert_eq!(freed.iter().filter(|freed| **freed).count(), 1);
        task.future.with(|future| assert_eq!(unsafe { *future }, 1));
    });
}

/// Of two wakers at most one owns the right to run, so the task is never run twice at once.
#[test]
fn model_two_wakers_one_right() {
    explore(|| {
        let task = task();
        let _ = task.state.start();
        poll(&task);
        assert_eq!(task.state.pause(false, false), Pause::Idle);
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let task = Arc::clone(&task);
                thread::spawn(move || {
                    if task.state.wake() {
                        run(&task);
                    }
                })
            })
            .collect();
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

/// A cancel reaches the task exactly once, whether it runs, is queued, or is idle.
#[test]
fn model_cancel_against_run() {
    explore(|| {
        let task = task();
        let theirs = Arc::clone(&task);
        let canceller = thread::spawn(move || theirs.state.cancel() && run(&theirs));
        let here = run(&task);
        let there = canceller.join().unwrap();
        assert!(here != there, "cut once");
        assert!(task.state.load().is_complete());
    });
}

/// The output is taken by the handle or dropped by the completer, once, and its taker sees it
/// whole.
#[test]
fn model_complete_against_handle() {
    explore(|| {
        let task = task();
        let theirs = Arc::clone(&task);
        let runner = thread::spawn(move || {
            let _ = theirs.state.start();
            theirs.output.with_mut(|output| unsafe { *output = 1 });
            let before = theirs.state.complete(true);
            if !before.has_handle() {
                theirs.output.with_mut(|output| unsafe { *output = 2 });
            }
            let freed = theirs.state.drop_reference();
            if freed {
                theirs.message.with_mut(|message| unsafe { *message = 9 });
            }
            freed
        });
        // What a handle does with its reference comes before the free.
        task.message
            .with(|message| assert_eq!(unsafe { *message }, 0));
        let released = task.state.drop_handle();
        let mut freed = released == Release::Free;
        if released == Release::DropOutput {
            task.output.with_mut(|output| unsafe { *output = 2 });
            freed = task.state.drop_reference();
        }
        let freed_there = runner.join().unwrap();
        assert!(freed != freed_there, "freed once");
        task.output.with(|output| assert_eq!(unsafe { *output }, 2));
    });
}

/// A handle that sees the end may take the output.
#[test]
fn model_poll_of_a_handle() {
    explore(|| {
        let task = task();
        let theirs = Arc::clone(&task);
        let runner = thread::spawn(move || {
            let _ = theirs.state.start();
            theirs.output.with_mut(|output| unsafe { *output = 1 });
            let _ = theirs.state.complete(true);
        });
        if task.state.load().has_value() {
            task.output.with(|output| assert_eq!(unsafe { *output }, 1));
        }
        runner.join().unwrap();
    });
}

/// The holder that gives the last reference back may free the task: the accesses of all other
/// holders come before.
#[test]
fn model_references() {
    explore(|| {
        let task = task();
        task.state.add_reference();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let task = Arc::clone(&task);
                thread::spawn(move || _ = release(&task))
            })
            .collect();
        let _ = release(&task);
        for other in others {
            other.join().unwrap();
        }
        task.future.with(|future| assert_eq!(unsafe { *future }, 9));
    });
}

/// A waker that is used up wakes the task and gives its reference back in one step: a run that
/// follows sees what the waker wrote, and the task is freed once, after all that the waker did.
#[test]
fn model_a_waker_that_is_used_up() {
    explore(|| {
        let task = task();
        task.state.add_reference();
        let end = |task: &Task| {
            let _ = task.state.start();
            task.message
                .with(|message| assert_eq!(unsafe { *message }, 1));
            let _ = task.state.complete(false);
            release(task)
        };
        let theirs = Arc::clone(&task);
        let waker = thread::spawn(move || {
            theirs.message.with_mut(|message| unsafe { *message = 1 });
            theirs
                .future
                .with(|future| assert_eq!(unsafe { *future }, 0));
            match theirs.state.wake_by_value() {
                Wake::Done => None,
                Wake::Queue => Some(end(&theirs)),
                Wake::Free => unreachable!("it is not complete"),
            }
        });
        let _ = task.state.start();
        let here = match task.state.pause(false, false) {
            Pause::Requeue => Some(end(&task)),
            Pause::Idle => None,
            Pause::Cut => unreachable!("not cancelled"),
        };
        let released = task.state.drop_handle() == Release::Free;
        let there = waker.join().unwrap();
        let ends = match here.or(there) {
            Some(freed) => freed,
            None => {
                // The wake came before the first run.
                assert!(task.state.wake());
                end(&task)
            }
        };
        assert!(ends != released, "freed once");
    });
}

/// The waker of a task that is complete may be the last to have a reference.
#[test]
fn model_a_late_waker_frees() {
    explore(|| {
        let task = task();
        task.state.add_reference();
        let theirs = Arc::clone(&task);
        let waker = thread::spawn(move || {
            theirs
                .future
                .with(|future| assert_eq!(unsafe { *future }, 0));
            let last = theirs.state.wake_by_value() == Wake::Free;
            if last {
                theirs.future.with_mut(|future| unsafe { *future = 9 });
            }
            last
        });
        let _ = task.state.start();
        let _ = task.state.complete(false);
        let mut freed = release(&task);
        freed |= release(&task);
        assert!(freed != waker.join().unwrap(), "freed once");
        task.future.with(|future| assert_eq!(unsafe { *future }, 9));
    });
}

fn release(task: &Task) -> bool {
    task.future.with(|future| assert_eq!(unsafe { *future }, 0));
    let last = task.state.drop_reference();
    if last {
        task.future.with_mut(|future| unsafe { *future = 9 });
    }
    last
}

/// A runner that hands the task on gives its memory to the next one.
#[test]
fn model_runs_follow_each_other() {
    explore(|| {
        let task = task();
        let theirs = Arc::clone(&task);
        let other = thread::spawn(move || {
            if theirs.state.cancel() {
                run(&theirs);
            }
        });
        let _ = task.state.start();
        poll(&task);
        if task.state.pause(true, false) == Pause::Cut {
            let _ = task.state.complete(false);
        }
        other.join().unwrap();
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/task/state.rs"], &[]);
}

#[test]
fn spurious_failures() {
    loom_tests::run::spurious_failures(&["src/task/state.rs"]);
}
