//! The runtimes that are compared: two workers each, all alive in one process.

use async_executor::StaticExecutor;
use futures_lite::future;
use spinney::group;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};

const WORKERS: usize = 2;

static EXECUTOR: StaticExecutor = StaticExecutor::new();

/// All of them. The threads of `async-executor` end with the process.
pub(crate) struct Peers {
    pub(crate) spinney: spinney::Runtime,
    pub(crate) tokio: tokio::runtime::Runtime,
    pub(crate) executor: &'static StaticExecutor,
    pub(crate) rayon: rayon::ThreadPool,
}

impl Peers {
    pub(crate) fn start() -> Self {
        for index in 0..WORKERS {
            thread::Builder::new()
                .name(format!("executor-{index}"))
                .spawn(|| future::block_on(EXECUTOR.run(future::pending::<()>())))
                .expect("a thread");
        }
        Self {
            spinney: spinney::Runtime::builder()
                .workers(WORKERS)
                .build()
                .expect("two workers"),
            tokio: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(WORKERS)
                .enable_all()
                .build()
                .expect("two workers"),
            executor: &EXECUTOR,
            rayon: rayon::ThreadPoolBuilder::new()
                .num_threads(WORKERS)
                .build()
                .expect("two workers"),
        }
    }

    /// Runs `future` as a child and waits for it.
    pub(crate) fn in_spinney<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.spinney.block_on(group(async |g| {
            g.spawn(async move { Ok(future.await) }).await
        }))
    }

    /// Runs `future` as a task and waits for it.
    pub(crate) fn in_tokio<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.tokio
            .block_on(async { tokio::spawn(future).await.expect("no panic") })
    }

    /// Runs `future` as a task and waits for it.
    pub(crate) fn in_executor<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        future::block_on(self.executor.spawn(future))
    }
}

/// Counts down, and lets a blocked thread wait for zero.
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
