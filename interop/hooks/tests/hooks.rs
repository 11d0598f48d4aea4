//! Tasks of `tokio::spawn` count in the groups that spawned them, where tokio has hooks.

#[path = "../../../tests/common/hangs.rs"]
mod hangs;

use hangs::without_hanging;
use spinney::runtime::Tokio;
use spinney::{Group, Runtime, RuntimeBuilder, Unobserved, group, try_group};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::oneshot;
use tower::Service;

const MS: Duration = Duration::from_millis(1);

/// Both ways to drive tokio.
fn both(test: impl Fn(RuntimeBuilder) + Send + 'static) {
    without_hanging(move || {
        for how in [Tokio::Parked, Tokio::Background { workers: 2 }] {
            let builder = Runtime::builder().workers(2).thread_name("wood");
            test(builder.on_stall(drop).tokio(how));
        }
    });
}

/// What the hook was told.
type Heard = Arc<Mutex<Vec<String>>>;

/// A runtime whose hook notes the texts of reports.
fn noting(builder: RuntimeBuilder) -> (Runtime, Heard) {
    let heard = Heard::default();
    let notes = Arc::clone(&heard);
    let hook = move |failure: Unobserved| {
        let text = failure.payload.downcast_ref::<String>();
        notes
            .lock()
            .unwrap()
            .push(text.cloned().unwrap_or_default());
    };
    (builder.on_unobserved(hook).build().unwrap(), heard)
}

/// How many guards were dropped.
#[derive(Clone, Default)]
struct Ends(Arc<AtomicUsize>);

impl Ends {
    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }

    fn guard(&self) -> Guard {
        Guard(self.clone())
    }
}

struct Guard(Ends);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, SeqCst);
    }
}

/// A task of tokio's that is alive for a while.
fn spawn_short(ends: &Ends) {
    let guard = ends.guard();
    tokio::spawn(async move {
        let _guard = guard;
        tokio::time::sleep(20 * MS).await;
    });
}

/// One that never ends.
fn spawn_endless(ends: &Ends) {
    let guard = ends.guard();
    tokio::spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
}

#[test]
fn a_group_waits_for_what_its_children_and_its_body_spawn() {
    both(|builder| {
        let runtime = builder.build().unwrap();
        let ends = Ends::default();
        runtime.block_on(group(async |g: Group<'_, '_>| {
            spawn_short(&ends);
            for _ in 0..3 {
                let ends = ends.clone();
                g.spawn(async move { spawn_short(&ends) });
            }
            g.spawn(async move {
                let inner = Ends::default();
                group(async |_: Group<'_, '_>| spawn_short(&inner)).await;
                assert_eq!(inner.count(), 1);
            })
            .await;
        }));
        assert_eq!(ends.count(), 4);
    });
}

/// In a service, in a defer, and in a closure that blocks.
#[test]
fn a_group_waits_for_what_its_services_and_defers_spawn() {
    both(|builder| {
        let runtime = builder.build().unwrap();
        let ends = Ends::default();
        runtime.block_on(group(async |g: Group<'_, '_>| {
            let (defers, serves, blocks) = (ends.clone(), ends.clone(), ends.clone());
            let (begins, begun) = oneshot::channel();
            g.defer(async move { spawn_short(&defers) });
            g.service(async move {
                spawn_short(&serves);
                begins.send(()).unwrap();
                pending::<()>().await
            });
            spinney::blocking(move || spawn_short(&blocks)).await;
            begun.await.unwrap();
        }));
        assert_eq!(ends.count(), 3);
    });
}

/// A task of tokio's that spawns one, and so on.
fn nested(depth: usize, ends: Ends) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let _guard = ends.guard();
        tokio::time::sleep(5 * MS).await;
        if depth > 0 {
            tokio::spawn(nested(depth - 1, ends.clone()));
        }
    })
}

#[test]
fn what_such_a_task_spawns_counts_where_it_does() {
    both(|builder| {
        let runtime = builder.build().unwrap();
        let ends = Ends::default();
        runtime.block_on(group(async |g: Group<'_, '_>| {
            let ends = ends.clone();
            g.spawn(async move { drop(tokio::spawn(nested(5, ends))) });
        }));
        assert_eq!(ends.count(), 6);
        // The outer group has others, and waits for none of the inner one's.
        let (go, gone) = oneshot::channel::<()>();
        runtime.block_on(group(async |_: Group<'_, '_>| {
            tokio::spawn(async move { gone.await.unwrap() });
            let ends = Ends::default();
            group(async |_: Group<'_, '_>| {
                tokio::spawn(nested(2, ends.clone()));
            })
            .await;
            assert_eq!(ends.count(), 3);
            go.send(()).unwrap();
        }));
    });
}

/// A task of a library's: the worker of a buffer, which ends when its last user is gone.
#[test]
fn a_group_waits_for_what_a_library_spawns() {
    struct Echo(#[expect(dead_code, reason = "it is dropped")] Guard);
    impl Service<u32> for Echo {
        type Response = u32;
        type Error = tower::BoxError;
        type Future = std::future::Ready<Result<u32, tower::BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), tower::BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, number: u32) -> Self::Future {
            std::future::ready(Ok(number))
        }
    }
    both(|builder| {
        let runtime = builder.build().unwrap();
        let ends = Ends::default();
        runtime.block_on(group(async |g: Group<'_, '_>| {
            let echo = Echo(ends.guard());
            let asks = g.spawn(async move {
                let mut buffer = tower::buffer::Buffer::new(echo, 4);
                let ready = poll_fn(|cx| Service::<u32>::poll_ready(&mut buffer, cx));
                assert!(ready.await.is_ok());
                Ok(buffer.call(7).await.ok())
            });
            assert_eq!(asks.await, Some(7));
        }));
        assert_eq!(ends.count(), 1);
    });
}

#[test]
fn a_dump_says_where_they_were_spawned() {
    both(|builder| {
        let runtime = builder.build().unwrap();
        let (go, gone) = oneshot::channel::<()>();
        runtime.block_on(group(async |_: Group<'_, '_>| {
            tokio::spawn(async move { gone.await.unwrap() });
            let line = line!() - 1;
            let dump = runtime.dump();
            let shown = &dump.groups()[0];
            let places: Vec<_> = shown.tokio_tasks.iter().map(|place| place.line()).collect();
            assert_eq!((places, shown.count), (vec![line], 1));
            let text = format!("  task of `tokio::spawn` at {}:{line}:", file!());
            assert!(dump.to_string().contains(&text), "{dump}");
            go.send(()).unwrap();
        }));
        assert!(runtime.dump().groups().is_empty());
    });
}

#[test]
fn a_cut_waits_for_them() {
    struct Cut(Option<oneshot::Sender<()>>);
    impl Drop for Cut {
        fn drop(&mut self) {
            self.0.take().unwrap().send(()).unwrap();
        }
    }
    both(|builder| {
        let runtime = builder.build().unwrap();
        let ends = Ends::default();
        let (go, gone) = oneshot::channel();
        let cut = Cut(Some(go));
        let failed = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            let guard = ends.guard();
            tokio::spawn(async move {
                let _guard = guard;
                gone.await.unwrap();
                tokio::time::sleep(20 * MS).await;
            });
            g.spawn(async move {
                let _cut = cut;
                pending::<Result<(), &str>>().await
            });
            g.spawn(async { Err::<(), _>("oak") });
            pending().await
        }));
        let failed: Result<(), _> = failed;
        assert!(failed.is_err());
        assert_eq!(ends.count(), 1);
    });
}

/// Of a blocked caller, and of a group that was forgotten.
#[test]
fn a_shutdown_ends_those_that_never_end() {
    both(|builder| {
        let (runtime, heard) = noting(builder);
        let ends = Ends::default();
        let (ready, is_ready) = mpsc::channel();
        let entered = runtime.enter();
        let (theirs, tell) = (ends.clone(), ready.clone());
        let mut opened = Box::pin(group(async move |g: Group<'_, '_>| {
            g.spawn(async move {
                spawn_endless(&theirs);
                tell.send(()).unwrap();
            });
        }));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(opened.as_mut().poll(&mut cx).is_pending());
        std::mem::forget(opened);
        drop(entered);
        std::thread::scope(|threads| {
            let waits = threads.spawn(|| {
                runtime.block_on(group(async |g: Group<'_, '_>| {
                    let theirs = ends.clone();
                    g.spawn(async move {
                        group(async |_: Group<'_, '_>| spawn_endless(&theirs)).await;
                    });
                    spawn_endless(&ends);
                    ready.send(()).unwrap();
                    pending::<()>().await;
                }))
            });
            is_ready.recv().unwrap();
            is_ready.recv().unwrap();
            while runtime.metrics().live_tokio_tasks < 3 {
                std::thread::yield_now();
            }
            assert_eq!(ends.count(), 0);
            runtime.shutdown(Duration::ZERO).unwrap();
            assert!(waits.join().is_err());
        });
        assert_eq!(ends.count(), 3);
        let heard = heard.lock().unwrap().join("\n");
        let text = "3 tasks of `tokio::spawn` ended with the runtime `wood`, spawned at ";
        assert!(heard.contains(text), "{heard}");
        assert!(heard.contains(file!()), "{heard}");
        assert!(heard.ends_with("(3)"), "{heard}");
    });
}

#[test]
fn a_shutdown_gives_them_its_grace() {
    both(|builder| {
        let (runtime, heard) = noting(builder);
        let ends = Ends::default();
        let (ready, is_ready) = mpsc::channel();
        std::thread::scope(|threads| {
            let waits = threads.spawn(|| {
                runtime.block_on(group(async |_: Group<'_, '_>| {
                    spawn_short(&ends);
                    ready.send(()).unwrap();
                }))
            });
            is_ready.recv().unwrap();
            runtime.shutdown(Duration::from_secs(60)).unwrap();
            waits.join().unwrap();
        });
        assert_eq!(ends.count(), 1);
        let heard = heard.lock().unwrap().join("\n");
        assert!(heard.is_empty(), "{heard}");
    });
}

/// One that is to wait for itself lets them go at once.
#[test]
fn a_shutdown_from_inside_lets_them_go() {
    both(|builder| {
        let runtime = Arc::new(noting(builder).0);
        let ends = Ends::default();
        let (inner, theirs) = (Arc::clone(&runtime), ends.clone());
        let cut = AssertUnwindSafe(|| {
            runtime.block_on(group(async move |g: Group<'_, '_>| {
                spawn_endless(&theirs);
                g.spawn(async move { drop(inner.shutdown(Duration::ZERO).unwrap_err()) });
                pending::<()>().await;
            }));
        });
        assert!(catch_unwind(cut).is_err());
        runtime.shutdown(Duration::from_secs(60)).unwrap();
        assert_eq!(ends.count(), 1);
    });
}

/// Also what a destructor spawns while tokio ends, and what comes after that.
#[test]
fn what_is_spawned_at_the_end_keeps_nothing() {
    struct Spawns(tokio::runtime::Handle);
    impl Drop for Spawns {
        fn drop(&mut self) {
            self.0.spawn(pending::<()>());
        }
    }
    both(|builder| {
        let (runtime, _) = noting(builder);
        let mut late = None;
        runtime.block_on(async {
            let here = tokio::runtime::Handle::current;
            late = Some(here());
            let spawns = Spawns(here());
            tokio::spawn(async move {
                let _spawns = spawns;
                pending::<()>().await;
            });
        });
        runtime.shutdown(Duration::ZERO).unwrap();
        let other = Runtime::builder().workers(1).build().unwrap();
        other.block_on(group(async |_: Group<'_, '_>| {
            late.take().unwrap().spawn(pending::<()>());
        }));
    });
}

#[test]
fn a_group_of_another_runtime_does_not_wait() {
    both(|builder| {
        let (theirs, _) = noting(builder);
        let tokio = theirs.block_on(async { tokio::runtime::Handle::current() });
        let ours = Runtime::builder().workers(1).tokio(Tokio::Parked);
        let ours = ours.build().unwrap();
        ours.block_on(group(async |_: Group<'_, '_>| {
            tokio.spawn(pending::<()>());
        }));
        assert_eq!(theirs.metrics().live_tokio_tasks, 1);
        theirs.shutdown(Duration::ZERO).unwrap();
    });
}

#[test]
fn a_panic_of_one_ends_its_count() {
    both(|builder| {
        let runtime = builder.build().unwrap();
        runtime.block_on(group(async |g: Group<'_, '_>| {
            g.spawn(async {
                tokio::spawn(async { panic!("oak") });
                let joined = tokio::spawn(async { panic!("elm") }).await;
                assert!(joined.unwrap_err().is_panic());
            });
        }));
    });
}

#[test]
fn one_that_does_not_return_is_named_with_those_that_are_alive() {
    without_hanging(|| {
        let builder = Runtime::builder().workers(1).tokio(Tokio::Parked);
        let (runtime, _) = noting(builder.callers_take_part(false).on_stall(drop));
        let over = Arc::new(AtomicBool::new(false));
        let (tell, told) = mpsc::channel();
        let theirs = Arc::clone(&over);
        runtime.block_on(async move {
            tokio::spawn(async move {
                tell.send(()).unwrap();
                while !theirs.load(SeqCst) {
                    std::hint::spin_loop();
                }
            });
        });
        let line = line!() - 7;
        told.recv().unwrap();
        let stragglers = runtime.shutdown(Duration::ZERO).unwrap_err();
        let lines: Vec<_> = stragglers.iter().map(|one| one.location.line()).collect();
        assert_eq!((lines.len(), lines[1]), (2, line));
        over.store(true, SeqCst);
        runtime.shutdown(Duration::from_secs(60)).unwrap();
    });
}

/// Many at once, some of which are aborted, from many groups that are cut or not.
#[test]
fn many_groups_wait_for_many() {
    both(|builder| {
        let runtime = builder.build().unwrap();
        for round in 0..50 {
            let ends = Ends::default();
            let ended = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
                for child in 0..20 {
                    let ends = ends.clone();
                    g.spawn(async move {
                        for at in 0..5 {
                            let guard = ends.guard();
                            let task = tokio::spawn(async move {
                                let _guard = guard;
                                tokio::task::yield_now().await;
                            });
                            if (at + child) % 3 == 0 {
                                task.abort();
                            }
                        }
                        if child == 19 && round % 2 == 0 {
                            Err("oak")
                        } else {
                            Ok(())
                        }
                    });
                }
                Ok(())
            }));
            let all = ends.count() % 5 == 0 && (ended.is_err() || ends.count() == 100);
            assert!(all, "{} ended in round {round}", ends.count());
        }
    });
}
