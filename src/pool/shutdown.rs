//! How a runtime ends.
//!
//! # Protocol
//!
//! 1. Refuse new groups from outside; ask everything below the root to stop.
//! 2. Wait for up to the grace.
//! 3. Cancel what is left.
//! 4. Wait while teardown makes progress, or a process that is being ended has time left; what is
//!    there after that is returned as stragglers. Groups that still wait for tasks of tokio's,
//!    which no cancel reaches, are let go before, and once more there is time for teardown.
//! 5. When the root is empty, be it later, end the workers and drop the root, which breaks the
//!    circle root -> pool -> root. What others still poll is handed over to a caretaker.
//! 6. End what tokio has of its own, if it is beside.
//!
//! A process that was forked from that of the runtime does none of this: there is no thread to end,
//! to join or to wait for, and its copy of the runtime stays as it is.

use crate::driver::clock::Clock;
use crate::group::node::NodeRef;
use crate::poll::frame;
use crate::poll::live::LiveCounts;
use crate::pool::shared::Shared;
use crate::pool::thread_ctx::{self, ThreadRole};
use crate::pool::{caretaker, snapshot, spares};
use crate::report::dump::Dump;
use crate::report::failure::{Straggler, TaskId};
use crate::report::waits_for::{self, WaitsFor};
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use crate::sync::bed::{Condvar, Mutex};
use crate::tree::{paths, survey};
use crate::waiters::Key;
use std::collections::HashMap;
use std::error::Error;
use std::panic::Location;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};
use std::{fmt, ptr};

/// How often a shutdown looks whether teardown makes progress.
const LOOK: Duration = Duration::from_millis(10);

/// Looks without any, one after the other, after which what is left is called stragglers: 200 ms. A
/// cut needs microseconds; the rest covers a machine that is busy with something else. Many short
/// looks, because one long one may fall into a moment in which the whole machine stood still.
const NO_PROGRESS: u32 = 20;

/// How many looks may find polls alone, and no task that ended or was marked to be cut: 5 s. A
/// destructor may need the polls of other tasks; a task that yields for ever inside a shield is a
/// straggler, too.
const POLLS_ONLY: u32 = 500;

/// A task of tokio's beside one that does not return.
const ALIVE: &str = "a task of `tokio::spawn` that is alive";

/// What still runs when a bounded shutdown ends: never empty.
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, group};
/// use std::sync::{LazyLock, mpsc};
/// use std::{pin::pin, task::{Context, Waker}, time::Duration};
///
/// static RUNTIME: LazyLock<Runtime> =
///     LazyLock::new(|| Runtime::builder().workers(1).build().unwrap());
///
/// let (go, gone) = mpsc::channel();
/// let (tell, told) = mpsc::channel();
/// let entered = RUNTIME.enter();
/// let mut opened = pin!(group(async move |g| {
///     g.spawn_named("admin", async move {
///         gone.recv().unwrap(); // until the first poll of the group is over
///         // The task cannot wait for its own end: a shutdown from inside names its caller.
///         tell.send(RUNTIME.shutdown(Duration::ZERO)).unwrap();
///     });
/// }));
/// let _ = opened.as_mut().poll(&mut Context::from_waker(Waker::noop()));
/// go.send(()).unwrap();
/// let stragglers = told.recv().unwrap().unwrap_err();
/// assert!(stragglers.to_string().starts_with("1 still running: admin #"));
/// # drop(entered);
/// # RUNTIME.shutdown(Duration::from_secs(60)).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Stragglers {
    pub(crate) tasks: Vec<Straggler>,
    dump: Box<Dump>,
}

impl Stragglers {
    /// How many there are: at least one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use spinney::{Runtime, blocking};
    /// # use std::sync::{LazyLock, mpsc};
    /// # use std::{pin::pin, task::{Context, Waker}, time::Duration};
    /// # static RUNTIME: LazyLock<Runtime> =
    /// #     LazyLock::new(|| Runtime::builder().workers(1).build().unwrap());
    /// # let (go, gone) = mpsc::channel();
    /// # let (tell, told) = mpsc::channel();
    /// # let entered = RUNTIME.enter();
    /// # let mut closure = pin!(blocking(move || {
    /// #     gone.recv().unwrap(); // until the first poll is over
    /// #     tell.send(RUNTIME.shutdown(Duration::ZERO))
    /// # }));
    /// # let _ = closure.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    /// # go.send(()).unwrap();
    /// // A closure shuts the runtime down from inside.
    /// let stragglers = told.recv().unwrap().unwrap_err();
    /// assert_eq!(stragglers.len(), 1); // the caller
    /// # drop(entered);
    /// # RUNTIME.shutdown(Duration::from_secs(60)).unwrap();
    /// ```
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Each of them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use spinney::{Runtime, blocking};
    /// # use std::sync::{LazyLock, mpsc};
    /// # use std::{pin::pin, task::{Context, Waker}, time::Duration};
    /// # static RUNTIME: LazyLock<Runtime> =
    /// #     LazyLock::new(|| Runtime::builder().workers(1).build().unwrap());
    /// # let (go, gone) = mpsc::channel();
    /// # let (tell, told) = mpsc::channel();
    /// # let entered = RUNTIME.enter();
    /// # let mut closure = pin!(blocking(move || {
    /// #     gone.recv().unwrap(); // until the first poll is over
    /// #     tell.send(RUNTIME.shutdown(Duration::ZERO))
    /// # }));
    /// # let _ = closure.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    /// # go.send(()).unwrap();
    /// // A closure shuts the runtime down from inside.
    /// let stragglers = told.recv().unwrap().unwrap_err();
    /// assert!(stragglers.iter().all(|task| task.location.file().ends_with(".rs")));
    /// # drop(entered);
    /// # RUNTIME.shutdown(Duration::from_secs(60)).unwrap();
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &Straggler> {
        self.tasks.iter()
    }

    /// The tree as it was then: with what each of them waits for, and what is around it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use spinney::{Runtime, blocking};
    /// # use std::sync::{LazyLock, mpsc};
    /// # use std::{pin::pin, task::{Context, Waker}, time::Duration};
    /// # static RUNTIME: LazyLock<Runtime> =
    /// #     LazyLock::new(|| Runtime::builder().workers(1).build().unwrap());
    /// # let (go, gone) = mpsc::channel();
    /// # let (tell, told) = mpsc::channel();
    /// # let entered = RUNTIME.enter();
    /// # let mut closure = pin!(blocking(move || {
    /// #     gone.recv().unwrap(); // until the first poll is over
    /// #     tell.send(RUNTIME.shutdown(Duration::ZERO))
    /// # }));
    /// # let _ = closure.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    /// # go.send(()).unwrap();
    /// // A closure shuts the runtime down from inside.
    /// let stragglers = told.recv().unwrap().unwrap_err();
    /// eprintln!("{stragglers}\n{}", stragglers.dump());
    /// # let groups = stragglers.dump().groups();
    /// # assert!(groups.iter().flat_map(|group| &group.tasks).count() > 0);
    /// # drop(entered);
    /// # RUNTIME.shutdown(Duration::from_secs(60)).unwrap();
    /// ```
    #[must_use]
    pub fn dump(&self) -> &Dump {
        &self.dump
    }

    /// Of a runtime as it is now.
    fn of(shared: &Shared, tasks: Vec<Straggler>) -> Self {
        let dump = Box::new(snapshot::take(shared));
        Self { tasks, dump }
    }

    /// What each of them waits for, as far as that is known.
    pub(crate) fn waits(&self) -> HashMap<TaskId, &[WaitsFor]> {
        let tasks = self.dump.groups.iter().flat_map(|group| &group.tasks);
        tasks.map(|task| (task.id, &*task.waits_for)).collect()
    }
}

impl fmt::Display for Stragglers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} still running:", self.len())?;
        let waits = self.waits();
        self.iter().try_for_each(|straggler| {
            write!(f, " {straggler}")?;
            let waits = waits.get(&straggler.task);
            waits_for::write_all(f, waits.copied().unwrap_or_default())?;
            f.write_str(";")
        })
    }
}

impl Error for Stragglers {}

impl Shared {
    /// [`Runtime::shutdown`](crate::Runtime::shutdown).
    #[track_caller]
    pub(crate) fn shut_down(self: &Arc<Self>, grace: Duration) -> Result<(), Stragglers> {
        if self.is_elsewhere() {
            return Ok(());
        }
        let inside = caller_in(self);
        let Some(root) = self.open_root() else {
            return match inside {
                Some(_) => Ok(()),
                None => self.join_threads(grace),
            };
        };
        // Release: pairs with the Acquire in `Pool::is_shut_down`.
        self.shut_down.store(true, Ordering::Release);
        root.stop();
        if let Some(caller) = inside {
            root.cancel_all();
            self.let_go_escapees();
            end_when_empty(self, &root);
            return Err(Stragglers::of(self, vec![caller]));
        }
        self.without_guests_below(|| wait_empty(self, &root, grace, true));
        // Also if nothing is left: callers that are blocked without a child must not open a group
        // after the end.
        root.cancel_all();
        wait_for_teardown(self, &root);
        if self.let_go_escapees() {
            wait_for_teardown(self, &root);
        }
        let stragglers = if root.is_empty() {
            Vec::new()
        } else {
            stragglers(self, &root)
        };
        end_when_empty(self, &root);
        if !stragglers.is_empty() {
            return Err(Stragglers::of(self, stragglers));
        }
        drop(root);
        self.join_threads(grace)
    }

    /// Waits for the workers to leave. The root is empty, so there is nothing that they could wait
    /// for but a task of tokio's.
    #[track_caller]
    fn join_threads(&self, grace: Duration) -> Result<(), Stragglers> {
        let Some(escapees) = self.leave_tokio(LOOK, NO_PROGRESS) else {
            let name = "a task of `tokio::spawn` that does not return";
            let mut stragglers = vec![unnamed(name, Location::caller())];
            // It is one of these.
            let places = self.places_of_escapees();
            stragglers.extend(places.into_iter().map(|place| unnamed(ALIVE, place)));
            return Err(Stragglers::of(self, stragglers));
        };
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // A worker does not panic: jobs do not unwind, and hooks are caught.
            let _ = thread.join();
        }
        self.blocking.join();
        // Those who report are gone.
        self.reports.join();
        // No child, destructor or hook of ours is left that could use them.
        escapees.end(grace.max(LOOK * NO_PROGRESS));
        self.hooks.tell_omitted();
        Ok(())
    }
}

/// After a cancel: waits until nothing is left, or until there was no progress.
fn wait_for_teardown(shared: &Arc<Shared>, root: &NodeRef) {
    let progress = || {
        let all_counts = shared.seats.iter().map(|seat| &seat.counts);
        let steps: u64 = all_counts
            .chain([&shared.counts])
            .map(LiveCounts::steps)
            .sum();
        let counters = shared.seats.iter().map(|seat| &seat.counters);
        let jobs = counters.map(|all| all.jobs.get() + all.awaited_jobs.get());
        (steps, jobs.sum::<u64>())
    };
    let mut before = progress();
    let (mut nothing, mut polls_only) = (0, 0);
    while !wait_empty(shared, root, LOOK, false) {
        let now = progress();
        // Relaxed: as of some moment; at the end of a grace there is progress.
        if shared.graces.load(Ordering::Relaxed) > 0 {
            (nothing, polls_only) = (0, 0);
        }
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
        thread_ctx::with_all(|contexts| {
            let innermost = contexts.innermost()?;
            // A task of this runtime may have blocked for another one, in which the caller runs
            // now.
            let at = contexts.iter().find(|ctx| ctx.is_of(shared))?;
            let running = || {
                at.seat
                    .index()
                    .and_then(|seat| shared.running(shared.seats.get(seat), |_| true))
            };
            match task {
                Some(task) if ptr::eq(at, innermost) => Some(Straggler {
                    task: task.id,
                    name: task.name.map(ToString::to_string),
                    location: task.location,
                    age: task.task.age(),
                    group: paths::path(task.task.group()),
                }),
                // A hook, a waker or a destructor between two tasks.
                _ if at.role != ThreadRole::Caller => Some(running().unwrap_or_else(|| {
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

/// What wakes a thread that waits for the root to be empty. It has a time limit, unlike a parker,
/// because a runtime all of whose workers are stuck has no thread to fire a timer.
#[derive(Default)]
struct Flag {
    up: Mutex<bool>,
    condvar: Condvar,
}

impl Flag {
    /// Waits for the flag, or until the time is over; whether it was put up. Takes it down.
    fn wait(&self, until: Option<Instant>) -> bool {
        let mut up = self.up.lock();
        while !*up {
            match until {
                Some(until) if self.condvar.wait_until(&mut up, until) => {
                    return *up;
                }
                Some(_) => {}
                None => self.condvar.wait(&mut up),
            }
        }
        *up = false;
        true
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        *self.up.lock() = true;
        self.condvar.notify_one();
    }
}

/// Wakes all threads that wait for the root to be empty.
struct Emptied(Arc<Shared>);

impl Wake for Emptied {
    fn wake(self: Arc<Self>) {
        self.0.emptied.wake_all();
    }
}

/// Whether the root is empty. If it is not, those who registered in `emptied` before are woken when
/// it is.
fn is_empty(shared: &Arc<Shared>, root: &NodeRef) -> bool {
    let all = Waker::from(Arc::new(Emptied(Arc::clone(shared))));
    root.poll_empty(&mut Context::from_waker(&all)).is_ready()
}

/// Waits until the root is empty, for `limit` at most; whether it is. With `guests` it waits for
/// blocked callers, too: a group of theirs may have no child left, and a body that has yet to see
/// that it should stop.
fn wait_empty(shared: &Arc<Shared>, root: &NodeRef, limit: Duration, guests: bool) -> bool {
    // Real time, as the flag waits: a clock of a test may stand still, or have been moved by hours.
    let until = Clock::System.now().checked_add(limit);
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut key = Key::default();
    let mut guests_key = Key::default();
    let empty = loop {
        shared.emptied.register(&mut key, &waker);
        shared.guests_gone.register(&mut guests_key, &waker);
        // Children first: a caller whose last child is gone was a guest before.
        let empty = is_empty(shared, root);
        // Relaxed: read after the lock of the waiters; see `Shared::guest_leaves`.
        let alone = !guests || shared.guests.load(Ordering::Relaxed) == 0;
        if empty && alone {
            break true;
        }
        if !spares::blocked(|| flag.wait(until)) {
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
    let mut found = survey::stragglers(root);
    let others = shared.all_running(|task| found.iter().all(|known| known.task != task));
    found.extend(others);
    // Relaxed: as of some moment.
    if shared.halves.load(Ordering::Relaxed) > 0 {
        let name = "a half of a `join` outside every task";
        found.push(unnamed(name, Location::caller()));
    }
    found
}

/// Ends the workers once the root is empty: now, or by the last leaver.
fn end_when_empty(shared: &Arc<Shared>, root: &NodeRef) {
    let end = Waker::from(Arc::new(End(Arc::clone(shared))));
    // Not taken back: the end wakes all that is in the list.
    shared.emptied.register(&mut Key::default(), &end);
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
        // Relaxed: a caller that misses it finds no root.
        shared.is_special.store(true, Ordering::Relaxed);
        shared.rouse();
        shared.blocking.close();
        shared.sentinel.end();
        let root = shared.root.lock().take();
        drop(root);
        // Those who wait look again; and no waker may keep the runtime from now on.
        shared.emptied.wake_all();
        caretaker::hand_over(shared);
    }
}
