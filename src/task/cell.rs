//! The task with its types: header, then the union of future and output.

#![expect(
    unsafe_code,
    reason = "future and output share one place, and the table erases their types"
)]

use crate::group::node::{Host, Node};
use crate::job::{JobTable, Place};
use crate::poll::locals::Locals;
use crate::poll::{frame, tally};
use crate::recycle;
use crate::report::reason::Origin;
use crate::spans;
use crate::sync::atomic::AtomicU32;
use crate::sync::cell::UnsafeCell;
use crate::task::awaiter::Awaiter;
use crate::task::header::{Extension, Header, Polled, TaskRef, TaskTable};
use crate::task::state::{Release, State};
use crate::tree::cascade;
use crate::tree::typed_node::Typed;
use crate::unwind::{self, Payload};
use std::borrow::Cow;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, offset_of};
use std::num::NonZero;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// What becomes of a child's output.
pub(crate) trait Kind<Output> {
    /// The error type of the group.
    type Error: Send + 'static;

    /// What the handle can take.
    type Value;

    /// Splits the output into a value and what the group has to know.
    fn finish(output: Output, group: &Typed<Self::Error>, origin: Origin) -> Option<Self::Value>;

    /// The poll panicked.
    fn panicked(
        payload: Payload,
        group: &Typed<Self::Error>,
        origin: Origin,
    ) -> Option<Self::Value>;

    /// No handle will take the value.
    fn unclaimed(value: Self::Value, group: &Typed<Self::Error>, origin: Origin);
}

/// Records a panic in a group and cancels it.
pub(crate) fn fail_with_panic(payload: Payload, node: &Node, origin: Origin) {
    let node = node.receiver();
    // The private payload of a cut that was caught and resumed where nothing is being cut is an
    // ordinary panic.
    if unwind::is_cut(&*payload) && node.is_cancelled() {
        return;
    }
    node.note_reason(origin.panicked(), origin.clone());
    node.record_panic(payload, origin);
    cascade::cancel(node, 0);
}

/// The future, then the output. It is reached through raw pointers only: both begin at its start.
#[repr(C)]
union Stage<F, V> {
    _future: ManuallyDrop<F>,
    _value: ManuallyDrop<V>,
}

/// One allocation. Only `Stage` depends on the future. Behind it, where future and output come and
/// go, is what stays as long as the task: the place of one that waits in a queue, else nothing.
#[repr(C)]
pub(crate) struct TaskCell<F: Future, K: Kind<F::Output>, P = ()> {
    header: Header,
    stage: UnsafeCell<Stage<F, K::Value>>,
    place: P,
    kind: PhantomData<K>,
}

/// How a task begins.
pub(crate) struct Birth {
    pub(crate) location: &'static Location<'static>,
    pub(crate) extension: Option<Box<Extension>>,
}

impl Birth {
    /// That of a task which no cascade cuts.
    pub(crate) fn shielded(
        name: Option<Cow<'static, str>>,
        locals: Locals,
        location: &'static Location<'static>,
    ) -> Self {
        Self {
            location,
            extension: Some(Box::new(Extension::shielded(name, locals))),
        }
    }

    /// Whether no cascade cuts the task.
    pub(crate) fn is_shielded(&self) -> bool {
        let extension = self.extension.as_ref();
        extension.is_some_and(|extension| extension.shielded)
    }
}

impl<F: Future, K: Kind<F::Output>> TaskCell<F, K, Place> {
    /// The table of tasks of these types that wait in a queue, whose jobs are run by `job`.
    pub(crate) const fn waiting_table(job: JobTable) -> TaskTable {
        TaskTable {
            place: NonZero::new(offset_of!(Self, place)),
            ..Self::table(job)
        }
    }
}

impl<F: Future, K: Kind<F::Output>, P: Default> TaskCell<F, K, P> {
    /// The table of tasks of these types, whose jobs are run by `job`.
    pub(crate) const fn table(job: JobTable) -> TaskTable {
        TaskTable {
            job,
            poll: Self::poll,
            drop_future: Self::drop_future,
            unclaimed: Self::unclaimed,
            free: Self::free,
            output: offset_of!(Self, stage),
            place: None,
        }
    }

    /// Allocates a task in this state, which has no future if it is born cancelled.
    ///
    /// # Safety
    ///
    /// The table was made for these types: by [`TaskCell::table`], or `waiting_table`.
    #[inline]
    pub(crate) unsafe fn allocate(
        table: &'static TaskTable,
        node: &Node,
        state: State,
        future: Option<F>,
        birth: Birth,
    ) -> NonNull<Header> {
        let id = tally::next_id();
        // One that is born cancelled is never polled, and would not tell of its end.
        let extension = match future.is_some() && spans::is_wanted() {
            false => birth.extension,
            true => {
                let (bytes, waits) = (size_of::<F>(), table.place.is_some());
                let (old, at) = (birth.extension, birth.location);
                Extension::watched(old, node, id, at, bytes, waits)
            }
        };
        let cell = recycle::allocate::<Self>();
        let place = cell.as_ptr();
        let header = Header {
            table,
            state,
            group: node.whole,
            links: crate::group::list::Links::new(),
            location: birth.location,
            awaiter: Awaiter::new(),
            open: Host::new(),
            polls: AtomicU32::new(0),
            birth: node.pool().coarse_millis(),
            id,
            extension,
        };
        // SAFETY: the place of a field, in bounds of the new allocation; nothing is read.
        let header_place = unsafe { &raw mut (*place).header };
        // SAFETY: the place of the header in the new allocation: valid and aligned for a write, and
        // empty.
        unsafe { header_place.write(header) };
        // SAFETY: the place of a field, in bounds of the new allocation; nothing is read.
        let queue_place = unsafe { &raw mut (*place).place };
        // SAFETY: the place of that field in the new allocation: valid and aligned for a write, and
        // empty.
        unsafe { queue_place.write(P::default()) };
        if let Some(future) = future {
            // SAFETY: the place of a field, in bounds of the new allocation; nothing is read. The
            // cell is transparent over the union, all of whose fields begin at its start.
            let future_place = unsafe { &raw mut (*place).stage }.cast::<F>();
            // SAFETY: the place of the future in the new allocation: valid and aligned for a write,
            // and empty.
            unsafe { future_place.write(future) };
        }
        cell.cast()
    }

    fn future(this: NonNull<Header>) -> *mut F {
        // SAFETY: the table, and so the task, belongs to a cell of this type: the offset of the
        // field is in bounds.
        unsafe { this.byte_add(offset_of!(Self, stage)) }
            .cast()
            .as_ptr()
    }

    fn value(this: NonNull<Header>) -> *mut K::Value {
        // SAFETY: the table, and so the task, belongs to a cell of this type: the offset of the
        // field is in bounds.
        unsafe { this.byte_add(offset_of!(Self, stage)) }
            .cast()
            .as_ptr()
    }

    unsafe fn poll(this: NonNull<Header>, cx: &mut Context<'_>) -> Polled {
        // SAFETY: `TaskTable` (1): only the runner reaches the future, which is there until a poll
        // says otherwise.
        let future = unsafe { &mut *Self::future(this) };
        // SAFETY: the future is pinned: the allocation never moves, and the future is dropped in
        // place.
        let future = unsafe { Pin::new_unchecked(future) };
        let polled = unwind::catch(|| future.poll(cx));
        if let Ok(Poll::Pending) = polled {
            return Polled::Pending;
        }
        let dropped = unwind::catch(|| {
            // SAFETY: `TaskTable` (1): the future is there; the answer of this function says that
            // it is gone, so this is the last access to it.
            frame::drop_shielded(|| unsafe { Self::future(this).drop_in_place() });
        });
        // SAFETY: `TaskTable` (1): the task runs, so it has the engine's reference.
        let header = unsafe { this.as_ref() };
        // SAFETY: `Typed::of` (1): the task was spawned into a group of this kind's error type.
        // (2): it counts in that group while it runs.
        let group = unsafe { Typed::<K::Error>::of(header.group) };
        if let Err(payload) = &polled {
            if unwind::is_cut(&**payload) {
                group.count_unwound(header.state.load().is_cancelled());
            }
        }
        let value = match (polled, dropped) {
            (Ok(Poll::Ready(output)), Ok(())) => {
                let finished = unwind::catch(|| K::finish(output, group, header.origin()));
                match finished {
                    Ok(value) => value,
                    Err(payload) => K::panicked(payload, group, header.origin()),
                }
            }
            (Ok(Poll::Ready(output)), Err(payload)) => {
                let outranked = unwind::catch(|| {
                    if let Some(value) = K::finish(output, group, header.origin()) {
                        K::unclaimed(value, group, header.origin());
                    }
                });
                if let Err(second) = outranked {
                    fail_with_panic(second, group, header.origin());
                }
                K::panicked(payload, group, header.origin())
            }
            (Err(payload), Ok(()))
                if unwind::is_cut(&*payload) && header.state.load().is_cancelled() =>
            {
                None
            }
            (Err(payload), dropped) => {
                let value = K::panicked(payload, group, header.origin());
                if let Err(second) = dropped {
                    fail_with_panic(second, group, header.origin());
                }
                value
            }
            (Ok(Poll::Pending), _) => None,
        };
        match value {
            Some(value) => {
                // SAFETY: the future is gone, so the place is free for the value, and valid and
                // aligned by the union.
                unsafe { Self::value(this).write(value) };
                Polled::Value
            }
            None => Polled::NoValue,
        }
    }

    unsafe fn drop_future(this: NonNull<Header>) {
        // SAFETY: `TaskTable` (1): only the runner, which cuts, reaches the future; it is there,
        // and this is the last access to it.
        let dropped = unwind::catch(|| unsafe { Self::future(this).drop_in_place() });
        if let Err(payload) = dropped.or_else(unwind::ignore_cut) {
            // SAFETY: `TaskTable` (1): the task runs, so it has the engine's reference.
            let header = unsafe { this.as_ref() };
            // SAFETY: `Header::node` (1): the caller runs the task. (2): the group is used within
            // this call only.
            fail_with_panic(payload, unsafe { header.node() }, header.origin());
        }
    }

    unsafe fn unclaimed(this: NonNull<Header>) {
        // SAFETY: `TaskTable` (2): the output is there, of this type, and no handle will take it:
        // this call does, once.
        let value = unsafe { Self::value(this).read() };
        // SAFETY: the completer calls this before it gives the engine's reference back.
        let header = unsafe { this.as_ref() };
        // SAFETY: `Typed::of` (1): the task was spawned into a group of this kind's error type.
        // (2): `TaskTable` (2): it is still counted there.
        let group = unsafe { Typed::<K::Error>::of(header.group) };
        let done = unwind::catch(|| K::unclaimed(value, group, header.origin()));
        if let Err(payload) = done {
            fail_with_panic(payload, group, header.origin());
        }
    }

    unsafe fn free(this: NonNull<Header>) {
        let cell = this.cast::<Self>();
        // SAFETY: the table belongs to this type, as which `allocate` has made the cell.
        // `TaskTable` (3): the last reference is gone, so header and place are dropped once; future
        // and output are gone, and their union drops nothing.
        unsafe { cell.drop_in_place() };
        // SAFETY: (1): `allocate` made it as this type. (2): it was just dropped.
        unsafe { recycle::free(cell) };
    }
}

/// The one right to the output of a task whose value is a `V`, with the reference of the handle.
pub(crate) struct OutputRef<V> {
    /// `None` once the output was taken, or given up.
    task: Option<TaskRef>,
    value: PhantomData<V>,
}

// SAFETY: it moves a `V` between threads at most, and the task may be reached from any.
unsafe impl<V: Send> Send for OutputRef<V> {}
// SAFETY: a shared one only reads the state.
unsafe impl<V: Send> Sync for OutputRef<V> {}

impl<V> OutputRef<V> {
    /// Takes over a handle's reference.
    ///
    /// # Safety
    ///
    /// 1. The caller owns that reference, and gives it up.
    /// 2. The task's value is a `V`.
    pub(crate) unsafe fn new(task: NonNull<Header>) -> Self {
        Self {
            // SAFETY: (1).
            task: Some(unsafe { TaskRef::from_raw(task) }),
            value: PhantomData,
        }
    }

    /// The task, until its output was taken.
    pub(crate) fn task(&self) -> Option<&TaskRef> {
        self.task.as_ref()
    }

    /// Takes the value out, if the task has ended with one, and gives the right to it up.
    pub(crate) fn take(&mut self) -> Option<V> {
        let task = self.task.take()?;
        task.awaiter.forget();
        let state = task.state.load();
        if state.is_complete() {
            // The completer has passed, and does not look at `HANDLE` and `VALUE` any more: they
            // may stay. The reference is given up at the end.
            // SAFETY: the value is there, and the one handle takes it, once.
            return state.has_value().then(|| unsafe { Self::read(&task) });
        }
        let table = task.table;
        let raw = task.into_raw();
        // SAFETY: the handle's reference keeps it until `drop_handle`.
        match unsafe { raw.as_ref() }.state.drop_handle() {
            Release::Done => None,
            Release::Free => {
                // SAFETY: `TaskTable` (3): that was the last reference, so the engine's is gone:
                // the task is complete. It has no value.
                unsafe { (table.free)(raw) };
                None
            }
            Release::DropOutput => {
                // SAFETY: with `DropOutput` the handle's reference is still the caller's.
                let task = unsafe { TaskRef::from_raw(raw) };
                // SAFETY: the value is there, and `drop_handle` made it this caller's alone.
                Some(unsafe { Self::read(&task) })
            }
        }
    }

    /// Moves the value out.
    ///
    /// # Safety
    ///
    /// The task has a value, which is a `V`, and this caller alone takes it, once.
    unsafe fn read(task: &TaskRef) -> V {
        // SAFETY: in bounds of the task: the table's own offset.
        let place = unsafe { task.as_ptr().byte_add(task.table.output) };
        // SAFETY: the value is there, of this type, and this caller's alone.
        unsafe { place.cast::<V>().read() }
    }
}

impl<V> Drop for OutputRef<V> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
