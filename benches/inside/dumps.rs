//! A look at a large tree: 100,000 tasks that wait, in one group, for a timer each or for nothing
//! known. A dump holds no lock for long, so what counts is its whole time.

use criterion::Criterion;
use spinney::dump::TaskState;
use spinney::{GroupBuilder, Runtime, sleep};
use std::future::pending;
use std::hint::black_box;
use std::time::Duration;

const TASKS: usize = 100_000;

pub(crate) fn all(c: &mut Criterion) {
    one(c, "dump/100,000 waiting tasks", pending);
    one(c, "dump/100,000 timers", || {
        sleep(Duration::from_secs(3600))
    });
}

fn one<F>(c: &mut Criterion, name: &str, wait: fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let waiting = || {
        let dump = runtime.dump();
        let tasks = dump.groups().iter().flat_map(|group| &group.tasks);
        tasks
            .filter(|task| task.state == TaskState::Waiting)
            .count()
    };
    let measured = GroupBuilder::<()>::new().run(async |g| {
        for _ in 0..TASKS {
            g.spawn(wait());
        }
        while waiting() < TASKS {
            sleep(Duration::from_millis(10)).await;
        }
        c.bench_function(name, |b| b.iter(|| black_box(runtime.dump())));
        g.cancel(());
        Ok(())
    });
    let _ = runtime.block_on(measured);
}
