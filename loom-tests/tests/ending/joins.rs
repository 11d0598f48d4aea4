//! Children, services, defers, joins and early drops against each other.

use crate::children::Stage;
use crate::support::Sleeper;
use crate::support::{gate_of, read};
use crate::sync::cell::Racy;
use crate::sync::{Arc, thread};
use crate::tree::joiner::Joiner;
use crate::tree::leave::leave;
use crate::{Parts, join};
use loom_tests::run::explore_with;
use std::task::Waker;

/// A child registers the first defer, and leaves, while the group's future is dropped: the defer
/// runs, before the kept value goes.
#[test]
fn model_a_defer_against_an_early_drop() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ran) = (Parts::of(&stage), Arc::new(Racy::default()));
        let theirs = Arc::clone(&ran);
        parts.child(move || parts.defer(&theirs));
        let Stage {
            tree, owner, drops, ..
        } = stage;
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

/// A child is in its poll when the future is dropped: a defer that it registers then is not lost.
#[test]
fn model_a_defer_of_a_child_that_runs() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ran) = (Parts::of(&stage), Arc::new(Racy::default()));
        let Stage {
            tree, owner, drops, ..
        } = stage;
        assert!(owner.node.enter());
        let theirs = Arc::clone(&ran);
        let child = parts.leaver(&tree.pool, move |parts| {
            parts.defer(&theirs);
        });
        owner.abandon(|| {}, || {});
        tree.pool.run_all();
        child.join().unwrap();
        tree.pool.run_all();
        assert_eq!(
            (ran.get(), drops.get()),
            (1, 1),
            "the defer ran, and the group ended"
        );
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// A child starts the first service, and leaves, while the owner joins: the service is ended, and
/// the owner is told.
#[test]
fn model_a_first_service_against_the_join() {
    explore_with(2, || {
        let mut stage = Stage::new();
        let (parts, ended) = (Parts::of(&stage), Arc::new(Racy::default()));
        assert!(stage.owner.node.enter());
        let theirs = Arc::clone(&ended);
        let child = parts.leaver(&stage.tree.pool, move |parts| {
            parts.serve(&theirs);
        });
        join(&mut stage.owner, &stage.tree.pool, &stage.sleeper);
        assert_eq!((ended.get(), stage.drops.get()), (1, 1));
        drop(stage.owner);
        child.join().unwrap();
        assert!(stage.tree.root.is_empty(), "an orphan");
    });
}

/// Two children leave at once while a service is counted and the owner waits: one of them starts
/// the closer.
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
                    // SAFETY: (1): the count that was taken above is given up. (2): the node is not
                    // used afterwards.
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

/// A service ends by itself while the last child leaves and the future is dropped: services and
/// defers end once.
#[test]
fn model_an_early_drop_of_a_group_with_a_service() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ended, ran) = (
            Parts::of(&stage),
            Arc::new(Racy::default()),
            Arc::new(Racy::default()),
        );
        let Stage {
            tree, owner, drops, ..
        } = stage;
        assert!(owner.node.enter());
        parts.serve(&ended);
        parts.defer(&ran);
        let child = parts.leaver(&tree.pool, move |parts| {
            read(parts.kept);
        });
        owner.abandon(|| {}, || {});
        tree.pool.run_all();
        child.join().unwrap();
        tree.pool.run_all();
        assert_eq!((ended.get(), ran.get(), drops.get()), (1, 1, 1));
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// A handle comes in while the closer of an orphan begins: an admitted child is over before the
/// defer.
#[test]
fn model_a_handle_against_the_closer_of_an_orphan() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ran) = (Parts::of(&stage), Arc::new(Racy::default()));
        let Stage {
            tree, owner, drops, ..
        } = stage;
        let gate = gate_of(&owner);
        parts.defer(&ran);
        let (seen, pool) = (Arc::clone(&ran), Arc::clone(&tree.pool));
        let theirs = Arc::clone(&gate);
        let handle = thread::spawn(move || {
            let parts = parts;
            if let Some(counted) = theirs.admit() {
                read(parts.kept);
                assert_eq!(seen.get(), 0, "admitted after the work had ended");
                drop(counted);
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

/// A child that has seen no cancel starts the first service, and leaves, while the future is
/// dropped: the service is ended.
#[test]
fn model_a_first_service_against_an_early_drop() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ended, begun) = (
            Parts::of(&stage),
            Arc::new(Racy::default()),
            Arc::new(Racy::default()),
        );
        let Stage {
            tree, owner, drops, ..
        } = stage;
        assert!(owner.node.enter());
        let (theirs, begins) = (Arc::clone(&ended), Arc::clone(&begun));
        let child = parts.leaver(&tree.pool, move |parts| {
            if !parts.node().is_cancelled() {
                begins.set(1);
                parts.serve(&theirs);
            }
        });
        owner.abandon(|| {}, || {});
        tree.pool.run_all();
        child.join().unwrap();
        tree.pool.run_all();
        assert_eq!((ended.get(), drops.get()), (begun.get(), 1));
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// The body waits for the children so far, as `Group::joined` does.
fn join_open(stage: &Stage, sleeper: &Arc<Sleeper>) {
    let waker = Waker::from(Arc::clone(sleeper));
    let mut joiner = Joiner::of(&stage.owner.node);
    while joiner.poll(&waker).is_pending() {
        sleeper.park();
    }
}

/// Children leave while the body waits for them: it is woken, sees what they wrote, and the group
/// is open.
#[test]
fn model_a_body_that_joins_its_children() {
    explore_with(2, || {
        let mut stage = Stage::new();
        let parts = Parts::of(&stage);
        let wrote = [(); 2].map(|()| Arc::new(Racy::default()));
        let children = wrote.each_ref().map(|wrote| {
            assert!(stage.owner.node.enter());
            let theirs = Arc::clone(wrote);
            parts.leaver(&stage.tree.pool, move |_| theirs.set(1))
        });
        join_open(&stage, &stage.sleeper);
        assert_eq!(wrote.each_ref().map(|wrote| wrote.get()), [1, 1]);
        assert!(stage.owner.node.enter(), "it is open");
        let late = parts.leaver(&stage.tree.pool, |_| {});
        join_open(&stage, &stage.sleeper);
        join(&mut stage.owner, &stage.tree.pool, &stage.sleeper);
        drop(stage.owner);
        for child in children.into_iter().chain([late]) {
            child.join().unwrap();
        }
        assert!(stage.tree.root.is_empty(), "an orphan");
    });
}

/// A service is no work: the body goes on beside it.
#[test]
fn model_a_body_that_joins_beside_a_service() {
    explore_with(2, || {
        let mut stage = Stage::new();
        let (parts, ended) = (Parts::of(&stage), Arc::new(Racy::default()));
        parts.serve(&ended);
        stage.tree.pool.run_all();
        assert!(stage.owner.node.enter());
        let wrote = Arc::new(Racy::default());
        let theirs = Arc::clone(&wrote);
        let child = parts.leaver(&stage.tree.pool, move |_| theirs.set(1));
        join_open(&stage, &stage.sleeper);
        assert_eq!((wrote.get(), ended.get()), (1, 0));
        join(&mut stage.owner, &stage.tree.pool, &stage.sleeper);
        assert_eq!(ended.get(), 1);
        drop(stage.owner);
        child.join().unwrap();
        assert!(stage.tree.root.is_empty(), "an orphan");
    });
}
