//! Models of `src/group/{ending,leaving,cut}.rs` as they are, with the tasks and the closer of `src/task`: a group ends
//! once, after all that was registered, whoever comes last: body, children, services, defers, early drop, cut.
//!
//! The state machine holds no orderings: it rests on its lock, and on what is asked under it. Each of its questions stands in
//! `decided`, and the models fail where one is answered without looking.

use loom_tests::run::{explore_with, mutants};
use loom_tests::sync;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
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

use children::{Plain, Stage, TABLE};
use group::cut::{self, Cut, Knew};
use group::gate::Gate;
use group::leaving::leave;
use group::node::{Node, Opening};
use group::open::{self, Host};
use group::services::Services;
use group::typed::Typed;
use support::{End, Kept, Sleeper, keep, read};
use surface::owner::Owner;
use task::cell::Birth;
use task::run;

fn count(counter: &Racy) {
    counter.set(counter.get() + 1);
}

fn birth() -> Birth {
    Birth {
        location: Location::caller(),
        extension: None,
    }
}

/// A future that does something at its first poll, and is over then or never.
struct Once<F> {
    act: Option<F>,
    over: bool,
}

impl<F: FnOnce() + Unpin> Future for Once<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if let Some(act) = self.act.take() {
            act();
        }
        match self.over {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

/// What the groups here consist of: each part says when it is over, and reads what the group keeps.
#[derive(Clone, Copy)]
struct Parts {
    node: NonNull<Node>,
    kept: NonNull<Kept>,
}

// SAFETY: the model checker watches what they point to.
unsafe impl Send for Parts {}

impl Parts {
    fn of(stage: &Stage) -> Self {
        Self {
            node: stage.owner.node.as_ptr(),
            kept: stage.kept,
        }
    }

    fn node(&self) -> &Node {
        // SAFETY: used by what the group counts, and by its owner.
        unsafe { self.node.as_ref() }
    }

    /// A cleanup that counts.
    fn defer(self, ran: &Arc<Racy>) {
        let ran = Arc::clone(ran);
        let act = Some(move || {
            let parts = self;
            read(parts.kept);
            count(&ran);
        });
        let defer = Box::pin(Watched(Once { act, over: true }));
        self.node().slow.lock().ending.defer(&self.node().word, defer);
    }

    /// The first service: it runs until it is cut, and counts then.
    fn serve(self, ended: &Arc<Racy>) {
        let opening = Opening {
            parent: None,
            name: None,
            location: Location::caller(),
            shielded: true,
        };
        let node = self.node();
        let services = Services::new(Typed::<u32>::open(&TABLE, node.to_ref(), opening));
        let home = services.node.clone();
        let slower = node.slow.lock().ending.set_services(&node.word, services);
        assert!(slower.is_none(), "the first one");
        let ended = Arc::clone(ended);
        let service = Watched(Until(Some(move || {
            let parts = self;
            read(parts.kept);
            count(&ended);
        })));
        // SAFETY: the node is alive and counts the service; `Plain` uses no error type.
        let handle = unsafe { run::spawn::<_, Plain>(&home, service, birth()) };
        let serving = handle.serving().expect("it was started");
        let over = node.slow.lock().ending.push_service(serving);
        assert!(over.is_empty());
    }

    /// A child that does something in its one poll.
    fn child(self, act: impl FnOnce() + Unpin) {
        let act = Some(act);
        let child = Watched(Once { act, over: true });
        // SAFETY: the node is alive and counts the child; `Plain` uses no error type.
        drop(unsafe { run::spawn::<_, Plain>(self.node(), child, birth()) });
    }
}

/// Any future of a model.
struct Watched<F>(F);

// SAFETY: the model checker watches what it touches.
unsafe impl<F> Send for Watched<F> {}

impl<F: Future<Output = ()> + Unpin> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// Pends for ever, and says when it is dropped.
struct Until<F: FnOnce() + Unpin>(Option<F>);

impl<F: FnOnce() + Unpin> Future for Until<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl<F: FnOnce() + Unpin> Drop for Until<F> {
    fn drop(&mut self) {
        if let Some(over) = self.0.take() {
            over();
        }
    }
}

/// Joins as the owner's task would, which also runs what is queued.
fn join(owner: &mut Owner, pool: &Arc<support::Pool>, sleeper: &Arc<Sleeper>) {
    let waker = Waker::from(Arc::clone(sleeper));
    while owner.poll_end(&waker).is_pending() {
        pool.run_all();
        sleeper.park();
    }
}

/// A child registers the first defer, and leaves, while the group's future is dropped: the defer runs, before what is kept goes.
#[test]
fn model_a_defer_against_an_early_drop() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ran) = (Parts::of(&stage), Arc::new(Racy::default()));
        let theirs = Arc::clone(&ran);
        parts.child(move || parts.defer(&theirs));
        let Stage { tree, owner, drops, .. } = stage;
        let pool = Arc::clone(&tree.pool);
        let runner = thread::spawn(move || pool.run_all());
        owner.abandon(|| {}, || {});
        tree.pool.run_all();
        runner.join().unwrap();
        tree.pool.run_all();
        // A child that was not polled before the cancel has registered nothing.
        assert!(ran.get() <= 1 && drops.get() == 1, "the group ends once");
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// The same for a child that is in its poll when the future is dropped: what it registers then is not lost.
#[test]
fn model_a_defer_of_a_child_that_runs() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ran) = (Parts::of(&stage), Arc::new(Racy::default()));
        let Stage { tree, owner, drops, .. } = stage;
        assert!(owner.node.enter());
        let (theirs, pool) = (Arc::clone(&ran), Arc::clone(&tree.pool));
        let child = thread::spawn(move || {
            let parts = parts;
            parts.defer(&theirs);
            // SAFETY: entered above, and not used any more.
            unsafe { leave(parts.node) };
            pool.run_all();
        });
        owner.abandon(|| {}, || {});
        tree.pool.run_all();
        child.join().unwrap();
        tree.pool.run_all();
        assert_eq!((ran.get(), drops.get()), (1, 1), "the defer ran, and the group ended");
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// A child starts the first service, and leaves, while the owner joins: the service is ended, and the owner is told.
#[test]
fn model_a_first_service_against_the_join() {
    explore_with(2, || {
        let mut stage = Stage::new();
        let (parts, ended) = (Parts::of(&stage), Arc::new(Racy::default()));
        assert!(stage.owner.node.enter());
        let (theirs, pool) = (Arc::clone(&ended), Arc::clone(&stage.tree.pool));
        let child = thread::spawn(move || {
            let parts = parts;
            parts.serve(&theirs);
            // SAFETY: entered above, and not used any more.
            unsafe { leave(parts.node) };
            pool.run_all();
        });
        join(&mut stage.owner, &stage.tree.pool, &stage.sleeper);
        assert_eq!((ended.get(), stage.drops.get()), (1, 1));
        drop(stage.owner);
        child.join().unwrap();
        assert!(stage.tree.root.is_empty(), "an orphan");
    });
}

/// Two children leave at once while a service is counted and the owner waits: one of them starts the closer.
#[test]
fn model_two_last_children_of_a_group_with_a_service() {
    explore_with(2, || {
        let mut stage = Stage::new();
        let (parts, ended, ran) = (
            Parts::of(&stage),
            Arc::new(Racy::default()),
            Arc::new(Racy::default()),
        );
        parts.serve(&ended);
        parts.defer(&ran);
        stage.tree.pool.run_all();
        let children: Vec<_> = (0..2)
            .map(|_| {
                assert!(stage.owner.node.enter());
                let pool = Arc::clone(&stage.tree.pool);
                thread::spawn(move || {
                    let parts = parts;
                    read(parts.kept);
                    // SAFETY: entered above, and not used any more.
                    unsafe { leave(parts.node) };
                    pool.run_all();
                })
            })
            .collect();
        join(&mut stage.owner, &stage.tree.pool, &stage.sleeper);
        assert_eq!((ended.get(), ran.get(), stage.drops.get()), (1, 1, 1));
        drop(stage.owner);
        for child in children {
            child.join().unwrap();
        }
        assert!(stage.tree.root.is_empty(), "an orphan");
    });
}

/// A service ends by itself while the last child leaves and the future is dropped: services and defers end once.
#[test]
fn model_an_early_drop_of_a_group_with_a_service() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ended, ran) = (
            Parts::of(&stage),
            Arc::new(Racy::default()),
            Arc::new(Racy::default()),
        );
        let Stage { tree, owner, drops, .. } = stage;
        assert!(owner.node.enter());
        parts.serve(&ended);
        parts.defer(&ran);
        let pool = Arc::clone(&tree.pool);
        let child = thread::spawn(move || {
            let parts = parts;
            read(parts.kept);
            // SAFETY: entered above, and not used any more.
            unsafe { leave(parts.node) };
            pool.run_all();
        });
        owner.abandon(|| {}, || {});
        tree.pool.run_all();
        child.join().unwrap();
        tree.pool.run_all();
        assert_eq!((ended.get(), ran.get(), drops.get()), (1, 1, 1));
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// Cuts a host whose groups nobody polls until they are quiet, as a runner does.
fn cut(host: &Host, pool: &Arc<support::Pool>, sleeper: &Arc<Sleeper>) {
    let waker = Waker::from(Arc::clone(sleeper));
    if cut::before_poll(host, &waker, false) == Cut::Drop {
        return;
    }
    while cut::after_poll(host, &waker, false, Knew::AsOutermost) == Cut::Poll {
        pool.run_all();
        sleeper.park();
    }
}

/// A host is cut in which two groups are open, one in the body of the other, that no poll reaches any more: a child of the
/// inner one fails and leaves, the outer one has a defer. The cut ends, the defer runs, after the child.
#[test]
fn model_a_cut_of_groups_that_no_poll_reaches() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ran) = (Parts::of(&stage), Arc::new(Racy::default()));
        let Stage { tree, mut owner, drops, sleeper, .. } = stage;
        let mut inner = children::open(&owner.node);
        let kept = keep(&inner.node, &drops);
        let host = Host::new();
        open::enter(&owner.node, &raw const host);
        open::enter(&inner.node, &raw const owner.node.body);
        parts.defer(&ran);
        assert!(inner.node.enter());
        let (node, pool) = (inner.node.as_ptr(), Arc::clone(&tree.pool));
        let failing = Parts { node, kept };
        let child = thread::spawn(move || {
            let failing = failing;
            read(failing.kept);
            failing.node().slow.lock().ending.fail();
            // SAFETY: entered above, and not used any more.
            unsafe { leave(failing.node) };
            pool.run_all();
        });
        cut(&host, &tree.pool, &sleeper);
        assert_eq!(ran.get(), 1, "the host is dropped after the defer");
        child.join().unwrap();
        // The host is dropped, with the owners in it.
        assert!(inner.ended() && owner.ended());
        assert_eq!(drops.get(), 2);
        drop((inner, owner));
        drop(host);
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// The host of a group is cut while the group's future moves to another thread, which joins it: whoever is faster, it ends
/// once.
#[test]
fn model_a_cut_against_a_move() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ran) = (Parts::of(&stage), Arc::new(Racy::default()));
        let Stage { tree, mut owner, drops, sleeper, .. } = stage;
        let host = Host::new();
        open::enter(&owner.node, &raw const host);
        parts.defer(&ran);
        let (pool, theirs) = (Arc::clone(&tree.pool), Sleeper::new());
        let mover = thread::spawn(move || {
            owner.arrive();
            join(&mut owner, &pool, &theirs);
        });
        cut(&host, &tree.pool, &sleeper);
        tree.pool.run_all();
        mover.join().unwrap();
        assert_eq!((ran.get(), drops.get()), (1, 1));
        drop(host);
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// A handle comes in while the closer of an orphan begins: what is admitted is over before the defer.
#[test]
fn model_a_handle_against_the_closer_of_an_orphan() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ran) = (Parts::of(&stage), Arc::new(Racy::default()));
        let Stage { tree, owner, drops, .. } = stage;
        let gate = Arc::new(Gate::new(&owner.node));
        owner.node.slow.lock().gate = Some(Arc::clone(&gate));
        parts.defer(&ran);
        let (seen, pool) = (Arc::clone(&ran), Arc::clone(&tree.pool));
        let handle = thread::spawn(move || {
            let parts = parts;
            if let Some(node) = gate.admit() {
                read(parts.kept);
                assert_eq!(seen.get(), 0, "admitted after the work had ended");
                // SAFETY: admitted, and not used any more.
                unsafe { leave(node) };
            }
            pool.run_all();
        });
        owner.abandon(|| {}, || {});
        tree.pool.run_all();
        handle.join().unwrap();
        tree.pool.run_all();
        assert_eq!((ran.get(), drops.get()), (1, 1));
        assert!(tree.root.is_empty(), "an orphan");
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/group/ending.rs", "src/group/leaving.rs"], &[]);
}
