//! tokio's runtime beside ours: the context that our threads have, and its driver, in which the
//! holder of our driver's role sleeps.
//!
//! # Parked
//!
//! The runtime is one of tokio's for a single thread, and is driven by whichever worker has it: it
//! is [`Lent`]. The holder of the role sleeps in its `block_on`, and so inside tokio's driver, with
//! a future that waits for three things: the descriptor of our poller, which is registered once;
//! our next timer; and a job on the own seat, which a waker in tokio's driver has pushed: with the
//! first of these it is a sleeper no more, so that what the others push is left to it. A busy
//! worker pays a visit each time that it looks at time and I/O: a turn of tokio's driver that does
//! not wait, and of so many tasks as tokio runs between two of its own.
//!
//! What was spawned by `tokio::spawn` runs in these visits and sleeps. Such a task may take long:
//! the worker in it is *away*: it holds the role, and is busy. It says so, and others look at our
//! time and I/O meanwhile. At a tick of the sentinel it is called back, so that tasks without end
//! take turns with ours; if it does not come, a spare stands in as for any job.
//!
//! # Background
//!
//! The runtime is one of tokio's for several threads, which drive it. Ours have its context.
//!
//! # The end
//!
//! It comes when our threads have ended: `src/driver/tokio_runtime.rs`.

#![expect(
    unsafe_code,
    reason = "a source of tokio's promises that its descriptor stays open"
)]

use crate::driver::clock::Clock;
use crate::driver::lent::{Lent, StillOut};
use crate::driver::role::Limit;
use crate::driver::system::{BATCH, Events, System};
use crate::driver::tokio_runtime::Apart;
pub(crate) use crate::driver::tokio_runtime::{Owned, is_apart};
use crate::scoped::{self, Place, Scoped};
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sync::{Arc, LocalKey, Mutex};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::pin::pin;
use std::ptr;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
pub(crate) use tokio::runtime::Builder;
use tokio::runtime::Handle;
use tokio::task::unconstrained;

/// How a runtime drives tokio: see
/// [`RuntimeBuilder::tokio`](crate::RuntimeBuilder::tokio).
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, runtime::Tokio};
///
/// for how in [Tokio::Parked, Tokio::Background { workers: 1 }] {
///     let runtime = Runtime::builder().workers(1).tokio(how).build()?;
///     runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_millis(1)).await });
/// }
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tokio {
    /// By our own workers: the one that would sleep until time or I/O comes sleeps in tokio's
    /// driver. There is no further thread, and no hand-over from one to another.
    #[default]
    Parked,
    /// By so many threads of tokio's own, 1 to 1,024: for libraries that call
    /// `tokio::task::block_in_place` in tasks that they `tokio::spawn`, and for such tasks that
    /// compute for long.
    Background {
        /// Threads.
        workers: usize,
    },
}

/// tokio, as it was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) how: Tokio,
    /// Where.
    pub(crate) location: &'static Location<'static>,
}

impl Wanted {
    pub(crate) fn is_within(&self, most: usize) -> bool {
        match self.how {
            Tokio::Parked => true,
            Tokio::Background { workers } => (1..=most).contains(&workers),
        }
    }
}

/// What a runtime asks for that has tokio beside.
pub(crate) struct Asked<'a> {
    pub(crate) wanted: Wanted,
    /// Of the runtime.
    pub(crate) name: &'a str,
    /// Sets further hooks of tokio's.
    pub(crate) hooks: &'a dyn Fn(&mut Builder),
}

/// tokio's runtime.
pub(crate) struct Beside {
    handle: Handle,
    runtime: Lent<Owned>,
    parked: Option<Parked>,
    /// Where it was asked for.
    pub(crate) location: &'static Location<'static>,
}

/// What there is for a runtime that is driven by our workers.
struct Parked {
    signals: Signals,
    poller: AsyncFd<Poller>,
    /// The last look at our poller took all that there was room for: nothing says that there is
    /// more.
    again: AtomicBool,
}

/// Our poller as a source of tokio's.
struct Poller(Arc<System>);

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Poller {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// What the thread that sleeps in tokio's driver tells others.
#[derive(Default)]
struct Signals {
    /// It is in there, and runs tasks.
    away: AtomicBool,
    /// How often it has begun to sleep, or to run tasks; wraps.
    steps: AtomicU32,
    call: Mutex<Call>,
}

#[derive(Default)]
struct Call {
    /// The thread is called back.
    pending: bool,
    /// Wakes the future that it is in. tokio has one such waker for all.
    waker: Option<Waker>,
}

impl Signals {
    fn step(&self, away: bool) {
        // Relaxed: hints for the sentinel, here and below.
        self.away.store(away, Ordering::Relaxed);
        // Relaxed: as above.
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls the thread back that is in there, or else the next one.
    fn call_back(&self) {
        let waker = {
            let mut call = self.call.lock();
            call.pending = true;
            call.waker.clone()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether the thread was called back; it hears of later calls by the waker.
    fn is_called(&self, waker: &Waker) -> bool {
        let mut call = self.call.lock();
        call.waker.get_or_insert_with(|| waker.clone());
        std::mem::take(&mut call.pending)
    }
}

/// A worker that is about to sleep in tokio's driver, and what it is told there. It is a sleeper
/// for others only while it sleeps.
#[derive(Clone, Copy)]
pub(crate) struct Sleeper<'a> {
    /// It is about to sleep: whether it may, because there is nothing for it to do.
    pub(crate) sleeps: &'a dyn Fn() -> bool,
    /// It does not sleep now, and runs tasks of tokio's next: whether it is to come back instead.
    pub(crate) wakes: &'a dyn Fn() -> bool,
}

/// A sleeper is entered while its thread sleeps with the role.
struct Sleeps;

impl Scoped for Sleeps {
    type At<'a> = Option<Sleeper<'a>>;

    const NOTHING: Option<Sleeper<'static>> = None;

    const PLACE: &'static LocalKey<Place<Self>> = &SLEEPS;

    fn shorten<'s, 'l>(sleeper: Option<Sleeper<'l>>) -> Option<Sleeper<'s>>
    where
        'l: 's,
    {
        sleeper
    }
}

/// Entered while the sleeper is in tokio.
struct Inside;

impl Scoped for Inside {
    type At<'a> = Option<(&'a Signals, Sleeper<'a>)>;

    const NOTHING: Option<(&'static Signals, Sleeper<'static>)> = None;

    const PLACE: &'static LocalKey<Place<Self>> = &INSIDE;

    fn shorten<'s, 'l>(
        inside: Option<(&'l Signals, Sleeper<'l>)>,
    ) -> Option<(&'s Signals, Sleeper<'s>)>
    where
        'l: 's,
    {
        inside
    }
}

crate::sync::thread_local! {
    static SLEEPS: Place<Sleeps> = const { Place::new() };
    static INSIDE: Place<Inside> = const { Place::new() };
}

/// Sleeps in `park`, in tokio's driver if that is to be had.
pub(crate) fn sleep_as(sleeper: Sleeper<'_>, park: impl FnOnce()) {
    scoped::enter::<Sleeps, _>(Some(sleeper), park);
}

impl Beside {
    pub(crate) fn new(asked: Asked<'_>, system: &Arc<System>) -> io::Result<Self> {
        let Asked {
            wanted,
            name,
            hooks,
        } = asked;
        let mut builder = match wanted.how {
            Tokio::Parked => Builder::new_current_thread(),
            Tokio::Background { workers } => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
        };
        builder.enable_all().thread_name(format!("{name}-tokio"));
        let is_parked = wanted.how == Tokio::Parked;
        if is_parked {
            builder.on_thread_park(sleeps).on_thread_unpark(wakes);
        }
        hooks(&mut builder);
        let runtime = builder.build()?;
        let handle = runtime.handle().clone();
        let parked = is_parked.then(|| {
            let _entered = handle.enter();
            let (inner, interest) = (Poller(Arc::clone(system)), Interest::READABLE);
            // SAFETY: `register_with_interest`: the descriptor is that of the poller in `System`,
            // which is never replaced and is closed when the last reference to it is dropped. The
            // source owns one.
            let poller = unsafe { AsyncFd::register_with_interest(inner, interest) };
            Ok::<_, io::Error>(Parked {
                signals: Signals::default(),
                poller: poller?,
                again: AtomicBool::new(false),
            })
        });
        Ok(Self {
            parked: parked.transpose()?,
            handle,
            runtime: Lent::new(Owned::new(runtime)),
            location: wanted.location,
        })
    }

    /// Gives this thread tokio's context for as long as it lives. It is one of ours, and nothing is
    /// below it: the guard has nothing to restore.
    pub(crate) fn enter_for_good(&self) {
        std::mem::forget(self.handle.enter());
    }

    /// Calls `f` in tokio's context, with no budget of tokio's: where a task of another runtime of
    /// tokio's is below, its budget would be spent at some time, and not be refilled inside.
    ///
    /// `own`: this thread is in a context of ours, where it runs our tasks.
    pub(crate) fn around<R>(&self, own: bool, f: impl FnOnce() -> R) -> R {
        let other = Handle::try_current().is_ok_and(|other| other.id() != self.handle.id() || !own);
        let apart = other || is_apart();
        let _entered = self.handle.enter();
        let mut f = Some(f);
        let once = poll_fn(|_| match f.take() {
            Some(f) => Poll::Ready(scoped::enter::<Apart, _>(apart, f)),
            None => Poll::Pending,
        });
        match pin!(unconstrained(once)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => unreachable!("it is polled once"),
        }
    }

    /// Whether this thread of ours is inside another runtime of tokio's, or drives this one further
    /// down on its stack: then it runs no jobs.
    pub(crate) fn is_hidden(&self) -> bool {
        is_apart() || !Handle::try_current().is_ok_and(|here| here.id() == self.handle.id())
    }

    /// Runs tokio's tasks and looks at its time and I/O without waiting, if no other thread does,
    /// and nothing of tokio's is below on this stack.
    pub(crate) fn visit(&self, system: &System) {
        if self.parked.is_none() || self.is_hidden() {
            return;
        }
        let Some(mut owned) = self.runtime.take() else {
            return;
        };
        let mut polled = false;
        let turn = poll_fn(|cx| match std::mem::replace(&mut polled, true) {
            true => Poll::Ready(()),
            false => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        });
        owned.drive(turn);
        self.give_back(owned, system);
    }

    fn give_back(&self, owned: Owned, system: &System) {
        if self.runtime.give_back(owned) {
            system.notify();
        }
    }

    /// Waits in tokio's driver for events of our poller, a notification, or the limit; false if the
    /// caller has to wait elsewhere. Afterwards this thread has to look around: it was busy inside,
    /// and no sleeper for others.
    pub(crate) fn wait(
        &self,
        system: &System,
        events: &mut Events,
        until: Option<Instant>,
    ) -> bool {
        let Some(parked) = &self.parked else {
            return false;
        };
        scoped::with::<Sleeps, _>(|sleeper| {
            let Some(sleeper) = sleeper else { return false };
            // Relaxed: the holder of the role alone uses it.
            if parked.again.swap(false, Ordering::Relaxed) {
                parked.look(system, events);
                return true;
            }
            let Some(mut owned) = self.runtime.take_or_want() else {
                return false;
            };
            // What was spawned runs first, in a worker that is awake.
            if !(sleeper.wakes)() {
                parked.sleep(&mut owned, sleeper, until);
            }
            parked.take_events(system, events);
            self.give_back(owned, system);
            true
        })
    }

    /// Whether our threads drive it.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// If the thread that sleeps in tokio's driver runs tasks now: how often it began to.
    pub(crate) fn away(&self) -> Option<u32> {
        let signals = &self.parked.as_ref()?.signals;
        // Relaxed: hints, here and below.
        let away = signals.away.load(Ordering::Relaxed);
        // Relaxed: as above.
        away.then(|| signals.steps.load(Ordering::Relaxed))
    }

    /// If this thread sleeps in tokio's driver, which calls a waker now that gives it something to
    /// do: has it come back.
    pub(crate) fn comes_back(&self) -> bool {
        let Some(parked) = &self.parked else {
            return false;
        };
        scoped::with::<Inside, _>(|inside| {
            let signals = &parked.signals;
            // Further down on the stack there may be the sleep of another runtime.
            let own = inside.filter(|(inside, _)| ptr::eq(*inside, signals));
            let comes = own.is_some_and(|(_, sleeper)| (sleeper.wakes)());
            if comes {
                signals.call_back();
            }
            comes
        })
    }

    /// At a tick: calls the thread back that runs tasks of tokio's.
    pub(crate) fn tick(&self) {
        if let Some(parked) = self.parked.as_ref().filter(|_| self.away().is_some()) {
            parked.signals.call_back();
        }
    }

    /// Tasks of tokio's that have not ended, those of `spawn_blocking` not among them.
    pub(crate) fn alive(&self) -> usize {
        self.handle.metrics().num_alive_tasks()
    }

    /// Has our threads drive it no more, and calls the one back that sleeps in it: what a caretaker
    /// looks after is ours. An error if it does not come back, for so many steps of a wait.
    pub(crate) fn leave(&self, step: Duration, steps: u32) -> Result<Option<Owned>, StillOut> {
        self.runtime.close();
        if let Some(parked) = &self.parked {
            parked.signals.call_back();
        }
        self.runtime.end(step, steps)
    }
}

impl Parked {
    /// Sleeps. tokio's tasks, and our wakers, run inside.
    fn sleep(&self, owned: &mut Owned, sleeper: Sleeper<'_>, until: Option<Instant>) {
        let signals = &self.signals;
        signals.step(true);
        let park = async {
            let mut nap = pin!(until.map(|at| tokio::time::sleep_until(at.into())));
            poll_fn(|cx| {
                if signals.is_called(cx.waker()) || self.poller.poll_read_ready(cx).is_ready() {
                    return Poll::Ready(());
                }
                match nap.as_mut().as_pin_mut() {
                    Some(nap) => nap.poll(cx),
                    None => Poll::Pending,
                }
            })
            .await;
        };
        scoped::enter::<Inside, _>(Some((signals, sleeper)), || owned.drive(park));
        signals.step(false);
    }

    /// Takes the events and notifications that our poller has, if tokio says that it has any.
    fn take_events(&self, system: &System, events: &mut Events) {
        let ready = self
            .poller
            .poll_read_ready(&mut Context::from_waker(Waker::noop()));
        match ready {
            // First: an event that comes after the look is an edge of its own.
            Poll::Ready(Ok(mut ready)) => ready.clear_ready(),
            // tokio's driver has ended.
            Poll::Ready(Err(_)) => {}
            Poll::Pending => return,
        }
        self.look(system, events);
    }

    /// Takes the events that our poller has.
    fn look(&self, system: &System, events: &mut Events) {
        system.wait(events, Limit::Now, || Clock::System.now());
        let taken = events.iter().count() + usize::from(events.notified());
        // Relaxed: as in `Beside::wait`.
        self.again.store(taken >= BATCH, Ordering::Relaxed);
    }
}

/// tokio is about to sleep. A visit never sleeps: what does is a sleeper, or the end.
fn sleeps() {
    scoped::with::<Inside, _>(|inside| match inside {
        Some((signals, sleeper)) if (sleeper.sleeps)() => signals.step(false),
        Some((signals, _)) => signals.call_back(),
        None => {}
    });
}

/// tokio has slept, and has called wakers.
fn wakes() {
    scoped::with::<Inside, _>(|inside| {
        let Some((signals, sleeper)) = inside else {
            return;
        };
        signals.step(true);
        if (sleeper.wakes)() {
            signals.call_back();
        }
    });
}
