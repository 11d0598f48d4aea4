//! Wakers that panic, in polls by hand. The standard library makes none whose clone panics: it takes unsafe code.

#![expect(unsafe_code, reason = "a waker made by hand")]

use crate::program::Bad;
use crate::record::Hostile;
use std::future::{Future, poll_fn};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

/// How often a future is polled with the waker that panics, each time before it is polled with the real one.
const TIMES: usize = 2;

/// Awaits a future that is polled with a waker first that panics. What that throws in its own poll is caught here, and
/// nobody else may see any of it.
pub(super) async fn foreign<F: Future>(bad: Option<Bad>, future: F) -> F::Output {
    let mut future = pin!(future);
    let Some(bad) = bad else {
        return future.await;
    };
    let mut left = TIMES;
    poll_fn(move |cx| {
        if left > 0 {
            left -= 1;
            let waker = waker(bad, cx.waker());
            let mut cx = Context::from_waker(&waker);
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
            // Its owner lets go of it without noticing: somebody else may have the last copy.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(waker)));
            match polled {
                Ok(Poll::Ready(value)) => return Poll::Ready(value),
                Ok(Poll::Pending) => {}
                Err(payload) if payload.is::<Hostile>() => {}
                Err(payload) => resume_unwind(payload),
            }
        }
        future.as_mut().poll(cx)
    })
    .await
}

/// Wakes in turn, and panics.
struct Foreign {
    bad: Bad,
    parent: Waker,
}

impl Foreign {
    fn throw_if(&self, bad: Bad) {
        if self.bad == bad {
            resume_unwind(Box::new(Hostile));
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.throw_if(Bad::Drop);
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_it);

fn waker(bad: Bad, parent: &Waker) -> Waker {
    let foreign = Arc::new(Foreign {
        bad,
        parent: parent.clone(),
    });
    // SAFETY: the data is a reference of an `Arc` that is `Send` and `Sync`, and the table's functions keep the contract of
    // `RawWakerVTable` for such data.
    unsafe { Waker::new(Arc::into_raw(foreign).cast(), &TABLE) }
}

/// # Safety
///
/// `data` is a reference of an `Arc` that the caller owns.
unsafe fn own(data: *const ()) -> Arc<Foreign> {
    // SAFETY: the caller's promise.
    unsafe { Arc::from_raw(data.cast()) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned owns its reference, which is not dropped here.
    let this = ManuallyDrop::new(unsafe { own(data) });
    this.throw_if(Bad::Clone);
    RawWaker::new(Arc::into_raw(Arc::clone(&this)).cast(), &TABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the waker is consumed.
    let this = unsafe { own(data) };
    this.parent.wake_by_ref();
    this.throw_if(Bad::Wake);
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker keeps its reference, which is not dropped here.
    let this = ManuallyDrop::new(unsafe { own(data) });
    this.parent.wake_by_ref();
    this.throw_if(Bad::WakeByRef);
}

unsafe fn drop_it(data: *const ()) {
    // SAFETY: the waker is consumed.
    drop(unsafe { own(data) });
}
