//! Hosts that are cut while groups are open in them.

use crate::children::{self, Stage};
use crate::group::node::Host;
use crate::poll::frame;
use crate::support::{End, OwnHost, Owner, Sleeper, TestPool, keep, read};
use crate::sync::cell::Racy;
use crate::sync::{Arc, thread};
use crate::tree::cut::{self, Cut, Knew};
use crate::tree::hosts;
use crate::tree::leave::leave;
use crate::{Parts, join};
use loom_tests::run::explore_with;
use std::pin::Pin;
use std::task::Waker;

/// Cuts a host until its groups are quiet, as a runner does. `poll` is what a poll of it does.
fn cut(host: &Host, pool: &Arc<TestPool>, sleeper: &Arc<Sleeper>, mut poll: impl FnMut()) {
    let waker = Waker::from(Arc::clone(sleeper));
    while cut::before_poll(host, &waker, false) == Cut::Poll {
        poll();
        if cut::after_poll(host, &waker, false, Knew::AsOutermost) == Cut::Drop {
            return;
        }
        pool.run_all();
        sleeper.park();
    }
}

/// Whether a look at the host, as those of hosts inside another one that is cut, finds it quiet.
fn is_quiet(host: &Host) -> bool {
    cut::after_poll(host, Waker::noop(), false, Knew::AsInner) == Cut::Drop
}

/// A group with a defer is open in a host that is cut, and no poll reaches it; a child leaves
/// meanwhile.
#[test]
fn model_a_cut_of_a_group_with_a_defer() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ran) = (Parts::of(&stage), Arc::new(Racy::default()));
        let Stage {
            tree,
            mut owner,
            drops,
            sleeper,
            ..
        } = stage;
        let host = OwnHost::new();
        hosts::enter(&owner.node, Some(host.at()));
        parts.defer(&ran);
        assert!(owner.node.enter());
        assert!(!is_quiet(&host));
        let child = parts.leaver(&tree.pool, move |parts| {
            read(parts.kept);
        });
        cut(&host, &tree.pool, &sleeper, || {});
        assert_eq!(ran.get(), 1, "the host is dropped after the defer");
        assert!(is_quiet(&host));
        child.join().unwrap();
        assert!(owner.ended());
        assert_eq!(drops.get(), 1);
        drop((owner, host));
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// An owner that is polled in a host.
trait Arrive {
    fn arrive_in(&self, host: Pin<&Host>);
}

impl Arrive for Owner {
    fn arrive_in(&self, host: Pin<&Host>) {
        let parent = self.node.parent().expect("a group in a group");
        frame::of_future(frame::Within::Group(&parent), host, false, |frame| {
            frame.enter(|| self.arrive())
        });
    }
}

/// A child of a group fails in a host that is cut, also after the poll that knew of the cut: the
/// host is polled once more, and the failure comes out.
#[test]
fn model_a_failure_in_a_host_that_is_cut() {
    explore_with(2, || {
        let stage = Stage::new();
        let parts = Parts::of(&stage);
        let Stage {
            tree,
            owner,
            drops,
            sleeper,
            ..
        } = stage;
        let host = OwnHost::new();
        hosts::enter(&owner.node, Some(host.at()));
        assert!(owner.node.enter());
        let child = parts.leaver(&tree.pool, move |parts| {
            read(parts.kept);
            parts.node().slow.lock().ending.fail();
        });
        // A combinator that polls it each time. The first of these polls knew of no failure.
        let mut answered = false;
        cut(&host, &tree.pool, &sleeper, || {
            if !answered {
                owner.arrive_in(host.at());
                answered = owner.poll_end(Waker::noop()).is_ready();
            }
        });
        assert!(answered, "the failure comes out");
        assert!(host.is_empty() && is_quiet(&host));
        child.join().unwrap();
        assert_eq!(drops.get(), 1);
        drop((owner, host));
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// A host is cut in which two groups are open, one in the body of the other, that no poll reaches
/// any more: a child of the inner one fails and leaves, the outer one has a defer. The cut ends,
/// the defer runs, after the child.
#[test]
fn model_a_cut_of_groups_that_no_poll_reaches() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ran) = (Parts::of(&stage), Arc::new(Racy::default()));
        let Stage {
            tree,
            mut owner,
            drops,
            sleeper,
            ..
        } = stage;
        let mut inner = children::open(&owner.node);
        let kept = keep(&inner.node, &drops);
        let host = OwnHost::new();
        hosts::enter(&owner.node, Some(host.at()));
        hosts::enter(&inner.node, Some(owner.node.body()));
        parts.defer(&ran);
        assert!(inner.node.enter());
        let (node, pool) = (inner.node.as_ptr(), Arc::clone(&tree.pool));
        let failing = Parts { node, kept };
        let child = thread::spawn(move || {
            let failing = failing;
            read(failing.kept);
            failing.node().slow.lock().ending.fail();
            // SAFETY: (1): the count that was taken above is given up. (2): the node is not used
            // afterwards.
            unsafe { leave(failing.node) };
            pool.run_all();
        });
        cut(&host, &tree.pool, &sleeper, || {});
        assert_eq!(ran.get(), 1, "the host is dropped after the defer");
        assert!(
            is_quiet(&host) && is_quiet(&owner.node.body),
            "all hosts agree"
        );
        child.join().unwrap();
        // The host is dropped, with the owners in it.
        assert!(inner.ended() && owner.ended());
        assert_eq!(drops.get(), 2);
        drop((inner, owner));
        drop(host);
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// The host of a group is cut while the group's future moves to another thread, which joins it:
/// whichever is faster, it ends once.
#[test]
fn model_a_cut_against_a_move() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ran) = (Parts::of(&stage), Arc::new(Racy::default()));
        let Stage {
            tree,
            mut owner,
            drops,
            sleeper,
            ..
        } = stage;
        let host = OwnHost::new();
        hosts::enter(&owner.node, Some(host.at()));
        parts.defer(&ran);
        // Held to the end: the checker does not see the counts of an `Arc`.
        let joiner = Sleeper::new();
        let (pool, theirs) = (Arc::clone(&tree.pool), Arc::clone(&joiner));
        let mover = thread::spawn(move || {
            owner.arrive();
            join(&mut owner, &pool, &theirs);
        });
        cut(&host, &tree.pool, &sleeper, || {});
        tree.pool.run_all();
        mover.join().unwrap();
        assert_eq!((ran.get(), drops.get()), (1, 1));
        drop(host);
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// A child that has seen no cancel starts the first service, and leaves, while the host is cut: the
/// host does not wait for ever.
#[test]
fn model_a_first_service_in_a_host_that_is_cut() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ended, begun) = (
            Parts::of(&stage),
            Arc::new(Racy::default()),
            Arc::new(Racy::default()),
        );
        let Stage {
            tree,
            mut owner,
            drops,
            sleeper,
            ..
        } = stage;
        let host = OwnHost::new();
        hosts::enter(&owner.node, Some(host.at()));
        assert!(owner.node.enter());
        let (theirs, begins) = (Arc::clone(&ended), Arc::clone(&begun));
        let child = parts.leaver(&tree.pool, move |parts| {
            if !parts.node().is_cancelled() {
                begins.set(1);
                parts.serve(&theirs);
            }
        });
        cut(&host, &tree.pool, &sleeper, || {});
        assert_eq!(ended.get(), begun.get(), "a service was left");
        drop(host);
        child.join().unwrap();
        assert!(owner.ended());
        assert_eq!(drops.get(), 1);
        drop(owner);
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// A service alone is left in a host that is cut, and no poll reaches its group: it is ended all
/// the same, also if it came before the last child left.
#[test]
fn model_a_service_alone_in_a_host_that_is_cut() {
    explore_with(2, || {
        let stage = Stage::new();
        let (parts, ended) = (Parts::of(&stage), Arc::new(Racy::default()));
        let Stage {
            tree,
            mut owner,
            drops,
            sleeper,
            ..
        } = stage;
        let host = OwnHost::new();
        hosts::enter(&owner.node, Some(host.at()));
        parts.serve(&ended);
        assert!(owner.node.enter());
        tree.pool.run_all();
        let child = parts.leaver(&tree.pool, move |parts| {
            read(parts.kept);
        });
        cut(&host, &tree.pool, &sleeper, || {});
        assert_eq!(ended.get(), 1, "a service was left");
        child.join().unwrap();
        assert!(owner.ended());
        assert_eq!(drops.get(), 1);
        drop((owner, host));
        assert!(tree.root.is_empty(), "an orphan");
    });
}

/// Two hosts are cut, and a group that one of them waits for is polled in the other one: the first
/// does not wait for a wake-up that goes to the second.
#[test]
fn model_a_move_from_one_host_that_is_cut_to_another() {
    explore_with(2, || {
        let stage = Stage::new();
        let parts = Parts::of(&stage);
        let Stage {
            tree,
            mut owner,
            drops,
            sleeper,
            ..
        } = stage;
        let first = OwnHost::new();
        hosts::enter(&owner.node, Some(first.at()));
        assert!(owner.node.enter());
        let (pool, theirs) = (Arc::clone(&tree.pool), Sleeper::new());
        let joiner = Arc::clone(&theirs);
        let mover = thread::spawn(move || {
            let parts = parts;
            let second = OwnHost::new();
            owner.arrive_in(second.at());
            let waker = Waker::from(Arc::clone(&joiner));
            let mut ended = false;
            cut(&second, &pool, &joiner, || {
                if !ended {
                    ended = owner.poll_end(&waker).is_ready();
                    // The child leaves while both hosts may be waiting.
                    if !ended {
                        read(parts.kept);
                        // SAFETY: (1): the count that was taken before is given up, once: the next
                        // poll finds the group ended. (2): the owner's reference keeps the node.
                        unsafe { leave(parts.node) };
                    }
                }
            });
            if !ended {
                assert!(owner.ended());
            }
        });
        cut(&first, &tree.pool, &sleeper, || {});
        mover.join().unwrap();
        assert_eq!(drops.get(), 1);
        drop((first, theirs));
        assert!(tree.root.is_empty(), "an orphan");
    });
}
