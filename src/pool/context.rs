//! Where this thread is: its runtime, its seat, and the runtimes entered on it.

#![expect(unsafe_code, reason = "the place of a thread lives on its own stack")]

use crate::driver::clock::Clock;
use crate::driver::driver::Driver;
use crate::group::open::Awaited;
use crate::pool::config::RuntimeBuilder;
use crate::pool::fork::Forks;
use crate::pool::runtime::Runtime;
use crate::pool::shared::Shared;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, OnceLock};
use std::cell::{Cell, RefCell};
use std::ptr;
use std::time::Instant;

/// What a thread is in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Post {
    /// A worker's loop, which others rely on.
    Worker,
    /// A caller that is blocked.
    Caller,
    /// A thread for closures that block.
    Blocking,
}

/// A thread's place in a runtime, on the stack of the function that took it.
pub(crate) struct Place {
    pub(crate) shared: Arc<Shared>,
    /// The seat; a blocked caller claims one at its first push.
    pub(crate) seat: Cell<Option<usize>>,
    pub(crate) post: Post,
    /// What a blocked caller waits for.
    pub(crate) awaited: Option<Awaited>,
    /// Guests of the runtime that are blocked in this place.
    pub(crate) guests: Cell<usize>,
    /// A thread for closures that block: it does not count against their limit, because it waits.
    pub(crate) waits: Cell<bool>,
    /// Its worker counts as searching while it calls what the driver found due: if that blocks, it searches no more.
    pub(crate) searching: Cell<bool>,
    /// Halves of `join` that were forked off here.
    pub(crate) forks: Forks,
    below: Cell<*const Place>,
    /// Entries with a smaller number were made before the place was taken: they do not count in it.
    since: Cell<u64>,
}

/// The number of the next entry, in the whole process: entries and places of a thread are in its order.
static NEXT_ENTRY: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static PLACE: Cell<*const Place> = const { Cell::new(ptr::null()) };
    static ENTERED: RefCell<Vec<(u64, Arc<Shared>)>> = const { RefCell::new(Vec::new()) };
    /// The number of the last of these, or zero.
    static NEWEST: Cell<u64> = const { Cell::new(0) };
}

static GLOBAL: OnceLock<Runtime> = OnceLock::new();

impl Place {
    fn new(shared: Arc<Shared>, seat: Option<usize>, post: Post) -> Self {
        Self {
            shared,
            seat: Cell::new(seat),
            post,
            awaited: None,
            guests: Cell::new(0),
            waits: Cell::new(false),
            searching: Cell::new(false),
            forks: Forks::new(),
            below: Cell::new(ptr::null()),
            since: Cell::new(0),
        }
    }

    /// The place of a worker, on a seat that it has claimed.
    pub(crate) fn worker(shared: Arc<Shared>, seat: usize) -> Self {
        Self::new(shared, Some(seat), Post::Worker)
    }

    /// The place of a thread for closures that block.
    pub(crate) fn blocking(shared: Arc<Shared>) -> Self {
        Self::new(shared, None, Post::Blocking)
    }

    /// The place of a caller that blocks until something has ended.
    pub(crate) fn blocked(shared: Arc<Shared>, awaited: Awaited) -> Self {
        Self {
            awaited: Some(awaited),
            ..Self::new(shared, None, Post::Caller)
        }
    }

    /// Gives the seat back, if one was claimed.
    pub(crate) fn leave_seat(&self) {
        if let Some(seat) = self.seat.take() {
            self.forks.forget_seat();
            // SAFETY: this thread claimed the seat through this place.
            unsafe { self.shared.flush(seat) };
            // SAFETY: as above, and it is used no more.
            unsafe { self.shared.seats.leave(seat) };
        }
    }

    /// This place and those that this thread had before, the innermost first.
    pub(crate) fn and_below(&self) -> impl Iterator<Item = &Place> {
        // SAFETY: places nest on the stack: the one below outlives this one.
        std::iter::successors(Some(self), |place| unsafe { place.below.get().as_ref() })
    }

    /// Runs `f` with this thread in this place.
    pub(crate) fn occupy<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Restore(*const Place);
        impl Drop for Restore {
            fn drop(&mut self) {
                PLACE.set(self.0);
            }
        }
        let below = PLACE.replace(self);
        self.below.set(below);
        // Relaxed: compared with numbers that this thread drew; an RMW chain on one word is in order for each thread.
        self.since.set(NEXT_ENTRY.load(Ordering::Relaxed));
        let _restore = Restore(below);
        f()
    }
}

/// Calls `f` with this thread's place, if it has one.
#[inline]
pub(crate) fn place<R>(f: impl FnOnce(Option<&Place>) -> R) -> R {
    // Destructors of thread locals run without a place.
    let place = PLACE.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: a place leaves `PLACE` before it leaves the stack.
    f(unsafe { place.as_ref() })
}

/// The runtime of this thread: the one entered last, else that of its worker or `block_on`, else the global one. What was
/// entered before a worker or `block_on` began does not count inside: a child must not depend on which thread runs it.
pub(crate) fn runtime() -> Arc<Shared> {
    runtime_here().unwrap_or_else(|| Arc::clone(global().shared()))
}

/// The runtime that was entered on this thread, or whose worker or `block_on` it is in.
fn runtime_here() -> Option<Arc<Shared>> {
    let (since, occupied) = place(|place| match place {
        Some(place) => (place.since.get(), Some(Arc::clone(&place.shared))),
        None => (0, None),
    });
    let entered = ENTERED.try_with(|entered| {
        let entered = entered.borrow();
        let (_, shared) = entered.last().filter(|(number, _)| *number >= since)?;
        Some(Arc::clone(shared))
    });
    entered.ok().flatten().or(occupied)
}

/// Calls `f` with this thread's place, if that is in the runtime of free functions: none was entered since.
#[inline]
pub(crate) fn place_of_free_functions<R>(f: impl FnOnce(Option<&Place>) -> R) -> R {
    place(|place| f(place.filter(|place| NEWEST.get() < place.since.get())))
}

/// The driver of this thread's runtime.
pub(crate) fn driver() -> Arc<Driver> {
    Arc::clone(&runtime().driver)
}

/// Now, on the clock of this thread's runtime. It starts none: the global one goes by the system's clock unless one was
/// installed.
pub(crate) fn now() -> Instant {
    let elsewhere =
        runtime_here().or_else(|| GLOBAL.get().map(|global| Arc::clone(global.shared())));
    match elsewhere {
        Some(shared) => shared.driver.now(),
        None => Clock::System.now(),
    }
}

fn global() -> &'static Runtime {
    GLOBAL.get_or_init(|| {
        RuntimeBuilder::new()
            .build()
            .expect("the global runtime could not be started")
    })
}

/// Makes `runtime` the global one; gives it back if there is one already.
pub(crate) fn install_global(runtime: Runtime) -> Result<(), Runtime> {
    GLOBAL.set(runtime)
}

/// Enters a runtime on this thread; the answer names the entry.
pub(crate) fn enter(shared: Arc<Shared>) -> u64 {
    // Relaxed: only uniqueness and the order within this thread matter.
    let number = NEXT_ENTRY.fetch_add(1, Ordering::Relaxed);
    ENTERED.with_borrow_mut(|entered| entered.push((number, shared)));
    NEWEST.set(number);
    number
}

/// Undoes an entry; entries may end in any order.
pub(crate) fn exit(number: u64) {
    let entry = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        let at = entered.iter().rposition(|entry| entry.0 == number)?;
        let entry = entered.remove(at);
        NEWEST.set(entered.last().map_or(0, |last| last.0));
        Some(entry)
    });
    // After the borrow: it may be the last reference to the runtime.
    drop(entry);
}
