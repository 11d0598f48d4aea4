//! Traces are read by an independent parser, and must fit together: slices nest, arrows begin and
//! end in slices, groups lie in one another.

use crate::common::polls::until;
use crate::common::process::{alone, resident};
use serde_json::Value;
use spinney::{Group, GroupBuilder, Never, Runtime, group, sleep, trace, yield_now};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// A slice: thread, from, to, its name and its arguments. Times are in nanoseconds.
#[derive(Clone, Debug)]
struct Slice {
    thread: u64,
    from: u64,
    to: u64,
    name: String,
    args: Value,
}

impl Slice {
    fn holds(&self, thread: u64, at: u64) -> bool {
        self.thread == thread && (self.from..=self.to).contains(&at)
    }
}

/// A trace that fits together.
#[derive(Debug, Default)]
struct Read {
    threads: HashMap<u64, String>,
    slices: Vec<Slice>,
    /// The kind of each arrow, and the slices at its two ends; the first may be none.
    arrows: Vec<(String, Option<Slice>, Slice)>,
    /// Groups, each with those around it in its lane, by name.
    groups: Vec<Vec<String>>,
    dropped: u64,
}

fn text(event: &Value, key: &str) -> String {
    event[key]
        .as_str()
        .unwrap_or_else(|| panic!("{event}"))
        .to_owned()
}

fn number(event: &Value, key: &str) -> u64 {
    event[key].as_u64().unwrap_or_else(|| panic!("{event}"))
}

/// Nanoseconds, of microseconds with three digits.
fn nanos(event: &Value, key: &str) -> u64 {
    (event[key].as_f64().unwrap_or_else(|| panic!("{event}")) * 1000.0).round() as u64
}

fn read(json: &str) -> Read {
    let all: Value = serde_json::from_str(json).unwrap();
    let events = all["traceEvents"].as_array().unwrap();
    let mut read = Read {
        dropped: number(&all["otherData"], "dropped_events"),
        ..Read::default()
    };
    for event in events {
        assert_eq!(number(event, "pid"), 1);
        match event["ph"].as_str().unwrap() {
            "M" => {
                let name = text(&event["args"], "name");
                assert_eq!(read.threads.insert(number(event, "tid"), name), None);
            }
            "X" => {
                let from = nanos(event, "ts");
                read.slices.push(Slice {
                    thread: number(event, "tid"),
                    from,
                    to: from + nanos(event, "dur"),
                    name: text(event, "name"),
                    args: event["args"].clone(),
                });
            }
            "s" | "f" | "b" | "e" => {}
            other => panic!("{other}"),
        }
    }
    nest(&read);
    let mut begun = HashMap::new();
    for event in events {
        let (thread, id) = (number(event, "tid"), event["id"].as_u64());
        let mut ends = read.slices.iter();
        match event["ph"].as_str().unwrap() {
            "s" => {
                let at = nanos(event, "ts");
                // The innermost one.
                let around = ends.filter(|slice| slice.holds(thread, at));
                let around = around.max_by_key(|slice| slice.from).cloned();
                assert!(
                    begun
                        .insert(id.unwrap(), (text(event, "cat"), around, at))
                        .is_none()
                );
            }
            "f" => {
                let (kind, from, at) = begun.remove(&id.unwrap()).unwrap();
                let to = nanos(event, "ts");
                assert!(at <= to, "{event}");
                let ends = ends.find(|slice| slice.thread == thread && slice.from == to);
                read.arrows.push((kind, from, ends.unwrap().clone()));
            }
            _ => {}
        }
    }
    assert!(begun.is_empty(), "each arrow ends");
    let mut lanes: HashMap<u64, Vec<String>> = HashMap::new();
    let mut last = 0;
    for event in events {
        let phase = event["ph"].as_str().unwrap();
        if !["b", "e"].contains(&phase) {
            continue;
        }
        let at = nanos(event, "ts");
        assert!(last <= at, "groups are in order");
        last = at;
        let lane = lanes.entry(number(event, "id")).or_default();
        if phase == "b" {
            lane.push(text(event, "name"));
            read.groups.push(lane.clone());
        } else {
            lane.pop().expect("a group that ends has begun");
        }
    }
    assert!(lanes.values().all(Vec::is_empty), "{lanes:?}");
    read
}

/// Slices of a thread lie inside one another, or one after the other.
fn nest(read: &Read) {
    for thread in read.threads.keys() {
        let mut slices: Vec<_> = read
            .slices
            .iter()
            .filter(|one| one.thread == *thread)
            .collect();
        slices.sort_by_key(|slice| (slice.from, u64::MAX - slice.to));
        let mut around: Vec<&Slice> = Vec::new();
        for slice in slices {
            around.retain(|outer| outer.to > slice.from || outer.to >= slice.to);
            for outer in &around {
                assert!(slice.to <= outer.to, "{slice:?} leaves {outer:?}");
            }
            around.push(slice);
        }
    }
}

fn of<'a>(read: &'a Read, name: &str) -> Vec<&'a Slice> {
    read.slices
        .iter()
        .filter(|slice| slice.name == name)
        .collect()
}

/// Has the workers notice that they are recorded.
async fn warm_up() {
    group(async |g| {
        for _ in 0..64 {
            g.spawn(async {
                for _ in 0..64 {
                    yield_now().await;
                }
            });
        }
    })
    .await;
}

#[test]
fn a_trace_shows_polls_arrows_groups_and_sleeps() {
    alone(|| {
        let runtime = Runtime::builder()
            .workers(1) // a second one may notice later that it is recorded
            .callers_take_part(false)
            .replace_stalled(false)
            .build()
            .unwrap();
        let recording = trace::start().unwrap();
        let outer = GroupBuilder::<Never>::new().name("outer \"o\"");
        runtime
            .block_on(outer.run(async |g| {
                g.spawn(async {
                    warm_up().await;
                    Ok(())
                })
                .await;
                let parent = async {
                    let inner = GroupBuilder::<Never>::new().name("inner");
                    let inner = inner.run(async |g: Group<'_, '_>| {
                        let set = g.keep(AtomicBool::new(false));
                        let woken = g.spawn_named("child", async {
                            while !set.load(SeqCst) {
                                yield_now().await;
                            }
                            sleep(Duration::from_millis(2)).await;
                            Ok(())
                        });
                        set.store(true, SeqCst);
                        woken.await;
                        Ok(())
                    });
                    inner.await.unwrap();
                    Ok(())
                };
                g.spawn_named("parent", parent).await;
                g.blocking(|| Ok(())).await;
                Ok(())
            }))
            .unwrap();
        let trace = recording.stop();
        let read = read(&trace.to_json());
        assert_eq!((read.dropped, trace.dropped_events()), (0, 0));
        assert!(
            read.threads.values().any(|name| name.ends_with("-0")),
            "{:?}",
            read.threads
        );
        // The parent spawned the child, and was woken by its end.
        let [parent, child] = ["parent", "child"].map(|name| of(&read, name));
        assert!(
            parent.len() >= 2 && child.len() >= 2,
            "{parent:?} {child:?}"
        );
        assert_eq!(parent[0].args["group"], "outer \"o\"");
        assert_eq!(child[0].args["group"], "inner");
        assert!(text(&child[0].args, "spawned").contains("traces.rs"));
        let goes = |kind: &str, from: &str, to: &str| {
            read.arrows.iter().any(|(its, start, end)| {
                let start = start.as_ref().map(|start| &*start.name);
                its == kind && start == Some(from) && end.name == to
            })
        };
        assert!(goes("spawn", "parent", "child"));
        assert!(goes("wake", "child", "parent"));
        // A worker that slept woke it, when its time had come.
        assert!(!of(&read, "asleep").is_empty());
        assert!(goes("wake", "asleep", "child"));
        // And closures that block are slices of the threads that they block.
        let blocks = |slice: &&Slice| read.threads[&slice.thread].ends_with("-blocking");
        assert_eq!(read.slices.iter().filter(blocks).count(), 1);
        // Groups.
        let inner = read
            .groups
            .iter()
            .find(|groups| groups.last().unwrap() == "inner");
        assert_eq!(inner.unwrap(), &["outer \"o\"", "inner"]);
    });
}

#[test]
fn groups_beside_one_another_have_lanes_of_their_own() {
    alone(|| {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let recording = trace::start().unwrap();
        runtime.block_on(group(async |g| {
            for _ in 0..4 {
                g.spawn(async {
                    let left = GroupBuilder::<Never>::new().name("beside");
                    left.run(async |g| {
                        g.spawn(async {
                            for _ in 0..200 {
                                yield_now().await;
                            }
                            Ok(())
                        });
                        Ok(())
                    })
                    .await
                    .unwrap();
                });
            }
        }));
        let read = read(&recording.stop().to_json());
        let beside: Vec<_> = read
            .groups
            .iter()
            .filter(|all| all.last().unwrap() == "beside")
            .collect();
        assert_eq!(beside.len(), 4);
        for groups in beside {
            assert_eq!(
                groups.iter().filter(|name| *name == "beside").count(),
                1,
                "{groups:?}"
            );
        }
    });
}

/// The newest events are kept, and the others counted; a slice whose beginning is lost is left out.
#[test]
fn a_ring_that_overflows_counts_what_it_drops() {
    alone(|| {
        const YIELDS: usize = 100_000;
        let runtime = Runtime::builder()
            .workers(1)
            .callers_take_part(false)
            .replace_stalled(false) // all that is noted goes into one ring
            .build()
            .unwrap();
        let recording = trace::start().unwrap();
        runtime.block_on(group(async |g| {
            g.spawn(warm_up()).await;
            g.spawn_named("spinner", async {
                for _ in 0..YIELDS {
                    yield_now().await;
                }
            })
            .await;
        }));
        let trace = recording.stop();
        assert!(trace.events() >= 65_536);
        assert!(
            trace.dropped_events() > 3 * YIELDS as u64 - 80_000,
            "{trace:?}"
        );
        let read = read(&trace.to_json());
        assert_eq!(read.dropped, trace.dropped_events());
        // A push, a beginning and an end for each.
        let polls = of(&read, "spinner").len();
        assert!((20_000..22_000).contains(&polls), "{polls}");
    });
}

#[test]
fn nothing_is_recorded_before_and_after() {
    alone(|| {
        let runtime = Runtime::builder()
            .workers(1) // another one may notice later that it is recorded
            .callers_take_part(false)
            .replace_stalled(false)
            .build()
            .unwrap();
        let spin = |name: &'static str| {
            runtime.block_on(group(async |g| {
                g.spawn(warm_up()).await;
                for _ in 0..10 {
                    g.spawn_named(name, async { yield_now().await });
                }
            }));
        };
        spin("before");
        let recording = trace::start().unwrap();
        spin("first");
        assert_eq!(trace::start().unwrap_err(), trace::AlreadyRecording);
        let first = read(&recording.stop().to_json());
        spin("between");
        // Thrown away, and so in no trace.
        drop(trace::start().unwrap());
        let recording = trace::start().unwrap();
        spin("second");
        let second = read(&recording.stop().to_json());
        for (read, name) in [(&first, "first"), (&second, "second")] {
            assert_eq!(of(read, name).len(), 20, "each is polled twice");
            for other in ["before", "between", "first", "second"] {
                assert!(
                    other == name || of(read, other).is_empty(),
                    "{other} in {name}"
                );
            }
        }
    });
}

/// Tasks that were queued before the end of a recording, and run after it, are noted nowhere.
#[test]
fn what_runs_after_the_end_is_not_kept() {
    alone(|| {
        const TASKS: usize = 40_000;
        let runtime = Runtime::builder()
            .workers(1)
            .callers_take_part(false)
            .build()
            .unwrap();
        let recording = trace::start().unwrap();
        let grown = runtime.block_on(group(async |g| {
            let ran = g.keep(AtomicUsize::new(0));
            let queues = g.spawn(async move {
                warm_up().await;
                let add = || async { _ = ran.fetch_add(1, SeqCst) };
                // All memory is kept, so that only more of it is seen.
                let tasks: Vec<_> = (0..TASKS).map(|_| g.spawn(add())).collect();
                let trace = recording.stop();
                let before = resident();
                until(|| ran.load(SeqCst) == TASKS).await;
                let grown = resident().saturating_sub(before);
                assert!(trace.events() >= TASKS && tasks.len() == TASKS);
                Ok(grown)
            });
            queues.await
        }));
        assert!(grown < 2_000_000, "{grown} bytes");
    });
}

#[test]
fn a_recording_of_some_time_ends_by_itself() {
    alone(|| {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let trace = runtime
            .block_on(trace::record(Duration::from_millis(5)))
            .unwrap();
        read(&trace.to_json());
        assert!(runtime.block_on(trace::record(Duration::ZERO)).is_ok());
        drop(trace::start().unwrap());
    });
}
