//! Models of `src/group/services.rs` and of `end_services` in `src/group/cut.rs`: the services of a group that is cancelled
//! while nobody polls its future. Exactly one closer ends them, whoever starts it, and it waits for no wake-up that has been
//! given.
//!
//! These functions hold no orderings: they rest on flags that are set before others are read, and on the node's lock.

use loom_tests::run::explore_with;
use loom_tests::sync;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
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
    pub mod cut;
    pub mod dump;
    pub mod ending;
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
    pub mod closer;
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
use group::node::{Node, Opening};
use group::open::{self, Host};
use group::services::Services;
use group::tree;
use group::typed::Typed;
use support::{End, read};
use task::cell::Birth;
use task::run;

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

/// Starts the first service of a group, as the surface does.
fn serve(group: &Node, over: impl Fn() + Unpin) {
    let opening = Opening {
        parent: None,
        name: None,
        location: Location::caller(),
        shielded: true,
    };
    let services = Services::new(Typed::<u32>::open(&TABLE, group.to_ref(), opening));
    let node = services.node.clone();
    let slower = group.slow.lock().ending.set_services(&group.word, services);
    assert!(slower.is_none(), "the first one");
    let birth = Birth {
        location: Location::caller(),
        extension: None,
    };
    let ready = false;
    // SAFETY: the node is alive and counts the service; `Plain` uses no error type.
    let handle = unsafe { run::spawn::<_, Plain>(&node, Until { ready, over }, birth) };
    let serving = handle.serving().expect("it was started");
    let over = group.slow.lock().ending.push_service(serving);
    assert!(over.is_empty());
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
        assert!(stage.owner.ended());
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
        assert!(stage.owner.ended());
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
        let defer = Box::pin(Until { ready, over });
        node.slow.lock().ending.defer(&node.word, defer);
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

#[test]
fn spurious_failures() {
    loom_tests::run::spurious_failures_below(&["src/group/word.rs", "src/task/state.rs"]);
}
