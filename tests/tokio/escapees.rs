//! Tasks of `tokio::spawn` are in no group: they are counted, and end with the runtime.

use super::{both, parked};
use crate::common::hangs::without_hanging;
use crate::common::polls::wait_until;
use crate::common::runtimes::noting;
use spinney::runtime::Tokio;
use spinney::time::ManualClock;
use spinney::{Group, Runtime, group};
use std::sync::mpsc;
use std::time::Duration;

struct Dropped(mpsc::Sender<String>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let thread = std::thread::current();
        self.0
            .send(thread.name().unwrap_or_default().to_owned())
            .unwrap();
    }
}

#[test]
fn they_are_counted_ended_by_a_shutdown_and_reported() {
    without_hanging(|| {
        // Threads of tokio's own drop what they have run.
        let hows = [
            (Tokio::Parked, "tokio-end"),
            (Tokio::Background { workers: 1 }, "wood-tokio"),
        ];
        for (how, ends) in hows {
            let builder = Runtime::builder().workers(2).tokio(how);
            let (runtime, seen) = noting(builder.thread_name("wood"));
            let (tell, told) = mpsc::channel();
            runtime.block_on(group(async |_: Group<'_, '_>| {
                for _ in 0..3 {
                    let dropped = Dropped(tell.clone());
                    tokio::spawn(async move {
                        let _dropped = dropped;
                        std::future::pending::<()>().await;
                    });
                }
            }));
            assert_eq!(runtime.metrics().live_tokio_tasks, 3);
            assert!(told.try_recv().is_err());
            runtime.shutdown(Duration::ZERO).unwrap();
            drop(tell);
            assert_eq!(told.iter().collect::<Vec<_>>(), [ends; 3]);
            let text = "3 tasks of `tokio::spawn` ended with the runtime `wood`";
            assert_eq!(seen.texts(), [text]);
            assert_eq!(runtime.metrics().live_tokio_tasks, 0);
        }
    });
}

/// Where tokio does not say who spawned them no group waits for one or tells of one, whatever was
/// asked for.
#[test]
fn no_group_knows_of_them() {
    without_hanging(|| {
        for waits in [false, true] {
            let (runtime, seen) = noting(parked(1).wait_for_tokio_tasks(waits));
            runtime.block_on(group(async |_: Group<'_, '_>| {
                tokio::spawn(std::future::pending::<()>());
                assert!(runtime.dump().groups()[0].tokio_tasks.is_empty());
            }));
            assert!(seen.texts().is_empty());
            drop(runtime);
            let text = "1 task of `tokio::spawn` ended with the runtime `spinney`";
            assert_eq!(seen.texts(), [text]);
        }
    });
}

/// A task that only has to be polled once more, because its peer is gone, is none that is left.
/// Threads of tokio's own may come too late for that.
#[test]
fn those_that_have_nothing_left_to_do_are_not_reported() {
    without_hanging(|| {
        let (runtime, seen) = noting(parked(1));
        let (send, mut receive) = tokio::sync::mpsc::channel::<()>(1);
        runtime.block_on(async move {
            tokio::spawn(async move { while receive.recv().await.is_some() {} });
        });
        drop(send);
        runtime.shutdown(Duration::ZERO).unwrap();
        assert!(seen.texts().is_empty());
    });
}

/// A panic of one of them is tokio's, and no thread of ours.
#[test]
fn a_panic_of_one_is_in_its_handle() {
    without_hanging(|| {
        both(1, |builder| {
            let (runtime, _) = noting(builder);
            let joined = runtime.block_on(async { tokio::spawn(async { panic!("oak") }).await });
            assert!(joined.unwrap_err().is_panic());
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
        });
    });
}

/// A worker that runs them does not search meanwhile.
#[test]
fn a_worker_that_runs_them_is_busy() {
    without_hanging(|| {
        let (clock, hour) = (ManualClock::new(), Duration::from_secs(3600));
        let builder = parked(1).callers_take_part(false).clock(&clock);
        let runtime = builder.build().unwrap();
        runtime.block_on(async move {
            let takes = tokio::spawn(async move { clock.advance(hour) });
            takes.await.unwrap();
        });
        // It tells its times when it has come back from them.
        wait_until(|| runtime.statistics().workers[0].busy_duration == hour);
        let worker = runtime.statistics().workers.remove(0);
        assert_eq!(worker.searching_duration, Duration::ZERO);
    });
}
