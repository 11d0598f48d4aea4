//! How a child leaves its group, how the closer starts, and how a group ends: the answers of
//! `ending` are carried out here.
//!
//! A count keeps the node, so a leaver reads, before it gives its count back, all that it needs
//! afterwards, such as the parent. The last leaver goes on with the count that the node itself has
//! in its parent.

#![expect(unsafe_code, reason = "nodes are reached through counted raw pointers")]

use crate::group::arena::Arena;
use crate::group::duties::{Abandon, Departure, Join, Leaver, Remains};
use crate::group::name::NamedEnd;
use crate::group::node::{Gate, Node, NodeRef, OUTER, Services, Slow, Tail};
use crate::group::word::{Enter, Leave};
use crate::keyed_queue::KeyedQueue;
use crate::poll::frame::{self, wake};
use crate::sync::Arc;
use crate::tree::{attach, inner};
use crate::unwind::{self, Payload};
use crate::waiters;
use std::any::Any;
use std::mem;
use std::ops::Deref;
use std::ptr::NonNull;
use std::task::{Poll, Waker};

/// One count on a node: the group does not end, and the node stays, while it is there. Its holder
/// gives it back by dropping it, while no lock is held.
pub(crate) struct Counted(NonNull<Node>);

// SAFETY: the node, which it gives a `&Node` of, is `Sync`; and any thread may give a count back:
// it does so where a child has ended, or a holder of a handle lets go.
unsafe impl Send for Counted {}

impl Counted {
    /// Counts one in where others are counted; else the answer of the word.
    #[inline]
    pub(crate) fn among_others(node: &Node) -> Result<Self, Enter> {
        match node.word.enter_nonzero() {
            Enter::Entered => Ok(Self(node.whole)),
            refused => Err(refused),
        }
    }

    /// The step from no child to one; `above` is one count on the present parent, and becomes that
    /// of the node in it. A root has no parent. `None`: another entry was faster, or the node has
    /// ended; `above` is given back.
    #[inline]
    pub(crate) fn first(node: &Node, above: Option<Self>) -> Option<Self> {
        let fits = match &above {
            // It is not adopted meanwhile: a parent in which a count is held has not ended.
            Some(parent) => node.is_child_of(parent),
            None => node.parent_ptr().is_none(),
        };
        assert!(fits, "a node counts in its parent");
        if !node.word.enter_first() {
            return None;
        }
        match above {
            Some(parent) => parent.keep(),
            // After the end of a runtime only the nodes below keep the root, and the last of them
            // may be freed while its last leaver is on the way up: see `leave`.
            None => _ = node.to_ref().into_raw(),
        }
        Some(Self(node.whole))
    }

    /// Takes a count over.
    ///
    /// # Safety
    ///
    /// One count on `node` is handed over.
    pub(crate) unsafe fn take_over(node: &Node) -> Self {
        Self(node.whole)
    }

    /// The parent of the node, if it has one.
    #[inline]
    pub(crate) fn parent(&self) -> Option<&Node> {
        // SAFETY: `settled_parent`: the node is counted while `self` is there.
        unsafe { self.settled_parent() }
    }

    /// Keeps the count beyond this value: the child that it stands for gives it back by [`leave`].
    #[inline]
    pub(crate) fn keep(self) {
        mem::forget(self);
    }
}

impl Deref for Counted {
    type Target = Node;

    #[inline]
    fn deref(&self) -> &Node {
        // SAFETY: the count keeps the node's join open, and so the node alive.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // SAFETY: `leave` (1): `self` is that count, and goes away. (2): nothing is touched
        // afterwards.
        unsafe { leave(self.0) };
    }
}

/// Gives one child's count back, and goes up the tree while that was the last one.
///
/// # Safety
///
/// 1. The caller holds one count on `node`, and gives it up.
/// 2. It touches nothing that the node keeps alive afterwards.
pub(crate) unsafe fn leave(node: NonNull<Node>) {
    let mut at = node;
    let mut leaver = Leaver::Child;
    loop {
        // SAFETY: (1): the count that is still held keeps the node's join open, and so the node
        // alive.
        let here = unsafe { at.as_ref() };
        let serves = here.serves();
        let parent = here.parent_ptr();
        let last = match here.word.leave() {
            Leave::Left => false,
            Leave::Last => true,
            // SAFETY: (1): the word answered before a decrement, so the count is still held, and is
            // given up. (2): the node is not touched afterwards.
            Leave::Locked => unsafe { leave_locked(at, leaver) },
        };
        match parent {
            // The last leaver gives back the node's own count in its parent, which keeps the parent
            // alive until then.
            Some(parent) if last => at = parent,
            // SAFETY: `from_raw`: `Counted::first` made this reference, by `into_raw`, for the time
            // in which the root is counted; its count is gone, so the reference is given up.
            None if last => return drop(unsafe { NodeRef::from_raw(at) }),
            _ => return,
        }
        leaver = match serves {
            true => Leaver::Services,
            false => Leaver::Child,
        };
    }
}

/// The slow half of [`leave`]; whether it was the last child.
///
/// # Safety
///
/// 1 and 2 of [`leave`].
#[cold]
unsafe fn leave_locked(at: NonNull<Node>, leaver: Leaver) -> bool {
    // SAFETY: (1): the count that is still held keeps the node alive.
    let node = unsafe { at.as_ref() };
    let (departure, joiners) = {
        let mut slow = node.slow.lock();
        let departure = slow.ending.depart(&node.word, leaver);
        // Not for an end that is yet to come: a word that was watched closes under this lock.
        (departure, slow.ending.take_joiners(&node.word))
    };
    let last = match departure {
        Departure::Left { wakers } => {
            wakers.into_iter().for_each(wake);
            false
        }
        Departure::StartCloser => {
            // SAFETY: with this answer the leaver is still counted, and its count is handed over;
            // the table belongs to this node.
            unsafe { (node.table.start_closer)(node) };
            false
        }
        Departure::Last { ends, wakers } => {
            if ends {
                // SAFETY: (1): `depart` closed the word in this call. (2): an owner that goes away
                // early leaves its reference to the leaver that closes the word.
                unsafe { end_orphan(at) };
            }
            wakers.into_iter().for_each(wake);
            true
        }
    };
    tell(joiners);
    last
}

/// Wakes the joiners, which waited until no work was left. The node may be gone.
fn tell(joiners: Option<KeyedQueue<Waker>>) {
    if let Some(joiners) = joiners {
        joiners.into_values().for_each(|waker| wake(Some(waker)));
    }
}

/// Starts the closer of a group, if there is something for it to do and it does not exist.
#[cold]
pub(crate) fn start_closer(node: &Node) {
    // An entry may go up the tree, where other locks are taken: it comes first, and is given back
    // if it was for nothing.
    let Some(count) = node.count_in() else {
        return;
    };
    let (first, joiners) = {
        let mut slow = node.slow.lock();
        let first = slow.ending.start_closer(&node.word);
        (first, slow.ending.take_joiners(&node.word))
    };
    tell(joiners);
    if first {
        count.keep();
        // SAFETY: the count that was just kept is handed over; the table belongs to this node.
        unsafe { (node.table.start_closer)(node) };
    }
}

/// The owner, whose body is gone, joins. Ready: no child is counted, services and defers have
/// ended, and the word is closed; what is left goes to [`end`].
pub(crate) fn poll_join(node: &Node, waker: &Waker) -> Poll<Rest> {
    if node.word.close_alone() {
        return Poll::Ready(Rest::of(node));
    }
    if node.word.seems_empty() {
        let mut slow = node.slow.lock();
        if slow.ending.close(&node.word) {
            return Poll::Ready(Rest::take(&mut slow));
        }
    }
    loop {
        let new = waker.clone();
        let mut slow = node.slow.lock();
        let (step, old) = slow.ending.join(&node.word, new);
        let rest = (step == Join::Closed).then(|| Rest::take(&mut slow));
        drop(slow);
        waiters::discard(old);
        match (step, rest) {
            (Join::StartCloser, _) => start_closer(node),
            (Join::Wait, _) => return Poll::Pending,
            (Join::Closed, rest) => return rest.map_or(Poll::Pending, Poll::Ready),
        }
    }
}

/// The owner, whose body is gone, goes away before the end. Its reference passes to the last
/// leaver, if anything is left.
pub(crate) fn abandon(node: NodeRef) {
    loop {
        let (step, old) = node.slow.lock().ending.abandon(&node.word);
        // The last leaver may end the group from now on: nothing but this reference, if it is still
        // ours, is used.
        let node = match step {
            Abandon::StartCloser => {
                start_closer(&node);
                waiters::discard(old);
                continue;
            }
            Abandon::Leave => {
                node.into_raw();
                None
            }
            Abandon::End => NonNull::new(node.into_raw()),
        };
        if let Some(node) = node {
            // SAFETY: (1): with the answer `End` the word is closed. (2): the owner's reference is
            // given up, by `into_raw`.
            unsafe { end_orphan(node) };
        }
        waiters::discard(old);
        return;
    }
}

/// Ends a group without an owner: drops kept values, reports failures that have no receiver, gives
/// the reference back.
///
/// # Safety
///
/// 1. The word was closed by the caller.
/// 2. The caller takes over the owner's reference.
unsafe fn end_orphan(at: NonNull<Node>) {
    // SAFETY: (2): the owner's reference was made with the node or by `into_raw`, and is taken
    // over; it keeps the node alive to the end of this function.
    let node = unsafe { NodeRef::from_raw(at) };
    let ended = end(&node, Rest::of(&node));
    // SAFETY: it has ended, just now.
    let lent = unsafe { drop_lent(&node) };
    for payload in [ended.thrown, lent, ended.recorded].into_iter().flatten() {
        node.report_panic(payload, node.origin());
    }
    // SAFETY: the table belongs to this node, which the reference keeps alive.
    unsafe { (node.table.report_errors)(at) };
}

/// Drops what the group was lent, and its future does not claim back. The first panic of a
/// destructor; others are reported.
///
/// # Safety
///
/// The group has ended.
pub(crate) unsafe fn drop_lent(node: &Node) -> Option<Payload> {
    let mut lent = mem::take(&mut node.slow.lock().known_mut()?.lent);
    let report = |payload| node.report_panic(payload, node.origin());
    // SAFETY: `clear`: the body and all children are gone, and what they borrowed with them.
    frame::drop_shielded(|| unsafe { lent.clear(report) })
}

/// The failures of a group that has ended.
pub(crate) struct Ended {
    /// Whether its body or a child failed: errors are in the list of the typed node.
    pub(crate) failed: bool,
    /// The panic of its body or a child: the first one.
    pub(crate) recorded: Option<Payload>,
    /// Of a destructor that ran at the end: the first one.
    pub(crate) thrown: Option<Payload>,
}

impl Ended {
    fn counts_as(&self, node: &Node) -> NamedEnd {
        let failed = self.failed || self.recorded.is_some() || self.thrown.is_some();
        match (failed, node.flags() & OUTER != 0) {
            (true, _) => NamedEnd::Failed,
            (false, true) => NamedEnd::Cut,
            (false, false) => NamedEnd::Well,
        }
    }
}

/// What is left of a group whose word is closed: taken out under its lock, to be ended outside.
pub(crate) struct Rest {
    remains: Remains<Tail>,
    gate: Option<Arc<Gate>>,
    timers: Vec<Box<dyn Any + Send>>,
    arena: Arena,
    /// No group is inside.
    alone: bool,
}

impl Rest {
    /// Takes it out of a node whose lock is held, and whose word is closed.
    fn take(slow: &mut Slow) -> Self {
        let (gate, timers) = slow.known_mut().map_or((None, Vec::new()), |rare| {
            (rare.gate.take(), mem::take(&mut rare.kept_open))
        });
        Self {
            remains: slow.ending.finish(),
            gate,
            timers,
            arena: mem::take(&mut slow.arena),
            alone: slow.inner.is_empty(),
        }
    }

    /// Takes it out of a node whose word is closed.
    fn of(node: &Node) -> Self {
        Self::take(&mut node.slow.lock())
    }
}

/// The common end: shuts the gate, stops timers, drops the kept values, leaves the parent's list.
/// The word was closed by the caller, and the lock was passed since, or was held: that is where the
/// rest comes from.
pub(crate) fn end(node: &Node, rest: Rest) -> Ended {
    assert!(
        node.word.is_closed(),
        "a group ends when its word is closed"
    );
    let Rest {
        remains,
        gate,
        timers,
        arena,
        alone,
    } = rest;
    let Remains {
        failed,
        panic: recorded,
        wakers,
        tail,
    } = remains;
    waiters::discard(wakers.into_iter().flatten());
    let thrown = match tail.is_none() && gate.is_none() && timers.is_empty() && arena.is_empty() {
        true => None,
        false => drop_rest(node, tail, gate, timers, arena),
    };
    if !alone {
        attach::give_away(node);
    }
    // SAFETY: `unlink`: the word was closed by the caller, and the lock was passed since.
    unsafe { inner::unlink(node) };
    if !node.serves() {
        node.pool().group_ends(node);
    }
    let ended = Ended {
        failed,
        recorded,
        thrown,
    };
    node.note_end(|| ended.counts_as(node));
    ended
}

/// Ends what a group had of its own. Returns the first panic of a destructor.
#[inline(never)]
fn drop_rest(
    node: &Node,
    tail: Option<Box<Tail>>,
    gate: Option<Arc<Gate>>,
    timers: Vec<Box<dyn Any + Send>>,
    mut arena: Arena,
) -> Option<Payload> {
    let (services, defers, wakers) = tail.map(|tail| *tail).unwrap_or_default().into_parts();
    waiters::discard(wakers);
    if let Some(services) = services {
        end_services_node(services);
    }
    if let Some(gate) = gate {
        // Not the last reference: `node` is borrowed from another one. No lock is held.
        drop(gate.shut());
        // Handles may wait for a stop that will not come any more.
        frame::outside(|| node.wake_stop_waiters());
    }
    // The errors of deadlines that were never reached are dropped here: user code, like the kept
    // values.
    let mut first = None;
    let mut note = |payload| match first {
        None => first = Some(payload),
        Some(_) => node.report_panic(payload, node.origin()),
    };
    debug_assert!(defers.is_empty(), "a group ends after its defers");
    // The values that they borrow are still there: a defer that was lost would be a bug of ours,
    // and must not be more than that.
    for defer in defers {
        frame::drop_quietly(defer).map_or_else(&mut note, drop);
    }
    for timer in timers {
        frame::drop_quietly(timer).map_or_else(&mut note, drop);
    }
    if !arena.is_empty() {
        let second = |second| node.report_panic(second, node.origin());
        // SAFETY: `clear`: the word is closed, so body and children are gone.
        let thrown = frame::drop_shielded(|| unsafe { arena.clear(second) });
        if let Some(payload) = thrown {
            note(payload);
        }
    }
    first
}

/// The group ends: so does the node of its services, which have all ended.
pub(crate) fn end_services_node(services: Services) {
    if !services.node.word.close() {
        debug_assert!(false, "a group ends after its services");
        // A bug of ours, which is better leaked than freed.
        return mem::forget(services);
    }
    // Failures of services are their group's, and their node keeps nothing.
    let rest = Rest::of(&services.node);
    let ended = end(&services.node, rest);
    [ended.recorded, ended.thrown]
        .into_iter()
        .flatten()
        .for_each(unwind::discard);
}
