//! Context: names, places and paths say where a task belongs, and a blocking wait changes none of
//! it. A waker is called outside of it.

use crate::common::durations::SECOND;
use crate::common::hangs::without_hanging;
use crate::common::panics;
use crate::common::polls::until;
use crate::common::runtimes::{clocked, noting, workers};
use spinney::dump::TaskId;
use spinney::{
    Group, GroupBuilder, Ready, Runtime, Wait, Yielder, current, group, try_group, yield_now,
};
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

/// A task's name is seen wherever a message tells of the task; without one it is the place where it
/// was spawned.
#[test]
fn names_and_places_are_told() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            let named = g.spawn_named("import", async { Err::<(), u8>(1) });
            let id = named.id();
            g.defer(async move { assert!(current::task_id().is_some_and(|own| own != id)) });
            named.await;
            Ok(())
        }));
        let errors = result.unwrap_err();
        let entry = errors.entries().next().unwrap();
        assert_eq!(entry.name, Some("import"));
        assert!(entry.location.file().ends_with("context.rs"));
        let places = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&places);
        let hooked = Runtime::builder()
            .workers(1)
            .on_unobserved(move |failure| {
                noted
                    .lock()
                    .unwrap()
                    .push((failure.name, failure.location.line()));
            })
            .build()
            .unwrap();
        let line = line!() + 4;
        let _ = panics::panic_of(|| {
            hooked.block_on(try_group(async |g: Group<'_, '_, u8>| {
                // Outranked by the panic, each with its place.
                g.spawn(async { Err::<(), u8>(1) });
                g.spawn_named("second", async { Err::<(), u8>(2) });
                spinney::shield(until(|| g.is_stopping())).await;
                if g.is_stopping() {
                    std::panic::panic_any("body");
                }
                Ok(())
            }))
        });
        let places = places.lock().unwrap();
        for (name, at) in places.iter() {
            match name.as_deref() {
                None => assert_eq!(*at, line),
                Some(name) => assert_eq!((name, *at), ("second", line + 1)),
            }
        }
        assert!(!places.is_empty());
    });
}

/// A task knows its path of groups, whatever has ended meanwhile. A child that a sibling spawns
/// belongs to the group, not to the sibling.
#[test]
fn a_child_belongs_to_the_group_that_it_was_spawned_into() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let outer = GroupBuilder::<u8>::new().name("server").run(async |g| {
            let sibling = g.spawn(async move {
                let inner = GroupBuilder::<u8>::new().name("conn").run(async |h| {
                    let inside = h.spawn(async { Ok(path()) }).await;
                    // Into the outer group, out of the inner one.
                    let outside = g.spawn(async {
                        yield_now().await;
                        Ok(path())
                    });
                    Ok((inside, outside))
                });
                let (inside, outside) = inner.await.unwrap();
                Ok((inside, outside.await))
            });
            Ok((path(), sibling.await))
        });
        let (body, (inside, outside)) = runtime.block_on(outer).unwrap();
        assert_eq!(
            [&*body, &*inside, &*outside],
            ["server", "server/conn", "server"]
        );
        assert!(current::group_path().is_none() && current::task_id().is_none());
    });
}

fn path() -> String {
    current::group_path().unwrap().to_string()
}

/// A wait on a worker runs under the caller's group, task and deadline, and a cut reaches it.
#[test]
fn a_blocking_wait_runs_in_the_context_of_its_caller() {
    without_hanging(|| {
        let (runtime, clock, _) = clocked(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            g.deadline(SECOND, "late");
            let limit = current::deadline();
            let child = g.spawn(async move {
                let task = current::task_id();
                let own = path();
                async {
                    assert_eq!(current::task_id(), task);
                    assert_eq!(current::deadline(), limit);
                    assert_eq!(path(), own);
                }
                .wait();
                let inner = group(async |h| h.spawn(async { Ok(path()) }).await).wait();
                assert!(inner.starts_with(&own) && inner.len() > own.len());
                clock.advance(SECOND);
                pending::<()>().wait();
                unreachable!("the deadline unwinds the wait");
                #[expect(unreachable_code, reason = "the type of the child")]
                Ok(())
            });
            child.await;
            Ok(())
        }));
        assert_eq!(result.unwrap_err().into_first(), "late");
    });
}

/// What a task of one runtime sees is that of its own, also when it waits inside another one.
#[test]
fn a_wait_in_another_runtime_has_that_runtimes_context() {
    without_hanging(|| {
        let (a, _) = workers(1);
        let (b, _) = noting(Runtime::builder().workers(1).thread_name("other"));
        let b = Arc::new(b);
        let inner = Arc::clone(&b);
        let inside = a.block_on(group(async move |g| {
            g.spawn(async move {
                let value = inner.block_on(group(async |h| {
                    h.spawn(async { Ok(std::thread::current().name().map(str::to_owned)) })
                        .await
                }));
                Ok(value)
            })
            .await
        }));
        // On a thread of the other runtime, or on the one that waits for it.
        let name = inside.unwrap();
        assert!(
            name.starts_with("other") || name.starts_with("spinney"),
            "{name}"
        );
    });
}

/// A waker that polls in place finds no task around it: what it opens is not the child's.
#[test]
fn wakers_are_called_outside_the_child() {
    struct InPlace(Mutex<Vec<Option<TaskId>>>);
    impl Wake for InPlace {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().push(current::task_id());
        }
    }
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let waker = Arc::new(InPlace(Mutex::new(Vec::new())));
        runtime.block_on(group(async |g| {
            let foreign = Waker::from(Arc::clone(&waker));
            let mut cx = Context::from_waker(&foreign);
            let (open, opened) = async_channel::bounded::<()>(1);
            let gate = || {
                let opened = opened.clone();
                async move { opened.recv().await.unwrap_err() }
            };
            let mut set = g.set();
            let wait = gate();
            set.spawn(async move {
                wait.await;
                Ok(())
            });
            let wait = gate();
            let mut start = pin!(g.start(async move |ready: Ready<()>| {
                wait.await;
                ready.set(());
            }));
            let wait = gate();
            let mut stream = g.stream(async move |mut out: Yielder<()>| {
                wait.await;
                out.send(()).await;
            });
            let places = g.bounded(1);
            let wait = gate();
            drop(
                places
                    .spawn(async move {
                        wait.await;
                        Ok(())
                    })
                    .await,
            );
            let mut place = pin!(places.spawn(async { Ok(()) }));
            assert!(pin!(set.next()).as_mut().poll(&mut cx).is_pending());
            assert!(start.as_mut().poll(&mut cx).is_pending());
            assert!(pin!(stream.next()).as_mut().poll(&mut cx).is_pending());
            assert!(place.as_mut().poll(&mut cx).is_pending());
            open.close();
            until(|| waker.0.lock().unwrap().len() >= 4).await;
            drop(place.await);
        }));
        assert!(waker.0.lock().unwrap().iter().all(Option::is_none));
    });
}
