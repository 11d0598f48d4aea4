//! The cut of a host: a task, a blocked caller, or the body of a group, in which groups are open.
//!
//! *A cut waits for joins, never for polls.* A host that is being cut is dropped, or unwound, when
//! every group that is open in it is quiet: no child is counted, services and defers have ended,
//! and a failure has come out of it or cannot. Before that it is polled whenever it is woken, so
//! that the futures of its groups can drop their bodies.
//!
//! # Protocol
//!
//! Each poll of a host that is being cut stands between two calls:
//!
//! 1. [`before_poll`]: all groups in the host, and in the bodies of those, are cancelled, and the
//!    last leaver of each will wake the host. If all are quiet there is nothing to be polled for.
//! 2. [`after_poll`], if the poll is pending: the same again, for groups that the poll opened or
//!    moved here. Then the outermost host that is being cut judges each group whose own inner
//!    groups are quiet (`Ending::judge`): if only the owner can bring it further, the owner is
//!    asked, by waking it and polling the host once more; if that poll does not reach the owner,
//!    the group goes on without it.
//!
//! A host inside another one that is being cut judges nothing: a decision of the inner host, made
//! in the poll of the outer one, would let the outer one drop a group that has yet to answer. The
//! inner host only looks, as both calls do first, and so agrees with the decision of the outer one.
//!
//! # Why a cut ends
//!
//! A group that is not quiet is counted, and its last leaver wakes the host; or its owner is asked,
//! which wakes the host; or its owner was asked in vain, and then its closer is started, which is
//! counted, or it is quiet. An owner that a poll reaches while the groups in its body are quiet
//! drops the body, and joins: it waits for the counted children, or answers and leaves the host. So
//! an owner is asked again only after something in its group has ended.

use crate::group::duties::Judgement;
use crate::group::node::{Host, Node, NodeRef, SHIELDED};
use crate::poll::frame::wake;
use crate::tree::cascade::cancel_with_owner;
use crate::tree::hosts::{is_in, tree_in};
use crate::tree::leave;
use crate::waiters;
use std::ptr;
use std::task::Waker;

/// The duty of a host that is being cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Cut {
    /// Be dropped, or unwound, now.
    Drop,
    /// Be polled: before a poll at once, after one when it is woken.
    Poll,
}

/// How much a poll that is over knew of the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knew {
    /// Nothing: the cut came during that poll.
    Nothing,
    /// It belonged to the cut, of this host alone, or of this one and the hosts in it.
    AsOutermost,
    /// It belonged to the cut of a host around this one.
    AsInner,
}

impl Knew {
    /// Of a poll of a task or a blocked caller, around which nothing else is being cut.
    pub(crate) fn of(cutting: bool) -> Self {
        match cutting {
            true => Self::AsOutermost,
            false => Self::Nothing,
        }
    }
}

/// A host that is being cut is about to be polled. `held`: its last poll ended in a shield, so it
/// must be.
pub(crate) fn before_poll(host: &Host, waker: &Waker, held: bool) -> Cut {
    announce(host, waker, false);
    match !held && is_quiet(host) {
        true => Cut::Drop,
        false => Cut::Poll,
    }
}

/// A poll of a host that is being cut is pending. `held`: it ended in a shield.
pub(crate) fn after_poll(host: &Host, waker: &Waker, held: bool, knew: Knew) -> Cut {
    announce(host, waker, !held);
    let quiet = match knew {
        // Also while a shield holds the host: the shield may wait for something beside it, such as
        // the end of a service.
        Knew::AsOutermost => judge(host, waker) && !held,
        Knew::Nothing | Knew::AsInner => !held && is_quiet(host),
    };
    if quiet {
        return Cut::Drop;
    }
    if knew == Knew::Nothing {
        // One more poll, in which groups that it reaches drop their bodies.
        waiters::wake(waker.clone());
    }
    Cut::Poll
}

/// Cancels every group that is open in a host that is being cut, also those in their bodies. Groups
/// that were polled last inside a shield are passed over, unless nothing holds the shield any more
/// (`shields_fell`, after a poll).
fn announce(host: &Host, waker: &Waker, shields_fell: bool) {
    if host.is_empty() {
        return;
    }
    let mut work = Vec::new();
    let mut found = Vec::new();
    let mut visit = |host: &Host, work: &mut Vec<(NodeRef, *const Host)>| {
        host.groups(&mut found);
        work.extend(found.drain(..).map(|node| (node, ptr::from_ref(host))));
    };
    visit(host, &mut work);
    let mut replaced = Vec::new();
    let mut moved = false;
    let mut at = 0;
    while let Some((node, _)) = work.get(at) {
        let node = node.clone();
        at += 1;
        if node.flags() & SHIELDED != 0 {
            if !shields_fell {
                continue;
            }
            node.clear_flags(SHIELDED);
        }
        // The last leaver wakes the host, which may have stopped polling the group. Wakers are user
        // code where a group is polled by a foreign combinator: they are cloned and dropped outside
        // the lock.
        let new = waker.clone();
        cancel_with_owner(&node);
        replaced.extend(node.slow.lock().ending.announce(&node.word, new));
        visit(&node.body, &mut work);
    }
    // A group may be polled elsewhere meanwhile, in a host that is cut, too, and whose waker was
    // replaced here: that host is woken, and looks again. The poller there moved the group before
    // it announced itself under the lock that was just held.
    for (node, host) in &work {
        moved |= !is_in(node, *host);
    }
    match moved {
        true => replaced.into_iter().for_each(waiters::wake),
        false => waiters::discard(replaced),
    }
}

/// Whether all groups in a host are quiet. Nothing is begun.
fn is_quiet(host: &Host) -> bool {
    let quiet = |node: &Node| node.slow.lock().ending.is_quiet(&node.word);
    host.is_empty() || tree_in(host).iter().all(|(node, _)| quiet(node))
}

/// Goes on, from the inside out, with groups that only their owners can bring to an end. Whether
/// all are quiet.
fn judge(host: &Host, waker: &Waker) -> bool {
    if host.is_empty() {
        return true;
    }
    let found = tree_in(host);
    let mut waits_inside = vec![false; found.len()];
    let mut all = true;
    let mut asked = false;
    for (at, (node, outer)) in found.iter().enumerate().rev() {
        let quiet = !waits_inside[at] && node.flags() & SHIELDED == 0 && {
            let judgement = node.slow.lock().ending.judge(&node.word);
            match judgement {
                Judgement::Quiet => true,
                Judgement::Busy => false,
                Judgement::Ask(owner) => {
                    asked = true;
                    wake(owner);
                    false
                }
                Judgement::StartCloser => {
                    leave::start_closer(node);
                    false
                }
            }
        };
        if !quiet {
            all = false;
            if let Some(outer) = outer {
                waits_inside[*outer] = true;
            }
        }
    }
    if asked {
        waiters::wake(waker.clone());
    }
    all
}
