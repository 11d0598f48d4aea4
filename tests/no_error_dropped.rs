//! No error and no panic vanishes.

use spinney::{
    Errors, Failure, Group, Runtime, block_on, current, group, race, try_group, yield_now,
};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

fn counting() -> (Runtime, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let hook = Arc::clone(&seen);
    let runtime = Runtime::builder()
        .workers(2)
        .on_unobserved(move |_| {
            hook.fetch_add(1, SeqCst);
        })
        .build()
        .unwrap();
    (runtime, seen)
}

#[test]
fn a_childs_error_is_the_groups() {
    let errors: Errors<&str> = block_on(try_group(async |g| {
        g.spawn_named("router", async { Err::<(), _>("no route") })
            .await;
        Ok(())
    }))
    .unwrap_err();
    assert_eq!(*errors.first(), "no route");
    let entry = errors.entries().next().unwrap();
    assert_eq!(entry.name, Some("router"));
    assert!(entry.location.file().ends_with("no_error_dropped.rs"));
    assert!(!entry.after_cancel);
}

#[test]
fn the_body_and_children_that_fail_while_being_cut_are_all_there() {
    struct FailOnDrop<'s>(Group<'s, 'static, u8>);
    impl Drop for FailOnDrop<'_> {
        fn drop(&mut self) {
            self.0.cancel(2);
        }
    }
    let errors = block_on(try_group(async |g: Group<'_, 'static, u8>| {
        g.spawn(async move {
            let _fail = FailOnDrop(g);
            pending::<()>().await
        });
        yield_now().await;
        Err::<(), _>(1)
    }))
    .unwrap_err();
    assert_eq!(*errors.first(), 1);
    assert!(errors.entries().skip(1).all(|entry| entry.after_cancel));
}

#[test]
fn a_panic_resumes_in_the_owner_after_the_join() {
    let count = Arc::new(AtomicUsize::new(0));
    let caught = catch_unwind(AssertUnwindSafe(|| {
        block_on(group(async |g| {
            let count = Arc::clone(&count);
            g.spawn(async move {
                struct Count(Arc<AtomicUsize>);
                impl Drop for Count {
                    fn drop(&mut self) {
                        self.0.fetch_add(1, SeqCst);
                    }
                }
                let _count = Count(count);
                pending::<()>().await
            });
            g.spawn(async { panic_any(5_u8) });
            pending::<()>().await
        }))
    }));
    assert_eq!(*caught.unwrap_err().downcast::<u8>().unwrap(), 5);
    assert_eq!(count.load(SeqCst), 1);
}

#[test]
fn errors_that_a_panic_outranks_go_to_the_hook() {
    let (runtime, seen) = counting();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            g.cancel(1);
            panic_any("body");
            #[expect(unreachable_code, reason = "gives the body its type")]
            Ok(())
        }))
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "body");
    assert_eq!(seen.load(SeqCst), 1);
}

#[test]
fn failures_of_a_dropped_group_go_to_the_hook() {
    let (runtime, seen) = counting();
    runtime.block_on(group(async |_| {
        let inner = try_group(async |h: Group<'_, '_, u8>| {
            h.cancel(3);
            pending::<Result<(), u8>>().await
        });
        // Two polls: the error is recorded, but the owner goes away first.
        drop(inner);
        let mut inner = Box::pin(try_group(async |h: Group<'_, '_, u8>| {
            h.spawn(async { Err::<(), _>(3) });
            pending::<Result<(), u8>>().await
        }));
        std::future::poll_fn(|cx| {
            let _ = inner.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
        drop(inner);
    }));
    // The child may have been cut before its first poll: then there is no error at all.
    assert!(seen.load(SeqCst) <= 1);
}

#[test]
fn a_supervised_failure_is_its_handles_or_the_groups() {
    let read = block_on(try_group(async |g: Group<'_, '_, u8>| {
        let failed = g.supervise(async { Err::<(), _>(9) }).await;
        assert!(matches!(failed, Err(Failure::Error(9))));
        Ok(1)
    }));
    assert_eq!(read.unwrap(), 1);
    let unread = block_on(try_group(async |g: Group<'_, '_, u8>| {
        drop(g.supervise(async { Err::<(), _>(9) }));
        pending::<Result<(), u8>>().await
    }));
    assert_eq!(unread.unwrap_err().into_first(), 9);
}

#[test]
fn a_hook_that_panics_is_switched_off() {
    let calls = Arc::new(AtomicUsize::new(0));
    let hook = Arc::clone(&calls);
    let runtime = Runtime::builder()
        .workers(1)
        .on_unobserved(move |_| {
            hook.fetch_add(1, SeqCst);
            panic!("hook");
        })
        .build()
        .unwrap();
    for _ in 0..2 {
        let won = runtime.block_on(race([0, 1].map(|i| async move {
            if i == 0 {
                return Err("lost");
            }
            while current::task_id().is_none() {
                yield_now().await;
            }
            yield_now().await;
            Ok(())
        })));
        assert!(won.is_ok());
    }
    assert!(calls.load(SeqCst) <= 1);
}

#[test]
fn a_payload_whose_drop_panics_is_contained() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("payload");
        }
    }
    let (runtime, _) = counting();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(group(async |g| {
            g.spawn(async { panic_any(Bomb) });
            g.spawn(async { panic_any(Bomb) });
            pending::<()>().await
        }))
    }));
    std::mem::forget(caught);
    assert_eq!(runtime.block_on(async { 1 }), 1);
}
