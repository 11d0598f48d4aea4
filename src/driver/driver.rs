//! The driver of a runtime: the role over the system's selector, its clocks, and timers as their
//! owners hold them.

use crate::driver::beside::{self, Asked, Beside, Sleeper};
use crate::driver::clock::Clock;
use crate::driver::role::{Role, Turn};
use crate::driver::selector::SystemSelector;
use crate::driver::sources::Direction;
use crate::driver::wheel::Key;
use crate::parker::Parker;
use crate::report::waits_for::WaitsFor;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, OnceLock};
use crate::waiters;
use std::io;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// What an idle worker sleeps in.
pub(crate) struct Driver {
    pub(crate) role: Role<SystemSelector>,
    /// The process in which it was made.
    process: u32,
    /// Nanoseconds since the start, as of the last turn.
    seen: AtomicU64,
    /// The same in milliseconds; wrapping.
    coarse: AtomicU32,
    /// Told when something is added or taken away: the caretaker of a runtime that has ended.
    changed: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Driver {
    /// For so many seats on which most timers are set, and with tokio, if it was asked for.
    pub(crate) fn new(clock: Clock, seats: usize, tokio: Option<Asked<'_>>) -> io::Result<Self> {
        let selector = SystemSelector::new(clock, tokio)?;
        Ok(Self {
            role: Role::new(selector, seats),
            process: std::process::id(),
            seen: AtomicU64::new(0),
            coarse: AtomicU32::new(0),
            changed: OnceLock::new(),
        })
    }

    pub(crate) fn now(&self) -> Instant {
        self.role.selector.clock.now()
    }

    /// Whether time passes by itself: no test advances it.
    #[cfg(feature = "process")]
    pub(crate) fn is_real_time(&self) -> bool {
        matches!(self.role.selector.clock, Clock::System)
    }

    /// Whether this process was forked from the one in which the driver was made. It has none of
    /// the threads of that runtime, and what the driver watches in the kernel is its parent's. This
    /// is a call into the kernel.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.process != std::process::id()
    }

    /// An error where [`Driver::is_elsewhere`].
    pub(crate) fn must_be_here(&self) -> io::Result<()> {
        if self.is_elsewhere() {
            let text = "the runtime has no threads in this process, which was forked from its own";
            return Err(io::Error::other(text));
        }
        Ok(())
    }

    /// When the driver was made.
    pub(crate) fn started(&self) -> Instant {
        self.role.started()
    }

    /// Whether an instant was over at the last turn, which costs no look at the clock: a busy
    /// worker turns every few jobs. A clock of a test is looked at.
    pub(crate) fn was_over(&self, at: Instant) -> bool {
        at <= self.lately()
    }

    /// Now, as of the last turn, which costs no look at the clock. A clock of a test is looked at.
    pub(crate) fn lately(&self) -> Instant {
        match &self.role.selector.clock {
            Clock::Manual(clock) => clock.now(),
            // Relaxed: a coarse clock, as below.
            _ => self.started() + Duration::from_nanos(self.seen.load(Ordering::Relaxed)),
        }
    }

    /// Milliseconds since the start, wrapping, as of the last turn. No clock is read.
    pub(crate) fn coarse_millis(&self) -> u32 {
        // Relaxed: a coarse clock, here and below.
        self.coarse.load(Ordering::Relaxed)
    }

    /// The time since the start.
    pub(crate) fn passed(&self) -> Duration {
        self.now().saturating_duration_since(self.started())
    }

    /// Brings the coarse clock up to date; the time since the start.
    pub(crate) fn tick(&self) -> Duration {
        let since = self.passed();
        // Relaxed: as above.
        self.seen.store(since.as_nanos() as u64, Ordering::Relaxed);
        // Wraps after 49 days, as does every difference that is taken of it.
        let millis = since.as_millis() as u32;
        // Relaxed: as above.
        self.coarse.store(millis, Ordering::Relaxed);
        since
    }

    /// Sleeps: see [`Role::park`]; in tokio's driver as that sleeper.
    pub(crate) fn park(
        &self,
        parker: &Parker,
        sleeper: Sleeper<'_>,
        polls: impl FnOnce(),
        awake: impl FnOnce(),
    ) {
        let park = || {
            self.role.park(parker, polls, || {
                self.tick();
                awake();
            });
        };
        match self.beside() {
            Some(_) => beside::sleep_as(sleeper, park),
            None => park(),
        }
    }

    /// A job was pushed to the seat of this thread. If the thread sleeps in tokio's driver, which
    /// calls wakers now, it comes back for that one and all that follow: no other need be woken.
    pub(crate) fn comes_back(&self) -> bool {
        self.beside().is_some_and(Beside::comes_back)
    }

    /// tokio, if it was asked for.
    pub(crate) fn beside(&self) -> Option<&Beside> {
        self.role.selector.beside.as_ref()
    }

    /// Whether this thread of the runtime must run no jobs: see [`Beside::is_hidden`].
    pub(crate) fn is_hidden(&self) -> bool {
        self.beside().is_some_and(Beside::is_hidden)
    }

    /// Gives this thread of the runtime tokio's context for as long as it lives.
    pub(crate) fn enter_for_good(&self) {
        if let Some(beside) = self.beside() {
            beside.enter_for_good();
        }
    }

    /// Has tokio's tasks run, and its time and I/O looked at, without waiting; whether there is any
    /// tokio.
    pub(crate) fn visit(&self) -> bool {
        let beside = self.beside();
        if let Some(beside) = beside {
            beside.visit(&self.role.selector.system);
        }
        beside.is_some()
    }

    /// Wakes the owner of a parker, wherever it sleeps.
    pub(crate) fn unpark(&self, parker: &Parker) {
        self.role.unpark(parker);
    }

    /// Looks at time and I/O without waiting, if there is anything to look for: the time since the
    /// start, and what [`Role::turn`] says.
    pub(crate) fn turn(&self) -> (Duration, Turn) {
        let now = self.tick();
        // A timer or source that comes now is seen at the next look.
        let turn = match self.may_wait() {
            true => self.role.turn(),
            false => Turn::default(),
        };
        (now, turn)
    }

    /// From now on `changed` is called whenever a timer or a source was added or taken away.
    pub(crate) fn tell_of_changes(&self, changed: Box<dyn Fn() + Send + Sync>) {
        let _ = self.changed.set(changed);
    }

    /// A timer or a source was added or taken away, under a lock that [`Driver::is_idle`] takes,
    /// too: so it sees the change, or this sees whom to tell.
    pub(crate) fn note_change(&self) {
        if let Some(changed) = self.changed.get() {
            changed();
        }
    }

    /// Whether there is neither a timer nor a source.
    pub(crate) fn is_idle(&self) -> bool {
        self.timers() == 0 && !self.has_sources()
    }

    /// Whether there may be a timer or a source, as of some moment.
    fn may_wait(&self) -> bool {
        self.role.timers().may_be_any() || self.has_sources()
    }

    fn has_sources(&self) -> bool {
        !self.role.selector.sources.lock().is_empty()
    }

    /// How many timers are set and have not fired.
    pub(crate) fn timers(&self) -> usize {
        self.role.timers().len()
    }

    /// Calls `f`, which is no user code, with what is waited for, time or a source, and with the
    /// data of the waker. No lock is held for long: neither timers nor events wait for it.
    pub(crate) fn each_wait(&self, mut f: impl FnMut(WaitsFor, usize)) {
        let (started, now) = (self.started(), self.now());
        self.role.timers().each(|at, waker| {
            if let Some(due) = started.checked_add(Duration::from_nanos(at)) {
                let left = due.saturating_duration_since(now);
                f(WaitsFor::Timer { due, left }, waker);
            }
        });
        for part in 0.. {
            let sources = self.role.selector.sources.lock().part(part);
            let Some(sources) = sources else { break };
            for source in sources {
                let descriptor = source.descriptor;
                let read = &source.readiness(Direction::Read).waiters;
                read.each(|waker| {
                    let endpoint = source.endpoint();
                    let readable = WaitsFor::Readable {
                        descriptor,
                        endpoint,
                    };
                    f(readable, waker.data().addr());
                });
                let write = &source.readiness(Direction::Write).waiters;
                write.each(|waker| {
                    let endpoint = source.endpoint();
                    let writable = WaitsFor::Writable {
                        descriptor,
                        endpoint,
                    };
                    f(writable, waker.data().addr());
                });
            }
        }
    }

    /// Wakes `waker` at `at`; dropping the timer cancels it. `seat` is that of the caller: those
    /// of different workers do not meet.
    pub(crate) fn insert_waker(self: &Arc<Self>, seat: usize, at: Instant, waker: Waker) -> Timer {
        let key = self.role.insert(seat, at, waker);
        self.note_change();
        Timer {
            key,
            driver: Arc::clone(self),
        }
    }

    /// Calls `call` at `at`, on whatever thread drives; dropping the timer cancels it.
    pub(crate) fn insert_call(
        self: &Arc<Self>,
        seat: usize,
        at: Instant,
        call: impl FnOnce() + Send + 'static,
    ) -> CallTimer {
        let call = Arc::new(Call(Mutex::new(Some(call))));
        let timer = self.insert_waker(seat, at, Waker::from(Arc::clone(&call)));
        CallTimer {
            _timer: timer,
            _call: Forgets(call),
        }
    }
}

/// A function as a waker, which calls it the first time.
struct Call<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send> Wake for Call<F> {
    fn wake(self: Arc<Self>) {
        let call = self.0.lock().take();
        if let Some(call) = call {
            call();
        }
    }
}

trait Forget: Send + Sync {
    /// Drops the function, unless it has been called; its destructor may panic.
    fn forget(&self);
}

impl<F: Send> Forget for Call<F> {
    fn forget(&self) {
        let call = self.0.lock().take();
        drop(call);
    }
}

/// A timer that calls a function. Dropping it cancels it, and then drops the function: a panic of
/// that comes out here, as it belongs to the owner of what the function holds.
pub(crate) struct CallTimer {
    _timer: Timer,
    _call: Forgets,
}

/// Has a function dropped when it is dropped.
struct Forgets(Arc<dyn Forget>);

impl Drop for Forgets {
    fn drop(&mut self) {
        self.0.forget();
    }
}

/// A timer that is set. Dropping it cancels it; after it has fired that does nothing.
pub(crate) struct Timer {
    key: Key,
    driver: Arc<Driver>,
}

impl Timer {
    /// Now, on the clock that this timer goes by.
    pub(crate) fn now(&self) -> Instant {
        self.driver.now()
    }

    /// Whether an instant was over when a worker looked at that clock last.
    #[cfg(feature = "serve")]
    pub(crate) fn was_over(&self, at: Instant) -> bool {
        self.driver.was_over(at)
    }

    /// Replaces the waker; false if the timer has fired.
    pub(crate) fn update(&self, waker: &Waker) -> bool {
        self.driver.role.timers().update(self.key, waker)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let waker = self.driver.role.timers().remove(self.key);
        self.driver.note_change();
        // Last: it is user code.
        waiters::discard(waker);
    }
}
