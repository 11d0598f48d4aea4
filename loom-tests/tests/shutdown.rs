//! Models of `src/pool/shutdown.rs`, over the real tree and lists of wakers: a shutdown, with the
//! time for it over or not, against the last leaver. It answers with the tasks that are left, and
//! the runtime ends, by the thread that sees the root empty.
//!
//! The parts that end are stubs. The tasks that are left are counts of the root, as halves of a
//! `join` outside every task have them.

use loom_tests::run::explore_with;
use loom_tests::sync;
use std::time::Duration;
use sync::{Arc, thread};

loom_tests::groups!();

mod support;

#[expect(dead_code, reason = "models wait by the clock of the system")]
#[path = "../../src/driver"]
mod driver {
    pub mod clock;
}

#[allow(unfulfilled_lint_expectations, reason = "lints of a published crate")]
#[path = "../../src/pool"]
mod pool {
    #[expect(dead_code, reason = "no model looks at a dump")]
    pub mod shutdown;

    /// What a shutdown knows of its runtime.
    pub mod shared {
        use crate::group::node::NodeRef;
        use crate::poll::live::LiveCounts;
        use crate::report::failure::{Straggler, TaskId};
        use crate::support::Tree;
        use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
        use crate::sync::{Arc, Mutex, thread};
        use crate::waiters::Waiters;
        use std::time::Duration;

        pub struct Shared {
            pub root: Mutex<Option<NodeRef>>,
            pub shut_down: AtomicBool,
            pub exiting: AtomicBool,
            pub is_special: AtomicBool,
            pub emptied: Waiters,
            pub guests: AtomicUsize,
            pub guests_gone: Waiters,
            pub halves: AtomicUsize,
            pub graces: AtomicUsize,
            pub counts: LiveCounts,
            pub seats: Seats,
            pub driver: Stub,
            pub blocking: Stub,
            pub reports: Stub,
            pub hooks: Stub,
            pub sentinel: Stub,
            pub threads: Mutex<Vec<thread::JoinHandle<()>>>,
        }

        pub struct Seats([Seat; 1]);

        impl Seats {
            pub fn get(&self, seat: usize) -> &Seat {
                &self.0[seat]
            }

            pub fn iter(&self) -> impl Iterator<Item = &Seat> {
                self.0.iter()
            }
        }

        pub struct Seat {
            pub counts: LiveCounts,
            pub counters: Counters,
        }

        pub struct Counters {
            pub jobs: Jobs,
            pub awaited_jobs: Jobs,
        }

        pub struct Jobs;

        impl Jobs {
            pub fn get(&self) -> u64 {
                0
            }
        }

        pub struct Escapees;

        impl Escapees {
            pub fn end(self, _: Duration) {}
        }

        pub struct Stub;

        impl Stub {
            pub fn tick(&self) {}
            pub fn close(&self) {}
            pub fn join(&self) {}
            pub fn end(&self) {}
            pub fn tell_omitted(&self) {}
        }

        impl Shared {
            /// No model has tokio beside.
            pub fn leave_tokio(&self, _: Duration, _: u32) -> Option<Escapees> {
                Some(Escapees)
            }

            pub fn let_go_escapees(&self) -> bool {
                false
            }

            pub fn places_of_escapees(&self) -> Vec<&'static std::panic::Location<'static>> {
                Vec::new()
            }

            pub fn is_elsewhere(&self) -> bool {
                false // no model forks the process
            }

            /// The tree stays with the caller: it would keep the runtime, by the waker in its root.
            pub fn new(tree: &Tree) -> Arc<Self> {
                Arc::new(Self {
                    root: Mutex::new(Some(tree.root.clone())),
                    shut_down: AtomicBool::new(false),
                    exiting: AtomicBool::new(false),
                    is_special: AtomicBool::new(false),
                    emptied: Waiters::new(),
                    guests: AtomicUsize::new(0),
                    guests_gone: Waiters::new(),
                    halves: AtomicUsize::new(0),
                    graces: AtomicUsize::new(0),
                    counts: LiveCounts::new(),
                    seats: Seats([Seat {
                        counts: LiveCounts::new(),
                        counters: Counters {
                            jobs: Jobs,
                            awaited_jobs: Jobs,
                        },
                    }]),
                    driver: Stub,
                    blocking: Stub,
                    reports: Stub,
                    hooks: Stub,
                    sentinel: Stub,
                    threads: Mutex::default(),
                })
            }

            pub fn open_root(&self) -> Option<NodeRef> {
                self.root.lock().clone()
            }

            pub fn without_guests_below<R>(&self, f: impl FnOnce() -> R) -> R {
                f()
            }

            /// As `Shared::guest_leaves`.
            pub fn guest_leaves(&self) {
                if self.guests.fetch_sub(1, Ordering::Relaxed) == 1 {
                    self.guests_gone.wake_all();
                }
            }

            pub fn running(&self, _: &Seat, _: impl Fn(TaskId) -> bool) -> Option<Straggler> {
                None
            }

            pub fn all_running(&self, _: impl Fn(TaskId) -> bool) -> Vec<Straggler> {
                Vec::new()
            }

            pub fn rouse(&self) {}
        }
    }

    pub mod thread_ctx {
        use super::shared::Shared;

        #[derive(PartialEq, Eq)]
        pub enum ThreadRole {
            Caller,
        }

        pub struct OwnSeat;

        impl OwnSeat {
            pub fn index(&self) -> Option<usize> {
                None
            }
        }

        pub struct ThreadCtx {
            pub seat: OwnSeat,
            pub role: ThreadRole,
        }

        impl ThreadCtx {
            pub fn is_of(&self, _: &Shared) -> bool {
                true
            }
        }

        /// No thread of a model is inside of the runtime.
        pub struct Contexts;

        impl Contexts {
            pub fn innermost(&self) -> Option<&ThreadCtx> {
                None
            }

            pub fn iter(&self) -> impl Iterator<Item = &ThreadCtx> {
                std::iter::empty()
            }
        }

        pub fn with_all<R>(f: impl FnOnce(Contexts) -> R) -> R {
            f(Contexts)
        }
    }

    pub mod caretaker {
        pub fn hand_over(_: &super::shared::Shared) {}
    }

    /// No model looks at what a dump shows.
    pub mod snapshot {
        use crate::report::dump::Dump;

        pub fn take(_: &super::shared::Shared) -> Dump {
            Dump {
                groups: Vec::new(),
                first_polls: Vec::new(),
                stalled: Vec::new(),
            }
        }
    }

    pub mod spares {
        pub fn blocked<R>(sleep: impl FnOnce() -> R) -> R {
            sleep()
        }
    }
}

use pool::shared::Shared;
use support::Tree;
use sync::atomic::Ordering;
use tree::leave::leave;

const GRACE: Duration = Duration::from_secs(1);

/// A runtime in which something is left, so many times; each is a thread that leaves.
fn runtime(left: usize) -> (Tree, Arc<Shared>, Vec<thread::JoinHandle<()>>) {
    let tree = Tree::new();
    let shared = Shared::new(&tree);
    shared.halves.fetch_add(1, Ordering::Relaxed);
    let root = tree.root.clone();
    let leavers = (0..left).map(|_| {
        assert!(root.enter());
        let root = root.clone();
        thread::spawn(move || {
            let counted = root.as_ptr();
            drop(root);
            // SAFETY: (1): the count that was taken above is given up. (2): nothing of the node is
            // touched afterwards.
            unsafe { leave(counted) };
        })
    });
    let leavers = leavers.collect();
    (tree, shared, leavers)
}

fn has_ended(shared: &Shared) -> bool {
    shared.exiting.load(Ordering::Acquire) && shared.root.lock().is_none()
}

/// So many leave in time, if `ends` waits end by themselves; or else they are stragglers, and the
/// last of them ends the runtime.
fn the_last_leaves(leavers: usize, ends: u32, preemptions: usize) {
    explore_with(preemptions, move || {
        sync::trust_counts();
        sync::time::ends(ends);
        let (_tree, shared, leavers) = runtime(leavers);
        let answer = shared.shut_down(GRACE);
        match &answer {
            Ok(()) => assert!(has_ended(&shared), "it answered before the end"),
            Err(stragglers) => assert_eq!(stragglers.len(), 1),
        }
        // The grace, and twenty looks.
        assert!(answer.is_ok() || ends > 20, "too early");
        for leaver in leavers {
            leaver.join().unwrap();
        }
        assert!(has_ended(&shared), "no thread ended it");
    });
}

#[test]
fn model_within_the_grace() {
    the_last_leaves(1, 0, 2);
}

#[test]
fn model_two_within_the_grace() {
    the_last_leaves(2, 0, 1);
}

#[test]
fn model_after_the_grace() {
    the_last_leaves(1, 1, 2);
}

// Each of the twenty looks is a point at which the leaver may go on, so there is one of it.

#[test]
fn model_stragglers() {
    the_last_leaves(1, 21, 1);
}

#[test]
fn model_nearly_stragglers() {
    the_last_leaves(1, 20, 1);
}

/// Two shutdowns at once both end.
#[test]
fn model_two_shutdowns() {
    explore_with(1, || {
        sync::trust_counts();
        sync::time::ends(1);
        let (_tree, shared, leavers) = runtime(1);
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || theirs.shut_down(GRACE).is_ok());
        assert!(shared.shut_down(GRACE).is_ok());
        assert!(has_ended(&shared));
        assert!(other.join().unwrap());
        for leaver in leavers {
            leaver.join().unwrap();
        }
    });
}

/// A blocked caller without a child leaves within the grace, or the grace is over before.
#[test]
fn model_a_guest() {
    for ends in 0..2 {
        explore_with(2, move || {
            sync::trust_counts();
            sync::time::ends(ends);
            let tree = Tree::new();
            let shared = Shared::new(&tree);
            shared.guests.fetch_add(1, Ordering::Relaxed);
            let theirs = Arc::clone(&shared);
            let guest = thread::spawn(move || theirs.guest_leaves());
            assert!(shared.shut_down(GRACE).is_ok());
            assert!(has_ended(&shared));
            let left = shared.guests.load(Ordering::Relaxed) == 0;
            assert!(left || ends > 0, "the grace was not over");
            guest.join().unwrap();
        });
    }
}

#[test]
fn spurious_failures() {
    loom_tests::run::spurious_failures_below(&["src/group/word.rs"]);
}
