//! Models of `src/group/open.rs`: a host is cut, waits for its groups to settle, and ends, while the future of one of
//! them is moved to another host, joins and is dropped.

use loom_tests::run::{explore_with, mutants};
use loom_tests::sync;
use std::task::Waker;
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
    pub mod duties;
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
#[path = "../../src/surface"]
mod surface {
    pub mod dead;
    pub mod owner;
}

mod support;

use group::cut::{self, Cut, Knew};
use group::node::{Node, NodeTable};
use group::open::{self, Host};
use group::typed::Typed;
use std::ptr;
use support::{End, Owner, Sleeper, Tree, finish, join, keep};

/// Groups without members and defers.
static TABLE: NodeTable = NodeTable {
    free: Typed::<u32>::free,
    report_errors: Typed::<u32>::report,
    start_closer: |_| unreachable!("neither services nor defers"),
    mark_member: |_| unreachable!("no members"),
    describe_member: |_| unreachable!("no members"),
};

fn open_group(parent: &Node) -> Owner {
    support::open(parent, &TABLE)
}

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

/// Two groups are open in a host that is cut, and each has a child: the last child of either wakes the host, which then
/// sees all that the children did.
#[test]
fn model_cut_waits_for_joins() {
    explore_with(2, || {
        let tree = Tree::new();
        let sleeper = Sleeper::new();
        let drops = Arc::new(Racy::default());
        let mut owners = [open_group(&tree.root), open_group(&tree.root)];
        let host = Host::new();
        let children: Vec<_> = owners
            .iter()
            .map(|owner| {
                open::enter(&owner.node, &raw const host);
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

/// A group's future moves to another host while its first host ends: neither list keeps a group or a host that is gone.
#[test]
fn model_move_against_the_end_of_a_host() {
    explore_with(3, || {
        let tree = Tree::new();
        let mut owner = open_group(&tree.root);
        let mut other = open_group(&tree.root);
        let host = Box::new(Host::new());
        open::enter(&other.node, &raw const *host);
        open::enter(&owner.node, &raw const *host);
        let ending = thread::spawn(move || drop(host));
        let second = Host::new();
        open::enter(&owner.node, &raw const second);
        assert!(!second.is_empty());
        open::enter(&owner.node, ptr::null());
        assert!(second.is_empty());
        assert!(owner.ended());
        drop(owner);
        ending.join().unwrap();
        assert!(other.ended());
    });
}

/// A group's future moves to another host and ends there while its first host is being cut.
#[test]
fn model_move_against_a_cut() {
    explore_with(2, || {
        let tree = Tree::new();
        let cutter = Sleeper::new();
        let sleeper = Sleeper::new();
        let drops = Arc::new(Racy::default());
        let host = Host::new();
        let mut stays = open_group(&tree.root);
        let moves = open_group(&tree.root);
        open::enter(&stays.node, &raw const host);
        open::enter(&moves.node, &raw const host);
        let kept = keep(&moves.node, &drops);
        let node = moves.node.as_ptr();
        assert!(moves.node.enter());
        let child = thread::spawn(move || finish(node, kept));
        let theirs = Arc::clone(&sleeper);
        let mover = thread::spawn(move || {
            let second = Host::new();
            open::enter(&moves.node, &raw const second);
            join(moves, &theirs);
            assert!(second.is_empty());
        });
        cut(&host, &cutter);
        child.join().unwrap();
        mover.join().unwrap();
        assert_eq!(drops.get(), 1);
        assert!(stays.ended());
    });
}

/// Two groups share the lists of two hosts: each mover takes its own group along, whatever the other does.
#[test]
fn model_two_movers() {
    explore_with(2, || {
        let tree = Tree::new();
        let hosts = Arc::new([Host::new(), Host::new()]);
        let mut owners = [open_group(&tree.root), open_group(&tree.root)];
        for owner in &owners {
            open::enter(&owner.node, &raw const hosts[0]);
        }
        let movers: Vec<_> = owners
            .iter()
            .map(|owner| {
                let hosts = Arc::clone(&hosts);
                let node = owner.node.clone();
                thread::spawn(move || open::enter(&node, &raw const hosts[1]))
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

/// A body polls a group that was opened elsewhere: the cut of the outer host reaches it, and waits for its children too.
#[test]
fn model_cut_of_a_nest() {
    explore_with(2, || {
        let tree = Tree::new();
        let sleeper = Sleeper::new();
        let drops = Arc::new(Racy::default());
        let host = Host::new();
        let mut outer = open_group(&tree.root);
        let inner = open_group(&tree.root);
        open::enter(&outer.node, &raw const host);
        open::enter(&inner.node, &raw const outer.node.body);
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

#[test]
fn mutants_die() {
    mutants(&["src/group/open.rs"], &[]);
}

#[test]
fn spurious_failures() {
    loom_tests::run::spurious_failures_below(&["src/group/word.rs"]);
}
