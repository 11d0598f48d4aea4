//! The end: our tasks, then tokio's, and no panic in a destructor, wherever the runtime is built and
//! dropped.

use super::{both, parked};
use crate::common::hangs::without_hanging;
use crate::common::process::{alone, entries, limit_descriptors};
use rustix::process::{Resource, getrlimit, setrlimit};
use spinney::runtime::Tokio;
use spinney::{Group, Runtime, group, sleep};
use std::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn bad_numbers_are_refused() {
    for workers in [0, 2000] {
        let builder = Runtime::builder().tokio(Tokio::Background { workers });
        let error = builder.build().unwrap_err();
        assert_eq!(error.field(), Some("tokio"));
        assert_eq!(
            error.to_string(),
            "`tokio` is out of bounds: 1 to 1024 workers"
        );
    }
}

/// What a cut drops still has tokio's driver, and what tokio drops comes after that.
#[test]
fn our_tasks_end_before_those_of_tokio() {
    struct Says(&'static str, mpsc::Sender<&'static str>);
    impl Drop for Says {
        fn drop(&mut self) {
            self.1.send(self.0).unwrap();
        }
    }
    without_hanging(|| {
        both(2, |builder| {
            let runtime = builder.on_unobserved(drop).build().unwrap();
            let (tell, told) = mpsc::channel();
            let (ready, is_ready) = mpsc::channel();
            let (ours, theirs) = (Says("ours", tell.clone()), Says("tokio's", tell));
            std::thread::scope(|threads| {
                let waits = threads.spawn(|| {
                    runtime.block_on(group(async |g: Group<'_, '_>| {
                        tokio::spawn(async move {
                            let _theirs = theirs;
                            std::future::pending::<()>().await;
                        });
                        g.spawn(async move {
                            let _ours = ours;
                            ready.send(()).unwrap();
                            tokio::time::sleep(Duration::from_secs(3600)).await;
                        });
                        // The caller's own wait is cut by a panic that says so.
                        std::future::pending::<()>().await;
                    }))
                });
                is_ready.recv().unwrap();
                runtime.shutdown(Duration::ZERO).unwrap();
                assert!(waits.join().is_err());
            });
            assert_eq!(told.iter().collect::<Vec<_>>(), ["ours", "tokio's"]);
        });
    });
}

/// Built and dropped inside tokio, on both kinds of its threads, and in its tasks.
#[test]
fn it_is_built_and_dropped_inside_tokio() {
    let use_one = |how| {
        let runtime = Runtime::builder().workers(1).tokio(how).build().unwrap();
        runtime.block_on(group(async |g| {
            g.spawn(async { tokio::time::sleep(MS).await }).await;
        }));
        drop(runtime);
    };
    without_hanging(move || {
        for how in [Tokio::Parked, Tokio::Background { workers: 1 }] {
            let one = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            one.block_on(async {
                use_one(how);
                tokio::spawn(async move { use_one(how) }).await.unwrap();
            });
            let many = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .build()
                .unwrap();
            many.block_on(async {
                use_one(how);
                tokio::spawn(async move { use_one(how) }).await.unwrap();
                tokio::task::spawn_blocking(move || use_one(how))
                    .await
                    .unwrap();
            });
        }
    });
}

/// The last reference is dropped on a worker, from inside a task.
#[test]
fn it_is_dropped_inside_itself() {
    without_hanging(|| {
        both(2, |builder| {
            let builder = builder.on_unobserved(drop);
            let runtime = Arc::new(builder.build().unwrap());
            let (tell, told) = mpsc::channel();
            let inner = Arc::clone(&runtime);
            let entered = runtime.enter();
            let mut opened = Box::pin(group(async move |g: Group<'_, '_>| {
                g.spawn(async move {
                    tokio::time::sleep(MS).await;
                    drop(inner);
                    tell.send(()).unwrap();
                });
            }));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(opened.as_mut().poll(&mut cx).is_pending());
            drop((opened, entered));
            drop(runtime);
            let _ = told.recv();
        });
    });
}

/// A task of tokio's that does not return is a straggler, and so is one that sleeps in a closure: no
/// shutdown hangs.
#[test]
fn a_tokio_task_that_does_not_return_is_a_straggler() {
    without_hanging(|| {
        let runtime = parked(1).callers_take_part(false).build().unwrap();
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
        told.recv().unwrap();
        let stragglers = runtime.shutdown(Duration::ZERO).unwrap_err();
        assert!(
            stragglers
                .to_string()
                .contains("a task of `tokio::spawn` that does not return")
        );
        over.store(true, SeqCst);
        runtime.shutdown(Duration::from_secs(60)).unwrap();
    });
}

/// What is ours and outlives the runtime is looked after by a worker that sleeps in tokio, too: the
/// end of tokio calls it back, and it looks after that without.
#[test]
fn what_outlives_the_runtime_keeps_no_shutdown_in_tokio() {
    without_hanging(|| {
        both(1, |builder| {
            let runtime = Arc::new(builder.on_unobserved(drop).build().unwrap());
            let (ask, mut asked) = tokio::sync::mpsc::channel(1);
            let (tell, told) = mpsc::channel();
            let listener = runtime.block_on(async {
                tokio::spawn(async move {
                    while asked.recv().await.is_some() {
                        tell.send(()).unwrap();
                    }
                });
                let listener = spinney::net::TcpListener::bind("127.0.0.1:0").await;
                listener.unwrap()
            });
            let inner = Arc::clone(&runtime);
            let from_inside = AssertUnwindSafe(|| {
                runtime.block_on(group(async move |g: Group<'_, '_>| {
                    g.spawn(async move { drop(inner.shutdown(Duration::ZERO).unwrap_err()) });
                    std::future::pending::<()>().await;
                }));
            });
            assert!(catch_unwind(from_inside).is_err());
            // In a look, and then in the sleep.
            for _ in 0..2 {
                ask.blocking_send(()).unwrap();
                told.recv().unwrap();
            }
            // A worker may be late where the machine does other things.
            assert!((0..20).any(|_| runtime.shutdown(Duration::ZERO).is_ok()));
            let address = listener.local_addr().unwrap();
            let other = Runtime::builder().workers(1).build().unwrap();
            other.block_on(async {
                let client = spinney::net::TcpStream::connect(address);
                let (accepted, connected) =
                    futures_lite::future::zip(listener.accept(), client).await;
                accepted.unwrap();
                connected.unwrap();
            });
        });
    });
}

/// A closure of `spawn_blocking` is waited for as long as the grace says.
#[test]
fn closures_of_tokio_get_the_grace() {
    without_hanging(|| {
        both(1, |builder| {
            let runtime = builder.build().unwrap();
            let (tell, told) = mpsc::channel();
            let (go, gone) = mpsc::channel::<()>();
            let written = Arc::new(AtomicBool::new(false));
            let theirs = Arc::clone(&written);
            runtime.block_on(async move {
                tokio::task::spawn_blocking(move || {
                    tell.send(()).unwrap();
                    gone.recv().unwrap();
                    theirs.store(true, SeqCst);
                });
            });
            told.recv().unwrap();
            let ends = std::thread::spawn(move || runtime.shutdown(Duration::from_secs(60)));
            go.send(()).unwrap();
            ends.join().unwrap().unwrap();
            assert!(written.load(SeqCst));
        });
    });
}

/// After the end what is left says so, and nothing hangs.
#[test]
fn what_is_used_after_the_end_is_an_error() {
    without_hanging(|| {
        both(1, |builder| {
            let runtime = builder.build().unwrap();
            let listener = runtime
                .block_on(async { tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap() });
            runtime.shutdown(Duration::ZERO).unwrap();
            let other = Runtime::builder().workers(1).build().unwrap();
            assert!(other.block_on(listener.accept()).is_err());
        });
    });
}

/// Threads and descriptors are as before.
#[test]
fn nothing_is_left() {
    alone(|| {
        let left = || (entries("/proc/self/task"), entries("/proc/self/fd"));
        let use_one = |how| {
            let runtime = Runtime::builder().workers(2).tokio(how).build().unwrap();
            runtime.block_on(group(async |g| {
                g.spawn(async {
                    tokio::task::spawn_blocking(|| ()).await.unwrap();
                    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let address = listener.local_addr().unwrap();
                    tokio::net::TcpStream::connect(address).await.unwrap();
                    sleep(MS).await;
                })
                .await;
            }));
            runtime.shutdown(Duration::ZERO).unwrap();
        };
        // tokio keeps a pair of sockets for signals of the process.
        use_one(Tokio::Parked);
        let before = left();
        for _ in 0..5 {
            use_one(Tokio::Parked);
            use_one(Tokio::Background { workers: 2 });
        }
        assert_eq!(left(), before);
    });
}

/// With any number of descriptors that are too few the error says so, and nothing is left.
#[test]
fn without_descriptors_it_is_not_built() {
    alone(|| {
        let hows = [
            None,
            Some(Tokio::Parked),
            Some(Tokio::Background { workers: 1 }),
        ];
        let build = |how: Option<Tokio>| {
            let builder = Runtime::builder().workers(1);
            match how {
                Some(how) => builder.tokio(how).build(),
                None => builder.build(),
            }
        };
        // tokio keeps a pair of sockets for signals of the process.
        drop(build(Some(Tokio::Parked)).unwrap());
        let left = || (entries("/proc/self/task"), entries("/proc/self/fd"));
        let before = left();
        let limit = getrlimit(Resource::Nofile);
        let free = File::open("/dev/null").unwrap().as_raw_fd() as u64;
        for how in hows {
            let mut room = 0;
            let built = loop {
                limit_descriptors(free + room);
                let built = build(how);
                setrlimit(Resource::Nofile, limit).unwrap();
                match built {
                    Ok(built) => break built,
                    Err(error) => {
                        let source = error.source().unwrap().downcast_ref::<io::Error>();
                        let number = source.unwrap().raw_os_error();
                        assert_eq!(number, Some(libc::EMFILE), "{error}");
                    }
                }
                assert_eq!(left(), before);
                room += 1;
            };
            assert!(room > 0);
            built.block_on(sleep(MS));
            drop(built);
            assert_eq!(left(), before);
        }
    });
}
