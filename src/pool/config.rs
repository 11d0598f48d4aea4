//! Options of a runtime, and their bounds. What is built of them is in `runtime`.

use crate::driver::beside::Wanted;
use crate::driver::clock::{Clock, ManualClock};
use crate::poll::budget;
use crate::pool::hooks::Hooks;
use crate::report::failure::Unobserved;
use crate::report::stall::Stall;
use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

/// More workers than this are refused: at about 16,000 threads a Linux process of default limits
/// aborts.
pub(crate) const MAX_WORKERS: usize = 1024;

/// Bytes of stack that a thread has at least: it runs in fewer, but in a build without optimisation
/// not in the 16 KiB that is the least of Linux.
pub(crate) const LEAST_STACK: usize = 64 << 10;

/// More seats than this are refused for spares and callers: see [`MAX_WORKERS`].
const MAX_SPARES: usize = 4096;

/// A thread that sleeps in the kernel may be there by chance before.
const MIN_REPORT: Duration = Duration::from_millis(2);

/// Options of a [`Runtime`](crate::Runtime).
///
/// # Examples
///
/// ```
/// let runtime = spinney::Runtime::builder()
///     .workers(2) // threads
///     .thread_name("forest")
///     .stack_size(1 << 20) // bytes
///     .max_blocking(4) // threads
///     .build()?;
/// assert_eq!(runtime.block_on(spinney::blocking(|| 1 + 1)), 2);
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[must_use = "a builder does nothing until it builds"]
pub struct RuntimeBuilder {
    pub(crate) workers: usize,
    pub(crate) thread_name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) max_blocking: usize,
    pub(crate) max_spares: usize,
    pub(crate) replace_stalled: bool,
    pub(crate) report_after: Duration,
    pub(crate) operations_per_poll: u8,
    pub(crate) callers_take_part: bool,
    pub(crate) clock: Clock,
    /// tokio, if it was asked for.
    pub(super) tokio: Option<Wanted>,
    pub(super) waits_for_tokio_tasks: bool,
    pub(super) hooks: Hooks,
}

impl RuntimeBuilder {
    pub(crate) fn new() -> Self {
        Self {
            workers: num_cpus::get().clamp(1, MAX_WORKERS),
            thread_name: "spinney".to_owned(),
            stack_size: None,
            max_blocking: 512,
            max_spares: 256,
            replace_stalled: true,
            report_after: Duration::from_millis(100),
            operations_per_poll: budget::DEFAULT,
            callers_take_part: true,
            clock: Clock::System,
            tokio: None,
            waits_for_tokio_tasks: true,
            hooks: Hooks::default(),
        }
    }

    /// How many worker threads: 1 to 1,024.
    ///
    /// Default: the processors that this process may use.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Runtime;
    ///
    /// assert!(Runtime::builder().workers(2).build().is_ok());
    /// assert!(Runtime::builder().workers(0).build().is_err());
    /// ```
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// The name of the runtime, and of its threads, to which a number, or what the thread is for,
    /// is added.
    ///
    /// No NUL bytes. Default: `spinney`. In names of threads there are 10 bytes of it at most:
    /// Linux keeps 15 of those, and the addition tells the threads apart.
    ///
    /// # Examples
    ///
    /// ```
    /// let builder = spinney::Runtime::builder().workers(1).thread_name("forest");
    /// let runtime = builder.callers_take_part(false).build()?;
    /// let name = runtime.block_on(spinney::group(async |g| {
    ///     g.compute(|| Ok(std::thread::current().name().unwrap().to_owned())).await
    /// }));
    /// assert_eq!(name, "forest-0");
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self
    }

    /// The stack of each thread in bytes; not zero, and 64 KiB if it is less.
    ///
    /// Default: that of `std::thread`.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = spinney::Runtime::builder().workers(1).stack_size(4 << 20).build()?; // 4 MiB
    /// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// How many threads blocking closures may use at once: at least 1.
    ///
    /// Default: 512. One whose closure waits for async code does not count meanwhile; of those
    /// there are [`max_spares`](RuntimeBuilder::max_spares) at most.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, blocking};
    ///
    /// let runtime = Runtime::builder().workers(1).max_blocking(1).build()?;
    /// assert_eq!(runtime.block_on(blocking(|| 1 + 1)), 2);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn max_blocking(mut self, threads: usize) -> Self {
        self.max_blocking = threads;
        self
    }

    /// How many threads may take part beside the workers at once: spares that stand in for workers
    /// which wait, or do not come back from a job, and callers that run children of their own: at
    /// most 4,096. As many threads of blocking closures may wait at once beside
    /// [`max_blocking`](RuntimeBuilder::max_blocking).
    ///
    /// Default: 256. A thread is started when it is needed, and ends when it is not. Without one a
    /// caller waits for the workers, and a worker that waits stays one: it runs whatever there is,
    /// on its own stack, and sleeps when there is nothing:
    /// [`Metrics::last_resorts`](crate::runtime::Metrics::last_resorts) counts that. Its wait goes
    /// on when the job that it runs has returned; if that waits for it in turn, by its `Task`,
    /// [`on_stall`](RuntimeBuilder::on_stall) is told.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, Wait, group, yield_now};
    ///
    /// let runtime = Runtime::builder().workers(1).max_spares(32).build()?;
    /// // Each of these blocks its thread, and a spare takes its place.
    /// let sum = runtime.block_on(group(async |g| {
    ///     let waits = [1, 2, 3].map(|n| {
    ///         g.spawn(async move {
    ///             yield_now().wait();
    ///             Ok(n)
    ///         })
    ///     });
    ///     let mut sum = 0;
    ///     for wait in waits {
    ///         sum += wait.await;
    ///     }
    ///     sum
    /// }));
    /// assert_eq!(sum, 6);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn max_spares(mut self, threads: usize) -> Self {
        self.max_spares = threads;
        self
    }

    /// Whether a spare stands in for a worker that does not come back from a job: after 2 ms if its
    /// thread sleeps in the kernel, after 30 ms if it computes; and only while something is queued,
    /// or timers or sockets are there, and no worker is idle.
    ///
    /// Default: yes. Without it what is queued waits until a worker comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, group};
    /// use std::sync::mpsc;
    ///
    /// let builder = Runtime::builder().workers(1).callers_take_part(false);
    /// let runtime = builder.replace_stalled(true).build()?;
    /// runtime.block_on(group(async |g| {
    ///     g.spawn(async move {
    ///         let (tell, told) = mpsc::channel();
    ///         g.spawn(async move { tell.send(()).unwrap() });
    ///         told.recv().unwrap(); // it blocks the only worker
    ///     });
    /// }));
    /// assert!(runtime.metrics().stalls >= 1);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn replace_stalled(mut self, replace: bool) -> Self {
        self.replace_stalled = replace;
        self
    }

    /// After how long a task that does not return from a poll on a worker is reported, in whole
    /// milliseconds: 2 ms or more.
    ///
    /// Default: 100 ms. With [`Duration::MAX`] none is. The time is that of ticks of about 1 ms of
    /// the thread that looks, which take longer where the machine is busy. No clock is read for a
    /// poll, and none is made longer.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, group};
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let builder = Runtime::builder().workers(1).callers_take_part(false);
    /// let builder = builder.report_stalls_after(Duration::from_millis(20));
    /// let runtime = builder.on_stall(move |stall| tell.send(stall).unwrap()).build()?;
    /// runtime.block_on(group(async |g| {
    ///     g.spawn(async move {
    ///         // A loop that gives way nowhere, until the report has come.
    ///         let stall = loop {
    ///             if let Ok(stall) = told.try_recv() {
    ///                 break stall;
    ///             }
    ///         };
    ///         assert!(stall.lasts >= Duration::from_millis(20));
    ///     });
    /// }));
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn report_stalls_after(mut self, after: Duration) -> Self {
        self.report_after = after;
        self
    }

    /// Called with a task that has not returned from a poll on a worker, and so keeps it, for
    /// [`report_stalls_after`](RuntimeBuilder::report_stalls_after): once for each such poll.
    ///
    /// Also called, at once, with tasks that block for each other in a circle, as by
    /// [`Task::wait`](crate::Wait::wait): none of them goes on before one is cut. Their
    /// [`ThreadState`](crate::dump::ThreadState) is `Waits`, and
    /// [`waits_for`](crate::dump::Stall::waits_for) names the others.
    ///
    /// A closure of [`compute`](crate::Group::compute) is reported only if its thread sleeps. What
    /// a blocked caller runs on its own thread, and closures that block, are not: they keep no
    /// worker.
    ///
    /// Default: one line to stderr. The hook is called on a thread of its own, one call after the
    /// other, and may block; of the reports that come meanwhile 64 wait. A shutdown waits for it.
    /// A hook that panics is switched off for this runtime, and stderr says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, group};
    /// use std::sync::mpsc;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let builder = Runtime::builder().workers(1).callers_take_part(false);
    /// let runtime = builder.on_stall(move |stall| tell.send(stall.to_string()).unwrap()).build()?;
    /// runtime.block_on(group(async |g| {
    ///     g.spawn_named("careless", async move {
    ///         let report = told.recv().unwrap(); // it blocks the only worker
    ///         assert!(report.starts_with("careless #"));
    ///     });
    /// }));
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn on_stall(mut self, hook: impl Fn(Stall) + Send + Sync + 'static) -> Self {
        self.hooks.set_stall(hook);
        self
    }

    /// [`RuntimeBuilder::report_stalls_after`] in ticks of the sentinel.
    pub(super) fn ticks_to_report(&self) -> Option<u32> {
        let millis = self.report_after.as_nanos().div_ceil(1_000_000);
        u32::try_from(millis).ok()
    }

    /// How many operations on timers, sockets, tasks and other leaves of this crate may be ready in
    /// one poll of a task, 1 to 255: the next one gives way to other tasks, and to a cut.
    ///
    /// Default: 127. Less makes loops over leaves that are always ready give way sooner, and each
    /// round of them dearer. After a poll that gave way there may be one operation less, by chance,
    /// so that no loop keeps step with the number. [`cooperative`](crate::cooperative()) brings
    /// leaves of other crates under the same budget.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, cooperative};
    /// use std::future::{Future, poll_fn, ready};
    ///
    /// let builder = Runtime::builder().workers(1);
    /// let runtime = builder.operations_per_poll(2).build()?;
    /// let mut polls = 0;
    /// runtime.block_on(async {
    ///     let mut ten = Box::pin(async {
    ///         for _ in 0..10 {
    ///             cooperative(ready(())).await;
    ///         }
    ///     });
    ///     poll_fn(|cx| {
    ///         polls += 1;
    ///         ten.as_mut().poll(cx)
    ///     })
    ///     .await;
    /// });
    /// assert!((5..=9).contains(&polls)); // two operations in each, or one, by chance
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn operations_per_poll(mut self, operations: u8) -> Self {
        self.operations_per_poll = operations;
        self
    }

    /// Whether a thread that is blocked in `block_on` or a `scope` runs children of its own body.
    ///
    /// Default: yes.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, group};
    /// use std::thread::{self, ThreadId};
    ///
    /// let runtime = Runtime::builder().workers(1).callers_take_part(false).build()?;
    /// let child: ThreadId = runtime.block_on(group(async |g| {
    ///     g.spawn(async { Ok(thread::current().id()) }).await
    /// }));
    /// assert_ne!(child, thread::current().id());
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn callers_take_part(mut self, yes: bool) -> Self {
        self.callers_take_part = yes;
        self
    }

    /// The clock of timers and deadlines.
    ///
    /// Default: the system's. The grace of [`Runtime::shutdown`](crate::Runtime::shutdown) is real
    /// time all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, time::ManualClock, time::sleep_until};
    /// use std::time::Duration;
    ///
    /// let clock = ManualClock::new();
    /// let tomorrow = clock.now() + Duration::from_secs(24 * 60 * 60);
    /// let runtime = Runtime::builder().workers(1).clock(&clock).build()?;
    /// clock.advance(tomorrow - clock.now());
    /// runtime.block_on(sleep_until(tomorrow)); // at once
    /// assert_eq!(clock.now(), tomorrow);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn clock(mut self, clock: &ManualClock) -> Self {
        self.clock = Clock::Manual(clock.clone());
        self
    }

    /// Called with every failure that has no receiver.
    ///
    /// Default: one line to stderr. Failures of tasks that were spawned in one place have 10 lines,
    /// and one more a second; the next line, or the shutdown, says how many were left out. A hook
    /// is called with all of them. [`Metrics::unobserved`](crate::runtime::Metrics) counts
    /// them. A hook that panics is switched off for this runtime, and stderr says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, Runtime, try_group};
    /// use std::sync::{Arc, atomic::{AtomicUsize, Ordering::Relaxed}};
    ///
    /// let calls = Arc::new(AtomicUsize::new(0));
    /// let count = Arc::clone(&calls);
    /// let builder = Runtime::builder().workers(1);
    /// let runtime = builder.on_unobserved(move |_| _ = count.fetch_add(1, Relaxed)).build()?;
    /// let result = runtime.block_on(try_group(async |g: Group<'_, '_, u32>| {
    ///     (1..=40).for_each(|number| g.cancel(number)); // 32 of them are kept for the owner
    ///     Ok(())
    /// }));
    /// assert!(result.is_err());
    /// assert_eq!(calls.load(Relaxed), 8);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn on_unobserved(mut self, hook: impl Fn(Unobserved) + Send + Sync + 'static) -> Self {
        self.hooks.set_unobserved(hook);
        self
    }

    /// Called on each thread, of workers and of blocking closures, before its first job.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Runtime;
    /// use std::sync::{Arc, atomic::{AtomicUsize, Ordering::Relaxed}};
    /// use std::time::Duration;
    ///
    /// let calls = Arc::new(AtomicUsize::new(0));
    /// let count = Arc::clone(&calls);
    /// let builder = Runtime::builder().workers(2);
    /// let runtime = builder.on_thread_start(move || _ = count.fetch_add(1, Relaxed)).build()?;
    /// runtime.shutdown(Duration::ZERO).unwrap(); // joins the threads
    /// assert_eq!(calls.load(Relaxed), 2);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn on_thread_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.set_start(hook);
        self
    }

    /// Called on each thread, of workers and of blocking closures, after its last job.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Runtime;
    /// use std::sync::{Arc, atomic::{AtomicUsize, Ordering::Relaxed}};
    /// use std::time::Duration;
    ///
    /// let calls = Arc::new(AtomicUsize::new(0));
    /// let count = Arc::clone(&calls);
    /// let builder = Runtime::builder().workers(2);
    /// let runtime = builder.on_thread_stop(move || _ = count.fetch_add(1, Relaxed)).build()?;
    /// runtime.shutdown(Duration::ZERO).unwrap(); // joins the threads
    /// assert_eq!(calls.load(Relaxed), 2);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn on_thread_stop(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.set_stop(hook);
        self
    }

    /// Whether every option is within its bounds.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        let bad = |field, bound| Err(BuildError(Kind::OutOfBounds { field, bound }));
        if self.workers == 0 || self.workers > MAX_WORKERS {
            return bad("workers", "1 to 1024");
        }
        if self.stack_size == Some(0) {
            return bad("stack_size", "at least 1 byte");
        }
        if self.max_blocking == 0 {
            return bad("max_blocking", "at least 1");
        }
        if self.max_spares > MAX_SPARES {
            return bad("max_spares", "at most 4096");
        }
        if self
            .tokio
            .is_some_and(|tokio| !tokio.is_within(MAX_WORKERS))
        {
            return bad("tokio", "1 to 1024 workers");
        }
        if self.operations_per_poll == 0 {
            return bad("operations_per_poll", "1 to 255");
        }
        if self.report_after < MIN_REPORT {
            return bad("report_stalls_after", "at least 2 ms");
        }
        if self.thread_name.contains('\0') {
            return bad("thread_name", "no NUL byte");
        }
        Ok(())
    }
}

impl fmt::Debug for RuntimeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeBuilder")
            .field("workers", &self.workers)
            .field("thread_name", &self.thread_name)
            .field("stack_size", &self.stack_size)
            .field("max_blocking", &self.max_blocking)
            .field("max_spares", &self.max_spares)
            .field("replace_stalled", &self.replace_stalled)
            .field("report_stalls_after", &self.report_after)
            .field("operations_per_poll", &self.operations_per_poll)
            .field("callers_take_part", &self.callers_take_part)
            .field("tokio", &self.tokio)
            .finish_non_exhaustive()
    }
}

/// Why a runtime could not be built.
///
/// # Examples
///
/// ```
/// let error = spinney::Runtime::builder().max_blocking(0).build().unwrap_err();
/// assert_eq!(error.to_string(), "`max_blocking` is out of bounds: at least 1");
/// ```
#[derive(Debug)]
pub struct BuildError(pub(crate) Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    OutOfBounds {
        field: &'static str,
        bound: &'static str,
    },
    Driver(io::Error),
    Thread(io::Error),
}

impl BuildError {
    /// The option that was refused, if it was one.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = spinney::Runtime::builder().workers(2000).build().unwrap_err();
    /// assert_eq!(error.field(), Some("workers"));
    /// ```
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        match self.0 {
            Kind::OutOfBounds { field, .. } => Some(field),
            Kind::Driver(_) | Kind::Thread(_) => None,
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::OutOfBounds { field, bound } => write!(f, "`{field}` is out of bounds: {bound}"),
            Kind::Driver(_) => f.write_str("the driver could not be set up"),
            Kind::Thread(_) => f.write_str("a worker thread could not be started"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::OutOfBounds { .. } => None,
            Kind::Driver(error) | Kind::Thread(error) => Some(error),
        }
    }
}
