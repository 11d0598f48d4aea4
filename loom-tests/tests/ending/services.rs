//! The services of a group that is cancelled while its future has no poller. Exactly one closer
//! ends them, whichever thread starts it, and it waits for no wake-up that has been given; defers
//! wait for the body.

use crate::children::{Stage, World};
use crate::support::{End, OwnHost, gate_of, read};
use crate::sync::cell::Racy;
use crate::sync::{Arc, thread};
use crate::tree::{cascade, hosts};
use crate::{Parts, join};
use loom_tests::run::explore_with;

/// The host of a group ends, so that its future has no poller, while a cancel comes down: one of
/// the two ends the services.
#[test]
fn model_a_cancel_against_the_end_of_the_host() {
    explore_with(2, || {
        let mut stage = Stage::new();
        let (parts, ended) = (Parts::of(&stage), Arc::new(Racy::default()));
        let node = stage.owner.node.clone();
        let host = OwnHost::new();
        hosts::enter(&node, Some(host.at()));
        parts.serve(&ended);
        let pool = Arc::clone(&stage.tree.pool);
        pool.run_all();
        let canceller = thread::spawn(move || {
            cascade::cancel(&node, 0);
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
        assert_eq!(ended.get(), 1, "a service was left");
        assert!(stage.tree.root.is_empty(), "an orphan");
        assert!(stage.owner.ended());
        assert_eq!(stage.drops.get(), 1);
    });
}

/// The last child of such a group leaves while a cancel starts the end of its services: they end
/// once, after the child.
#[test]
fn model_a_cancel_against_the_last_child() {
    explore_with(2, || {
        let mut stage = Stage::new();
        let (parts, ended) = (Parts::of(&stage), Arc::new(Racy::default()));
        let node = stage.owner.node.clone();
        let host = OwnHost::new();
        hosts::enter(&node, Some(host.at()));
        let world = Arc::new(World::default());
        world.flag.set(1);
        let child = Arc::clone(&world);
        parts.serve_until(
            move || {
                assert_eq!(child.futures.get(), 1, "before the work had ended");
            },
            &ended,
        );
        stage.tree.pool.run_all();
        drop(stage.spawn(&world));
        drop(host);
        let pool = Arc::clone(&stage.tree.pool);
        let canceller = thread::spawn(move || {
            cascade::cancel(&node, 0);
            drop(node);
            pool.run_all();
        });
        let pool = Arc::clone(&stage.tree.pool);
        let runner = thread::spawn(move || pool.run_all());
        canceller.join().unwrap();
        runner.join().unwrap();
        assert_eq!(ended.get(), 1, "a service was left");
        assert!(stage.tree.root.is_empty(), "an orphan");
        assert!(stage.owner.ended());
        assert_eq!(stage.drops.get(), 1);
        drop(world.waker.lock().take());
    });
}

/// The future of such a group is dropped while a cancel ends its services: the defers run, too,
/// once, after the services and after the body.
#[test]
fn model_a_cancel_against_an_early_drop() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ended, ran) = (
            Parts::of(&stage),
            Arc::new(Racy::default()),
            Arc::new(Racy::default()),
        );
        let node = stage.owner.node.clone();
        let host = OwnHost::new();
        hosts::enter(&node, Some(host.at()));
        parts.serve(&ended);
        parts.defer(&ran);
        stage.tree.pool.run_all();
        drop(host);
        let Stage {
            tree, owner, drops, ..
        } = stage;
        let pool = Arc::clone(&tree.pool);
        let canceller = thread::spawn(move || {
            cascade::cancel(&node, 0);
            drop(node);
            pool.run_all();
        });
        let (pool, seen) = (Arc::clone(&tree.pool), Arc::clone(&ran));
        let early = Arc::new(Racy::default());
        let theirs = Arc::clone(&early);
        let dropping = thread::spawn(move || {
            owner.abandon(|| theirs.set(seen.get()), || {});
            pool.run_all();
        });
        canceller.join().unwrap();
        dropping.join().unwrap();
        assert_eq!(early.get(), 0, "a defer before the body was gone");
        assert_eq!((ended.get(), ran.get(), drops.get()), (1, 1, 1));
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// A cancel leaves the services of a group to its owner, where the owner's future has a poller:
/// they serve the body until it is gone.
#[test]
fn model_a_cancel_of_a_group_that_is_polled() {
    explore_with(2, || {
        let mut stage = Stage::new();
        let (parts, ended) = (Parts::of(&stage), Arc::new(Racy::default()));
        parts.serve(&ended);
        assert!(stage.owner.node.enter());
        stage.tree.pool.run_all();
        let child = parts.leaver(&stage.tree.pool, move |parts| {
            read(parts.kept);
        });
        cascade::cancel(&stage.owner.node, 0);
        stage.tree.pool.run_all();
        assert_eq!(ended.get(), 0, "a service before the body was gone");
        join(&mut stage.owner, &stage.tree.pool, &stage.sleeper);
        assert_eq!((ended.get(), stage.drops.get()), (1, 1));
        drop(stage.owner);
        child.join().unwrap();
        assert!(stage.tree.root.is_empty(), "an orphan");
    });
}

/// A handle starts a service while the group ends: it is over before that end, or refused.
fn a_service_through_the_gate(has_services: bool, has_defers: bool) {
    explore_with(2, move || {
        let mut stage = Stage::new();
        let parts = Parts::of(&stage);
        let gate = gate_of(&stage.owner);
        let (older, newer, ran) = (
            Arc::new(Racy::default()),
            Arc::new(Racy::default()),
            Arc::new(Racy::default()),
        );
        if has_services {
            let first = Arc::clone(&newer);
            let seen = Arc::clone(&ran);
            parts.serve_until(move || seen.set(1 + first.get()), &older);
            stage.tree.pool.run_all();
        }
        if has_defers {
            parts.defer(&Arc::default());
        }
        let (handle, theirs) = (Arc::clone(&gate), Arc::clone(&newer));
        let pool = Arc::clone(&stage.tree.pool);
        let stranger = thread::spawn(move || {
            let parts = parts;
            let counted = handle.admit();
            let admitted = counted.is_some();
            if let Some(counted) = counted {
                parts.serve(&theirs);
                drop(counted);
            }
            // To leave may have woken the closer, also after a refusal.
            pool.run_all();
            admitted
        });
        join(&mut stage.owner, &stage.tree.pool, &stage.sleeper);
        let ended = newer.get();
        assert_eq!(stage.drops.get(), 1);
        drop(stage.owner);
        let admitted = stranger.join().unwrap();
        assert_eq!(ended, u32::from(admitted), "a service was left");
        let newest_first = u32::from(has_services) * (1 + ended);
        assert_eq!(ran.get(), newest_first, "newest first");
        assert!(gate.admit().is_none());
        assert!(stage.tree.root.is_empty(), "an orphan");
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
