//! A task that does not return is reported by name, once, and a dump shows it; a task that returns
//! is not, nor is one that computes because it should.

use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::wait_until;
use crate::common::process::alone_by;
use crate::common::runtimes::workers;
use spinney::dump::{Stall, ThreadState};
use spinney::{
    Group, GroupBuilder, Runtime, RuntimeBuilder, Task, Wait, group, sleep, try_group, yield_now,
};
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SOON: Duration = Duration::from_millis(5);

/// A runtime that sends its reports.
fn reporting(builder: RuntimeBuilder) -> (Arc<Runtime>, mpsc::Receiver<Stall>) {
    reporting_after(builder, SOON)
}

fn reporting_after(
    builder: RuntimeBuilder,
    after: Duration,
) -> (Arc<Runtime>, mpsc::Receiver<Stall>) {
    let (tell, told) = mpsc::channel();
    let builder = builder.callers_take_part(false).report_stalls_after(after);
    let builder = builder.on_stall(move |stall| _ = tell.send(stall));
    (Arc::new(builder.build().unwrap()), told)
}

/// A runtime that sends its reports to tasks.
fn telling(builder: RuntimeBuilder) -> (Runtime, async_channel::Receiver<Stall>) {
    let (tell, told) = async_channel::unbounded();
    let builder = builder.callers_take_part(false).replace_stalled(false);
    let builder = builder.on_stall(move |stall| _ = tell.try_send(stall));
    (builder.build().unwrap(), told)
}

const LINKS: [&str; 3] = ["one", "two", "three"];

/// Tasks that block for each other are reported by name, once, and a dump shows them until one of
/// them is cut.
#[test]
fn tasks_that_wait_for_each_other_are_reported_by_name() {
    without_hanging(|| {
        for (length, workers) in [(2, 2), (3, 1), (1, 1)] {
            let (runtime, told) = telling(Runtime::builder().workers(workers));
            let circle = GroupBuilder::<&str>::new().name("circle");
            let cut = runtime.block_on(circle.run(async |g| {
                let ends: Vec<_> = (0..length).map(|_| async_channel::bounded(1)).collect();
                for (at, (_, next)) in ends.iter().enumerate() {
                    let next = next.clone();
                    let task = g.spawn_named(LINKS[at], async move {
                        let next: Task<'_, ()> = next.recv().await.unwrap();
                        next.wait();
                        Ok(())
                    });
                    // Each is awaited by the one before it.
                    ends[(at + length - 1) % length].0.try_send(task).unwrap();
                }
                let stall = told.recv().await.unwrap();
                assert_eq!(stall.thread, ThreadState::Waits);
                assert_eq!(stall.group, "circle");
                let others = stall.waits_for.iter();
                let mut names: Vec<_> = others.map(|task| task.name.clone().unwrap()).collect();
                let text = stall.to_string();
                names
                    .iter()
                    .for_each(|name| assert!(text.contains(name), "{text}"));
                names.push(stall.name.unwrap());
                let first = names.pop().unwrap();
                let first = LINKS.iter().position(|link| *link == first).unwrap();
                let after = (1..length).map(|step| LINKS[(first + step) % length]);
                assert_eq!(names, after.collect::<Vec<_>>());
                assert!(stall.waits_for.iter().all(|task| task.group == "circle"));
                let shown = runtime.dump();
                let is_circle = |stall: &&Stall| stall.thread == ThreadState::Waits;
                assert_eq!(shown.stalled().iter().filter(is_circle).count(), 1);
                assert_eq!(runtime.metrics().reported_stalls, 1);
                g.cancel("enough");
                Ok(())
            }));
            assert!(cut.is_err());
            assert!(runtime.dump().stalled().is_empty());
            assert!(told.is_empty());
        }
    });
}

/// The same where no thread can be had for a second one: it runs on the stack of the first.
#[test]
fn a_task_that_waits_for_the_one_below_it_is_reported_by_name() {
    without_hanging(|| {
        let (runtime, told) = telling(Runtime::builder().workers(1).max_spares(0));
        let cut = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            let (give, given) = async_channel::bounded(1);
            let below = g.spawn_named("below", async {
                pending::<()>().wait();
                Ok(())
            });
            let above = g.spawn_named("above", async move {
                let below: Task<'_, ()> = given.recv().await.unwrap();
                below.wait();
                Ok(())
            });
            wait_until(|| runtime.metrics().last_resorts == 1);
            give.try_send(below).unwrap();
            let stall = told.recv().await.unwrap();
            assert_eq!(stall.name.as_deref(), Some("above"));
            assert_eq!(stall.waits_for[0].name.as_deref(), Some("below"));
            drop(above);
            g.cancel("enough");
            Ok(())
        }));
        assert!(cut.is_err());
        assert!(runtime.metrics().last_resorts > 0);
    });
}

/// A task that sleeps, and one that computes, each until it has been reported, in its first poll
/// and in a later one.
#[test]
fn a_task_that_does_not_return_is_reported_by_name() {
    without_hanging(|| {
        for (sleeps, waits_first, workers) in [
            (true, false, 1),
            (true, true, 2),
            (false, false, 2),
            (false, true, 1),
        ] {
            let (runtime, told) = reporting(Runtime::builder().workers(workers));
            let server = GroupBuilder::<()>::new().name("server");
            let server = server.run(async move |g| {
                let body = async move {
                    if waits_first {
                        yield_now().await;
                    }
                    Ok(match sleeps {
                        true => told.recv().unwrap(),
                        false => loop {
                            if let Ok(stall) = told.try_recv() {
                                break stall;
                            }
                        },
                    })
                };
                let (task, line) = (g.spawn_named("careless", body), line!());
                let id = task.id();
                let stall = task.await;
                assert_eq!((stall.task, stall.location.line()), (id, line));
                assert_eq!(stall.location.file(), file!());
                assert_eq!(stall.name.as_deref(), Some("careless"));
                assert_eq!(stall.group, "server");
                assert!(stall.lasts >= SOON);
                if cfg!(target_os = "linux") {
                    // A thread that waits for a report may be found before it sleeps.
                    assert!(sleeps || stall.thread == ThreadState::Computes);
                }
                let text = stall.to_string();
                let starts = format!("careless {id} spawned at {}", stall.location);
                assert!(text.starts_with(&starts), "{text}");
                assert!(
                    text.contains(" in group server has not returned for "),
                    "{text}"
                );
                Ok(())
            });
            runtime.block_on(server).unwrap();
            assert!(runtime.metrics().reported_stalls > 0);
        }
    });
}

/// Waits, without a timer of its own, for as long as `ticks` ticks of the sentinel or longer: a
/// dump says how long this task has not returned.
fn stay(runtime: &Runtime, ticks: u64) {
    let lasts = || {
        let dump = runtime.dump();
        let stall = dump.stalled().first();
        stall.map_or(Duration::ZERO, |stall| stall.lasts)
    };
    wait_until(|| lasts() >= Duration::from_millis(ticks));
}

/// One report for each poll that does not return, however long it takes.
#[test]
fn each_stall_is_reported_once() {
    without_hanging(|| {
        let (runtime, told) = reporting(Runtime::builder().workers(1));
        let theirs = Arc::clone(&runtime);
        runtime.block_on(group(async move |g| {
            g.spawn(async move {
                for stall in 1..=3 {
                    stay(&theirs, 150);
                    assert_eq!(theirs.metrics().reported_stalls, stall);
                    yield_now().await;
                }
            });
        }));
        runtime.shutdown(Duration::from_secs(60)).unwrap();
        assert_eq!(told.try_iter().count(), 3);
        let metrics = runtime.metrics();
        assert!(metrics.stalls >= 3);
        assert!((2..=metrics.stalls).contains(&metrics.ended_stalls));
    });
}

/// The sentinel sleeps, and nothing else happens: one worker is in the driver, and another one that
/// was woken does not return. The same for a task that goes on after it was blocked.
#[test]
fn a_task_is_reported_while_all_else_sleeps() {
    without_hanging(|| {
        let (runtime, told) = reporting(Runtime::builder().workers(3));
        // All have fallen asleep once: the last one is the first that is woken.
        wait_until(|| runtime.metrics().parks >= 3);
        let told = runtime.block_on(group(async |g| {
            let stuck = g.spawn(async move {
                told.recv().unwrap();
                Ok(told)
            });
            stuck.await
        }));
        let (go, gone) = async_channel::bounded::<()>(1);
        thread::scope(|threads| {
            threads.spawn(|| {
                runtime.block_on(group(async move |g| {
                    g.spawn(async move {
                        gone.recv().wait().unwrap();
                        told.recv().unwrap();
                    });
                }));
            });
            wait_until(|| runtime.metrics().spares > 0);
            go.send_blocking(()).unwrap();
        });
        assert_eq!(runtime.metrics().reported_stalls, 2);
    });
}

/// A closure that computes may take as long as it likes; one that sleeps belongs elsewhere.
#[test]
fn a_closure_that_computes_is_not_reported() {
    without_hanging(|| {
        let (runtime, told) = reporting(Runtime::builder().workers(1));
        let (theirs, is_over) = (Arc::clone(&runtime), Arc::new(AtomicBool::new(false)));
        let over = Arc::clone(&is_over);
        // What computes takes no lock, for which it might sleep.
        let watcher = thread::spawn(move || {
            stay(&theirs, 150);
            over.store(true, SeqCst);
        });
        runtime.block_on(group(async move |g| {
            g.compute(move || wait_until(|| is_over.load(SeqCst)));
        }));
        watcher.join().unwrap();
        assert_eq!(runtime.metrics().reported_stalls, 0);
        runtime.block_on(group(async move |g| {
            g.compute(move || told.recv().unwrap().name.map_or((), drop));
        }));
        assert_eq!(
            runtime.metrics().reported_stalls,
            u64::from(cfg!(target_os = "linux"))
        );
    });
}

/// A task that waits in `.wait()`, and all that a program does not want to hear of.
#[test]
fn what_waits_is_not_reported_nor_what_is_switched_off() {
    without_hanging(|| {
        let builder = Runtime::builder().report_stalls_after(Duration::MAX);
        let builder = builder.workers(1).callers_take_part(false);
        let never = Arc::new(builder.on_stall(|_| panic!("never")).build().unwrap());
        let theirs = Arc::clone(&never);
        never.block_on(group(async move |g| {
            g.spawn(async move { stay(&theirs, 150) });
        }));
        assert_eq!(never.metrics().reported_stalls, 0);
        // Not soon: between two waits a thread may be without a processor, or wait for a lock that
        // another one took before it was.
        let (runtime, told) = reporting_after(Runtime::builder().workers(2), 60 * MS);
        let theirs = Arc::clone(&runtime);
        runtime.block_on(group(async move |g| {
            let is_over = g.keep(AtomicBool::new(false));
            g.spawn_named("waits", async {
                while !is_over.load(SeqCst) {
                    sleep(80 * MS).wait();
                }
            });
            // While another one is stuck for much longer.
            g.spawn_named("stuck", async move {
                stay(&theirs, 200);
                is_over.store(true, SeqCst);
            });
        }));
        runtime.shutdown(Duration::from_secs(60)).unwrap();
        let names: Vec<_> = told.try_iter().map(|stall| stall.name).collect();
        assert_eq!(names, [Some("stuck".to_owned())]);
    });
}

/// A hook waits for async code, asks for the end of its runtime and panics; the next report goes to
/// stderr.
#[test]
fn a_hook_may_do_what_it_likes() {
    let output = alone_by("exec \"$0\" \"$@\"", || {
        let returned = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&returned);
        let (give, given) = mpsc::channel::<Arc<Runtime>>();
        let given = Mutex::new(given);
        let hook = move |stall: Stall| {
            let runtime = given.lock().unwrap().recv().unwrap();
            let value = runtime.block_on(group(async |g| g.spawn(async { Ok(1) }).await));
            assert_eq!(value, 1);
            counter.fetch_add(1, SeqCst);
            panic!("the hook of {}", stall.name.unwrap());
        };
        let builder = Runtime::builder().workers(1).callers_take_part(false);
        let builder = builder.report_stalls_after(SOON).on_stall(hook);
        let runtime = Arc::new(builder.build().unwrap());
        give.send(Arc::clone(&runtime)).unwrap();
        let theirs = Arc::clone(&runtime);
        runtime.block_on(group(async move |g| {
            g.spawn_named(
                "first",
                async move { wait_until(|| returned.load(SeqCst) == 1) },
            )
            .await;
            g.spawn_named("second", async move {
                wait_until(|| theirs.metrics().reported_stalls == 2);
            });
        }));
        // It waits for the hook.
        runtime.shutdown(Duration::from_secs(60)).unwrap();
    });
    if let Some(output) = output {
        let said = String::from_utf8_lossy(&output.stderr);
        let panicked = "spinney: the stall hook panicked (the hook of first) and is switched off";
        assert!(said.contains(panicked), "{said}");
        assert!(said.contains("spinney: second #"), "{said}");
    }
}

/// A hook that ends the runtime is told that it is inside, and does not wait for itself.
#[test]
fn a_hook_may_end_its_runtime() {
    without_hanging(|| {
        let (give, given) = mpsc::channel::<Arc<Runtime>>();
        let given = Mutex::new(given);
        let inside = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&inside);
        let builder = Runtime::builder().workers(1).callers_take_part(false);
        let builder = builder.report_stalls_after(SOON).on_stall(move |_| {
            let runtime = given.lock().unwrap().recv().unwrap();
            let ended = runtime.shutdown(Duration::ZERO);
            count.store(ended.unwrap_err().len() as u64, SeqCst);
        });
        let runtime = Arc::new(builder.build().unwrap());
        give.send(Arc::clone(&runtime)).unwrap();
        let theirs = Arc::clone(&inside);
        let stuck = group(async move |g| {
            g.spawn(async move { wait_until(|| theirs.load(SeqCst) > 0) });
        });
        let ended = panic_of(|| runtime.block_on(stuck));
        assert!(ended.contains("was shut down"), "{ended}");
        assert_eq!(inside.load(SeqCst), 1);
        runtime.shutdown(Duration::from_secs(60)).unwrap();
    });
}

/// A dump names the tasks that are stuck, as long as they are.
#[test]
fn a_dump_shows_what_is_stuck() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let runtime = Arc::new(runtime);
        assert!(runtime.dump().stalled().is_empty());
        let theirs = Arc::clone(&runtime);
        runtime.block_on(group(async move |g| {
            let (tell, told) = mpsc::channel();
            g.spawn_named("stuck", async move { told.recv().unwrap() });
            g.spawn_named("looks", async move {
                let is_stuck = |dump: &spinney::dump::Dump| {
                    let mut stalls = dump.stalled().iter();
                    stalls.any(|stall| stall.name.as_deref() == Some("stuck"))
                };
                wait_until(|| is_stuck(&theirs.dump()));
                let dump = theirs.dump();
                // What is stuck comes first; this one may be by now.
                let text = dump.to_string();
                let mut first = text
                    .lines()
                    .take_while(|line| line.starts_with("stalled: "));
                assert!(
                    first.any(|line| line.starts_with("stalled: stuck #")),
                    "{text}"
                );
                tell.send(()).unwrap();
                wait_until(|| !is_stuck(&theirs.dump()));
            });
        }));
    });
}
