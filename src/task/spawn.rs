//! Starting a task: it enters its group, is allocated, and queued; or it is born cancelled.

#![expect(
    unsafe_code,
    reason = "what a child borrows is proved by the spawner, or by the caller"
)]

use crate::group::node::Node;
use crate::job::{Job, Place};
use crate::poll::{frame, tally};
use crate::task::cell::{Birth, Kind, OutputRef, TaskCell, fail_with_panic};
use crate::task::handle::TaskHandle;
use crate::task::header::{Header, TaskTable};
use crate::task::run;
use crate::task::state::State;
use crate::tree::leave;
use crate::tree::typed_node::{Spawner, TypedCounted};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// The table of the tasks of these types.
struct Table<F, K>(PhantomData<(F, K)>);

impl<F: Future, K: Kind<F::Output>> Table<F, K> {
    const TABLE: TaskTable = TaskCell::<F, K>::table(run::JOB);
    /// Of those that wait in a queue.
    const WAITING: TaskTable = TaskCell::<F, K, Place>::waiting_table(run::JOB);
}

/// Allocates a task in this state, which has no future if it is born cancelled.
#[inline]
fn new<F: Future, K: Kind<F::Output>>(
    node: &Node,
    state: State,
    future: Option<F>,
    birth: Birth,
) -> NonNull<Header> {
    // SAFETY: the table was made for cells of these types.
    unsafe { TaskCell::<F, K>::allocate(&Table::<F, K>::TABLE, node, state, future, birth) }
}

/// Starts a child. It is queued, or, in a group that is cancelled, born cancelled: its captures are
/// dropped before this returns.
#[inline]
pub(crate) fn spawn_into<'s, F, K>(
    spawner: Spawner<'_, 's, K::Error>,
    future: F,
    birth: Birth,
) -> TaskHandle<K::Value>
where
    F: Future + Send + 's,
    K: Kind<F::Output, Value: Send + 's>,
{
    // SAFETY: (1): the node of a `Spawner` of this error type. (2): future and value are `Send`,
    // and good for `'s`, before which the children end.
    unsafe { spawn::<F, K>(spawner.group(), future, birth) }
}

/// As [`spawn_into`], for a child that blocks the thread that runs it: see [`spawn_blocking`].
pub(crate) fn spawn_blocking_into<'s, F, K>(
    spawner: Spawner<'_, 's, K::Error>,
    future: F,
    birth: Birth,
) -> TaskHandle<K::Value>
where
    F: Future + Send + 's,
    K: Kind<F::Output, Value: Send + 's>,
{
    // SAFETY: (1): the node of a `Spawner` of this error type. (2): future and value are `Send`,
    // and good for `'s`, before which the children end.
    unsafe { spawn_blocking::<F, K>(spawner.group(), future, birth) }
}

/// As [`spawn_into`], where the caller proves what a [`Spawner`] does.
///
/// # Safety
///
/// 1. `node` is alive and of the error type of `K`.
/// 2. The future and its value are good for as long as the group has children, and may be used from
///    any thread.
#[inline]
pub(crate) unsafe fn spawn<F, K>(node: &Node, future: F, birth: Birth) -> TaskHandle<K::Value>
where
    F: Future,
    K: Kind<F::Output>,
{
    match Entry::of(node, &birth) {
        // SAFETY: (1), (2): `node`, future and value are the ones that were promised to this
        // function. (3): the count that `Entry::of` took is handed over.
        Entry::Open => unsafe { spawn_counted::<F, K>(node, future, birth) },
        entry => stillborn::<F, K>(node, future, birth, entry),
    }
}

/// As [`spawn`], for a child that blocks the thread that runs it: it waits in a queue for a thread
/// of its own, where a cut reaches it.
///
/// # Safety
///
/// As [`spawn`].
pub(crate) unsafe fn spawn_blocking<F, K>(
    node: &Node,
    future: F,
    birth: Birth,
) -> TaskHandle<K::Value>
where
    F: Future,
    K: Kind<F::Output>,
{
    let entry = Entry::of(node, &birth);
    if entry != Entry::Open {
        return stillborn::<F, K>(node, future, birth, entry);
    }
    let pool = node.pool();
    let shielded = birth.is_shielded();
    let table = &Table::<F, K>::WAITING;
    let state = State::waiting();
    // SAFETY: the table was made for cells of these types, with a place.
    let task =
        unsafe { TaskCell::<F, K, Place>::allocate(table, node, state, Some(future), birth) };
    pool.task_begins();
    // SAFETY: (1): a new task has one reference for its handle. (2): its value is a `K::Value`.
    let handle = TaskHandle::new(unsafe { OutputRef::new(task) });
    // SAFETY: a waiting task has one reference for its ticket, which is given up here, and a place.
    let ticket = unsafe { Header::ticket(task) };
    // SAFETY: no other thread knows the new task, which counts in `node`, and is in no list.
    if unsafe { run::link(task, node, shielded) } {
        // Cancelled meanwhile, and no reaper will see it: it is redeemed to be cut here, be it on a
        // seat of another runtime.
        let cut_here = |job: Job| tally::with_tally(None, None, || frame::outside(|| job.run()));
        let cut = ticket.redeem().map(cut_here);
        debug_assert!(cut.is_some(), "no other thread knows the task");
        return handle;
    }
    pool.fork_blocking(ticket);
    handle
}

/// What became of the attempt to count one more child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Open,
    /// The group is cancelled; the child is counted.
    Cancelled,
    /// The group has ended.
    Closed,
}

impl Entry {
    #[inline]
    fn of(node: &Node, birth: &Birth) -> Self {
        if !node.enter() {
            return Self::Closed;
        }
        if node.is_cancelled() && !birth.is_shielded() {
            return Self::Cancelled;
        }
        Self::Open
    }
}

/// Starts a child that is counted already.
///
/// # Safety
///
/// 1 and 2 of [`spawn`], and:
///
/// 3. One count on `node` is handed over.
#[inline]
unsafe fn spawn_counted<F, K>(node: &Node, future: F, birth: Birth) -> TaskHandle<K::Value>
where
    F: Future,
    K: Kind<F::Output>,
{
    let pool = node.pool();
    let task = new::<F, K>(node, State::scheduled(), Some(future), birth);
    // SAFETY: a new task is scheduled, and no other thread knows it: this caller owns the right to
    // run it.
    let job = unsafe { Header::job(task) };
    pool.fork(job);
    // SAFETY: (1): a new task has one reference for its handle. (2): its value is a `K::Value`.
    TaskHandle::new(unsafe { OutputRef::new(task) })
}

/// Starts a child that borrows nothing, for which `count` was taken; also in a group that is
/// cancelled.
pub(crate) fn spawn_in_place_of<F, K>(
    count: TypedCounted<K::Error>,
    future: F,
    birth: Birth,
) -> TaskHandle<K::Value>
where
    F: Future + Send + 'static,
    K: Kind<F::Output, Value: Send + 'static>,
{
    let count = ManuallyDrop::new(count);
    // SAFETY: (1): a `TypedCounted` keeps a node of its error type. (2): future and value are
    // `Send`, and borrow nothing. (3): the count is not given back here.
    unsafe { spawn_counted::<F, K>(&count, future, birth) }
}

#[cold]
fn stillborn<F, K>(node: &Node, future: F, birth: Birth, entry: Entry) -> TaskHandle<K::Value>
where
    F: Future,
    K: Kind<F::Output>,
{
    let task = new::<F, K>(node, State::stillborn(), None, birth);
    // SAFETY: (1): a task born cancelled has one reference, for its handle. (2): its value type is
    // `K::Value`; it has no value.
    let handle = TaskHandle::new(unsafe { OutputRef::new(task) });
    node.pool().count_cut();
    // A count is given back afterwards, so a destructor that panics must not get past here.
    // SAFETY: the reference of `handle`, which is there to the end of this function, keeps the
    // task.
    let header = unsafe { task.as_ref() };
    let future = frame::drop_quietly(future);
    // SAFETY: `drop_locals`: no other thread runs a task that is born complete.
    let locals = unsafe { header.drop_locals() };
    for dropped in [future, locals] {
        if let Err(payload) = dropped {
            fail_with_panic(payload, node, header.origin());
        }
    }
    if entry == Entry::Cancelled {
        // SAFETY: (1): the count that `Entry::of` took is given up. (2): the node is not used
        // afterwards.
        unsafe { leave::leave(node.whole) };
    }
    handle
}
