//! The runtimes that are compared: two workers each, started by the first program of a process that asks for them, alive
//! until it ends.
//!
//! `smol` is async-executor (its `StaticExecutor`, which is the faster one) with async-io, put together as smol does it.

use async_executor::StaticExecutor;
use spinney::runtime::Tokio;
use std::future::{Future, pending};
use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};

static WORKERS: AtomicUsize = AtomicUsize::new(2);

/// The runtimes of this process have one worker, or two.
pub(crate) fn one_worker() {
    WORKERS.store(1, Ordering::Relaxed);
}

fn workers() -> usize {
    WORKERS.load(Ordering::Relaxed)
}

pub(crate) fn spinney() -> &'static spinney::Runtime {
    static RUNTIME: OnceLock<spinney::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let builder = spinney::Runtime::builder().workers(workers());
        // One worker: its callers do not help, as those of the others do not.
        let builder = builder.callers_take_part(workers() > 1);
        builder.build().expect("workers")
    })
}

/// With a tokio inside, whose sockets its children use.
pub(crate) fn spinney_and_tokio() -> &'static spinney::Runtime {
    with_tokio(Tokio::Parked)
}

/// With a tokio beside it, which has as many threads.
pub(crate) fn spinney_beside_tokio() -> &'static spinney::Runtime {
    let workers = workers();
    with_tokio(Tokio::Background { workers })
}

/// A process has one of these.
fn with_tokio(how: Tokio) -> &'static spinney::Runtime {
    static RUNTIME: OnceLock<spinney::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let builder = spinney::Runtime::builder().workers(workers());
        builder.tokio(how).build().expect("workers")
    })
}

pub(crate) fn tokio() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let builder = builder.worker_threads(workers()).enable_all();
        builder.build().expect("workers")
    })
}

pub(crate) fn smol() -> &'static StaticExecutor {
    static EXECUTOR: StaticExecutor = StaticExecutor::new();
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        for index in 0..workers() {
            let worker = thread::Builder::new().name(format!("smol-{index}"));
            let worker = worker.spawn(|| async_io::block_on(EXECUTOR.run(pending::<()>())));
            worker.expect("a thread");
        }
    });
    &EXECUTOR
}

pub(crate) fn forte() -> &'static forte::ThreadPool {
    static POOL: forte::ThreadPool = forte::ThreadPool::new();
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        POOL.resize_to(workers());
    });
    &POOL
}

pub(crate) fn rayon() -> &'static rayon::ThreadPool {
    static POOL: OnceLock<rayon::ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(workers());
        builder.build().expect("workers")
    })
}

/// It counts the caller as one of its threads.
pub(crate) fn chili() -> &'static chili::ThreadPool {
    static POOL: OnceLock<chili::ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| {
        chili::ThreadPool::with_config(chili::Config {
            thread_count: NonZero::new(workers()),
            ..chili::Config::default()
        })
    })
}

/// Runs `future` as a child and waits for it.
pub(crate) fn in_spinney<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let child =
        async |g: spinney::Group<'_, 'static>| g.spawn(async move { Ok(future.await) }).await;
    spinney().block_on(spinney::group(child))
}

/// Runs `future` as a task and waits for it.
pub(crate) fn in_tokio<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    tokio().block_on(async { tokio::spawn(future).await.expect("no panic") })
}

/// Runs `future` as a task and waits for it.
pub(crate) fn in_smol<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    async_io::block_on(smol().spawn(future))
}

/// Runs `future` as a task and waits for it.
pub(crate) fn in_forte<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let pool = forte();
    pool.block_on(pool.spawn(future))
}

/// Counts down, and lets a blocked thread wait for zero.
#[derive(Debug)]
pub(crate) struct Latch {
    left: AtomicUsize,
    waiter: Thread,
}

impl Latch {
    /// A latch that the calling thread waits for.
    pub(crate) fn new(count: u32) -> Self {
        Self {
            left: AtomicUsize::new(count as usize),
            waiter: thread::current(),
        }
    }

    pub(crate) fn hit(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiter.unpark();
        }
    }

    pub(crate) fn wait(&self) {
        while self.left.load(Ordering::Acquire) > 0 {
            thread::park();
        }
    }
}
