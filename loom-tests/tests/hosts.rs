//! Models of `src/tree/hosts.rs`: a host is cut, waits until its groups are quiet, and ends, while
//! the future of one of them is moved to another host, joins and is dropped. And of
//! `src/poll/own_cancel.rs`: the cancel of a task that blocks reaches the groups in its host.

use loom_tests::run::{explore_with, mutants};
use loom_tests::sync;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::task::{Context, Waker};
use std::time::Duration;
use sync::cell::Racy;
use sync::{Arc, Mutex, thread};

loom_tests::groups!();

mod support;

use group::node::{Host, Node, NodeRef};
use poll::frame::{Frame, PolledTask, TaskView};
use poll::own_cancel::{OwnCancel, Reach};
use report::failure::TaskId;
use support::{End, Kept, OwnHost, Sleeper, Tree, finish, join, keep, open_bare};
use tree::cut::{self, Cut, Knew};
use tree::hosts;

/// Cuts a host until its groups have settled, as a runner and a blocked caller do.
fn cut(host: &Host, sleeper: &Arc<Sleeper>) {
    let waker = Waker::from(Arc::clone(sleeper));
    loop {
        if cut::after_poll(host, &waker, false, Knew::AsOutermost) == Cut::Drop {
            return;
        }
        sleeper.park();
    }
}

/// A child that is still to leave.
struct Leave(NonNull<Node>, NonNull<Kept>);

// SAFETY: it points to objects whose accesses the model checker watches.
unsafe impl Send for Leave {}

impl Leave {
    fn now(self) {
        finish(self.0, self.1);
    }
}

/// Two groups are open in a host that is cut, and each has a child: the last child of either wakes
/// the host, which then sees all that the children did.
#[test]
fn model_cut_waits_for_joins() {
    explore_with(2, || {
        let tree = Tree::new();
        let sleeper = Sleeper::new();
        let drops = Arc::new(Racy::default());
        let mut owners = [open_bare(&tree.root), open_bare(&tree.root)];
        let host = OwnHost::new();
        let children: Vec<_> = owners
            .iter()
            .map(|owner| {
                hosts::enter(&owner.node, Some(host.at()));
                let kept = keep(&owner.node, &drops);
                let node = owner.node.as_ptr();
                assert!(owner.node.enter());
                thread::spawn(move || finish(node, kept))
            })
            .collect();
        cut(&host, &sleeper);
        // Settled: the task is dropped, and the owners with it.
        for owner in &mut owners {
            assert!(owner.is_cancelled());
            assert!(owner.ended());
        }
        assert_eq!(drops.get(), 2);
        drop(owners);
        drop(host);
        for child in children {
            child.join().unwrap();
        }
    });
}

/// A group's future moves to another host while its first host ends: neither list keeps a group or
/// a host that is gone.
#[test]
fn model_move_against_the_end_of_a_host() {
    explore_with(3, || {
        let tree = Tree::new();
        let mut owner = open_bare(&tree.root);
        let mut other = open_bare(&tree.root);
        let host = OwnHost::new();
        hosts::enter(&other.node, Some(host.at()));
        hosts::enter(&owner.node, Some(host.at()));
        let ending = thread::spawn(move || drop(host));
        let second = OwnHost::new();
        hosts::enter(&owner.node, Some(second.at()));
        assert!(!second.is_empty());
        hosts::enter(&owner.node, None);
        assert!(second.is_empty());
        assert!(owner.ended());
        drop(owner);
        ending.join().unwrap();
        assert!(other.ended());
    });
}

/// The only group of a host leaves it while it ends: a host that finds its list empty goes without
/// the lock, and the mover does not touch it any more.
#[test]
fn model_the_last_group_leaves_a_host_that_ends() {
    explore_with(3, || {
        let tree = Tree::new();
        let mut owner = open_bare(&tree.root);
        let host = OwnHost::new();
        hosts::enter(&owner.node, Some(host.at()));
        let ending = thread::spawn(move || drop(host));
        hosts::enter(&owner.node, None);
        assert!(owner.ended());
        drop(owner);
        ending.join().unwrap();
    });
}

/// A group's future moves to another host and ends there while its first host is being cut. Its
/// child leaves at the same time, or the mover sees to it, in which case there are fewer threads
/// and more preemptions.
fn a_move_against_a_cut(preemptions: usize, alone: bool) {
    explore_with(preemptions, move || {
        let tree = Tree::new();
        let cutter = Sleeper::new();
        let sleeper = Sleeper::new();
        let drops = Arc::new(Racy::default());
        let host = OwnHost::new();
        let mut stays = open_bare(&tree.root);
        let moves = open_bare(&tree.root);
        hosts::enter(&stays.node, Some(host.at()));
        hosts::enter(&moves.node, Some(host.at()));
        let kept = keep(&moves.node, &drops);
        let node = moves.node.as_ptr();
        assert!(moves.node.enter());
        let leave = Leave(node, kept);
        let (mine, theirs) = match alone {
            true => (Some(leave), None),
            false => (None, Some(leave)),
        };
        let child = mine.map(|leave| thread::spawn(move || leave.now()));
        let sleeping = Arc::clone(&sleeper);
        let mover = thread::spawn(move || {
            let second = OwnHost::new();
            hosts::enter(&moves.node, Some(second.at()));
            if let Some(leave) = theirs {
                leave.now();
            }
            join(moves, &sleeping);
            assert!(second.is_empty());
        });
        cut(&host, &cutter);
        if let Some(child) = child {
            child.join().unwrap();
        }
        mover.join().unwrap();
        assert_eq!(drops.get(), 1);
        assert!(stays.ended());
    });
}

#[test]
fn model_a_move_against_a_cut() {
    a_move_against_a_cut(2, false);
}

#[test]
fn model_a_move_and_the_last_child_against_a_cut() {
    a_move_against_a_cut(1, true);
}

/// Two groups share the lists of two hosts: each mover takes its own group along, whatever the
/// other does.
#[test]
fn model_two_movers() {
    explore_with(2, || {
        let tree = Tree::new();
        let hosts = Arc::new([OwnHost::new(), OwnHost::new()]);
        let mut owners = [open_bare(&tree.root), open_bare(&tree.root)];
        for owner in &owners {
            hosts::enter(&owner.node, Some(hosts[0].at()));
        }
        let movers: Vec<_> = owners
            .iter()
            .map(|owner| {
                let hosts = Arc::clone(&hosts);
                let node = owner.node.clone();
                thread::spawn(move || hosts::enter(&node, Some(hosts[1].at())))
            })
            .collect();
        for mover in movers {
            mover.join().unwrap();
        }
        assert!(hosts[0].is_empty());
        assert!(!hosts[1].is_empty());
        for owner in &mut owners {
            assert!(owner.ended());
        }
        assert!(hosts[1].is_empty());
    });
}

/// A body polls a group that was opened elsewhere: the cut of the outer host reaches it, and waits
/// for its children too.
#[test]
fn model_cut_of_a_nest() {
    explore_with(2, || {
        let tree = Tree::new();
        let sleeper = Sleeper::new();
        let drops = Arc::new(Racy::default());
        let host = OwnHost::new();
        let mut outer = open_bare(&tree.root);
        let inner = open_bare(&tree.root);
        hosts::enter(&outer.node, Some(host.at()));
        hosts::enter(&inner.node, Some(outer.node.body()));
        let kept = keep(&inner.node, &drops);
        let node = inner.node.as_ptr();
        let children: Vec<_> = (0..2)
            .map(|_| {
                assert!(inner.node.enter());
                thread::spawn(move || finish(node, kept))
            })
            .collect();
        cut(&host, &sleeper);
        assert!(outer.is_cancelled() && inner.is_cancelled());
        let mut inner = inner;
        assert!(inner.ended());
        drop(inner);
        assert_eq!(drops.get(), 1);
        assert!(outer.ended());
        drop(outer);
        for child in children {
            child.join().unwrap();
        }
    });
}

/// A task that is polled, as its frames see it.
struct Marked {
    mark: Mutex<bool>,
    node: NodeRef,
}

impl PolledTask for Marked {
    fn cancel_requested(&self) -> bool {
        *self.mark.lock()
    }

    fn is_shielded(&self) -> bool {
        false
    }

    fn age(&self) -> Duration {
        Duration::ZERO
    }

    fn group(&self) -> &Node {
        &self.node
    }
}

/// A task is cancelled by itself while it blocks for a group that is open in its host. It stays
/// until it hears of that, or goes away meanwhile, with its host.
fn a_cancel_against_a_wait(stays: bool) {
    explore_with(3, move || {
        let tree = Tree::new();
        let sleeper = Sleeper::new();
        let mut owner = open_bare(&tree.root);
        let host = OwnHost::new();
        hosts::enter(&owner.node, Some(host.at()));
        let task = Arc::new(Marked {
            mark: Mutex::new(false),
            node: tree.root.clone(),
        });
        let theirs = Arc::clone(&task);
        let canceller = thread::spawn(move || {
            *theirs.mark.lock() = true;
            tree::blocked::cut(ptr::from_ref(&*theirs).addr());
        });
        let own = OwnHost::new();
        let view = TaskView {
            id: TaskId(1),
            name: None,
            location: Location::caller(),
            locals: None,
            task: &*task,
        };
        let marked = Frame::task(&tree.root, own.at(), &view, false).enter(|| {
            let waker = Waker::from(Arc::clone(&sleeper));
            let mut cx = Context::from_waker(&waker);
            let mut wait = OwnCancel::reaching(Reach::Host(&host));
            let mut marked = wait.look(&mut cx);
            while stays && !marked {
                sleeper.park();
                marked = wait.look(&mut cx);
                assert!(marked && owner.is_cancelled(), "woken before that");
            }
            marked
        });
        hosts::enter(&owner.node, None);
        drop(host);
        canceller.join().unwrap();
        assert!(marked || !stays);
        assert!(owner.ended());
        drop(own);
    });
}

#[test]
fn model_a_cancel_of_a_task_that_waits() {
    a_cancel_against_a_wait(true);
}

#[test]
fn model_a_cancel_of_a_task_whose_wait_ends() {
    a_cancel_against_a_wait(false);
}

#[test]
fn mutants_die() {
    mutants(&["src/group/host.rs", "src/tree/hosts.rs"], &[]);
}

#[test]
fn spurious_failures() {
    loom_tests::run::spurious_failures_below(&["src/group/word.rs"]);
}
