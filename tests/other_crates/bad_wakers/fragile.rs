//! Wakers whose clones, or the destructors of their copies, panic. The standard library makes none:
//! it takes unsafe code.

#![expect(unsafe_code, reason = "a waker made by hand")]

use std::mem::ManuallyDrop;
use std::panic::{panic_any, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{RawWaker, RawWakerVTable, Waker};
use std::thread;

pub(crate) struct Fragile {
    /// Which clone panics, from one; they are counted down.
    left: AtomicUsize,
    /// The waker that a combinator wakes in turn.
    parent: Waker,
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_it);

impl Fragile {
    pub(crate) fn new(nth: usize, parent: &Waker) -> Self {
        Self {
            left: AtomicUsize::new(nth),
            parent: parent.clone(),
        }
    }

    pub(crate) fn waker(self: Arc<Self>) -> Waker {
        // SAFETY: the data is a reference of an `Arc` that is `Send` and `Sync`, and the table's
        // functions keep the contract of `RawWakerVTable` for such data.
        unsafe { Waker::new(Arc::into_raw(self).cast(), &TABLE) }
    }

    pub(crate) fn has_panicked(&self) -> bool {
        self.left.load(SeqCst) == 0
    }
}

/// # Safety
///
/// `data` is a reference of an `Arc` that the caller owns.
unsafe fn own(data: *const ()) -> Arc<Fragile> {
    // SAFETY: the caller's promise.
    unsafe { Arc::from_raw(data.cast()) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned owns its reference, which is not dropped here.
    let this = ManuallyDrop::new(unsafe { own(data) });
    let countdown = |left: usize| left.checked_sub(1);
    if this.left.fetch_update(SeqCst, SeqCst, countdown) == Ok(1) {
        panic_any("clone");
    }
    RawWaker::new(Arc::into_raw(Arc::clone(&this)).cast(), &TABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the waker is consumed.
    let this = unsafe { own(data) };
    this.parent.wake_by_ref();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker keeps its reference, which is not dropped here.
    let this = ManuallyDrop::new(unsafe { own(data) });
    this.parent.wake_by_ref();
}

unsafe fn drop_it(data: *const ()) {
    // SAFETY: the waker is consumed.
    drop(unsafe { own(data) });
}

/// What the copies of a waker share that panic when they are dropped.
pub(crate) struct Brittle {
    /// Each of them, not only the last one.
    each: bool,
    copies: AtomicUsize,
    thrown: AtomicUsize,
}

static BRITTLE: RawWakerVTable =
    RawWakerVTable::new(clone_brittle, drop_brittle, |_| {}, drop_brittle);

impl Brittle {
    pub(crate) fn new(each: bool) -> Self {
        Self {
            each,
            copies: AtomicUsize::new(0),
            thrown: AtomicUsize::new(0),
        }
    }

    fn raw(self: Arc<Self>) -> RawWaker {
        self.copies.fetch_add(1, SeqCst);
        RawWaker::new(Arc::into_raw(self).cast(), &BRITTLE)
    }

    pub(crate) fn waker(self: Arc<Self>) -> Waker {
        // SAFETY: the data is a reference of an `Arc` that is `Send` and `Sync`, and the table's
        // functions keep the contract of `RawWakerVTable` for such data.
        unsafe { Waker::from_raw(self.raw()) }
    }

    /// How often one panicked.
    pub(crate) fn thrown(&self) -> usize {
        self.thrown.load(SeqCst)
    }
}

unsafe fn clone_brittle(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned owns its reference, which is not dropped here.
    let this = ManuallyDrop::new(unsafe { Arc::<Brittle>::from_raw(data.cast()) });
    Arc::clone(&this).raw()
}

unsafe fn drop_brittle(data: *const ()) {
    // SAFETY: the waker is consumed, by a wake or by its destructor.
    let this = unsafe { Arc::<Brittle>::from_raw(data.cast()) };
    let last = this.copies.fetch_sub(1, SeqCst) == 1;
    if (this.each || last) && !thread::panicking() {
        this.thrown.fetch_add(1, SeqCst);
        // Given back before it panics: the test that counts the references finds them all.
        drop(this);
        resume_unwind(Box::new("drop"));
    }
}
