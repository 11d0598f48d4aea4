//! Models of `src/group/{node,gate,arena,list}.rs` and
//! `src/tree/{attach,cascade,leave,admission}.rs`: memory by references, join by counts; adoption;
//! cascades; the gate; an owner that goes away early. The owner is `src/tree/owner.rs` as it is.

use loom_tests::run::{explore_with, mutants};
use loom_tests::sync;
use std::task::{Wake, Waker};
use sync::cell::Racy;
use sync::{Arc, thread};

loom_tests::groups!();

mod support;

use group::node::{CANCELLED, Gate, Node, SHIELDED};
use poll::frame::{self, Frame, Within};
use support::{
    End, OwnHost, Owner, Sleeper, Tree, finish, gate_of, join, keep, open_bare, open_unattached,
    read,
};
use tree::cascade;
use tree::leave::leave;
use waiters::Key;

/// The owner joins and frees the group while its two children leave: no thread touches it after the
/// last count.
#[test]
fn model_join() {
    explore_with(2, || {
        let tree = Tree::new();
        let sleeper = Sleeper::new();
        let drops = Arc::new(Racy::default());
        let owner = open_bare(&tree.root);
        let kept = keep(&owner.node, &drops);
        let node = owner.node.as_ptr();
        let children: Vec<_> = (0..2)
            .map(|_| {
                assert!(owner.node.enter());
                thread::spawn(move || finish(node, kept))
            })
            .collect();
        join(owner, &sleeper);
        assert_eq!(drops.get(), 1);
        for child in children {
            child.join().unwrap();
        }
        assert!(tree.root.is_empty());
    });
}

/// The runtime has ended, and nothing but a group keeps the root, when the group gets children once
/// more: the root is there for the last one, which goes up to it while the owner frees the group.
#[test]
fn model_leaving_after_the_end() {
    explore_with(2, || {
        let tree = Tree::new();
        let sleeper = Sleeper::new();
        let drops = Arc::new(Racy::default());
        let owner = open_bare(&tree.root);
        let kept = keep(&owner.node, &drops);
        drop(tree);
        let node = owner.node.as_ptr();
        let children: Vec<_> = (0..2)
            .map(|_| {
                assert!(owner.node.enter());
                thread::spawn(move || finish(node, kept))
            })
            .collect();
        join(owner, &sleeper);
        assert_eq!(drops.get(), 1);
        for child in children {
            child.join().unwrap();
        }
    });
}

/// The last reference frees the node, after everything that the holders of others did.
#[test]
fn model_references() {
    explore_with(3, || {
        let tree = Tree::new();
        let mut owner = open_bare(&tree.root);
        let holders: Vec<_> = (0..2)
            .map(|_| {
                let node = owner.node.clone();
                thread::spawn(move || {
                    assert!(!node.is_cancelled());
                    drop(node);
                })
            })
            .collect();
        assert!(owner.ended());
        drop(owner);
        for holder in holders {
            holder.join().unwrap();
        }
    });
}

/// The last child of a group leaves while another one enters: the parent counts the group exactly
/// while it has one.
#[test]
fn model_first_and_last() {
    explore_with(2, || {
        let tree = Tree::new();
        let sleeper = Sleeper::new();
        let drops = Arc::new(Racy::default());
        let outer = open_bare(&tree.root);
        let inner = open_bare(&outer.node);
        let kept = keep(&outer.node, &drops);
        let node = inner.node.as_ptr();
        assert!(inner.node.enter());
        let last = thread::spawn(move || finish(node, kept));
        // The owner keeps the inner group open meanwhile; a second child enters.
        assert!(inner.node.enter());
        let second = thread::spawn(move || finish(node, kept));
        join(outer, &sleeper);
        assert_eq!(drops.get(), 1);
        last.join().unwrap();
        second.join().unwrap();
        assert!(tree.root.is_empty());
        let mut inner = inner;
        assert!(inner.ended());
    });
}

/// A group whose parent ends gets so many first children at once: it is counted in the parent, or
/// adopted by the root, and a cascade from there reaches it.
fn an_adoption(children: u32, preemptions: usize) {
    explore_with(preemptions, move || {
        let tree = Tree::new();
        let mut outer = open_bare(&tree.root);
        let mut inner = open_bare(&outer.node);
        let entering: Vec<_> = (0..children)
            .map(|_| {
                let node = inner.node.clone();
                thread::spawn(move || assert!(node.enter()))
            })
            .collect();
        let ended = outer.ended();
        let outer = (!ended).then_some(outer);
        for first in entering {
            first.join().unwrap();
        }
        assert!(!tree.root.is_empty(), "an orphan");
        tree.root.cancel_all();
        assert!(inner.is_cancelled());
        for _ in 0..children {
            // SAFETY: (1): a count that was taken above is given up. (2): the owner's reference
            // keeps the node.
            unsafe { leave(inner.node.as_ptr()) };
        }
        assert!(tree.root.is_empty());
        assert!(inner.ended());
        drop(inner);
        if let Some(mut outer) = outer {
            assert!(outer.ended());
        }
    });
}

#[test]
fn model_adoption() {
    an_adoption(1, 3);
}

#[test]
fn model_adoption_with_two_children() {
    an_adoption(2, 1);
}

/// A group in the middle ends while the group in it gets its first child, and the group around both
/// has ended before: the one in the middle must not be adopted once it has ended.
#[test]
fn model_adoption_against_the_end_in_the_middle() {
    explore_with(2, || {
        let tree = Tree::new();
        let mut outer = open_bare(&tree.root);
        let mut middle = open_bare(&outer.node);
        let mut inner = open_bare(&middle.node);
        assert!(outer.ended());
        drop(outer);
        let node = inner.node.clone();
        let first = thread::spawn(move || assert!(node.enter()));
        let ended = middle.ended();
        let middle = (!ended).then_some(middle);
        first.join().unwrap();
        assert!(!tree.root.is_empty(), "an orphan");
        tree.root.cancel_all();
        assert!(inner.is_cancelled());
        // SAFETY: (1): a count that was taken above is given up. (2): the owner's reference keeps
        // the node.
        unsafe { leave(inner.node.as_ptr()) };
        assert!(tree.root.is_empty());
        assert!(inner.ended());
        drop(inner);
        if let Some(mut middle) = middle {
            assert!(middle.ended());
        }
        // Whatever was left in the list of the root is looked at once more.
        tree.root.stop();
    });
}

/// Two groups in which nothing is counted are given away by their parent, which ends, while a
/// cascade comes down: it reaches both, under their old parent or the new one.
#[test]
fn model_giving_away_against_a_cascade() {
    explore_with(2, || {
        let tree = Tree::new();
        let mut outer = open_bare(&tree.root);
        let mut given = [open_bare(&outer.node), open_bare(&outer.node)];
        let root = tree.root.clone();
        let canceller = thread::spawn(move || root.cancel_all());
        let ending = thread::spawn(move || assert!(outer.ended()));
        canceller.join().unwrap();
        ending.join().unwrap();
        for group in &mut given {
            assert!(group.is_cancelled(), "missed by the cascade");
            assert!(group.ended());
        }
    });
}

/// A group ends, and gives away the group in it, while the group that would take it ends, too: it
/// comes to the one above.
#[test]
fn model_giving_away_while_the_taker_ends() {
    explore_with(2, || {
        let tree = Tree::new();
        let mut outer = open_bare(&tree.root);
        let mut middle = open_bare(&outer.node);
        let mut given = open_bare(&middle.node);
        let endings = [
            thread::spawn(move || assert!(outer.ended())),
            thread::spawn(move || assert!(middle.ended())),
        ];
        for ending in endings {
            ending.join().unwrap();
        }
        tree.root.cancel_all();
        assert!(given.is_cancelled(), "left behind");
        assert!(given.node.enter());
        assert!(!tree.root.is_empty(), "an orphan");
        // SAFETY: (1): a count that was taken above is given up. (2): the owner's reference keeps
        // the node.
        unsafe { leave(given.node.as_ptr()) };
        assert!(tree.root.is_empty());
        assert!(given.ended());
    });
}

/// Groups that are opened while a cascade goes through their parents end cancelled.
#[test]
fn model_cascade_against_attach() {
    explore_with(3, || {
        let tree = Tree::new();
        let mut outer = open_bare(&tree.root);
        let parent = outer.node.clone();
        let opener = thread::spawn(move || open_bare(&parent));
        let root = tree.root.clone();
        let canceller = thread::spawn(move || root.cancel_all());
        let mut here = open_bare(&outer.node);
        canceller.join().unwrap();
        let mut there = opener.join().unwrap();
        for owner in [&mut here, &mut there] {
            assert!(owner.node.flags() & CANCELLED != 0, "missed by the cascade");
            assert!(owner.ended());
        }
        assert!(outer.ended());
    });
}

/// An owner whose body is pending registers, and registers again without the lock: a cancel wakes
/// it or is seen. Two cancellers, of the group and of its parent.
#[test]
fn model_register_against_cancel() {
    explore_with(2, || {
        let tree = Tree::new();
        let sleeper = Sleeper::new();
        let mut owner = open_bare(&tree.root);
        let root = tree.root.clone();
        let node = owner.node.clone();
        let cancellers = [
            thread::spawn(move || root.cancel_all()),
            thread::spawn(move || cascade::cancel(&node, 0)),
        ];
        let waker = Waker::from(Arc::clone(&sleeper));
        // Each turn is a poll that finds the body pending.
        for _ in 0..2 {
            if owner.is_cancelled() || !owner.register(&waker, false) {
                break;
            }
        }
        while !owner.is_cancelled() {
            sleeper.park();
            assert!(owner.is_cancelled(), "woken for nothing");
        }
        for canceller in cancellers {
            canceller.join().unwrap();
        }
        assert!(owner.ended());
    });
}

/// One poll of a blocked caller, whose groups are open in this host.
fn in_frame(parent: &Node, host: &OwnHost, f: impl FnOnce(&Frame<'_>)) {
    frame::of_future(Within::Group(parent), host.at(), false, |frame| {
        frame.enter(|| f(frame))
    });
}

/// A cascade passes over a group that its owner polled inside a shield, while the owner polls it
/// outside again: one of both sees the other. Two groups, each with its own owner.
#[test]
fn model_cascade_against_the_end_of_a_shield() {
    explore_with(2, || {
        let tree = Tree::new();
        let mut outer = open_bare(&tree.root);
        let mut owners = [open_bare(&outer.node), open_bare(&outer.node)];
        let host = OwnHost::new();
        let parent = outer.node.clone();
        in_frame(&parent, &host, |frame| {
            frame.shielded(|| owners.iter().for_each(Owner::arrive));
        });
        let node = outer.node.clone();
        let canceller = thread::spawn(move || cascade::cancel(&node, 0));
        in_frame(&parent, &host, |_| owners[0].arrive());
        canceller.join().unwrap();
        assert!(owners[0].is_cancelled(), "missed by the cascade");
        assert!(!owners[1].is_cancelled(), "shielded");
        in_frame(&parent, &host, |_| owners[1].arrive());
        assert!(owners[1].is_cancelled());
        for owner in &mut owners {
            assert!(owner.ended());
        }
        assert!(outer.ended());
    });
}

/// A waiting owner, as in the model above, whose group is adopted meanwhile, by an ancestor that is
/// cancelled.
#[test]
fn model_adoption_against_the_end_of_a_shield() {
    explore_with(2, || {
        let tree = Tree::new();
        let mut outer = open_bare(&tree.root);
        let mut inner = open_bare(&outer.node);
        let host = OwnHost::new();
        in_frame(&tree.root, &host, |frame| {
            frame.shielded(|| {
                outer.arrive();
                inner.arrive();
            });
        });
        tree.root.cancel_all();
        assert!(outer.ended());
        drop(outer);
        let node = inner.node.clone();
        let first = thread::spawn(move || assert!(node.enter()));
        in_frame(&tree.root, &host, |_| inner.arrive());
        first.join().unwrap();
        assert!(inner.is_cancelled(), "missed by the adoption");
        // SAFETY: (1): a count that was taken above is given up. (2): the owner's reference keeps
        // the node.
        unsafe { leave(inner.node.as_ptr()) };
        assert!(inner.ended());
    });
}

/// Two handles outlive the group: each gets in before the end, or finds the gate shut.
#[test]
fn model_gate() {
    explore_with(2, || {
        let tree = Tree::new();
        let sleeper = Sleeper::new();
        let drops = Arc::new(Racy::default());
        let owner = open_bare(&tree.root);
        let kept = keep(&owner.node, &drops);
        let gate = gate_of(&owner);
        let handles: Vec<_> = (0..2)
            .map(|_| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || {
                    if let Some(counted) = gate.enter() {
                        read(kept);
                        drop(counted);
                    }
                })
            })
            .collect();
        join(owner, &sleeper);
        assert_eq!(drops.get(), 1);
        for handle in handles {
            handle.join().unwrap();
        }
        assert!(gate.enter().is_none());
        assert!(tree.root.is_empty());
    });
}

/// A waker that uses the handle itself: no lock of the gate may be held when it is called.
struct Again(Arc<Gate>);

impl Wake for Again {
    fn wake(self: Arc<Self>) {
        drop(self.0.enter());
    }
}

/// A handle enters while the group's parent ends: the group is counted in the parent, is adopted,
/// or refuses. The ancestor that adopts it is cancelled, so the group's waker is called on the way.
#[test]
fn model_gate_of_a_group_whose_parent_ends() {
    explore_with(2, || {
        let tree = Tree::new();
        let mut outer = open_bare(&tree.root);
        outer.node.set_flags(SHIELDED);
        let mut inner = open_bare(&outer.node);
        tree.root.cancel_all();
        assert!(!inner.is_cancelled());
        let gate = gate_of(&inner);
        {
            let mut slow = inner.node.slow.lock();
            let again = Waker::from(Arc::new(Again(Arc::clone(&gate))));
            assert!(slow.ending.register(again).is_none());
        }
        let theirs = Arc::clone(&gate);
        let handle = thread::spawn(move || {
            drop(theirs.enter());
        });
        let ended = outer.ended();
        let outer = (!ended).then_some(outer);
        handle.join().unwrap();
        assert!(tree.root.is_empty());
        assert!(inner.ended());
        drop(inner);
        if let Some(mut outer) = outer {
            assert!(outer.ended());
        }
    });
}

/// The owner goes away while the last children leave: exactly one of them ends the group, after all
/// of them.
#[test]
fn model_orphan() {
    explore_with(2, || {
        let tree = Tree::new();
        let drops = Arc::new(Racy::default());
        let owner = open_bare(&tree.root);
        let kept = keep(&owner.node, &drops);
        let node = owner.node.as_ptr();
        let children: Vec<_> = (0..2)
            .map(|_| {
                assert!(owner.node.enter());
                thread::spawn(move || finish(node, kept))
            })
            .collect();
        owner.abandon(|| {}, || {});
        for child in children {
            child.join().unwrap();
        }
        assert_eq!(drops.get(), 1, "ended once");
        assert!(tree.root.is_empty());
        tree.root.stop();
    });
}

/// An orphan and a handle that still gets in: the last leaver ends the group.
#[test]
fn model_orphan_against_gate() {
    explore_with(2, || {
        let tree = Tree::new();
        let drops = Arc::new(Racy::default());
        let owner = open_bare(&tree.root);
        let kept = keep(&owner.node, &drops);
        let gate = gate_of(&owner);
        let node = owner.node.as_ptr();
        assert!(owner.node.enter());
        let child = thread::spawn(move || finish(node, kept));
        let theirs = Arc::clone(&gate);
        let handle = thread::spawn(move || {
            if let Some(counted) = theirs.enter() {
                read(kept);
                drop(counted);
            }
        });
        owner.abandon(|| {}, || {});
        child.join().unwrap();
        handle.join().unwrap();
        assert_eq!(drops.get(), 1, "ended once");
        assert!(gate.enter().is_none());
        assert!(tree.root.is_empty());
    });
}

/// A cascade walks the tree while groups in it end and are freed.
#[test]
fn model_cascade_against_the_end() {
    explore_with(2, || {
        let tree = Tree::new();
        let mut outer = open_bare(&tree.root);
        let mut inner = open_bare(&outer.node);
        let root = tree.root.clone();
        let canceller = thread::spawn(move || root.cancel_all());
        let walked = tree.root.clone();
        let walker = thread::spawn(move || cascade::stop(&walked));
        assert!(inner.ended());
        drop(inner);
        assert!(outer.ended());
        drop(outer);
        canceller.join().unwrap();
        walker.join().unwrap();
    });
}

/// A group was not attached when it gets its first child on one thread, and on another, which
/// cancels the root before, a group is opened in it: each is attached once, and the cancel reaches
/// both.
#[test]
fn model_attached_late() {
    explore_with(2, || {
        let tree = Tree::new();
        let mut outer = open_unattached(&tree.root);
        let node = outer.node.to_ref();
        let entering = thread::spawn(move || {
            assert!(node.enter());
            drop(node);
        });
        tree.root.cancel_all();
        let mut inner = open_unattached(&outer.node);
        assert!(inner.node.enter());
        entering.join().unwrap();
        assert!(!tree.root.is_empty(), "attached");
        assert!(outer.is_cancelled() && inner.is_cancelled());
        for node in [inner.node.as_ptr(), outer.node.as_ptr()] {
            // SAFETY: (1): a count that was taken above is given up. (2): the owner's reference
            // keeps the node.
            unsafe { leave(node) };
        }
        assert!(tree.root.is_empty());
        assert!(!inner.ends_alone() && inner.ended());
        drop(inner);
        assert!(!outer.ends_alone() && outer.ended());
    });
}

/// A group ends that was never attached, while its parent is cancelled and another holder lets go
/// of it: it ends by itself, or it was cancelled, or it is attached and joins; it is freed once.
#[test]
fn model_alone() {
    explore_with(2, || {
        let tree = Tree::new();
        let mut outer = open_bare(&tree.root);
        let mut owner = open_unattached(&outer.node);
        let root = tree.root.clone();
        let canceller = thread::spawn(move || root.cancel_all());
        let node = owner.node.to_ref();
        let holder = thread::spawn(move || {
            assert!(!node.serves());
            drop(node);
        });
        if !owner.ends_alone() {
            assert!(owner.node.is_attached());
            let cancelled = owner.is_cancelled();
            assert!(owner.ended());
            assert!(!cancelled || owner.is_outer());
        }
        drop(owner);
        holder.join().unwrap();
        canceller.join().unwrap();
        assert!(outer.ended());
        assert!(outer.is_cancelled());
    });
}

/// Two wait for the stop of a group, the first of whom makes the list, while the group is asked to
/// stop: neither sleeps for ever.
#[test]
fn model_waiting_for_a_stop() {
    explore_with(2, || {
        let tree = Tree::new();
        let mut owner = open_bare(&tree.root);
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let node = owner.node.to_ref();
                let sleeper = Sleeper::new();
                let kept = Arc::clone(&sleeper);
                let wait = move || {
                    let mut key = Key::default();
                    node.wait_for_stop(&mut key, &Waker::from(Arc::clone(&sleeper)));
                    while !node.is_stopping() {
                        sleeper.park();
                    }
                    node.forget_stop(&mut key);
                };
                (thread::spawn(wait), kept)
            })
            .collect();
        cascade::stop(&owner.node);
        for (thread, _kept) in waiting {
            thread.join().unwrap();
        }
        assert!(owner.ended());
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/group/node.rs"], &[]);
}

#[test]
fn spurious_failures() {
    loom_tests::run::spurious_failures_below(&["src/group/word.rs"]);
}
