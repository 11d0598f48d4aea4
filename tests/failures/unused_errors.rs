//! The error of a deadline that is not used is dropped somewhere. If its destructor panics, the
//! owner or the hook hears of it.

use crate::common::drops::on_drop;
use crate::common::durations::SECOND;
use crate::common::hangs::without_hanging;
use crate::common::polls::{poll_alone, wait_until};
use crate::common::runtimes::clocked;
use spinney::{Group, GroupBuilder, sleep, try_group};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::pin;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};

/// An error whose destructor panics.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(self.0);
    }
}

/// The timer of the inner group finds that the outer one speaks, or that the inner one has ended by
/// it.
#[test]
fn the_error_of_an_inner_deadline_at_the_outer_instant() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(2);
        let outer = GroupBuilder::new().deadline(SECOND, "outer");
        let result = runtime.block_on(outer.run(async |g| {
            let inner = GroupBuilder::new().deadline(SECOND, Bomb("inner"));
            let inner = inner.run_in(g, async |_| {
                clock.advance(SECOND);
                pending::<Result<(), Bomb>>().await
            });
            assert!(inner.await.is_ok(), "it is cut from outside");
            Ok(())
        }));
        assert_eq!(result.unwrap_err().into_first(), "outer");
        wait_until(|| seen.texts() == ["inner"]);
    });
}

/// A waker that says that it is called, and then stays.
struct Stuck(Barrier);

impl Wake for Stuck {
    fn wake(self: Arc<Self>) {
        self.0.wait();
        self.0.wait();
    }
}

/// Two timers are due. While the first one is stuck the group of the second one ends: they fire one
/// at a time, so the error of that is dropped by its group.
#[test]
fn the_error_of_a_deadline_whose_group_ends_while_it_fires() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(1);
        let _entered = runtime.enter();
        let stuck = Arc::new(Stuck(Barrier::new(2)));
        let mut nap = pin!(sleep(SECOND));
        let waker = Waker::from(Arc::clone(&stuck));
        assert!(
            nap.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );

        let mut polls = 0;
        let body = poll_fn(move |_| {
            polls += 1;
            if polls == 1 {
                Poll::Pending
            } else {
                Poll::Ready(Ok(7))
            }
        });
        let mut group = pin!(
            GroupBuilder::new()
                .deadline(2 * SECOND, Bomb("late"))
                .run(async |_| body.await)
        );
        assert!(poll_alone(group.as_mut()).is_pending());
        clock.advance(2 * SECOND);
        stuck.0.wait();
        let caught = catch_unwind(AssertUnwindSafe(|| poll_alone(group.as_mut())));
        stuck.0.wait();
        let Err(payload) = caught else {
            panic!("it comes out");
        };
        assert_eq!(*payload.downcast::<&str>().unwrap(), "late");
    });
}

/// Neither is lost, and they do not meet: that would abort the process.
#[test]
fn errors_of_two_deadlines_that_were_never_reached() {
    without_hanging(|| {
        let (runtime, clock, seen) = clocked(1);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(try_group(async |g: Group<'_, '_, Bomb>| {
                g.deadline(SECOND, Bomb("first"));
                g.deadline(2 * SECOND, Bomb("second"));
                g.stop_within(3 * SECOND, Bomb("third"));
                // Kept values go after the timers.
                g.keep(on_drop(|| panic_any("kept")));
                Ok(())
            }))
        }));
        let Err(payload) = caught else {
            panic!("one comes out")
        };
        assert_eq!(*payload.downcast::<&str>().unwrap(), "first");
        assert_eq!(seen.texts(), ["kept", "second", "third"]);
        clock.advance(9 * SECOND);
    });
}
