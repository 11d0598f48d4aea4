//! The runtime as users see it: building, entering, looking inside. How it ends is in `shutdown`,
//! the one that free functions use in `global`.

use crate::driver::beside::{Asked, Builder};
use crate::driver::driver::Driver;
use crate::group::node::NodeRef;
use crate::group::pool::Pool;
use crate::poll::live::LiveCounts;
use crate::pool::blocking::Blocking;
use crate::pool::census::Census;
use crate::pool::config::{BuildError, Kind, LEAST_STACK, RuntimeBuilder};
use crate::pool::hooks::Hooks;
use crate::pool::metrics::{Counters, Metrics};
use crate::pool::named::Names;
use crate::pool::reports::Reports;
use crate::pool::seats::Seats;
use crate::pool::sentinel::Sentinel;
use crate::pool::shared::{Shared, Spares};
use crate::pool::shutdown::Stragglers;
use crate::pool::statistics::Statistics;
use crate::pool::timing::Timing;
use crate::pool::waited::Waited;
use crate::pool::{caretaker, report_thread, snapshot, spares, thread_ctx, worker};
use crate::report::dump::Dump;
use crate::report::failure::Unobserved;
use crate::report::waits_for;
use crate::sleep::Sleep;
use crate::sync::atomic::{AtomicBool, AtomicUsize};
use crate::sync::deque::Injector;
use crate::sync::{Arc, Mutex, Weak};
use crate::tree::attach;
use crate::waiters::Waiters;
use std::marker::PhantomData;
use std::time::Duration;
use std::{fmt, mem};

/// A set of worker threads, a driver, and the root of a tree of groups.
///
/// Most programs need none: free functions use a global runtime, which is started on first use.
///
/// # Fork
///
/// A process that was forked (`fork` without `exec`) has a copy of the runtime and none of its
/// threads. There a `block_on` that would have to sleep panics instead, with a message;
/// [`scope`](crate::scope) and [`join`](crate::join), whose stack others may use, abort the process
/// after the message. New sockets are errors, and inherited ones are good for nothing but to be
/// dropped. What another executor awaits there stays pending. To shut the copy down, or to drop it,
/// does nothing. So fork before the first use of the global runtime, or build one after the fork
/// and [`enter`](Runtime::enter) it. A child that was forked in a task should `exec` or `_exit`
/// there: it must not go back into the worker.
///
/// # Examples
///
/// ```
/// let runtime = spinney::Runtime::builder().workers(2).thread_name("forest").build()?;
/// let sum = runtime.block_on(spinney::group(async |g| g.spawn(async { Ok(1 + 1) }).await));
/// assert_eq!(sum, 2);
/// runtime.shutdown(std::time::Duration::from_secs(1)).unwrap();
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
pub struct Runtime {
    shared: Arc<Shared>,
}

impl RuntimeBuilder {
    /// Starts the runtime.
    ///
    /// It belongs to this process, and not to one that is forked later: see [`Runtime`].
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = spinney::Runtime::builder().workers(1).build()?;
    /// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the option that is out of bounds, or the thread that could not be
    /// started; then nothing is left behind.
    pub fn build(mut self) -> Result<Runtime, BuildError> {
        self.check()?;
        let hooks = mem::take(&mut self.hooks);
        start(&self, hooks)
    }
}

/// Starts a runtime under options that were checked.
fn start(options: &RuntimeBuilder, hooks: Hooks) -> Result<Runtime, BuildError> {
    // Those of the workers, and one for all others.
    let census = Census::new(options.waits_for_tokio_tasks);
    let hooks_of_tokio = |builder: &mut Builder| census.install(builder);
    let tokio = options.tokio.map(|wanted| Asked {
        wanted,
        name: &options.thread_name,
        hooks: &hooks_of_tokio,
    });
    let driver = Driver::new(options.clock.clone(), options.workers + 1, tokio);
    let driver = Arc::new(driver.map_err(|error| BuildError(Kind::Driver(error)))?);
    let shared = Arc::new_cyclic(|this| Shared {
        this: Weak::clone(this),
        name: options.thread_name.clone(),
        workers: options.workers,
        stack_size: options.stack_size.map(|bytes| bytes.max(LEAST_STACK)),
        callers_take_part: options.callers_take_part,
        replace_stalled: options.replace_stalled,
        operations_per_poll: options.operations_per_poll,
        report_after: options.ticks_to_report(),
        seats: Arc::new(Seats::new(options.workers + options.max_spares)),
        injector: Injector::new(),
        sleep: Sleep::new(),
        driver,
        census,
        blocking: Blocking::new(options.max_blocking, options.max_spares),
        sentinel: Sentinel::new(),
        hooks,
        reports: Reports::default(),
        tell: report_thread::tell,
        root: Mutex::new(None),
        threads: Mutex::new(Vec::new()),
        stand_in: spares::stand_in,
        spares: Mutex::new(Spares::default()),
        shut_down: AtomicBool::new(false),
        exiting: AtomicBool::new(false),
        is_special: AtomicBool::new(options.tokio.is_some()),
        look_after: caretaker::look_after,
        caretaker: Mutex::new(false),
        emptied: Waiters::new(),
        guests: AtomicUsize::new(0),
        halves: AtomicUsize::new(0),
        graces: AtomicUsize::new(0),
        guests_gone: Waiters::new(),
        counts: LiveCounts::new(),
        counters: Counters::default(),
        timing: Timing::new(options.workers + options.max_spares),
        names: Names::new(options.workers),
        waited: Waited::default(),
    });
    shared.census.belongs_to(Arc::as_ptr(&shared).addr());
    let pool: Arc<dyn Pool> = Arc::clone(&shared) as Arc<dyn Pool>;
    *shared.root.lock() = Some(NodeRef::root(pool));
    let runtime = Runtime { shared };
    for index in 0..options.workers {
        let shared = Arc::clone(&runtime.shared);
        let thread = shared.thread(&index.to_string());
        let started = thread.spawn(move || {
            if let Some(seat) = shared.seats.claim(index) {
                shared.thread_started();
                worker::run(&shared, seat, worker::Kind::Worker);
                shared.hooks.thread_stops();
            }
        });
        match started {
            Ok(thread) => runtime.shared.threads.lock().push(thread),
            // Dropping the runtime ends and joins the threads that were started.
            Err(error) => return Err(BuildError(Kind::Thread(error))),
        }
    }
    Ok(runtime)
}

impl Runtime {
    /// Options for a new runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = spinney::Runtime::builder().workers(1).thread_name("forest").build()?;
    /// assert!(format!("{runtime:?}").contains("forest"));
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::new()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Makes this the runtime of free functions on this thread until the guard is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, block_on, group};
    ///
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// let entered = runtime.enter();
    /// block_on(group(async |_| {
    ///     assert_eq!(runtime.metrics().live_groups, 1);
    /// }));
    /// drop(entered);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use = "the runtime is entered until the guard is dropped"]
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard {
            number: thread_ctx::enter(Arc::clone(&self.shared)),
            runtime: PhantomData,
        }
    }

    /// What the runtime has done so far, and what is alive in it now.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = spinney::Runtime::builder().workers(1).build()?;
    /// runtime.block_on(spinney::group(async |g| g.spawn(async {}).await));
    /// let metrics = runtime.metrics();
    /// assert_eq!((metrics.live_tasks, metrics.live_groups), (0, 0));
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        attach::attach_here();
        self.shared.metrics()
    }

    /// What [`Runtime::metrics`] says, by worker, with the times of jobs, and groups by their
    /// names.
    ///
    /// It is always measured. To take it costs about as much as to add up 2,000 numbers for each
    /// worker; no thread is stopped.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{GroupBuilder, Never, Runtime};
    ///
    /// let runtime = Runtime::builder().workers(2).build()?;
    /// let import = GroupBuilder::<Never>::new().name("import");
    /// runtime.block_on(import.run(async |_| Ok(()))).unwrap();
    ///
    /// let statistics = runtime.statistics();
    /// assert_eq!(statistics.workers.len(), 2);
    /// assert_eq!(statistics.groups[0].name, "import");
    /// assert_eq!((statistics.groups[0].opened, statistics.groups[0].live), (1, 0));
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.shared)
    }

    /// The groups and tasks that there are now, for a log or a page that a person looks at.
    ///
    /// It is taken without stopping any thread, so it may show one part of the tree a little later
    /// than another. It is linear in the tasks that were suspended at least once. A runtime that
    /// has ended has none.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{GroupBuilder, Runtime, yield_now};
    ///
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// let server = GroupBuilder::<()>::new().name("server").run(async |g| {
    ///     let client = g.spawn_named("client", std::future::pending::<()>());
    ///     while runtime.dump().groups()[0].tasks.is_empty() {
    ///         yield_now().await; // until it was polled
    ///     }
    ///     let dump = runtime.dump().to_string();
    ///     assert!(dump.starts_with("group server at ") && dump.contains("\n  client #"));
    ///     client.cancel().await;
    ///     Ok(())
    /// });
    /// runtime.block_on(server).unwrap();
    /// assert!(runtime.dump().groups().is_empty());
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn dump(&self) -> Dump {
        snapshot::take(&self.shared)
    }

    /// Asks every group to stop, cancels after `grace` what has not ended, and ends the workers.
    ///
    /// From inside one of its own tasks it only requests all that, and returns at once. In a
    /// process that was forked from that of the runtime it does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, group};
    /// use std::{sync::mpsc, thread, time::Duration};
    ///
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// let (tell, told) = mpsc::channel();
    /// thread::scope(|threads| {
    ///     let server = threads.spawn(|| {
    ///         runtime.block_on(group(async |g| {
    ///             tell.send("open").unwrap();
    ///             g.stopping().await;
    ///             "stopped"
    ///         }))
    ///     });
    ///     assert_eq!(told.recv(), Ok("open"));
    ///     runtime.shutdown(Duration::from_secs(60)).unwrap(); // at once: the server stops
    ///     assert_eq!(server.join().unwrap(), "stopped");
    /// });
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Stragglers`] names what could not be cut: a poll that does not return, or a shield that
    /// does not end. From inside it contains the caller.
    ///
    /// # Blocking
    ///
    /// Waits for the grace at most, and then as long as teardown makes progress. A process that is
    /// being ended (feature `process`) has its own grace then.
    #[track_caller]
    pub fn shutdown(&self, grace: Duration) -> Result<(), Stragglers> {
        self.shared.shut_down(grace)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Before any lock: a thread that is not in this process may hold it for ever.
        if self.shared.is_elsewhere() {
            return;
        }
        if self.shared.is_shut_down() && self.shared.open_root().is_some() {
            return; // the caller of that shutdown was told of the stragglers
        }
        if let Err(stragglers) = self.shutdown(Duration::ZERO) {
            let waits = stragglers.waits();
            for straggler in stragglers.tasks.clone() {
                let mut text = format!("{straggler} outlived its runtime");
                let waits = waits.get(&straggler.task).copied().unwrap_or_default();
                // A text takes all.
                let _ = waits_for::write_all(&mut text, waits);
                self.shared.report(Unobserved {
                    payload: Box::new(text),
                    is_panic: false,
                    type_name: None,
                    task: Some(straggler.task),
                    name: straggler.name,
                    location: straggler.location,
                    group: straggler.group,
                });
            }
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let driver = &self.shared.driver;
        let uptime = driver.now().saturating_duration_since(driver.started());
        f.debug_struct("Runtime")
            .field("name", &self.shared.name)
            .field("workers", &self.shared.workers)
            .field("uptime", &uptime)
            .finish_non_exhaustive()
    }
}

/// While it lives, the runtime is that of free functions on this thread.
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, runtime::EnterGuard, sleep, time::ManualClock};
/// use std::time::Duration;
///
/// fn choose(runtime: &Runtime) -> EnterGuard<'_> {
///     runtime.enter()
/// }
///
/// let clock = ManualClock::new();
/// let runtime = Runtime::builder().workers(1).clock(&clock).build()?;
/// let second = Duration::from_secs(1);
/// clock.advance(second);
/// let entered = choose(&runtime);
/// assert_eq!(sleep(second).deadline(), Some(clock.now() + second)); // by the runtime's clock
/// drop(entered);
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Debug)]
#[must_use = "the runtime is entered until the guard is dropped"]
pub struct EnterGuard<'a> {
    number: u64,
    /// Not `Send`: the entry belongs to this thread.
    runtime: PhantomData<(&'a Runtime, *const ())>,
}

impl Drop for EnterGuard<'_> {
    fn drop(&mut self) {
        thread_ctx::exit(self.number);
    }
}
