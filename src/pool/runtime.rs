//! The runtime: building, entering, and the numbered steps of its shutdown.
//!
//! # Shutdown
//!
//! 1. Refuse new groups from outside; ask everything below the root to stop.
//! 2. Wait for up to the grace.
//! 3. Cancel what is left.
//! 4. Wait while teardown makes progress; what is there after that is returned as stragglers.
//! 5. When the root is empty, be it later, end the workers and drop the root, which breaks the circle
//!    root -> pool -> root. What others still poll is handed over to a caretaker.

use crate::driver::clock::Clock;
use crate::driver::poller::Driver;
use crate::group::dump::{self, Dump};
use crate::group::frame;
use crate::group::ledger::Ledger;
use crate::group::node::NodeRef;
use crate::group::report::{Straggler, TaskId, Unobserved};
use crate::group::spawn::Spawn;
use crate::group::tree;
use crate::pool::blocking::Blocking;
use crate::pool::config::{BuildError, Hooks, Kind, RuntimeBuilder};
use crate::pool::context::{self, Post};
use crate::pool::metrics::{Counter, Metrics};
use crate::pool::seats::Seats;
use crate::pool::sentinel::Sentinel;
use crate::pool::shared::{Shared, Spares};
use crate::pool::waiting;
use crate::pool::worker;
use crate::sleep::Sleep;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::deque::Injector;
use crate::sync::{Arc, Condvar, Mutex, Weak};
use crate::waiters::{Key, Waiters};
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::ptr;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

/// How often a shutdown looks whether teardown makes progress.
const LOOK: Duration = Duration::from_millis(10);

/// Looks without any, one after the other, after which what is left is called stragglers: 200 ms. A cut needs microseconds; the
/// rest covers a machine that is busy with something else. Many short looks, because one long one may fall into a moment in
/// which the whole machine stood still.
const NO_PROGRESS: u32 = 20;

/// How many looks may find polls alone, and no task that ended or was marked to be cut: 5 s. A destructor may need the polls
/// of other tasks; a task that yields for ever inside a shield is a straggler, too.
const POLLS_ONLY: u32 = 500;

/// A set of worker threads, a driver, and the root of a tree of groups.
///
/// Most programs need none: free functions use a global runtime, which is started on first use.
///
/// # Examples
///
/// ```
/// let runtime = spinney::Runtime::builder().workers(2).thread_name("forest").build()?;
/// let sum = runtime.block_on(spinney::group(async |g| g.spawn(async { Ok(1 + 1) }).await));
/// assert_eq!(sum, 2);
/// runtime.shutdown(std::time::Duration::from_secs(1)).unwrap();
/// # Ok::<(), spinney::BuildError>(())
/// ```
pub struct Runtime {
    shared: Arc<Shared>,
}

/// Starts a runtime under options that were checked.
pub(crate) fn start(options: &RuntimeBuilder, hooks: Hooks) -> Result<Runtime, BuildError> {
    let driver =
        Driver::new(options.clock.clone()).map_err(|error| BuildError(Kind::Driver(error)))?;
    let guests = (2 * options.workers).max(16);
    let driver = Arc::new(driver);
    let shared = Arc::new_cyclic(|this| Shared {
        this: Weak::clone(this),
        name: options.thread_name.clone(),
        workers: options.workers,
        stack_size: options.stack_size,
        callers_take_part: options.callers_take_part,
        seats: Seats::new(options.workers + guests),
        injector: Injector::new(),
        sleep: Sleep::new(),
        driver,
        blocking: Blocking::new(options.max_blocking),
        sentinel: Sentinel::new(),
        hooks,
        root: Mutex::new(None),
        threads: Mutex::new(Vec::new()),
        spares: Mutex::new(Spares::default()),
        shut_down: AtomicBool::new(false),
        exiting: AtomicBool::new(false),
        caretaker: Mutex::new(false),
        emptied: Waiters::new(),
        guests: AtomicUsize::new(0),
        halves: AtomicUsize::new(0),
        guests_gone: Waiters::new(),
        blocked: Waiters::new(),
        ledger: Ledger::new(),
        injected: Counter::default(),
        wakes: Counter::default(),
        spares_started: Counter::default(),
        last_resorts: Counter::default(),
        forks: Counter::default(),
        cut_tasks: Counter::default(),
    });
    let spawn: Arc<dyn Spawn> = Arc::clone(&shared) as Arc<dyn Spawn>;
    *shared.root.lock() = Some(NodeRef::root(spawn));
    let runtime = Runtime { shared };
    for index in 0..options.workers {
        let shared = Arc::clone(&runtime.shared);
        let thread = shared.thread(&index.to_string());
        let started = thread.spawn(move || {
            if shared.seats.claim(index) {
                shared.hooks.thread_started();
                worker::run(&shared, index, worker::Kind::Worker);
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
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::new()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Makes this runtime the global one, which free functions use on threads that have no other.
    ///
    /// # Errors
    ///
    /// Gives the runtime back if a global one was installed, or started by its first use.
    pub fn install_global(self) -> Result<(), Self> {
        context::install_global(self)
    }

    /// Runs a future on the calling thread, with its groups on this runtime.
    ///
    /// # Panics
    ///
    /// If the runtime is shut down while the future waits. A panic of the future comes out as it is.
    ///
    /// # Blocking
    ///
    /// The thread blocks. On a worker a spare thread takes its place.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        crate::block_on::on(&self.shared, future)
    }

    /// Makes this the runtime of free functions on this thread until the guard is dropped.
    #[must_use = "the runtime is entered until the guard is dropped"]
    pub fn enter(&self) -> Enter<'_> {
        Enter {
            number: context::enter(Arc::clone(&self.shared)),
            runtime: PhantomData,
        }
    }

    /// What the runtime has done so far, and what is alive in it now.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// The groups and tasks that there are now, for a log or a page that somebody looks at.
    ///
    /// It is taken without stopping anybody, so it may show one part of the tree a little later than another. It is linear
    /// in the tasks that were suspended at least once. A runtime that has ended has none.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Builder, Runtime, yield_now};
    ///
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// let server = Builder::<()>::new().name("server").run(async |g| {
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
    /// # Ok::<(), spinney::BuildError>(())
    /// ```
    #[must_use]
    pub fn dump(&self) -> Dump {
        let shared = &self.shared;
        shared.driver.tick(); // for ages
        let groups = shared.open_root().map(|root| dump::groups(&root));
        let groups = groups.unwrap_or_default();
        let first_polls = running(shared, |running| {
            let mut tasks = groups.iter().flat_map(|group| &group.tasks);
            tasks.all(|task| task.id != running)
        });
        Dump {
            groups,
            first_polls,
        }
    }

    /// Asks every group to stop, cancels after `grace` what has not ended, and ends the workers.
    ///
    /// From inside one of its own tasks it only requests all that, and returns at once.
    ///
    /// # Errors
    ///
    /// [`Stragglers`] names what could not be cut: a poll that does not return, or a shield that does not end. From
    /// inside it contains the caller.
    ///
    /// # Blocking
    ///
    /// Waits for the grace at most, and then as long as teardown makes progress.
    #[track_caller]
    pub fn shutdown(&self, grace: Duration) -> Result<(), Stragglers> {
        let shared = &self.shared;
        let inside = caller_in(shared);
        let Some(root) = shared.open_root() else {
            if inside.is_none() {
                self.join_threads();
            }
            return Ok(());
        };
        // Release: pairs with the Acquire in `Spawn::is_shut_down`.
        shared.shut_down.store(true, Ordering::Release);
        root.stop();
        if let Some(caller) = inside {
            root.cancel_all();
            end_when_empty(shared, &root);
            return Err(Stragglers(vec![caller]));
        }
        shared.without_guests_below(|| wait_empty(shared, &root, grace, true));
        // Also if nothing is left: callers that are blocked without a child must not open a group after the end.
        root.cancel_all();
        wait_for_teardown(shared, &root);
        let stragglers = if root.is_empty() {
            Vec::new()
        } else {
            stragglers(shared, &root)
        };
        end_when_empty(shared, &root);
        if !stragglers.is_empty() {
            return Err(Stragglers(stragglers));
        }
        drop(root);
        self.join_threads();
        Ok(())
    }

    /// Waits for the workers to leave. The root is empty, so there is nothing that they could wait for.
    fn join_threads(&self) {
        let threads = std::mem::take(&mut *self.shared.threads.lock());
        for thread in threads {
            // A worker does not panic: jobs do not unwind, and hooks are caught.
            let _ = thread.join();
        }
        self.shared.blocking.join();
    }
}

/// After a cancel: waits until nothing is left, or until there was no progress.
fn wait_for_teardown(shared: &Arc<Shared>, root: &NodeRef) {
    let progress = || {
        let seats = shared.seats.iter().map(|seat| &seat.ledger);
        let steps: u64 = seats.chain([&shared.ledger]).map(Ledger::steps).sum();
        (steps, shared.metrics().jobs)
    };
    let mut before = progress();
    let (mut nothing, mut polls_only) = (0, 0);
    while !wait_empty(shared, root, LOOK, false) {
        let now = progress();
        nothing = if now == before { nothing + 1 } else { 0 };
        polls_only = if now.0 == before.0 { polls_only + 1 } else { 0 };
        if nothing == NO_PROGRESS || polls_only == POLLS_ONLY {
            return;
        }
        before = now;
    }
}

/// What the caller runs in, if that is inside this runtime: then it cannot wait for the end.
#[track_caller]
fn caller_in(shared: &Arc<Shared>) -> Option<Straggler> {
    let location = Location::caller();
    frame::current(|frame| {
        let task = frame.and_then(frame::Frame::task_view);
        context::place(|place| {
            let innermost = place?;
            let mut at = innermost;
            // A task of this runtime may have blocked for another one, in which the caller runs now.
            while !Arc::ptr_eq(&at.shared, shared) {
                at = at.below()?;
            }
            let running = || {
                at.seat
                    .get()
                    .and_then(|seat| shared.running(shared.seats.get(seat), |_| true))
            };
            match task {
                Some(task) if ptr::eq(at, innermost) => Some(Straggler {
                    task: task.id,
                    name: task.name().map(ToString::to_string),
                    location: task.location,
                    age: task.task().age(),
                    group: crate::surface::current::group_path()
                        .map(|path| path.to_string())
                        .unwrap_or_default(),
                }),
                // A hook, a waker or a destructor between two tasks.
                _ if at.post != Post::Caller => Some(running().unwrap_or_else(|| {
                    let name = "a hook, waker or destructor on a thread of the runtime";
                    unnamed(name, location)
                })),
                _ => running(),
            }
        })
    })
}

/// What is no task, and runs all the same.
fn unnamed(name: &str, location: &'static Location<'static>) -> Straggler {
    Straggler {
        task: TaskId(0),
        name: Some(name.to_owned()),
        location,
        age: Duration::ZERO,
        group: String::new(),
    }
}

/// What wakes a thread that waits for the root to be empty. It has a time limit, unlike a parker, because a runtime all
/// of whose workers are stuck has nobody to fire a timer.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    condvar: Condvar,
}

impl Bell {
    /// Waits for the bell, or until the time is over; whether it rang.
    fn wait(&self, until: Option<Instant>) -> bool {
        let mut rung = self.rung.lock();
        while !*rung {
            match until {
                Some(until) if self.condvar.wait_until(&mut rung, until).timed_out() => {
                    return *rung;
                }
                Some(_) => {}
                None => self.condvar.wait(&mut rung),
            }
        }
        *rung = false;
        true
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock() = true;
        self.condvar.notify_one();
    }
}

/// Wakes everyone who waits for the root to be empty.
struct Emptied(Arc<Shared>);

impl Wake for Emptied {
    fn wake(self: Arc<Self>) {
        self.0.emptied.wake_all();
    }
}

/// Whether the root is empty. If it is not, those who registered in `emptied` before are woken when it is.
fn is_empty(shared: &Arc<Shared>, root: &NodeRef) -> bool {
    let all = Waker::from(Arc::new(Emptied(Arc::clone(shared))));
    root.poll_empty(&mut Context::from_waker(&all)).is_ready()
}

/// Waits until the root is empty, for `limit` at most; whether it is. With `guests` it waits for blocked callers, too: a
/// group of theirs may have no child left, and a body that has yet to see that it should stop.
fn wait_empty(shared: &Arc<Shared>, root: &NodeRef, limit: Duration, guests: bool) -> bool {
    // Real time, as the bell waits: a clock of a test may stand still, or have been moved by hours.
    let until = Clock::System.now().checked_add(limit);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut key = Key::default();
    let mut guests_key = Key::default();
    let empty = loop {
        shared.emptied.register(&mut key, &waker);
        shared.guests_gone.register(&mut guests_key, &waker);
        // Children first: whose last child is gone was a guest before.
        let empty = is_empty(shared, root);
        // Relaxed: read after the lock of the waiters; see `Shared::guest_leaves`.
        let alone = !guests || shared.guests.load(Ordering::Relaxed) == 0;
        if empty && alone {
            break true;
        }
        if !waiting::blocked(|| bell.wait(until)) {
            break root.is_empty();
        }
    };
    shared.emptied.remove(&mut key);
    shared.guests_gone.remove(&mut guests_key);
    empty
}

#[track_caller]
fn stragglers(shared: &Shared, root: &NodeRef) -> Vec<Straggler> {
    shared.driver.tick(); // for their ages
    let mut found = tree::stragglers(root);
    let others = running(shared, |task| found.iter().all(|known| known.task != task));
    found.extend(others);
    // Relaxed: as of some moment.
    if shared.halves.load(Ordering::Relaxed) > 0 {
        let name = "a half of a `join` outside every task";
        found.push(unnamed(name, Location::caller()));
    }
    found
}

/// What runs on the seats and is `wanted`.
fn running(shared: &Shared, wanted: impl Fn(TaskId) -> bool) -> Vec<Straggler> {
    let seats = shared.seats.iter();
    seats
        .filter_map(|seat| shared.running(seat, &wanted))
        .collect()
}

/// Ends the workers once the root is empty: now, or by the last leaver.
fn end_when_empty(shared: &Arc<Shared>, root: &NodeRef) {
    let end = Waker::from(Arc::new(End(Arc::clone(shared))));
    shared.emptied.add(&end);
    if is_empty(shared, root) {
        end.wake();
    }
}

/// The last step of a shutdown.
struct End(Arc<Shared>);

impl Wake for End {
    fn wake(self: Arc<Self>) {
        let shared = &self.0;
        // Release: pairs with the Acquire loads in `worker`.
        shared.exiting.store(true, Ordering::Release);
        shared.rouse();
        shared.blocking.close();
        shared.sentinel.end();
        let root = shared.root.lock().take();
        drop(root);
        // Whoever waits looks again; and no waker may keep the runtime from now on.
        shared.emptied.wake_all();
        shared.hand_over();
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.shared.is_shut_down() && self.shared.open_root().is_some() {
            return; // whoever did it was told of the stragglers
        }
        if let Err(stragglers) = self.shutdown(Duration::ZERO) {
            for straggler in stragglers.0 {
                let text = format!("{straggler} outlived its runtime");
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
#[derive(Debug)]
#[must_use = "the runtime is entered until the guard is dropped"]
pub struct Enter<'a> {
    number: u64,
    /// Not `Send`: the entry belongs to this thread.
    runtime: PhantomData<(&'a Runtime, *const ())>,
}

impl Drop for Enter<'_> {
    fn drop(&mut self) {
        context::exit(self.number);
    }
}

/// What still runs when a bounded shutdown ends: never empty.
#[derive(Clone, Debug)]
pub struct Stragglers(Vec<Straggler>);

impl Stragglers {
    /// How many there are: at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Straggler> {
        self.0.iter()
    }
}

impl fmt::Display for Stragglers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} still running:", self.len())?;
        self.iter()
            .try_for_each(|straggler| write!(f, " {straggler};"))
    }
}

impl Error for Stragglers {}
