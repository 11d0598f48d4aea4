//! The waker of a task: a counted reference to its header.

#![expect(
    unsafe_code,
    reason = "wakers are tables of functions over raw pointers"
)]

use crate::task::header::Header;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// The table of all wakers of tasks. A static, so that it has one address.
pub(crate) static TABLE: RawWakerVTable =
    RawWakerVTable::new(clone, wake, wake_by_ref, drop_reference);

/// The header behind a waker's data.
///
/// # Safety
///
/// `data` belongs to a waker with [`TABLE`], whose reference keeps the header alive for `'a`.
unsafe fn header<'a>(data: *const ()) -> &'a Header {
    // SAFETY: the caller's promise.
    unsafe { &*data.cast::<Header>() }
}

fn pointer(data: *const ()) -> NonNull<Header> {
    NonNull::new(data.cast_mut().cast()).expect("the data of a waker is a header")
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called through a live waker.
    unsafe { header(data) }.state.add_reference();
    RawWaker::new(data, &TABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: called through a live waker, which this call consumes.
    unsafe { wake_by_ref(data) };
    // SAFETY: the waker's reference is given up.
    unsafe { drop_reference(data) };
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: called through a live waker.
    if unsafe { header(data) }.state.wake() {
        // SAFETY: `wake` gave the right to run the task to this caller.
        unsafe { Header::queue_woken(pointer(data)) };
    }
}

unsafe fn drop_reference(data: *const ()) {
    // SAFETY: the waker's reference is given up.
    unsafe { Header::release(pointer(data)) };
}

/// The waker of a task for the length of a poll: it borrows the engine's reference.
///
/// # Safety
///
/// The task is not complete before the waker is gone.
pub(crate) unsafe fn borrowed(header: NonNull<Header>) -> ManuallyDrop<Waker> {
    let data = header.as_ptr().cast_const().cast();
    // SAFETY: the functions of the table keep the contract of `RawWaker`; the borrowed reference is never dropped.
    ManuallyDrop::new(unsafe { Waker::new(data, &TABLE) })
}
