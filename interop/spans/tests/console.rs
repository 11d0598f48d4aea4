//! tokio-console: its subscriber, asked by a client of its own protocol.

use async_channel::bounded;
use console_api::instrument::InstrumentRequest;
use console_api::instrument::instrument_client::InstrumentClient;
use console_api::tasks::{Stats, Task};
use console_api::{Field, field};
use console_subscriber::{ConsoleLayer, ServerParts};
use spinney::{GroupBuilder, Never, Runtime, yield_now};
use std::collections::HashMap;
use std::net::SocketAddr;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tracing_subscriber::layer::SubscriberExt;

/// What the console has been told.
#[derive(Default)]
struct Told {
    tasks: HashMap<u64, Task>,
    stats: HashMap<u64, Stats>,
    dropped: u64,
}

/// The value of a field, as the console shows it.
fn text(task: &Task, name: &str) -> Option<String> {
    let is_name = |field: &&Field| match &field.name {
        Some(field::Name::StrName(known)) => known == name,
        _ => false,
    };
    let value = task.fields.iter().find(is_name)?.value.as_ref()?;
    Some(match value {
        field::Value::DebugVal(text) | field::Value::StrVal(text) => text.clone(),
        field::Value::U64Val(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

impl Told {
    /// The task of this name, and what was counted of it.
    fn of(&self, name: &str) -> Option<(&Task, &Stats)> {
        let mut tasks = self.tasks.iter();
        let (id, task) =
            tasks.find(|(_, task)| text(task, "task.name").as_deref() == Some(name))?;
        Some((task, self.stats.get(id)?))
    }
}

/// Listens to the console until it was told what is wanted.
async fn listen(address: SocketAddr, wanted: impl Fn(&Told) -> bool) -> Told {
    let mut client = InstrumentClient::connect(format!("http://{address}"))
        .await
        .unwrap();
    let updates = client.watch_updates(InstrumentRequest {}).await.unwrap();
    let mut updates = updates.into_inner();
    let mut told = Told::default();
    while !wanted(&told) {
        let update = updates
            .message()
            .await
            .unwrap()
            .expect("the console goes on");
        let Some(update) = update.task_update else {
            continue;
        };
        let tasks = update.new_tasks.into_iter();
        told.tasks
            .extend(tasks.filter_map(|task| Some((task.id.as_ref()?.id, task))));
        told.stats.extend(update.stats_update);
        told.dropped += update.dropped_events;
    }
    told
}

fn polls(stats: &Stats) -> u64 {
    stats.poll_stats.as_ref().map_or(0, |polls| polls.polls)
}

#[test]
fn the_console_is_told_of_tasks_and_their_groups_and_wakers() {
    let (layer, server) = ConsoleLayer::builder().build();
    let ServerParts {
        instrument_server,
        aggregator,
        ..
    } = server.into_parts();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    let console = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let entered = console.enter();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    drop(entered);
    let address = incoming.local_addr().unwrap();
    console.spawn(aggregator.run());
    console.spawn(async {
        let server = Server::builder().add_service(instrument_server);
        server.serve_with_incoming(incoming).await.unwrap();
    });
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (end, ended) = bounded::<()>(1);
    let (shown, idle) = (ended.clone(), ended);
    let told = runtime.block_on(
        GroupBuilder::<Never>::new()
            .name("shop")
            .run(async move |g| {
                g.spawn_named("till", async move {
                    for _ in 0..5 {
                        yield_now().await;
                    }
                    _ = shown.recv().await;
                    Ok(())
                });
                g.spawn_named("idle", async move {
                    _ = idle.recv().await;
                    Ok(())
                });
                let all = |told: &Told| {
                    told.of("till").is_some_and(|(_, stats)| polls(stats) == 6)
                        && told.of("idle").is_some_and(|(_, stats)| polls(stats) == 1)
                };
                let told = console.spawn(listen(address, all)).await.unwrap();
                drop(end);
                // What has ended is dropped there, too.
                let dropped = |told: &Told| {
                    ["till", "idle"].iter().all(|name| {
                        told.of(name)
                            .is_some_and(|(_, stats)| stats.dropped_at.is_some())
                    })
                };
                let ended = console.spawn(listen(address, dropped)).await.unwrap();
                Ok([told, ended])
            }),
    );
    let [told, ended] = told.unwrap();
    let (till, stats) = told.of("till").unwrap();
    assert_eq!(text(till, "group").as_deref(), Some("shop"));
    let place = till.location.as_ref().unwrap();
    assert!(place.file().ends_with("tests/console.rs"), "{place:?}");
    // A `yield_now` wakes its own task, and leaves no waker behind.
    assert_eq!((stats.wakes, stats.self_wakes), (5, 5), "{stats:?}");
    // Who waits has left a waker: the console warns of a task that is idle and has none.
    for name in ["till", "idle"] {
        let stats = told.of(name).unwrap().1;
        assert!(stats.waker_clones > stats.waker_drops, "{name}: {stats:?}");
        let stats = ended.of(name).unwrap().1;
        assert_eq!(stats.waker_clones, stats.waker_drops, "{name}: {stats:?}");
    }
    assert_eq!((told.dropped, ended.dropped), (0, 0));
}
