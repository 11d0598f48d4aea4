//! Models of `src/pool/blocking.rs` and `blocking_threads.rs`: work against threads that come,
//! whose time is over, that wait in turn, that cannot be had, and the end. Nothing in the queue is
//! left there.
//!
//! Everything is under one lock, so there is no ordering to weaken. A runtime is stubs: threads of
//! the model, and a context that only knows whether its thread waits.

use loom_tests::run::explore_with;
use loom_tests::sync;
use std::ptr::NonNull;
use sync::cell::UnsafeCell;
use sync::{Arc, Mutex, thread};

#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/job.rs"]
mod job;
#[expect(dead_code, reason = "only dumps look at all elements")]
#[path = "../../src/keyed_queue.rs"]
mod keyed_queue;
#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/parker.rs"]
mod parker;
#[path = "../../src/recycle.rs"]
mod recycle;
#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/unwind.rs"]
mod unwind;

#[path = "../../src/pool"]
mod pool {
    pub mod blocking;
    pub mod blocking_threads;

    /// No model records a trace.
    pub mod recorder {
        use crate::job::Job;

        pub fn around(job: Job, run: impl FnOnce(Job)) {
            run(job);
        }
    }

    /// What blocking threads know of their runtime.
    pub mod shared {
        use super::blocking::Blocking;
        use crate::job::Job;
        use crate::sync::cell::Racy;
        use crate::sync::{Arc, Mutex, thread};

        pub struct Shared {
            pub blocking: Blocking,
            pub hooks: Hooks,
            pub counters: Counters,
            pub threads: Mutex<Vec<thread::JoinHandle<()>>>,
            /// How many more threads may be had.
            pub left: Mutex<usize>,
        }

        impl Shared {
            pub fn new(limit: usize, threads: usize) -> Arc<Self> {
                Arc::new(Self {
                    blocking: Blocking::new(limit, 8),
                    hooks: Hooks,
                    counters: Counters::default(),
                    threads: Mutex::default(),
                    left: Mutex::new(threads),
                })
            }

            pub fn is_elsewhere(&self) -> bool {
                false // no model forks the process
            }

            pub fn thread(&self, _: &str) -> Builder<'_> {
                Builder(self)
            }

            pub fn thread_started(&self) {}

            /// A worker: it runs the jobs that it gets at once.
            pub fn inject(&self, job: Job) {
                job.run();
            }
        }

        pub struct Builder<'a>(&'a Shared);

        impl Builder<'_> {
            pub fn spawn(self, f: impl FnOnce() + 'static) -> Result<(), ()> {
                {
                    let mut left = self.0.left.lock();
                    *left = left.checked_sub(1).ok_or(())?;
                }
                let thread = thread::spawn(f);
                self.0.threads.lock().push(thread);
                Ok(())
            }
        }

        pub struct Hooks;

        impl Hooks {
            pub fn thread_stops(&self) {}
        }

        #[derive(Default)]
        pub struct Counters {
            pub last_resorts: Counter,
        }

        #[derive(Default)]
        pub struct Counter(pub Racy);

        impl Counter {
            pub fn bump_shared(&self) {
                self.0.set(self.0.get() + 1);
            }
        }
    }

    /// Where a thread is.
    pub mod thread_ctx {
        use super::shared::Shared;
        use crate::sync::Arc;
        use std::cell::Cell;
        use std::ptr;

        pub struct ThreadCtx<'a> {
            pub waits: Cell<bool>,
            pub shared: &'a Arc<Shared>,
        }

        crate::sync::thread_local! {
            static HERE: Cell<*const ThreadCtx<'static>> = const { Cell::new(ptr::null()) };
        }

        impl<'a> ThreadCtx<'a> {
            pub fn blocking(shared: &'a Arc<Shared>) -> Self {
                let waits = Cell::new(false);
                Self { waits, shared }
            }

            pub fn occupy(&self, f: impl FnOnce()) {
                HERE.set(ptr::from_ref(self).cast());
                f();
                HERE.set(ptr::null());
            }

            pub fn leave_seat(&self) {}
        }

        pub fn here<R>(f: impl FnOnce(&ThreadCtx<'_>) -> R) -> R {
            // SAFETY: the context is occupied meanwhile.
            f(unsafe { HERE.get().as_ref() }.expect("a thread for closures that block"))
        }
    }
}

use job::{Job, JobHeader, JobTable, Place, Ticket, TicketTable};
use parker::Parker;
use pool::blocking_threads::{self, begin_wait, end_wait};
use pool::shared::Shared;
use pool::thread_ctx;

/// How often a piece of work was done; twice at once, or unseen by the thread that asks, fails the
/// model.
#[repr(C)]
struct Piece {
    header: JobHeader,
    done: UnsafeCell<u32>,
    place: Place,
    /// Whether a thread, or the canceller, has the right to run it.
    claimed: Mutex<bool>,
}

// SAFETY: it may be shared, because the model checker watches every access.
unsafe impl Sync for Piece {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Piece {}

static TABLE: JobTable = JobTable {
    run,
    group: |_| std::ptr::null(),
    id: |_| None,
    describe: |_| None,
    on_stack: false,
};

unsafe fn run(job: NonNull<JobHeader>) {
    // SAFETY: every job of these models is a `Piece` that outlives it.
    unsafe { job.cast::<Piece>().as_ref() }.act();
}

impl Piece {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            header: JobHeader { table: &TABLE },
            done: UnsafeCell::new(0),
            place: Place::default(),
            claimed: Mutex::new(false),
        })
    }

    fn act(&self) {
        self.done.with_mut(|done| unsafe { *done += 1 });
    }

    fn done(&self) -> u32 {
        self.done.with(|done| unsafe { *done })
    }

    fn call(self: &Arc<Self>) -> Box<dyn FnOnce() + Send> {
        let this = Arc::clone(self);
        Box::new(move || this.act())
    }

    /// A ticket keeps the piece, as that of a task does.
    fn child(self: &Arc<Self>) -> Ticket {
        let target = NonNull::from(Box::leak(Box::new(Arc::clone(self))));
        // SAFETY: a leaked piece is there until its ticket is redeemed or dropped, and may be used
        // on any thread.
        unsafe { Ticket::new(target.cast(), &TICKET) }
    }

    /// Whether the caller has the right to run it.
    fn claim(&self) -> bool {
        !std::mem::replace(&mut *self.claimed.lock(), true)
    }

    /// Cuts it, if it has not begun, as a canceller does.
    fn cancel(&self, shared: &Shared) -> bool {
        let cut = self.claim();
        if cut {
            drop(shared.blocking.leave_line(&self.place));
        }
        cut
    }
}

static TICKET: TicketTable = TicketTable {
    claim: |target| {
        // SAFETY: the ticket is given up.
        let piece = unsafe { given_up(target) };
        // SAFETY: (1): the models keep the piece until its job is run. (2): any thread may run it.
        // (3): it is claimed once.
        piece
            .claim()
            .then(|| unsafe { Job::new(NonNull::from(&**piece).cast()) })
    },
    // SAFETY: the ticket is given up.
    release: |target| drop(unsafe { given_up(target) }),
    // SAFETY: the ticket is there.
    place: |target| NonNull::from(&unsafe { target.cast::<Arc<Piece>>().as_ref() }.place),
};

/// The reference of a ticket.
#[expect(
    clippy::redundant_allocation,
    reason = "the box is what the word points to, and the count is its owner's"
)]
unsafe fn given_up(target: NonNull<JobHeader>) -> Box<Arc<Piece>> {
    // SAFETY: `child` has leaked it, and the ticket is given up once.
    unsafe { Box::from_raw(target.cast().as_ptr()) }
}

/// The end: all threads leave, also one that is in a call.
fn end(shared: &Shared) {
    shared.blocking.close();
    shared.blocking.join();
    join_threads(shared);
}

fn join_threads(shared: &Shared) {
    loop {
        let thread = shared.threads.lock().pop();
        match thread {
            Some(thread) => thread.join().unwrap(),
            None => return,
        }
    }
}

/// Work comes for an idle thread whose time is over: the thread takes it along, or another one is
/// started.
fn linger(ends: u32) {
    explore_with(3, move || {
        sync::time::ends(ends);
        let shared = Shared::new(1, 3);
        let pieces = [Piece::new(), Piece::new()];
        let (theirs, first) = (Arc::clone(&shared), pieces[0].call());
        let pusher = thread::spawn(move || blocking_threads::push_call(&theirs, first));
        blocking_threads::push_child(&shared, pieces[1].child());
        pusher.join().unwrap();
        end(&shared);
        for piece in &pieces {
            assert_eq!(piece.done(), 1, "left in the queue");
        }
    });
}

#[test]
fn model_work_against_an_idle_thread() {
    linger(0);
}

#[test]
fn model_work_against_the_end_of_a_linger() {
    linger(1);
}

#[test]
fn model_work_against_the_end_of_two_lingers() {
    linger(2);
}

/// Of two pieces of work the first waits for the second. The thread that comes for the first sees
/// to it that one comes for the second, so it does not wait for ever: there are two threads, or
/// one, and the first piece `says` that it waits.
fn one_waits_for_the_other(limit: usize, says: bool, ends: u32) {
    explore_with(2, move || {
        sync::time::ends(ends);
        let shared = Shared::new(limit, 3);
        let pieces = [Piece::new(), Piece::new(), Piece::new()];
        let (second_is_done, both_are_done) = (Arc::new(Parker::new()), Arc::new(Parker::new()));
        let (piece, sleeps, tells) = (
            Arc::clone(&pieces[0]),
            Arc::clone(&second_is_done),
            Arc::clone(&both_are_done),
        );
        let waits = Box::new(move || {
            let says = says && thread_ctx::here(begin_wait);
            sleeps.park();
            if says {
                thread_ctx::here(end_wait);
            }
            piece.act();
            let _ = tells.unpark();
        });
        let piece = Arc::clone(&pieces[1]);
        let wakes = Box::new(move || {
            piece.act();
            let _ = second_is_done.unpark();
        });
        // The thread that did this may be idle by now, or not.
        blocking_threads::push_child(&shared, pieces[2].child());
        blocking_threads::push_call(&shared, waits);
        blocking_threads::push_call(&shared, wakes);
        both_are_done.park();
        end(&shared);
        for piece in &pieces {
            assert_eq!(piece.done(), 1);
        }
    });
}

#[test]
fn model_a_chain_of_calls() {
    one_waits_for_the_other(2, false, 0);
}

#[test]
fn model_a_chain_of_calls_and_a_linger() {
    one_waits_for_the_other(2, false, 1);
}

#[test]
fn model_who_waits_does_not_count() {
    one_waits_for_the_other(1, true, 0);
}

#[test]
fn model_who_waits_does_not_count_and_a_linger() {
    one_waits_for_the_other(1, true, 1);
}

/// The end comes while work does: a job in the queue is done or given up, once, and no thread
/// sleeps on.
#[test]
fn model_work_against_the_end() {
    for ends in 0..2 {
        explore_with(3, move || {
            sync::time::ends(ends);
            let shared = Shared::new(1, 3);
            let piece = Piece::new();
            blocking_threads::push_call(&shared, piece.call());
            let late = Piece::new();
            let (theirs, call) = (Arc::clone(&shared), late.call());
            let pusher = thread::spawn(move || blocking_threads::push_call(&theirs, call));
            shared.blocking.close();
            shared.blocking.join();
            pusher.join().unwrap();
            join_threads(&shared);
            assert_eq!(piece.done(), 1, "came before the end");
            assert_eq!(Arc::strong_count(&late), 1, "neither done nor given up");
            assert!(late.done() <= 1);
        });
    }
}

/// The end does not wait for a call of our own that takes its time.
#[test]
fn model_a_call_that_outlasts_the_end() {
    explore_with(3, || {
        sync::time::ends(0);
        let shared = Shared::new(1, 1);
        let (parker, piece) = (Arc::new(Parker::new()), Piece::new());
        let (sleeps, acts) = (Arc::clone(&parker), Arc::clone(&piece));
        let call = Box::new(move || {
            sleeps.park();
            acts.act();
        });
        blocking_threads::push_call(&shared, call);
        shared.blocking.close();
        shared.blocking.join();
        let _ = parker.unpark();
        join_threads(&shared);
        assert_eq!(piece.done(), 1);
    });
}

/// No second thread, or none at all, can be had: a busy one does the work, or a worker does.
#[test]
fn model_no_thread_can_be_had() {
    for threads in 0..2 {
        explore_with(3, move || {
            sync::time::ends(1);
            let shared = Shared::new(2, threads);
            let pieces = [Piece::new(), Piece::new()];
            let (theirs, first) = (Arc::clone(&shared), pieces[0].child());
            let pusher = thread::spawn(move || blocking_threads::push_child(&theirs, first));
            blocking_threads::push_child(&shared, pieces[1].child());
            pusher.join().unwrap();
            end(&shared);
            for piece in &pieces {
                assert_eq!(piece.done(), 1, "left in the queue");
            }
        });
    }
}

/// A child is cut while it comes into the line and a thread comes for it: it is run or cut, and
/// nothing of it stays in the line.
#[test]
fn model_a_child_that_is_cut_in_line() {
    explore_with(2, || {
        sync::time::ends(0);
        let shared = Shared::new(1, 1);
        let piece = Piece::new();
        let ticket = piece.child();
        let (theirs, victim) = (Arc::clone(&shared), Arc::clone(&piece));
        let canceller = thread::spawn(move || victim.cancel(&theirs));
        blocking_threads::push_child(&shared, ticket);
        let cut = canceller.join().unwrap();
        end(&shared);
        assert_eq!(piece.done(), u32::from(!cut));
        assert_eq!(Arc::strong_count(&piece), 1, "left in the line");
    });
}

/// A child that was cut leaves the line while the only thread is busy, and also if it comes there
/// afterwards.
#[test]
fn model_a_child_that_is_cut_while_no_thread_is_free() {
    explore_with(2, || {
        sync::time::ends(0);
        let shared = Shared::new(1, 1);
        let (parker, piece) = (Arc::new(Parker::new()), Piece::new());
        let sleeps = Arc::clone(&parker);
        blocking_threads::push_call(&shared, Box::new(move || sleeps.park()));
        let ticket = piece.child();
        let (theirs, victim) = (Arc::clone(&shared), Arc::clone(&piece));
        let canceller = thread::spawn(move || assert!(victim.cancel(&theirs)));
        // Before the busy thread is done: it would take the child out of the line.
        blocking_threads::push_child(&shared, ticket);
        canceller.join().unwrap();
        assert_eq!(Arc::strong_count(&piece), 1, "left in the line");
        let _ = parker.unpark();
        end(&shared);
        assert_eq!(piece.done(), 0);
    });
}

/// A call that is given up while a thread comes for it is made, or it has left.
#[test]
fn model_a_call_that_is_given_up() {
    explore_with(3, || {
        sync::time::ends(0);
        let shared = Shared::new(1, 1);
        let piece = Piece::new();
        let key = blocking_threads::push_call(&shared, piece.call());
        drop(shared.blocking.take_out(key));
        end(&shared);
        assert!(piece.done() <= 1);
        assert_eq!(Arc::strong_count(&piece), 1, "left in the line");
    });
}
