//! Code that goes on in a shield or a defer can ask why it is being cut; reports say it readably.

use async_channel::{Sender, bounded};
use spinney::current::{CancelKind, CancelReason};
use spinney::time::ManualClock;
use spinney::{
    Errors, Group, GroupBuilder, Runtime, Wait, current, group, shield, sleep, try_group,
};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Seen = Arc<Mutex<Option<CancelReason>>>;

/// Waits for the cut in a shield, and notes why it came. The channel closes when it is in the
/// shield.
async fn ask(seen: Seen, inside: Sender<()>) {
    shield(async {
        drop(inside);
        while !current::is_cancelled() {
            spinney::yield_now().await;
        }
        *seen.lock().unwrap() = current::cancel_reason();
    })
    .await;
    pending::<()>().await;
}

fn take(seen: &Seen) -> CancelReason {
    seen.lock().unwrap().take().expect("a reason was seen")
}

/// A child that fails is the reason for its siblings.
#[test]
fn a_failing_sibling_is_the_reason() {
    let seen = Seen::default();
    let theirs = Arc::clone(&seen);
    let (inside, asked) = bounded(1);
    let opened = GroupBuilder::<&str>::new().name("work").run(async |g| {
        g.spawn(ask(theirs, inside));
        g.spawn_named("disk", async move {
            let _ = asked.recv().await;
            Err::<(), _>("full")
        });
        pending::<Result<(), &str>>().await
    });
    assert_eq!(spinney::block_on(opened).unwrap_err().into_first(), "full");
    let reason = take(&seen);
    assert_eq!(reason.kind(), CancelKind::ChildFailed);
    assert_eq!(reason.name(), Some("disk"));
    assert_eq!(reason.chain().collect::<Vec<_>>(), ["work"]);
    assert!(reason.to_string().starts_with("a child failed: disk #"));
    assert!(reason.to_string().ends_with(" in group work"));
}

/// A body that fails is the reason for its children.
#[test]
fn a_failing_body_is_the_reason() {
    let seen = Seen::default();
    let theirs = Arc::clone(&seen);
    let (inside, asked) = bounded(1);
    let opened = GroupBuilder::<&str>::new().name("work").run(async |g| {
        g.spawn(ask(theirs, inside));
        let _ = asked.recv().await;
        Err::<(), _>("empty")
    });
    assert_eq!(spinney::block_on(opened).unwrap_err().into_first(), "empty");
    let reason = take(&seen);
    assert_eq!(reason.kind(), CancelKind::BodyFailed);
    assert_eq!((reason.task(), reason.name()), (None, Some("work")));
}

/// The reason of an explicit cancel is the place of the call, and the chain of the groups that the
/// cut came down through.
#[test]
fn an_explicit_cancel_names_the_call_and_the_way_down() {
    let seen = Seen::default();
    let theirs = Arc::clone(&seen);
    let (inside, asked) = bounded(1);
    let result = spinney::block_on(GroupBuilder::<u8>::new().name("outer").run(async |g| {
        let inner = GroupBuilder::<u8>::new()
            .name("inner")
            .run_in(g, async |h| {
                h.spawn(ask(theirs, inside));
                pending().await
            });
        g.spawn(async move { inner.await.unwrap_or(()) });
        let _ = asked.recv().await;
        g.cancel(7);
        Ok(())
    }));
    assert_eq!(result.unwrap_err().into_first(), 7);
    let reason = take(&seen);
    assert_eq!(reason.kind(), CancelKind::Cancelled);
    assert_eq!(reason.task(), None);
    assert_eq!(reason.location().file(), file!());
    assert_eq!(reason.chain().collect::<Vec<_>>(), ["outer/inner", "outer"]);
}

/// A deadline and the end of a grace are different reasons.
#[test]
fn deadlines_and_graces_are_told_apart() {
    let clock = ManualClock::new();
    let runtime = Runtime::builder().workers(1).clock(&clock).build().unwrap();
    for kind in [CancelKind::Deadline, CancelKind::GraceOver] {
        let seen = Seen::default();
        let theirs = Arc::clone(&seen);
        let clock = clock.clone();
        let (inside, asked) = bounded(1);
        let result = runtime.block_on(try_group(async move |g: Group<'_, '_, u8>| {
            match kind {
                CancelKind::Deadline => g.deadline(Duration::from_secs(1), 1),
                _ => g.stop_within(Duration::from_secs(1), 1),
            }
            g.spawn(ask(theirs, inside));
            let _ = asked.recv().await;
            clock.advance(Duration::from_secs(2));
            pending::<Result<(), u8>>().await
        }));
        assert_eq!(result.unwrap_err().into_first(), 1);
        assert_eq!(take(&seen).kind(), kind);
    }
}

#[test]
fn a_dropped_group_and_a_cancelled_task_say_so() {
    let seen = Seen::default();
    let theirs = Arc::clone(&seen);
    let mine = Arc::clone(&seen);
    let (inside, asked) = bounded(1);
    spinney::block_on(group(async |g| {
        let dropped = group(async |h| {
            h.spawn(ask(theirs, inside));
            pending::<()>().await
        });
        let until_asked = async {
            let _ = asked.recv().await;
        };
        futures_lite::future::or(dropped, until_asked).await;
        while seen.lock().unwrap().is_none() {
            spinney::yield_now().await;
        }
        assert_eq!(take(&seen).kind(), CancelKind::Dropped);
        let (inside, started) = bounded::<()>(1);
        let task = g.spawn(async move {
            let _noted = Noted(mine);
            drop(inside);
            pending::<()>().await
        });
        let _ = started.recv().await;
        task.cancel().await;
    }));
    assert_eq!(take(&seen).kind(), CancelKind::TaskCancelled);
}

/// No cut comes down through a shield: a task inside one is not being cut, and a task that is cut
/// alone is cut for that.
#[test]
fn inside_a_shield_the_outer_cut_is_no_reason() {
    let seen = Seen::default();
    let theirs = Arc::clone(&seen);
    let result = spinney::block_on(try_group(async |outer: Group<'_, '_, u8>| {
        shield(group(async |g| {
            let (inside, started) = bounded::<()>(1);
            let task = g.spawn(async move {
                let _noted = Noted(theirs);
                drop(inside);
                pending::<()>().await
            });
            let _ = started.recv().await;
            outer.cancel(1);
            let alive = g.spawn(async { Ok(current::cancel_reason().is_none()) });
            assert!(alive.await);
            task.cancel().await;
        }))
        .await;
        Ok(())
    }));
    assert_eq!(result.unwrap_err().into_first(), 1);
    assert_eq!(take(&seen).kind(), CancelKind::TaskCancelled);
}

/// A wait that is unwound is in the poll that began before the cut.
#[test]
fn a_frame_that_is_unwound_knows_why() {
    let seen = Seen::default();
    let theirs = Arc::clone(&seen);
    let (inside, begun) = bounded::<()>(1);
    spinney::block_on(group(async |g| {
        let task = g.spawn(async move {
            let _noted = Noted(theirs);
            drop(inside);
            pending::<()>().wait();
        });
        let _ = begun.recv().await;
        task.cancel().await;
    }));
    assert_eq!(take(&seen).kind(), CancelKind::TaskCancelled);
}

/// Notes the reason when it is dropped.
struct Noted(Seen);

impl Drop for Noted {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = current::cancel_reason();
    }
}

#[test]
fn nobody_is_cut_here() {
    assert!(current::cancel_reason().is_none());
    spinney::block_on(group(async |_| assert!(current::cancel_reason().is_none())));
}

/// A group whose body fails while a child is in a shield, which fails then.
fn two_failures() -> Errors<String> {
    spinney::block_on(GroupBuilder::<String>::new().name("two").run(async |g| {
        let (started, begun) = bounded::<()>(1);
        g.spawn_named("late", async move {
            shield(async {
                drop(started);
                current::stopping().await;
                Err::<(), _>("late".to_owned())
            })
            .await
        });
        let _ = begun.recv().await;
        Err::<(), _>("early".to_owned())
    }))
    .unwrap_err()
}

#[test]
fn errors_print_a_line_each_or_one_for_all() {
    let errors = two_failures();
    assert_eq!(format!("{errors:#}"), "early (and 1 more error)");
    let text = errors.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "2 errors:");
    assert!(
        lines[1].starts_with("- two (tests/reports/reasons.rs:"),
        "{text}"
    );
    assert!(lines[1].ends_with("): early"), "{text}");
    assert!(lines[2].starts_with("- late #"), "{text}");
    assert!(lines[2].ends_with(", after the cancel): late"), "{text}");
}

#[test]
fn errors_of_a_nested_group_are_indented() {
    let outer: Errors<Errors<String>> = spinney::block_on(try_group(async |g| {
        let (started, begun) = bounded::<()>(1);
        g.spawn(async move {
            shield(async {
                drop(started);
                current::stopping().await;
                Err::<(), _>(two_failures())
            })
            .await
        });
        let _ = begun.recv().await;
        Err::<(), _>(two_failures())
    }))
    .unwrap_err();
    let text = outer.to_string();
    let nested = text.lines().filter(|line| line.starts_with("  - "));
    assert_eq!(nested.count(), 4, "{text}");
}

#[test]
fn a_handle_hears_of_the_stop_and_of_the_end() {
    spinney::block_on(group(async |g| {
        let (heard, told) = async_channel::unbounded();
        let stopping = group(async |inner| {
            let handle = inner.handle();
            let stopping = handle.stopping();
            g.spawn(async move {
                stopping.await;
                heard.send("stop").await.unwrap();
            });
            inner.stop();
            assert_eq!(told.recv().await.unwrap(), "stop");
            inner.handle()
        });
        let ended = stopping.await;
        ended.stopping().await; // at once
        let handle = group(async |inner| inner.handle()).await;
        // The end of a group ends the wait for its stop.
        handle.stopping().await;
        let (inside, begun) = bounded::<()>(1);
        let waiter = group(async |inner| {
            let stopping = inner.handle().stopping();
            let waiter = g.spawn(async move {
                drop(inside);
                stopping.await;
                Ok(())
            });
            let _ = begun.recv().await;
            Some(waiter)
        });
        if let Some(waiter) = waiter.await {
            waiter.await;
        }
        sleep(Duration::ZERO).await;
    }));
}
