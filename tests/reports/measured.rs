//! What is always measured: the times of jobs and workers, the queues, and groups by their names.

use crate::common::durations::SECOND;
use crate::common::hangs::without_hanging;
use crate::common::polls::{poll_alone, wait_until};
use spinney::runtime::{GroupMetrics, Histogram, Statistics};
use spinney::time::ManualClock;
use spinney::{Group, GroupBuilder, Never, Runtime, group, scope, try_group, yield_now};
use std::future::pending;
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const MILLI: Duration = Duration::from_millis(1);

/// One worker, on which everything runs, and the clock by which it measures.
fn one_by_one() -> (Runtime, ManualClock) {
    let clock = ManualClock::new();
    let builder = Runtime::builder().workers(1).callers_take_part(false);
    let builder = builder.replace_stalled(false).on_stall(drop);
    (builder.clock(&clock).build().unwrap(), clock)
}

/// How many of so many are in the sample, with a deviation that no run comes near.
fn is_sample_of(times: &Histogram, all: u64) -> bool {
    let mean = all / u64::from(Statistics::SAMPLED_EVERY);
    (mean / 2..=mean * 2).contains(&times.count())
}

#[test]
fn polls_of_a_sample_are_timed() {
    without_hanging(|| {
        let (runtime, clock) = one_by_one();
        let time = clock.clone();
        runtime.block_on(group(async |g| {
            let time = time.clone();
            g.spawn(async move {
                for _ in 0..20_000 {
                    time.advance(3 * MILLI);
                    yield_now().await;
                }
            });
        }));
        let polls = runtime.statistics().poll_time;
        assert!(is_sample_of(&polls, 20_000), "{polls:?}");
        assert_eq!(
            polls.total(),
            3 * MILLI * u32::try_from(polls.count()).unwrap()
        );
        assert_eq!(polls.mean(), Some(3 * MILLI));
        assert_eq!(polls.buckets().count(), 1);
        let off = polls.max().unwrap().abs_diff(3 * MILLI);
        assert!(off * 100 < 3 * 3 * MILLI, "{off:?}");
        // Alone, the task is polled again at once.
        let waits = runtime.statistics().schedule_latency;
        assert_eq!(
            (waits.count(), waits.max()),
            (polls.count(), Some(Duration::ZERO))
        );
    });
}

#[test]
fn waits_in_queues_are_timed() {
    without_hanging(|| {
        let (runtime, clock) = one_by_one();
        let measured = clock.clone();
        runtime.block_on(group(async move |g| {
            // On the worker, so that all are there before the first one runs.
            g.spawn(group(async move |g: Group<'_, '_>| {
                let clock = g.keep(measured);
                for _ in 0..200 {
                    g.spawn(async {
                        for _ in 0..100 {
                            clock.advance(MILLI);
                            yield_now().await;
                        }
                    });
                }
            }));
        }));
        let waits = runtime.statistics().schedule_latency;
        assert!(is_sample_of(&waits, 20_000), "{waits:?}");
        // Each waits for the other 199.
        let median = waits.quantile(0.5).unwrap();
        assert!((190 * MILLI..210 * MILLI).contains(&median), "{median:?}");
    });
}

#[test]
fn all_tasks_of_one_poll_are_as_likely() {
    without_hanging(|| {
        let (runtime, clock) = one_by_one();
        // Of each poll the first one would be measured, or none, if its pattern decided.
        for _ in 0..2_000 {
            let clock = clock.clone();
            runtime.block_on(group(async |g| {
                g.spawn(group(async move |g: Group<'_, '_>| {
                    let clock = g.keep(clock);
                    for nth in 0..8 {
                        g.spawn(async move { clock.advance(MILLI * (1 << nth)) });
                    }
                }));
            }));
        }
        let seen: Vec<_> = runtime
            .statistics()
            .poll_time
            .buckets()
            .map(|(at, _)| at)
            .collect();
        for nth in 0..8 {
            let took = MILLI * (1 << nth);
            assert!(
                seen.iter().any(|at| at.contains(&took)),
                "{took:?} in {seen:?}"
            );
        }
    });
}

/// What does not fit is told, and the room comes back.
#[test]
fn a_sample_that_is_too_large_is_cut_short() {
    without_hanging(|| {
        let (runtime, _clock) = one_by_one();
        let burst = |tasks: u64| {
            runtime.block_on(group(async |g| {
                g.spawn(group(async move |g: Group<'_, '_>| {
                    for _ in 0..tasks {
                        g.spawn(async {});
                    }
                }));
            }));
            // A poll is counted after its task has ended, and that is awaited here.
            loop {
                let now = runtime.statistics();
                if now.poll_time.count() == now.schedule_latency.count() {
                    return (now.poll_time.count(), now.missed_samples);
                }
                thread::yield_now();
            }
        };
        let (first, missed) = burst(200_000);
        assert!(first > 100 && missed > 500, "{first} of {}", first + missed);
        assert!((781..3124).contains(&(first + missed)), "one in 128");
        for _ in 0..20 {
            let _ = burst(2_000);
        }
        let (last, after) = burst(0);
        assert!(last > first + 100, "{last} after {first}");
        assert!(after < missed + 100, "{after} after {missed}");
    });
}

#[test]
fn workers_say_how_they_spend_their_time() {
    without_hanging(|| {
        let (runtime, clock) = one_by_one();
        wait_until(|| runtime.statistics().workers[0].parks >= 1);
        // Asleep.
        clock.advance(1000 * SECOND);
        runtime.block_on(group(async |g| {
            let clock = clock.clone();
            g.spawn(async move { clock.advance(7 * SECOND) });
        }));
        // It tells when it looks around the next time.
        wait_until(|| runtime.statistics().workers[0].busy_duration >= 7 * SECOND);
        let now = runtime.statistics();
        let worker = &now.workers[0];
        assert!(worker.busy_duration < 8 * SECOND, "{worker:?}");
        assert!(worker.searching_duration < SECOND, "{worker:?}");
        assert!(worker.wakes >= 1 && worker.jobs >= 1, "{worker:?}");
        assert_eq!(now.totals.wakes, worker.wakes + now.others.wakes);
    });
}

#[test]
fn what_waits_is_seen_in_its_queue() {
    without_hanging(|| {
        let (runtime, _clock) = one_by_one();
        let (begun, has_begun) = mpsc::channel();
        let (release, released) = mpsc::channel();
        runtime.block_on(group(async |g: Group<'_, '_>| {
            g.spawn(group(async move |g: Group<'_, '_>| {
                for _ in 0..3 {
                    g.spawn(async {});
                }
                begun.send(()).unwrap();
                released.recv().unwrap();
            }));
            has_begun.recv().unwrap();
            for _ in 0..5 {
                g.spawn(async {});
            }
            let now = runtime.statistics();
            assert_eq!(now.workers[0].local_queue_depth, 3);
            assert_eq!(now.global_queue_depth, 5);
            release.send(()).unwrap();
        }));
        let now = runtime.statistics();
        assert_eq!(now.workers[0].local_queue_depth + now.global_queue_depth, 0);
    });
}

/// Callers that run jobs are none of the workers.
#[test]
fn a_caller_counts_among_the_others() {
    without_hanging(|| {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        for _ in 0..100 {
            runtime.block_on(group(async |g| {
                for _ in 0..100 {
                    g.spawn(async {});
                }
            }));
        }
        let now = runtime.statistics();
        let workers: u64 = now.workers.iter().map(|worker| worker.jobs).sum();
        assert_eq!(now.totals.jobs, workers + now.others.jobs);
        assert!(now.totals.jobs >= 10_000);
        assert_eq!(now.totals.awaited_jobs, now.others.jobs);
    });
}

fn of<'a>(statistics: &'a Statistics, name: &str) -> &'a GroupMetrics {
    let mut groups = statistics.groups.iter();
    groups.find(|group| group.name == name).unwrap()
}

fn named(name: &'static str) -> GroupBuilder<&'static str> {
    GroupBuilder::new().name(name)
}

#[test]
fn groups_are_counted_by_their_names() {
    without_hanging(|| {
        let (runtime, clock) = one_by_one();
        let count = |name| {
            let all = runtime.statistics();
            let group = of(&all, name);
            let [opened, live] = [group.opened, group.live];
            [opened, live, group.failed, group.cut]
        };
        // Without a child, and with one.
        runtime.block_on(named("a").run(async |_| Ok(()))).unwrap();
        let with_child = named("a").run(async |g| {
            let time = clock.clone();
            g.spawn(async move { time.advance(3 * SECOND) });
            Ok(())
        });
        runtime.block_on(with_child).unwrap();
        assert_eq!(count("a"), [2, 0, 0, 0]);
        assert_eq!(of(&runtime.statistics(), "a").duration, 3 * SECOND);
        // An error of the body, of a child, and a panic.
        let _ = runtime.block_on(named("b").run(async |_| Err::<(), _>("no")));
        let _ = runtime.block_on(named("b").run(async |g| {
            g.spawn(async { Err::<(), _>("no") });
            pending::<Result<(), _>>().await
        }));
        let late = named("b").deadline(SECOND, "late");
        let _ = runtime.block_on(late.run(async |g| {
            let time = clock.clone();
            g.spawn(async move {
                time.advance(SECOND);
                Ok(())
            });
            pending::<Result<(), _>>().await
        }));
        assert_eq!(count("b"), [3, 0, 3, 0]);
        // Cut from outside: by the group around it, and by a drop.
        let outer = try_group(async |g: Group<'_, '_, &str>| {
            g.spawn(async {
                named("c")
                    .run(async |_| pending::<Result<(), &str>>().await)
                    .await
                    .map_err(|_| "no")
            });
            while runtime
                .statistics()
                .groups
                .iter()
                .all(|group| group.name != "c")
            {
                yield_now().await;
            }
            assert_eq!(count("c"), [1, 1, 0, 0]);
            Err::<(), _>("enough")
        });
        let _ = runtime.block_on(outer);
        assert_eq!(count("c"), [1, 0, 0, 1]);
        let entered = runtime.enter();
        {
            let mut dropped = pin!(named("c").run(async |_| pending::<Result<(), &str>>().await));
            assert!(poll_alone(dropped.as_mut()).is_pending());
            assert_eq!(count("c"), [2, 1, 0, 1]);
        }
        drop(entered);
        assert_eq!(count("c"), [2, 0, 0, 2]);
        assert_eq!(runtime.statistics().unlisted_groups, 0);
    });
}

#[test]
fn names_beyond_the_room_are_counted_together() {
    without_hanging(|| {
        let (runtime, _clock) = one_by_one();
        let open = |names: std::ops::Range<usize>| {
            for nth in names {
                let named = GroupBuilder::<Never>::new().name(format!("name {nth}"));
                runtime.block_on(named.run(async |_| Ok(()))).unwrap();
            }
            let now = runtime.statistics();
            let listed: u64 = now.groups.iter().map(|group| group.opened).sum();
            (now.groups.len(), listed, now.unlisted_groups)
        };
        assert_eq!(open(0..100), (100, 100, 0));
        let (names, listed, unlisted) = open(100..400);
        assert!((200..=Statistics::MAX_GROUP_NAMES).contains(&names));
        assert_eq!((names as u64, unlisted), (listed, 400 - listed));
        // The first ones are counted still.
        assert_eq!(open(0..100), (names, listed + 100, unlisted));
    });
}

/// Services have a node that has a name of ours, which is not among them; nor are groups without a
/// name, nor scopes.
#[test]
fn names_of_ours_are_not_counted() {
    without_hanging(|| {
        let (runtime, _clock) = one_by_one();
        runtime.block_on(group(async |g| {
            g.service(pending::<()>());
            g.spawn(async {}).await;
        }));
        let entered = runtime.enter();
        scope(|s| {
            s.spawn(async {});
        });
        drop(entered);
        assert_eq!(runtime.statistics().groups, []);
    });
}
