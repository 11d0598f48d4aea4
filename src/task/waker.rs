//! The waker of a task: a counted reference to its header.

#![expect(
    unsafe_code,
    reason = "wakers are tables of functions over raw pointers"
)]

use crate::spans::{self, TaskSpan, WakerOp};
use crate::task::header::Header;
use crate::task::state::Wake;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// The table of all wakers of tasks. A static, so that it has one address.
pub(crate) static TABLE: RawWakerVTable =
    RawWakerVTable::new(clone, wake, wake_by_ref, drop_reference);

/// That of a task whose wakers are told of: each function tells, and then does what that of
/// [`TABLE`] does.
static TOLD: RawWakerVTable = RawWakerVTable::new(
    |data| {
        tell(data, WakerOp::Clone);
        // SAFETY: a function of the table is called with the data of a live waker, whose reference
        // keeps the header.
        unsafe { header(data) }.state.add_reference();
        RawWaker::new(data, &TOLD)
    },
    |data| {
        tell(data, WakerOp::Wake);
        // SAFETY: this function has the contract of the other table's, whose data is the same.
        unsafe { wake(data) }
    },
    |data| {
        tell(data, WakerOp::WakeByRef);
        // SAFETY: this function has the contract of the other table's, whose data is the same.
        unsafe { wake_by_ref(data) }
    },
    |data| {
        tell(data, WakerOp::Drop);
        // SAFETY: this function has the contract of the other table's, whose data is the same.
        unsafe { drop_reference(data) }
    },
);

/// The bit by which the two tables are told apart where a waker is kept as one word: in the address
/// of a header it is zero. No bit, where no waker is told of.
pub(crate) const MARK: usize = if spans::POSSIBLE { 2 } else { 0 };

const _: () = assert!(align_of::<Header>() > MARK);

/// What a waker of a task is marked with, by its table: zero or [`MARK`]. `None`: it is none.
#[inline]
pub(crate) fn mark_of(waker: &Waker) -> Option<usize> {
    let table: *const RawWakerVTable = waker.vtable();
    if ptr::eq(table, &raw const TABLE) {
        Some(0)
    } else if spans::POSSIBLE && ptr::eq(table, &raw const TOLD) {
        Some(MARK)
    } else {
        None
    }
}

/// The table of the wakers that [`mark_of`] marks so.
#[inline]
pub(crate) fn table_of(mark: usize) -> &'static RawWakerVTable {
    match mark {
        0 => &TABLE,
        _ => &TOLD,
    }
}

/// Before a waker of a task does something: its reference is there.
fn tell(data: *const (), op: WakerOp) {
    // SAFETY: called with the data of a live waker, whose reference keeps the header.
    if let Some(span) = unsafe { header(data) }.span() {
        span.tell(op);
    }
}

/// The header behind a waker's data.
///
/// # Safety
///
/// `data` belongs to a waker with [`TABLE`] or `TOLD`, whose reference keeps the header alive for
/// `'a`.
unsafe fn header<'a>(data: *const ()) -> &'a Header {
    // SAFETY: the data of a waker with this table is the address of a header, which the waker's
    // reference keeps alive for `'a`.
    unsafe { &*data.cast::<Header>() }
}

fn pointer(data: *const ()) -> NonNull<Header> {
    NonNull::new(data.cast_mut().cast()).expect("the data of a waker is a header")
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: a function of the table is called with the data of a live waker, whose reference
    // keeps the header.
    unsafe { header(data) }.state.add_reference();
    RawWaker::new(data, &TABLE)
}

unsafe fn wake(data: *const ()) {
    let task = pointer(data);
    // SAFETY: a function of the table is called with the data of a live waker, whose reference
    // keeps the header until `wake_by_value` gives it up.
    let header = unsafe { header(data) };
    let table = header.table;
    match header.state.wake_by_value() {
        Wake::Done => {}
        // SAFETY: the right to run the task is this caller's, so no other job exists, and the task
        // is not complete: the engine's reference keeps it.
        Wake::Queue => unsafe { Header::queue_woken(task) },
        // SAFETY: `TaskTable` (3): that was the last reference, so the engine's is gone: the task
        // is complete, and its output is taken or was given up.
        Wake::Free => unsafe { (table.free)(task) },
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: a function of the table is called with the data of a live waker, whose reference
    // keeps the header.
    if unsafe { header(data) }.state.wake() {
        // SAFETY: `State::wake` gave the right to run the task to this caller, so no other job
        // exists.
        unsafe { Header::queue_woken(pointer(data)) };
    }
}

unsafe fn drop_reference(data: *const ()) {
    // SAFETY: the waker's reference, which this call consumes, is given up.
    unsafe { Header::release(pointer(data)) };
}

/// The waker of a task for the length of a poll: it borrows the engine's reference.
///
/// # Safety
///
/// The task is not complete, and so has the engine's reference, until the waker is gone.
pub(crate) unsafe fn borrowed(header: NonNull<Header>) -> ManuallyDrop<Waker> {
    // SAFETY: the task is not complete, and so it is alive.
    let span = unsafe { header.as_ref() }.span();
    let table = match span.is_some_and(TaskSpan::is_watched) {
        true => &TOLD,
        false => &TABLE,
    };
    let data = header.as_ptr().cast_const().cast();
    // SAFETY: the functions of the table keep the contract of `RawWaker`; the reference that the
    // data stands for is the engine's, which is there as long as the waker, and is never dropped by
    // it.
    ManuallyDrop::new(unsafe { Waker::new(data, table) })
}
