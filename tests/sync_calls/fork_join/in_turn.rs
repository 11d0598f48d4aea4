//! A `join` deep inside others, whose second half is none: no other thread would come to it.

use super::here;
use crate::common::drops::on_drop;
use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::until;
use crate::common::runtimes::one_by_one;
use spinney::{Group, Runtime, TaskLocal, Wait, current, group, join, try_group};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// Calls `f` inside so many first halves that no more are made while no worker is idle.
fn deep<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    fn inside<R: Send>(levels: u32, f: impl FnOnce() -> R + Send) -> R {
        match levels {
            0 => f(),
            _ => join(|| inside(levels - 1, f), || ()).0,
        }
    }
    inside(8, f)
}

/// Calls `f` deep inside joins on the one worker of a runtime.
fn on_a_busy_worker<R: Send + 'static>(
    runtime: &Runtime,
    f: impl FnOnce() -> R + Send + 'static,
) -> R {
    runtime.block_on(group(async |g| g.compute(|| Ok(deep(f))).await))
}

/// Both are run, one after the other, and the panic of the first comes out.
#[test]
fn both_are_run_to_their_end() {
    let (runtime, seen) = one_by_one();
    let texts = on_a_busy_worker(&runtime, || {
        let order = AtomicUsize::new(0);
        let next = || order.fetch_add(1, SeqCst);
        let thread = here();
        assert_eq!(join(next, || (next(), here())), (0, (1, thread)));
        let a = panic_of(|| join(|| panic!("a"), next));
        let b = panic_of(|| join(next, || panic!("b")));
        assert_eq!(order.load(SeqCst), 4);
        let both = panic_of(|| join(|| panic!("c"), || panic!("d")));
        let value = panic_of(|| join(|| on_drop(|| panic!("drop")), || panic!("e")));
        [a, b, both, value]
    });
    assert_eq!(texts, ["a", "b", "c", "e"]);
    assert_eq!(seen.texts(), ["d", "drop"]);
    assert_eq!(runtime.metrics().forks, 0);
}

/// They are in the group, the task and the task-locals of the caller.
#[test]
fn they_run_where_the_caller_is() {
    static LOCAL: TaskLocal<u32> = TaskLocal::new();
    let (runtime, _) = one_by_one();
    on_a_busy_worker(&runtime, || {
        LOCAL.sync_scope(7, || {
            let place = || {
                let local = LOCAL.with(|value| *value.unwrap());
                (current::task_id(), current::group_path(), local)
            };
            let own = place();
            assert_eq!(own.2, 7);
            assert_eq!(join(place, place), (own.clone(), own));
        });
    });
}

/// A cut unwinds the first while it waits, the second is run all the same, and then the cut comes
/// out of every `join` around.
#[test]
fn a_cut_unwinds_the_one_that_waits() {
    without_hanging(|| {
        let (runtime, seen) = one_by_one();
        let ran = Arc::new(AtomicUsize::new(0));
        let note = Arc::clone(&ran);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, &'static str>| {
            let (waits, note) = (g.keep(AtomicBool::new(false)), g.keep(note));
            let child = || {
                deep(|| {
                    let first = || {
                        waits.store(true, SeqCst);
                        std::future::pending::<()>().wait();
                    };
                    let second = || {
                        assert!(current::is_cancelled());
                        note.fetch_add(1, SeqCst);
                    };
                    join(first, second);
                    note.fetch_add(100, SeqCst);
                });
            };
            g.compute(child);
            until(|| waits.load(SeqCst)).await;
            Err::<(), _>("enough")
        }));
        assert_eq!(result.unwrap_err().into_first(), "enough");
        assert_eq!(ran.load(SeqCst), 1);
        assert_eq!(seen.texts(), [""; 0]);
    });
}
