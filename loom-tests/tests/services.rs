//! Models of `src/group/services.rs` and of `end_services` and `start_tail` in `src/group/open.rs`: the services of a group
//! that is cancelled while nobody polls its future. Exactly one task ends them, whoever starts it, and it waits for no wake-up
//! that has been given. And of services that come through a gate while their group ends: in time, or refused.
//!
//! These functions hold no orderings: they rest on flags that are set before others are read, and on the node's lock.

use loom_tests::run::explore_with;
use loom_tests::sync;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use sync::cell::Racy;
use sync::{Arc, thread};

#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/job.rs"]
mod job;
#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/parker.rs"]
mod parker;
#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/unwind.rs"]
mod unwind;
#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/waiters.rs"]
mod waiters;

#[expect(dead_code, reason = "models need a part of it")]
#[allow(unfulfilled_lint_expectations, reason = "lints of a published crate")]
#[path = "../../src/group"]
mod group {
    pub mod arena;
    pub mod books;
    pub mod dump;
    pub mod errors;
    pub mod frame;
    pub mod gate;
    pub mod grant;
    pub mod leaving;
    pub mod ledger;
    pub mod list;
    pub mod locals;
    pub mod mark;
    pub mod node;
    pub mod open;
    pub mod reaper;
    pub mod reason;
    pub mod report;
    pub mod root;
    pub mod running;
    pub mod services;
    pub mod spawn;
    pub mod tree;
    pub mod typed;
    pub mod word;
}

#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/task"]
mod task {
    pub mod awaiter;
    pub mod cell;
    pub mod defers;
    pub mod handle;
    pub mod header;
    pub mod run;
    pub mod state;
    pub mod waker;
}

#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/surface"]
mod surface {
    pub mod dead;
    pub mod owner;
}

#[path = "support/children.rs"]
mod children;
mod support;

use children::{Plain, Stage, TABLE, World};
use group::gate::Gate;
use group::leaving::leave;
use group::node::{DEFERS, Node, NodeRef, Opening};
use group::open::{self, Host};
use group::services::Services;
use group::tree;
use group::typed::Typed;
use support::{Pool, read};
use task::cell::Birth;
use task::run;

type Thread = thread::JoinHandle<()>;

/// A service, or a defer, that says when it is over.
struct Until<F: Fn() + Unpin> {
    ready: bool,
    over: F,
}

// SAFETY: the model checker watches what it touches.
unsafe impl<F: Fn() + Unpin> Send for Until<F> {}

impl<F: Fn() + Unpin> Future for Until<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.ready {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl<F: Fn() + Unpin> Drop for Until<F> {
    fn drop(&mut self) {
        (self.over)();
    }
}

/// Starts a service of a group, as the surface does; the first of two that come at once has come already.
fn serve(group: &Node, over: impl Fn() + Unpin) {
    let known = group
        .slow
        .lock()
        .services
        .as_ref()
        .map(|services| services.node.clone());
    let node = known.unwrap_or_else(|| {
        let opening = Opening {
            parent: None,
            name: None,
            location: Location::caller(),
            shielded: true,
        };
        let services = Services::new(Typed::<u32>::open(&TABLE, group.to_ref(), opening));
        let node = services.node.clone();
        let mut slow = group.slow.lock();
        slow.services = Some(services);
        group.word.serve();
        group.set_flags(DEFERS);
        node
    });
    let birth = Birth {
        location: Location::caller(),
        extension: None,
    };
    let ready = false;
    // SAFETY: the node is alive and counts the service; `Plain` uses no error type.
    let handle = unsafe { run::spawn::<_, Plain>(&node, Until { ready, over }, birth) };
    let serving = handle.serving().expect("it was started");
    let mut slow = group.slow.lock();
    let over = slow.services.as_mut().expect("made above").push(serving);
    drop(slow);
    drop(over);
    if group.is_cancelled() {
        handle.cancel();
    }
}

fn count(counter: &Racy) {
    counter.set(counter.get() + 1);
}

/// The host of a group ends, so that nobody polls its future, while a cancel comes down: one of the two ends the services.
#[test]
fn model_a_cancel_against_the_end_of_the_host() {
    explore_with(2, || {
        let mut stage = Stage::new();
        let node = stage.owner.node.clone();
        let host = Box::new(Host::new());
        open::enter(&node, &raw const *host);
        let served = Arc::new(Racy::default());
        let (theirs, kept) = (Arc::clone(&served), stage.kept);
        serve(&node, move || {
            read(kept);
            count(&theirs);
        });
        let pool = Arc::clone(&stage.tree.pool);
        pool.run_all();
        let canceller = thread::spawn(move || {
            tree::cancel(&node, 0);
            drop(node);
            pool.run_all();
        });
        let pool = Arc::clone(&stage.tree.pool);
        let ending = thread::spawn(move || {
            drop(host);
            pool.run_all();
        });
        canceller.join().unwrap();
        ending.join().unwrap();
        assert_eq!(served.get(), 1, "a service was left");
        assert!(stage.tree.root.is_empty(), "an orphan");
        assert!(stage.owner.close().is_some());
        assert_eq!(stage.drops.get(), 1);
    });
}

/// The last child of such a group leaves while a cancel starts the end of its services: they end once, after the child.
#[test]
fn model_a_cancel_against_the_last_child() {
    explore_with(2, || {
        let mut stage = Stage::new();
        let node = stage.owner.node.clone();
        let host = Host::new();
        open::enter(&node, &raw const host);
        let world = Arc::new(World::default());
        world.flag.set(1);
        let served = Arc::new(Racy::default());
        let (theirs, child, kept) = (Arc::clone(&served), Arc::clone(&world), stage.kept);
        serve(&node, move || {
            read(kept);
            assert_eq!(child.futures.get(), 1, "before the work had ended");
            count(&theirs);
        });
        stage.tree.pool.run_all();
        drop(stage.spawn(&world));
        drop(host);
        let pool = Arc::clone(&stage.tree.pool);
        let canceller = thread::spawn(move || {
            tree::cancel(&node, 0);
            drop(node);
            pool.run_all();
        });
        let pool = Arc::clone(&stage.tree.pool);
        let runner = thread::spawn(move || pool.run_all());
        canceller.join().unwrap();
        runner.join().unwrap();
        assert_eq!(served.get(), 1, "a service was left");
        assert!(stage.tree.root.is_empty(), "an orphan");
        assert!(stage.owner.close().is_some());
        assert_eq!(stage.drops.get(), 1);
        drop(world.waker.lock().take());
    });
}

/// The future of such a group is dropped while a cancel ends its services: the defers run, too, once and after them.
#[test]
fn model_a_cancel_against_an_early_drop() {
    explore_with(2, || {
        let stage = Stage::new();
        let node = stage.owner.node.clone();
        let host = Host::new();
        open::enter(&node, &raw const host);
        let served = Arc::new(Racy::default());
        let deferred = Arc::new(Racy::default());
        let (theirs, kept) = (Arc::clone(&served), stage.kept);
        serve(&node, move || {
            read(kept);
            count(&theirs);
        });
        let (theirs, before) = (Arc::clone(&deferred), Arc::clone(&served));
        let over = move || {
            read(kept);
            assert_eq!(before.get(), 1, "a defer before the services had ended");
            count(&theirs);
        };
        let ready = true;
        node.slow
            .lock()
            .defers
            .push(Box::pin(Until { ready, over }));
        stage.tree.pool.run_all();
        drop(host);
        let Stage {
            tree, owner, drops, ..
        } = stage;
        let pool = Arc::clone(&tree.pool);
        let canceller = thread::spawn(move || {
            tree::cancel(&node, 0);
            drop(node);
            pool.run_all();
        });
        let pool = Arc::clone(&tree.pool);
        let dropping = thread::spawn(move || {
            owner.abandon(|| {}, || {});
            pool.run_all();
        });
        canceller.join().unwrap();
        dropping.join().unwrap();
        assert_eq!((served.get(), deferred.get(), drops.get()), (1, 1, 1));
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// A child leaves its group, with which it has nothing in common but the count.
fn leaves_after(node: NodeRef, pool: Arc<Pool>, f: impl FnOnce(&Node) + 'static) -> Thread {
    assert!(node.enter());
    thread::spawn(move || {
        f(&node);
        let counted = node.as_ptr();
        drop(node);
        // SAFETY: the count that was taken above keeps it, and is given back.
        unsafe { leave(counted) };
        pool.run_all();
    })
}

/// The last child starts the first service, and leaves while the owner begins to join: somebody ends the service.
#[test]
fn model_the_first_service_of_the_last_child() {
    explore_with(2, || {
        let mut stage = Stage::new();
        let served = Arc::new(Racy::default());
        let (theirs, kept) = (Arc::clone(&served), stage.kept);
        let over = move || {
            read(kept);
            count(&theirs);
        };
        let (node, pool) = (stage.owner.node.clone(), Arc::clone(&stage.tree.pool));
        let child = leaves_after(node, pool, |node| serve(node, over));
        let waker = Waker::from(Arc::clone(&stage.sleeper));
        let mut cx = Context::from_waker(&waker);
        while stage.owner.poll_join(&mut cx).is_pending() {
            stage.tree.pool.run_all();
            stage.sleeper.park();
        }
        assert_eq!(served.get(), 1, "a service was left");
        assert!(stage.owner.close().is_some());
        assert_eq!(stage.drops.get(), 1);
        child.join().unwrap();
        assert!(stage.tree.root.is_empty(), "an orphan");
    });
}

/// The same while the future of the group is dropped: the child has asked before whether the group is cancelled.
#[test]
fn model_the_first_service_of_the_last_child_against_an_early_drop() {
    explore_with(2, || {
        let stage = Stage::new();
        let served = Arc::new(Racy::default());
        let (theirs, kept) = (Arc::clone(&served), stage.kept);
        let over = move || {
            read(kept);
            count(&theirs);
        };
        let (node, pool) = (stage.owner.node.clone(), Arc::clone(&stage.tree.pool));
        let child = leaves_after(node, pool, |node| serve(node, over));
        let Stage {
            tree, owner, drops, ..
        } = stage;
        owner.abandon(|| {}, || {});
        tree.pool.run_all();
        child.join().unwrap();
        assert_eq!((served.get(), drops.get()), (1, 1));
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// The last child registers the first defer, and leaves while the future of the group is dropped: it runs.
#[test]
fn model_the_first_defer_of_the_last_child_against_an_early_drop() {
    explore_with(2, || {
        let stage = Stage::new();
        let deferred = Arc::new(Racy::default());
        let theirs = Arc::clone(&deferred);
        let (node, pool) = (stage.owner.node.clone(), Arc::clone(&stage.tree.pool));
        let child = leaves_after(node, pool, |node| {
            let defer = Box::pin(poll_fn(move |_| {
                count(&theirs);
                Poll::Ready(())
            }));
            node.slow.lock().defers.push(defer);
            node.set_flags(DEFERS);
        });
        let Stage {
            tree, owner, drops, ..
        } = stage;
        owner.abandon(|| {}, || {});
        tree.pool.run_all();
        child.join().unwrap();
        assert_eq!((deferred.get(), drops.get()), (1, 1));
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// The last child starts the first service, and leaves while the host of its group is cut: the host does not wait for ever.
#[test]
fn model_the_first_service_of_the_last_child_against_a_cut_of_the_host() {
    explore_with(2, || {
        let mut stage = Stage::new();
        let host = Host::new();
        open::enter(&stage.owner.node, &raw const host);
        let (served, started) = (Arc::new(Racy::default()), Arc::new(Racy::default()));
        let (theirs, begins, kept) = (Arc::clone(&served), Arc::clone(&started), stage.kept);
        let over = move || {
            read(kept);
            count(&theirs);
        };
        let (node, pool) = (stage.owner.node.clone(), Arc::clone(&stage.tree.pool));
        let child = leaves_after(node, pool, move |node| {
            if !node.is_cancelled() {
                count(&begins);
                serve(node, over);
            }
        });
        let waker = Waker::from(Arc::clone(&stage.sleeper));
        open::cut(&host, &waker, false);
        while !open::settled(&host, &waker, true) {
            stage.tree.pool.run_all();
            stage.sleeper.park();
        }
        assert_eq!(served.get(), started.get(), "a service was left");
        drop(host);
        assert!(stage.owner.close().is_some());
        assert_eq!(stage.drops.get(), 1);
        child.join().unwrap();
        assert!(stage.tree.root.is_empty(), "an orphan");
    });
}

/// A handle starts a service while the group ends: it is over before that end, or refused.
fn a_service_through_the_gate(has_services: bool, has_defers: bool) {
    explore_with(2, move || {
        let Stage {
            tree,
            mut owner,
            sleeper,
            drops,
            kept,
        } = Stage::new();
        let gate = Arc::new(Gate::new(&owner.node));
        owner.node.slow.lock().gate = Some(Arc::clone(&gate));
        let (older, served) = (Arc::new(Racy::default()), Arc::new(Racy::default()));
        if has_services {
            let (theirs, newer) = (Arc::clone(&older), Arc::clone(&served));
            serve(&owner.node, move || {
                read(kept);
                theirs.set(1 + newer.get());
            });
            tree.pool.run_all();
        }
        if has_defers {
            owner.node.set_flags(DEFERS);
            let (ready, over) = (true, move || read(kept));
            let defer = Box::pin(Until { ready, over });
            owner.node.slow.lock().defers.push(defer);
        }
        let (handle, theirs) = (Arc::clone(&gate), Arc::clone(&served));
        let pool = Arc::clone(&tree.pool);
        let stranger = thread::spawn(move || {
            let admitted = handle.admit();
            if let Some(node) = admitted {
                // SAFETY: the count of `admit` keeps it.
                serve(unsafe { node.as_ref() }, move || {
                    read(kept);
                    count(&theirs);
                });
                // SAFETY: admitted, and not used any more.
                unsafe { leave(node) };
            }
            // To leave may have woken the task that ends the services, also after a refusal.
            pool.run_all();
            admitted.is_some()
        });
        let waker = Waker::from(Arc::clone(&sleeper));
        loop {
            while owner
                .poll_join(&mut Context::from_waker(&waker))
                .is_pending()
            {
                tree.pool.run_all();
                sleeper.park();
            }
            if owner.close().is_some() {
                break;
            }
        }
        let (older, served) = (older.get(), served.get());
        assert_eq!(drops.get(), 1);
        drop(owner);
        let admitted = stranger.join().unwrap();
        assert_eq!(served, u32::from(admitted), "a service was left");
        let newest_first = u32::from(has_services) * (1 + served);
        assert_eq!(older, newest_first, "newest first");
        assert!(gate.admit().is_none());
        assert!(tree.root.is_empty(), "an orphan");
    });
}

#[test]
fn model_a_first_service_through_the_gate() {
    a_service_through_the_gate(false, false);
}

#[test]
fn model_another_service_through_the_gate() {
    a_service_through_the_gate(true, false);
}

#[test]
fn model_a_service_through_the_gate_against_the_defers() {
    a_service_through_the_gate(false, true);
}
