//! A process is asked to end, killed after its grace, and reaped before its group ends.

use crate::common::hangs::without_hanging;
use crate::common::polls::{until, wait_until};
use crate::common::process::{alone, entries};
use crate::common::runtimes::{clocked, noting, one_by_one, workers};
use crate::shell::{IGNORES, SLEEPS, has_no_children, is_reaped, shell, started};
use spinney::process::{Child, Command, Signal};
use spinney::{Group, Runtime, block_on, group, shield, timeout, try_group, yield_now};
use std::future::pending;
use std::os::unix::process::ExitStatusExt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A grace by a clock that stands still.
const GRACE: Duration = Duration::from_secs(3);

/// The signal that has ended a process.
fn ended_by(child: &Child) -> Option<i32> {
    child.try_wait().unwrap().unwrap().signal()
}

#[test]
fn a_cut_of_the_task_that_waits_ends_the_process_before_the_group() {
    let (runtime, clock, _) = clocked(2);
    let before = clock.now();
    let (tell, told) = async_channel::unbounded();
    let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
        g.spawn(async move {
            let (mut child, said) = started(g, &mut shell(SLEEPS)).await;
            tell.send((child.id(), said)).await.unwrap();
            let _ = child.wait().await;
        });
        let started = told.recv().await.unwrap();
        g.cancel("enough");
        // Not reached by the cut before the next suspension.
        assert!(!is_reaped(started.0));
        shield(async { drop(started.1) }).await;
        g.keep(Sees(started.0, true));
        Ok(())
    }));
    assert_eq!(result.unwrap_err().into_first(), "enough");
    assert_eq!(clock.now(), before);
}

#[test]
fn the_end_of_the_group_ends_a_process_that_it_keeps() {
    let (runtime, _, _) = clocked(2);
    let (id, said) = runtime.block_on(group(async |g| {
        let (child, said) = started(g, &mut shell(SLEEPS)).await;
        (g.keep(child).id(), said)
    }));
    assert!(is_reaped(id));
    runtime.block_on(said.rest());
}

#[test]
fn a_handle_that_leaves_the_group_has_the_status() {
    let (runtime, _, _) = clocked(2);
    let mut child = runtime.block_on(group(async |g| started(g, &mut shell(SLEEPS)).await.0));
    assert_eq!(ended_by(&child), Some(libc::SIGTERM));
    let status = runtime.block_on(child.wait()).unwrap();
    assert_eq!(status.signal(), Some(libc::SIGTERM));
    child.kill().unwrap(); // it does nothing, and has no other process
}

#[test]
fn a_dropped_handle_ends_the_process_while_the_group_goes_on() {
    let (runtime, _, _) = clocked(2);
    runtime.block_on(group(async |g| {
        let (child, said) = started(g, &mut shell(SLEEPS)).await;
        drop(child);
        assert_eq!(said.rest().await, "");
        g.spawn(async { Ok(()) }).await;
    }));
}

#[test]
fn a_process_that_ignores_the_signal_is_killed_after_the_grace_and_not_before() {
    let (runtime, clock, _) = clocked(2);
    let (tell, told) = mpsc::channel();
    thread::scope(|threads| {
        let runtime = &runtime;
        let waits = threads.spawn(move || {
            runtime.block_on(group(async |g| {
                let (child, said) = started(g, shell(IGNORES).grace(GRACE)).await;
                tell.send((child.id(), said)).unwrap();
                child
            }))
        });
        let (id, said) = told.recv().unwrap();
        wait_until(|| runtime.metrics().live_timers == 1); // the grace
        clock.advance(GRACE - Duration::from_nanos(1));
        runtime.block_on(async {
            for _ in 0..100 {
                yield_now().await;
            }
        });
        assert!(!is_reaped(id) && runtime.metrics().live_timers == 1);
        assert!(!waits.is_finished());
        clock.advance(Duration::from_nanos(1));
        let child = waits.join().unwrap();
        assert_eq!(ended_by(&child), Some(libc::SIGKILL));
        assert!(is_reaped(id));
        runtime.block_on(said.rest());
    });
}

#[test]
fn a_grace_of_zero_kills_at_once() {
    let (runtime, _, _) = clocked(2);
    let child = runtime.block_on(group(async |g| {
        started(g, shell(IGNORES).grace(Duration::ZERO)).await.0
    }));
    assert_eq!(ended_by(&child), Some(libc::SIGKILL));
}

#[test]
fn the_signal_is_the_one_that_was_named() {
    let (runtime, _, _) = clocked(2);
    let script = "trap 'echo asked; exit 3' INT; echo ready; while :; do sleep 0.1; done";
    let (child, said) = runtime.block_on(group(async |g| {
        started(g, shell(script).stop_signal(Signal::INT)).await
    }));
    assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(3));
    assert_eq!(runtime.block_on(said.rest()), "asked\n");
}

#[test]
fn a_stopped_process_heeds_the_signal() {
    let (runtime, _, _) = clocked(2);
    let script = "trap 'exit 4' TERM; echo ready; kill -STOP $$; while :; do sleep 0.1; done";
    let child = runtime.block_on(group(async |g| started(g, &mut shell(script)).await.0));
    assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(4));
}

#[test]
fn processes_that_a_process_has_started_are_ended_with_it() {
    let (runtime, _, _) = clocked(2);
    let script = "sleep 1000 & sleep 1000 & echo ready; wait";
    let said = runtime.block_on(group(async |g| started(g, &mut shell(script)).await.1));
    assert_eq!(runtime.block_on(said.rest()), "");
}

/// Strangers have all threads for closures that block.
#[test]
fn what_is_left_in_the_background_is_looked_for_without_a_thread() {
    without_hanging(|| {
        let (runtime, _) = noting(Runtime::builder().workers(2).max_blocking(1));
        runtime.block_on(group(async |g: Group<'_, '_>| {
            let (tell, told) = mpsc::channel();
            let (go, gone) = mpsc::channel::<()>();
            g.blocking(move || {
                tell.send(()).unwrap();
                gone.recv().unwrap();
            });
            told.recv().unwrap();
            // It ignores the request, too.
            let script = "trap '' TERM; sleep 0.05 & echo ready";
            let long = Duration::from_secs(3600);
            _ = group(async |g| started(g, shell(script).grace(long)).await.0).await;
            go.send(()).unwrap();
        }));
    });
}

#[test]
fn what_is_left_in_the_background_is_ended_when_the_process_has_ended() {
    let (runtime, _, _) = clocked(2);
    let output = runtime.block_on(shell("sleep 1000 & echo ready").output());
    assert_eq!(output.unwrap().stdout, b"ready\n");
}

#[test]
fn what_is_left_and_ignores_the_signal_is_killed_after_the_grace() {
    let (runtime, clock, _) = clocked(2);
    let (tell, told) = mpsc::channel();
    thread::scope(|threads| {
        let runtime = &runtime;
        let waits = threads.spawn(move || {
            runtime.block_on(group(async |g| {
                let script = "trap '' TERM; sleep 1000 & echo ready";
                let (mut child, said) = started(g, shell(script).grace(GRACE)).await;
                assert!(child.wait().await.unwrap().success()); // the shell itself
                tell.send(said).unwrap();
            }))
        });
        let said = told.recv().unwrap();
        wait_until(|| runtime.metrics().live_timers == 1); // the grace
        clock.advance(GRACE);
        waits.join().unwrap();
        runtime.block_on(said.rest());
    });
}

#[test]
fn a_process_in_the_group_of_this_one_is_ended_alone() {
    let (runtime, _, _) = clocked(2);
    let script = "sleep 1000 & echo ready; echo $!; wait";
    let (id, started, said) = runtime.block_on(group(async |g| {
        let (child, mut said) = started(g, shell(script).share_process_group()).await;
        let started: u32 = said.line().await.parse().unwrap();
        (child.id(), started, said)
    }));
    assert!(is_reaped(id));
    assert!(!is_reaped(started)); // it lives on
    let kill = format!("kill {started}");
    assert!(runtime.block_on(shell(&kill).status()).unwrap().success());
    runtime.block_on(said.rest());
}

#[test]
fn a_cut_before_the_keeper_runs_ends_the_process() {
    let (runtime, _) = one_by_one();
    let id = runtime.block_on(group(async |g| {
        // The only worker runs this, and nothing else until the body has ended.
        g.spawn(async move { Ok(shell(SLEEPS).spawn(g).unwrap().id()) })
            .await
    }));
    assert!(is_reaped(id));
}

#[test]
fn a_cut_reaches_no_process_that_is_waited_for_in_a_shield() {
    let (runtime, _) = workers(2);
    let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
        let mut shell = shell("read line; exit 5");
        let mut child = shell
            .stdin(spinney::process::Stdio::piped())
            .spawn(g)
            .unwrap();
        g.cancel("enough");
        // Its input is closed, and it ends by itself.
        let status = shield(child.wait()).await.unwrap();
        assert_eq!(status.code(), Some(5));
        Ok(())
    }));
    assert_eq!(result.unwrap_err().into_first(), "enough");
}

#[test]
fn none_is_started_in_a_group_that_is_being_cancelled() {
    let result = block_on(try_group(async |g: Group<'_, '_, &str>| {
        g.cancel("enough");
        let error = shell(SLEEPS).spawn(g).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot start \"sh\": the group is being cancelled"
        );
        // Cleanup has a group of its own.
        assert!(
            shield(Command::new("true").status())
                .await
                .unwrap()
                .success()
        );
        Ok(())
    }));
    assert!(result.is_err());
}

#[test]
fn a_defer_runs_a_process() {
    let (runtime, _) = workers(2);
    let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
        g.defer(async {
            assert!(Command::new("true").status().await.unwrap().success());
        });
        g.cancel("enough");
        Ok(())
    }));
    assert_eq!(result.unwrap_err().len(), 1);
}

#[test]
fn services_and_processes_end_newest_first() {
    let (runtime, _, _) = clocked(2);
    let script = "trap 'exit 6' TERM; echo ready; while :; do sleep 0.1; done";
    let (tell, told) = async_channel::bounded(1);
    let (answer, answered) = async_channel::bounded(1);
    runtime.block_on(group(async |g| {
        g.service(async move {
            let _older = Sees(told.recv().await.unwrap(), true);
            answer.send(()).await.unwrap();
            pending::<()>().await;
        });
        let (child, _) = started(g, &mut shell(script)).await;
        let newer = Sees(child.id(), false);
        tell.send(child.id()).await.unwrap();
        answered.recv().await.unwrap();
        let child = g.keep(child);
        g.service(async move {
            let _newer = newer;
            pending::<()>().await;
        });
        let name = format!("process {} (sh)", child.id());
        until(|| runtime.dump().to_string().contains(&name)).await;
    }));
}

/// Dropped with its service, or by its group, it looks whether the process has been reaped.
struct Sees(u32, bool);

impl Drop for Sees {
    fn drop(&mut self) {
        assert_eq!(is_reaped(self.0), self.1);
    }
}

#[test]
fn a_timeout_ends_the_process() {
    let (runtime, _) = workers(2);
    let id = runtime.block_on(group(async |g| {
        let (mut child, _) = started(g, &mut shell(SLEEPS)).await;
        let id = child.id();
        let late = async move { child.wait().await };
        assert!(timeout(Duration::from_millis(1), late).await.is_err());
        id
    }));
    assert!(is_reaped(id));
}

/// A shutdown waits longer for a process that has a grace than for a task that gets nowhere.
#[test]
fn a_shutdown_waits_for_the_grace_of_a_process() {
    let (runtime, seen) = workers(2);
    let (tell, told) = mpsc::channel();
    thread::scope(|threads| {
        let runtime = &runtime;
        let waits = threads.spawn(move || {
            let cut = std::panic::AssertUnwindSafe(|| {
                runtime.block_on(group(async |g| {
                    let mut command = shell(IGNORES);
                    let (mut child, said) =
                        started(g, command.grace(Duration::from_millis(400))).await;
                    tell.send((child.id(), said)).unwrap();
                    let _ = child.wait().await;
                }));
            });
            assert!(std::panic::catch_unwind(cut).is_err());
        });
        let (id, _said) = told.recv().unwrap();
        runtime.shutdown(Duration::ZERO).unwrap();
        assert!(is_reaped(id));
        waits.join().unwrap();
    });
    assert_eq!(seen.texts(), [""; 0]);
}

#[test]
fn a_dropped_future_is_joined_by_what_encloses_it() {
    let (runtime, _, _) = clocked(2);
    runtime.block_on(group(async |g| {
        let (tell, told) = async_channel::bounded(1);
        let (child, _) = started(g, &mut shell(SLEEPS)).await;
        let inner = g.spawn(async move {
            let mut open = Box::pin(group(async move |inner| {
                let (mut child, said) = started(inner, &mut shell(SLEEPS)).await;
                tell.send(child.id()).await.unwrap();
                child.wait().await.unwrap();
                drop(said);
            }));
            let id = loop {
                let _ = crate::common::polls::once(open.as_mut()).await;
                match told.try_recv() {
                    Ok(id) => break id,
                    Err(_) => yield_now().await,
                }
            };
            drop(open);
            Ok(id)
        });
        let id = inner.await;
        drop(child);
        g.keep(Sees(id, true));
    }));
}

#[test]
fn nothing_is_left_of_many_processes() {
    alone(|| {
        let (runtime, _) = workers(2);
        let many = || {
            runtime.block_on(group(async |g| {
                for round in 0..40 {
                    g.spawn(async move {
                        let (mut child, said) = started(g, &mut shell(SLEEPS)).await;
                        match round % 4 {
                            0 => child.kill().unwrap(),
                            1 => child.signal(Signal::HUP).unwrap(),
                            2 => return drop(child),
                            _ => {
                                g.keep(child);
                                return;
                            }
                        }
                        child.wait().await.unwrap();
                        said.rest().await;
                    });
                }
            }));
        };
        many(); // threads and descriptors that stay
        let before = (entries("/proc/self/fd"), entries("/proc/self/task"));
        many();
        assert_eq!(
            (entries("/proc/self/fd"), entries("/proc/self/task")),
            before
        );
        assert!(has_no_children());
    });
}

/// Group, handle and futures work on several threads.
#[test]
fn all_of_it_may_be_sent() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let runtime = Runtime::builder().workers(2).build().unwrap();
    without_hanging(move || {
        runtime.block_on(group(async |g| {
            let mut command = Command::new("true");
            send(command.status()).await.unwrap();
            send(command.output()).await.unwrap();
            let mut child = send(command.spawn(g).unwrap());
            send(child.wait()).await.unwrap();
            send(child.output()).await.unwrap();
        }));
    });
}
