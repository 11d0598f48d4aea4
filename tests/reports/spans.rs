//! Spans and events of the feature `tracing`, as a subscriber of the test's own sees them.

use crate::common::polls::{until, wait_until};
use crate::common::process::{alone, resident};
use spinney::dump::{TaskDump, TaskState, WaitsFor};
use spinney::{Group, GroupBuilder, Never, Runtime, group, sleep, yield_now};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::set_global_default;
use tracing::{Event, Instrument, Level, Metadata, Subscriber, info_span};
use tracing_core::span::Current;

/// What is known of one span.
#[derive(Clone, Debug, Default)]
struct Seen {
    name: String,
    fields: HashMap<String, String>,
    parent: Option<u64>,
    references: i64,
    entered: u64,
    inside: i64,
    /// What its wakers did.
    ops: HashMap<String, i64>,
}

impl Seen {
    fn op(&self, op: &str) -> i64 {
        self.ops.get(op).copied().unwrap_or_default()
    }

    /// Wakers that are there.
    fn wakers(&self) -> i64 {
        self.op("waker.clone") - self.op("waker.drop") - self.op("waker.wake")
    }
}

#[derive(Clone)]
struct Watcher {
    level: LevelFilter,
    spans: Arc<Mutex<HashMap<u64, Seen>>>,
    next: Arc<AtomicU64>,
}

thread_local! {
    static INSIDE: RefCell<Vec<(Id, &'static Metadata<'static>)>> = const { RefCell::new(Vec::new()) };
}

/// The fields of a span or an event.
#[derive(Default)]
struct Fields(HashMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl Watcher {
    /// Sees what is at this level or above, in all of the process.
    fn install(level: Level) -> Self {
        let watcher = Self {
            level: level.into(),
            spans: Arc::default(),
            next: Arc::new(AtomicU64::new(1)),
        };
        set_global_default(watcher.clone()).unwrap();
        watcher
    }

    fn change(&self, id: &Id, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.spans.lock().unwrap().get_mut(&id.into_u64()) {
            change(seen);
        }
    }

    fn all(&self) -> HashMap<u64, Seen> {
        self.spans.lock().unwrap().clone()
    }

    /// The tasks, by their names; those without one by their kind.
    fn tasks(&self) -> HashMap<String, Seen> {
        let spans = self.all().into_values();
        let tasks = spans.filter(|span| span.name == "runtime.spawn");
        let name = |task: &Seen| {
            task.fields
                .get("task.name")
                .unwrap_or(&task.fields["kind"])
                .clone()
        };
        tasks.map(|task| (name(&task), task)).collect()
    }

    /// The spans around the one of this name, the innermost first: their names, and those of groups
    /// and tasks.
    fn around(&self, name: &str) -> Vec<String> {
        let spans = self.all();
        let mut at = spans.values().find(|span| span.name == name).unwrap();
        let mut names = Vec::new();
        while let Some(parent) = at.parent {
            at = &spans[&parent];
            let own = ["name", "task.name"]
                .iter()
                .find_map(|field| at.fields.get(*field));
            names.push(own.unwrap_or(&at.name).clone());
        }
        names
    }
}

impl Subscriber for Watcher {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn new_span(&self, new: &Attributes<'_>) -> Id {
        let id = Id::from_u64(self.next.fetch_add(1, SeqCst));
        let around = || INSIDE.with_borrow(|inside| Some(inside.last()?.0.clone()));
        let parent = match new.is_contextual() {
            true => around(),
            false => new.parent().cloned(),
        };
        let mut fields = Fields::default();
        new.record(&mut fields);
        let seen = Seen {
            name: new.metadata().name().to_owned(),
            fields: fields.0,
            parent: parent.map(|id| id.into_u64()),
            references: 1,
            ..Seen::default()
        };
        // The metadata of a span that is entered is asked for by its number.
        METADATA
            .lock()
            .unwrap()
            .insert(id.into_u64(), new.metadata());
        self.spans.lock().unwrap().insert(id.into_u64(), seen);
        id
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if event.metadata().target() == "runtime::waker" {
            let id = Id::from_u64(fields.0["task.id"].parse().unwrap());
            let op = fields.0["op"].clone();
            self.change(&id, |seen| *seen.ops.entry(op).or_default() += 1);
        }
    }

    fn enter(&self, id: &Id) {
        let metadata = METADATA.lock().unwrap()[&id.into_u64()];
        INSIDE.with_borrow_mut(|inside| inside.push((id.clone(), metadata)));
        self.change(id, |seen| {
            assert!(seen.references > 0, "{seen:?}");
            seen.entered += 1;
            seen.inside += 1;
        });
    }

    fn exit(&self, id: &Id) {
        let left = INSIDE.with_borrow_mut(|inside| inside.pop().unwrap().0);
        assert_eq!(left, *id, "spans nest on a thread");
        self.change(id, |seen| seen.inside -= 1);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.change(id, |seen| seen.references += 1);
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut closed = false;
        self.change(&id, |seen| {
            seen.references -= 1;
            closed = seen.references == 0;
        });
        closed
    }

    fn current_span(&self) -> Current {
        INSIDE.with_borrow(|inside| match inside.last() {
            Some((id, metadata)) => Current::new(id.clone(), metadata),
            None => Current::none(),
        })
    }
}

static METADATA: Mutex<std::collections::BTreeMap<u64, &'static Metadata<'static>>> =
    Mutex::new(std::collections::BTreeMap::new());

/// Lets a task be woken in each way, by another one.
async fn plays(wakers: &Mutex<Vec<Waker>>, turns: usize) {
    for _ in 0..turns {
        let mut first = true;
        std::future::poll_fn(|cx| {
            if !std::mem::take(&mut first) {
                return Poll::Ready(());
            }
            wakers.lock().unwrap().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[test]
fn polls_and_wakers_of_tasks_are_accounted_for() {
    alone(|| {
        let watcher = Watcher::install(Level::TRACE);
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let shop = GroupBuilder::<Never>::new().name("shop");
        runtime
            .block_on(shop.run(async |g: Group<'_, '_, Never>| {
                let wakers = g.keep(Mutex::new(Vec::new()));
                g.spawn_named("yields", async {
                    for _ in 0..10 {
                        yield_now().await;
                    }
                    Ok(())
                });
                g.spawn_named("sleeps", async {
                    sleep(Duration::from_millis(1)).await;
                    Ok(())
                });
                let played = g.spawn_named("played", async {
                    plays(wakers, 4).await;
                    Ok(())
                });
                g.spawn_named("awaits", async {
                    played.await;
                    Ok(())
                });
                let cut = g.spawn_named("cut", pending::<Result<(), Never>>());
                g.blocking(|| Ok(())).await;
                let pends = |name: &str| {
                    let task = &watcher.tasks()[name];
                    task.entered > 0 && task.inside == 0
                };
                while !pends("awaits") {
                    yield_now().await;
                }
                for turn in 0..4 {
                    let waker = loop {
                        let waker = wakers.lock().unwrap().pop();
                        match waker {
                            Some(waker) => break waker,
                            None => yield_now().await,
                        }
                    };
                    match turn % 2 {
                        0 => waker.wake(),
                        _ => waker.wake_by_ref(),
                    }
                }
                while !pends("cut") {
                    yield_now().await;
                }
                cut.cancel().await;
                Ok(())
            }))
            .unwrap();
        // Workers drop what belongs to a task after its end was told.
        wait_until(|| watcher.tasks().values().all(|task| task.references == 0));
        wait_until(|| watcher.tasks().values().all(|task| task.wakers() == 0));
        let tasks = watcher.tasks();
        let names = ["yields", "awaits", "sleeps", "played", "cut", "blocking"];
        assert_eq!(tasks.len(), names.len(), "{tasks:?}");
        for name in names {
            let task = &tasks[name];
            assert_eq!(task.inside, 0, "{task:?}");
            assert_eq!(task.fields["group"], "shop");
            assert!(task.fields["loc.file"].ends_with("spans.rs"), "{task:?}");
            let numbers = ["task.id", "size.bytes", "loc.line", "loc.col"];
            assert!(
                numbers
                    .iter()
                    .all(|number| task.fields[*number].parse::<u64>().is_ok())
            );
        }
        let kind = |name: &str| tasks[name].fields["kind"].clone();
        assert_eq!(
            (kind("yields"), kind("blocking")),
            ("task".into(), "blocking".into())
        );
        let wakes = |name: &str| tasks[name].op("waker.wake") + tasks[name].op("waker.wake_by_ref");
        assert_eq!((tasks["yields"].entered, wakes("yields")), (11, 10));
        assert_eq!((tasks["played"].entered, wakes("played")), (5, 4));
        assert_eq!(tasks["played"].op("waker.wake"), 2);
        assert!(wakes("sleeps") >= 1 && wakes("awaits") >= 1, "{tasks:?}");
        // One poll, and the drop of its future.
        assert_eq!((tasks["cut"].entered, wakes("cut")), (2, 0));
        // Groups end, too.
        wait_until(|| watcher.all().values().all(|span| span.references == 0));
    });
}

async fn serves_a_request() {
    let serve = async {
        let shop = GroupBuilder::<Never>::new().name("shop");
        let opened = shop.run(async |g| {
            g.spawn_named("child", async {
                yield_now().await;
                group(async |g| {
                    g.spawn(async {
                        yield_now().await;
                        info_span!("query").in_scope(|| {});
                    });
                })
                .await;
                Ok(())
            });
            Ok(())
        });
        opened.await.unwrap();
    };
    serve.instrument(info_span!("request")).await;
}

/// Whatever is filtered: what a child does is below what its group is in.
#[test]
fn a_request_is_one_tree_where_only_names_are_seen() {
    alone(|| {
        let watcher = Watcher::install(Level::INFO);
        let runtime = Runtime::builder().workers(2).build().unwrap();
        runtime.block_on(group(async |g| {
            g.spawn(serves_a_request());
        }));
        assert_eq!(watcher.around("query"), ["shop", "request"]);
        wait_until(|| watcher.all().values().all(|span| span.references == 0));
        assert!(watcher.tasks().is_empty());
    });
}

#[test]
fn a_request_is_one_tree_where_all_is_seen() {
    alone(|| {
        let watcher = Watcher::install(Level::TRACE);
        let runtime = Runtime::builder().workers(2).build().unwrap();
        runtime.block_on(group(async |g| {
            g.spawn_named("connection", serves_a_request());
        }));
        let around = watcher.around("query");
        let tree = [
            "runtime.spawn",
            "group",
            "child",
            "shop",
            "request",
            "connection",
            "group",
        ];
        assert_eq!(around, tree);
        wait_until(|| watcher.all().values().all(|span| span.references == 0));
    });
}

/// What the body of a group does is inside of the group's span at each poll, and what comes after
/// the group is not.
#[test]
fn a_body_is_inside_of_its_group() {
    alone(|| {
        let watcher = Watcher::install(Level::INFO);
        let runtime = Runtime::builder().workers(2).build().unwrap();
        runtime.block_on(group(async |g| {
            g.spawn(async {
                let named = GroupBuilder::<Never>::new().name("shop").run(async |_| {
                    info_span!("first").in_scope(|| {});
                    yield_now().await;
                    info_span!("second").in_scope(|| {});
                    group(async |_| yield_now().await).await;
                    info_span!("third").in_scope(|| {});
                    Ok(())
                });
                named.await.unwrap();
                info_span!("after").in_scope(|| {});
            });
        }));
        for inside in ["first", "second", "third"] {
            assert_eq!(watcher.around(inside), ["shop"], "{inside}");
        }
        assert!(watcher.around("after").is_empty());
        wait_until(|| watcher.all().values().all(|span| span.references == 0));
    });
}

/// A group that has no span of its own has a part in the one around it, until it has ended.
#[test]
fn nothing_is_left_of_groups_that_have_ended() {
    alone(|| {
        let watcher = Watcher::install(Level::INFO);
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let opens = |groups: usize| {
            let many = async {
                for _ in 0..groups {
                    group(async |_| {}).await;
                }
            };
            runtime.block_on(many.instrument(info_span!("request")));
        };
        opens(10_000);
        let before = resident();
        opens(200_000);
        let grown = resident().saturating_sub(before);
        assert!(grown < 2_000_000, "{grown} bytes");
        assert!(watcher.all().values().all(|span| span.references == 0));
    });
}

/// Wherever it is started: not in what that code is in.
#[test]
fn a_service_is_inside_of_its_group() {
    alone(|| {
        let watcher = Watcher::install(Level::TRACE);
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let shop = GroupBuilder::<Never>::new().name("shop");
        let serves = shop.run(async |g| {
            let has_begun = g.keep(AtomicBool::new(false));
            g.spawn_named("setup", async move {
                g.service(async {
                    info_span!("query").in_scope(|| {});
                    has_begun.store(true, SeqCst);
                    pending::<Result<(), Never>>().await
                });
                Ok(())
            })
            .await;
            until(|| has_begun.load(SeqCst)).await;
            Ok(())
        });
        let request = async { serves.await.unwrap() };
        runtime.block_on(request.instrument(info_span!("request")));
        let around = watcher.around("query");
        assert_eq!(around, ["runtime.spawn", "shop", "request"]);
        wait_until(|| watcher.all().values().all(|span| span.references == 0));
    });
}

/// It is never polled, and its end would be told of by nobody.
#[test]
fn a_task_that_is_born_cancelled_has_no_span() {
    alone(|| {
        let watcher = Watcher::install(Level::TRACE);
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let shop = GroupBuilder::<&str>::new().name("shop");
        let closed = runtime.block_on(shop.run(async |g| {
            g.spawn_named("early", async { Ok(()) }).await;
            g.cancel("closed");
            g.spawn_named("late", async { Ok(()) });
            Ok(())
        }));
        assert_eq!(closed.unwrap_err().into_first(), "closed");
        wait_until(|| watcher.all().values().all(|span| span.references == 0));
        assert!(watcher.tasks().into_keys().eq(["early".to_owned()]));
    });
}

/// The waker of a task whose wakers are told of leads to it, as any of ours.
#[test]
fn what_a_task_with_a_span_waits_for_is_said() {
    alone(|| {
        let _watcher = Watcher::install(Level::TRACE);
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let runtime = &runtime;
        let shop = GroupBuilder::<()>::new().name("shop");
        let waits = shop.run(async |g| {
            let slow = g.spawn_named("slow", pending::<Result<(), ()>>());
            let id = slow.id();
            g.spawn_named("waits", async {
                slow.await;
                Ok(())
            });
            let waiting = || -> Vec<TaskDump> {
                let dump = runtime.dump();
                let tasks = dump.groups().iter().flat_map(|group| group.tasks.clone());
                let waiting = tasks.filter(|task| task.state == TaskState::Waiting);
                waiting.collect()
            };
            until(|| waiting().len() == 2).await;
            // Now that both wait, and not while they begin to.
            let tasks = waiting();
            let waits = tasks
                .iter()
                .find(|task| task.name.as_deref() == Some("waits"));
            assert_eq!(waits.unwrap().waits_for, [WaitsFor::Child(id)]);
            g.cancel(());
            Ok(())
        });
        assert!(runtime.block_on(waits).is_err());
    });
}
