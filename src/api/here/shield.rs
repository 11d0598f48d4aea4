//! A stretch that cannot be cut.

use crate::poll::budget;
use crate::poll::frame::{self, Frame};
use crate::{unwind, waiters};
use pin_project_lite::pin_project;
use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

/// Runs `future` to its end even if the task, or a group around it, is being cut; the cut lands at
/// the next suspension after it.
///
/// Groups that are opened inside are not cancelled from outside either. A shield has no limit of
/// its own: put a [`timeout`](crate::timeout) inside it. A shield that is not polled any more holds
/// nothing.
///
/// # Examples
///
/// ```
/// use spinney::{Group, block_on, shield, try_group, yield_now};
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
///
/// static SAVED: AtomicBool = AtomicBool::new(false);
///
/// async fn save() {
///     yield_now().await; // no cut lands here
///     SAVED.store(true, Relaxed);
/// }
///
/// let result = block_on(try_group(async |g: Group<'_, '_, &'static str>| {
///     g.cancel("enough");
///     shield(save()).await;
///     Ok(())
/// }));
/// assert!(result.is_err());
/// assert!(SAVED.load(Relaxed));
/// ```
pub fn shield<F: Future>(future: F) -> Shield<F> {
    Shield {
        future,
        begun: false,
        host: None,
        cut: false,
    }
}

pin_project! {
    /// The future of [`shield`].
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{block_on, future::Shield, shield};
    ///
    /// fn unharmed<F: Future>(future: F) -> Shield<F> {
    ///     shield(future)
    /// }
    ///
    /// assert_eq!(block_on(unharmed(async { 1 })), 1);
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct Shield<F> {
        #[pin]
        future: F,
        begun: bool,
        // Whom it holds: the task whose poll reached it last.
        host: Option<Waker>,
        // It was unwound by a cut: it is not polled again.
        cut: bool,
    }

    impl<F> PinnedDrop for Shield<F> {
        fn drop(this: Pin<&mut Self>) {
            // A cut host sleeps until its shields have ended. One that is dropped half-way holds
            // it no more, but the poll that reached it does not know: another poll looks again.
            if let Some(host) = this.project().host.take() {
                waiters::wake(host);
            }
        }
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let (future, host, cut) = (this.future, this.host, this.cut);
        if *cut {
            return Poll::Pending;
        }
        if !*this.begun {
            // The cut of a loop over shields lands here, if it suspends nowhere else. Before a poll
            // knows of a cut nothing is refused: what cleans up begins.
            if frame::current(|frame| frame.is_some_and(Frame::is_cut)) {
                ready!(budget::spend(cx));
            }
            *this.begun = true;
        }
        if let Some(former) = host.take() {
            // A host that is cut sleeps until its shields have ended, or are polled elsewhere.
            match former.will_wake(cx.waker()) {
                true => waiters::discard([former]),
                false => waiters::wake(former),
            }
        }
        frame::current(|frame| match frame {
            Some(frame) => {
                let polled = poll_in(frame, future, cx, cut);
                if polled.is_pending() && !*cut {
                    // Cloned before it holds: it is user code, and a shield that has no host to
                    // wake holds none.
                    *host = Some(cx.waker().clone());
                    frame.note_shield();
                } else if frame.is_cut() {
                    // A loop over shields that keeps step with the budget would be refused inside
                    // one each time, and never between two, where a cut can reach it.
                    budget::fall_out_of_step();
                }
                polled
            }
            None => future.poll(cx),
        })
    }
}

fn poll_in<F: Future>(
    frame: &Frame<'_>,
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
    cut: &mut bool,
) -> Poll<F::Output> {
    match unwind::catch(|| frame.shielded(|| future.poll(cx))) {
        Ok(polled) => polled,
        // What was awaited in the shield was cut: the cut lands here, at its edge.
        Err(payload) if unwind::is_cut(&*payload) && frame.is_cut() => {
            *cut = true;
            Poll::Pending
        }
        Err(payload) => resume_unwind(payload),
    }
}

impl<F> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").finish_non_exhaustive()
    }
}
