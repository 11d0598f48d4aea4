//! See the crate's documentation.

use std::time::{Duration, Instant};

/// A call of an atomic method in a source, as `file:line:column`.
mod site {
    use std::panic::Location;

    #[derive(Debug)]
    pub struct Site {
        file: String,
        line: u32,
        column: u32,
    }

    impl Site {
        pub fn parse(text: &str) -> Option<Self> {
            let mut parts = text.rsplitn(3, ':');
            let column = parts.next()?.parse().ok()?;
            let line = parts.next()?.parse().ok()?;
            let file = parts.next()?.to_owned();
            Some(Self { file, line, column })
        }

        pub fn is(&self, caller: &Location<'_>) -> bool {
            caller.line() == self.line
                && caller.column() == self.column
                && caller.file().ends_with(self.file.as_str())
        }
    }
}

/// Weakens the ordering of the site that `MUTANT` names.
mod mutant {
    use super::site::Site;
    use std::panic::Location;
    use std::sync::OnceLock;
    use std::sync::atomic::Ordering;

    /// Whether the caller is the site that is to be weakened.
    pub fn is_here(caller: &Location<'_>) -> bool {
        static MUTANT: OnceLock<Option<Site>> = OnceLock::new();
        let mutant = MUTANT.get_or_init(|| Site::parse(&std::env::var("MUTANT").ok()?));
        mutant.as_ref().is_some_and(|site| site.is(caller))
    }

    /// The rest of the ordering: `MUTANT_TO` names one half of an `AcqRel`, else nothing is left.
    fn left(order: Ordering) -> Ordering {
        static TO: OnceLock<Ordering> = OnceLock::new();
        let to = *TO.get_or_init(|| match std::env::var("MUTANT_TO").as_deref() {
            Ok("Acquire") => Ordering::Acquire,
            Ok("Release") => Ordering::Release,
            _ => Ordering::Relaxed,
        });
        match (order, to) {
            (Ordering::AcqRel, half) => half,
            (order, Ordering::Acquire | Ordering::Release) => order,
            _ => Ordering::Relaxed,
        }
    }

    pub fn order(order: Ordering, caller: &Location<'_>) -> Ordering {
        if is_here(caller) { left(order) } else { order }
    }

    /// What a question is answered with: `MUTANT_TO` is `true` or `false`.
    pub fn answer(answer: bool, caller: &Location<'_>) -> bool {
        static TO: OnceLock<bool> = OnceLock::new();
        if !is_here(caller) {
            return answer;
        }
        *TO.get_or_init(|| std::env::var("MUTANT_TO").is_ok_and(|to| to == "true"))
    }
}

/// The answer to a question; that of the site which `MUTANT` names is given without looking.
#[track_caller]
pub fn decided(answer: bool) -> bool {
    mutant::answer(answer, std::panic::Location::caller())
}

/// Which weak compare-exchanges fail although the value is the expected one. `SPURIOUS` says so:
///
/// - `file:line:column`, with `SPURIOUS_NTH=n`: the n-th call of that site in an execution;
/// - `each`: every call, unless the same thread's last one at the same site failed in this way;
/// - `guess`: none; but every `guess` is a plain load, as in the product, and may be stale.
///
/// What fails depends on the execution so far and on nothing else, so the model checker can repeat
/// it.
pub(crate) mod spurious {
    use super::site::Site;
    use loom::thread::ThreadId;
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::panic::Location;
    use std::sync::OnceLock;

    enum Mode {
        Never,
        Nth(Site, u32),
        Each,
        Guess,
    }

    #[derive(Default)]
    struct Calls {
        /// Of the one site, in this execution.
        count: u32,
        /// Whose last call failed, in this execution.
        failed: Vec<(ThreadId, &'static Location<'static>)>,
        /// Sites that failed in any execution.
        ever: BTreeSet<String>,
    }

    thread_local! {
        /// A model runs on one thread.
        static CALLS: RefCell<Calls> = RefCell::default();
    }

    fn mode() -> &'static Mode {
        static MODE: OnceLock<Mode> = OnceLock::new();
        MODE.get_or_init(|| match std::env::var("SPURIOUS").as_deref() {
            Err(_) => Mode::Never,
            Ok("each") => Mode::Each,
            Ok("guess") => Mode::Guess,
            Ok(site) => {
                let nth = std::env::var("SPURIOUS_NTH").map_or(1, |nth| nth.parse().unwrap());
                Mode::Nth(Site::parse(site).expect("a site"), nth)
            }
        })
    }

    /// An execution begins.
    pub fn begin() {
        CALLS.with_borrow_mut(|calls| {
            calls.count = 0;
            calls.failed.clear();
        });
    }

    /// The sites that have failed in executions on this thread.
    pub fn sites() -> Vec<String> {
        CALLS.with_borrow(|calls| calls.ever.iter().cloned().collect())
    }

    pub fn guesses_are_loads() -> bool {
        matches!(mode(), Mode::Guess)
    }

    /// Whether this call fails.
    pub fn fails(caller: &'static Location<'static>) -> bool {
        let fails = match mode() {
            Mode::Never | Mode::Guess => return false,
            Mode::Nth(site, nth) => {
                site.is(caller)
                    && CALLS.with_borrow_mut(|calls| {
                        calls.count += 1;
                        calls.count == *nth
                    })
            }
            Mode::Each => {
                let call = (loom::thread::current().id(), caller);
                CALLS.with_borrow_mut(|calls| {
                    let last = calls.failed.iter().position(|failed| *failed == call);
                    match last {
                        Some(at) => drop(calls.failed.swap_remove(at)),
                        None => calls.failed.push(call),
                    }
                    last.is_none()
                })
            }
        };
        if fails {
            let file = caller.file().rsplit("../").next().unwrap_or_default();
            let site = format!("{file}:{}:{}", caller.line(), caller.column());
            CALLS.with_borrow_mut(|calls| calls.ever.insert(site));
        }
        fails
    }
}

/// Whether an object is still there.
pub(crate) mod alive {
    /// A mark that stays readable when the object was freed: the allocator of this crate gives
    /// memory back late.
    #[derive(Debug)]
    pub struct Alive(std::cell::Cell<u32>);

    // SAFETY: a model runs its threads one at a time.
    unsafe impl Sync for Alive {}

    const MARK: u32 = 0x600D_600D;

    thread_local! {
        /// Objects of the execution on this thread: a model runs on one.
        static LIVE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    thread_local! {
        /// Whether the end of what an `Arc` owns is taken to come after all accesses, in the
        /// execution on this thread.
        static TRUSTED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    /// An execution begins.
    pub fn begin() {
        TRUSTED.set(false);
    }

    /// See [`trust_counts`](super::trust_counts).
    pub fn trust() {
        TRUSTED.set(true);
    }

    /// Makes a static of an execution, which is dropped after the count of what lives.
    pub fn uncounted<T>(make: impl FnOnce() -> T) -> T {
        let before = LIVE.get();
        let made = make();
        LIVE.set(before);
        made
    }

    /// Objects that were made and not dropped.
    pub fn live() -> usize {
        LIVE.get()
    }

    impl Alive {
        pub fn new() -> Self {
            LIVE.set(LIVE.get().wrapping_add(1));
            Self(std::cell::Cell::new(MARK))
        }

        pub fn check(&self) {
            // SAFETY: the address is that of a cell; volatile, because a cell that was freed is
            // read on purpose, which `late` makes harmless.
            let mark = unsafe { self.0.as_ptr().read_volatile() };
            assert!(
                mark == MARK || std::thread::panicking(),
                "used after it was freed"
            );
        }

        /// The end. Whether the model checker is to be asked about it: not while a failure unwinds.
        pub fn end(&self) -> bool {
            self.check();
            LIVE.set(LIVE.get().wrapping_sub(1));
            // SAFETY: the address is that of a cell that is there, `&self`, and is used by one
            // thread; volatile, or the store to memory that is freed next would be dropped.
            unsafe { self.0.as_ptr().write_volatile(0) };
            !std::thread::panicking() && !TRUSTED.get()
        }
    }
}

/// Called first in a model whose source shares by `Arc` an object that no thread of the model can
/// hold to its end. The model checker does not see those counts, and would take every end for one
/// that races. A touch after the end fails all the same, but only in the schedule in which it
/// happens.
pub fn trust_counts() {
    alive::trust();
}

/// Atomics that a mutant can weaken.
pub mod atomic {
    use super::alive::Alive;
    use super::mutant;
    use std::panic::Location;
    pub use std::sync::atomic::Ordering;

    /// A fence that a mutant can take away.
    #[track_caller]
    pub fn fence(order: Ordering) {
        if !mutant::is_here(Location::caller()) {
            loom::sync::atomic::fence(order);
        }
    }

    macro_rules! common {
        ($name:ident, $value:ty $(, $generic:ident)?) => {
            impl$(<$generic>)? $name$(<$generic>)? {
                #[track_caller]
                pub fn new(value: $value) -> Self {
                    Self(loom::sync::atomic::$name::new(value), Alive::new())
                }
                #[track_caller]
                pub fn load(&self, order: Ordering) -> $value {
                    self.1.check();
                    self.0.load(mutant::order(order, Location::caller()))
                }
                #[track_caller]
                pub fn store(&self, value: $value, order: Ordering) {
                    self.1.check();
                    self.0.store(value, mutant::order(order, Location::caller()));
                }
                #[track_caller]
                pub fn swap(&self, value: $value, order: Ordering) -> $value {
                    self.1.check();
                    self.0.swap(value, mutant::order(order, Location::caller()))
                }
                #[track_caller]
                pub fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.1.check();
                    let caller = Location::caller();
                    let (success, failure) = (mutant::order(success, caller), mutant::order(failure, caller));
                    self.0.compare_exchange(current, new, success, failure)
                }
                #[track_caller]
                pub fn compare_exchange_weak(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    let caller = Location::caller();
                    if super::spurious::fails(caller) {
                        // What the hardware does then: a load, which may be stale.
                        self.1.check();
                        return Err(self.0.load(mutant::order(failure, caller)));
                    }
                    self.compare_exchange(current, new, success, failure)
                }
            }

            impl$(<$generic>)? Drop for $name$(<$generic>)? {
                fn drop(&mut self) {
                    // Every access must come before the end, as the model checker sees it, and none
                    // after it.
                    if self.1.end() {
                        self.0.with_mut(|_| {});
                    }
                }
            }
        };
    }

    macro_rules! integer {
        ($($name:ident $value:ty),*) => {$(
            #[derive(Debug)]
            pub struct $name(loom::sync::atomic::$name, Alive);
            common!($name, $value);
            impl $name {
                #[track_caller]
                pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                    self.1.check();
                    self.0.fetch_add(value, mutant::order(order, Location::caller()))
                }
                #[track_caller]
                pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                    self.1.check();
                    self.0.fetch_sub(value, mutant::order(order, Location::caller()))
                }
                #[track_caller]
                pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                    self.1.check();
                    self.0.fetch_or(value, mutant::order(order, Location::caller()))
                }
                #[track_caller]
                pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                    self.1.check();
                    self.0.fetch_and(value, mutant::order(order, Location::caller()))
                }
                #[track_caller]
                pub fn fetch_xor(&self, value: $value, order: Ordering) -> $value {
                    self.1.check();
                    self.0.fetch_xor(value, mutant::order(order, Location::caller()))
                }
            }
        )*};
    }

    impl Default for AtomicU64 {
        fn default() -> Self {
            Self::new(0)
        }
    }

    integer!(AtomicUsize usize, AtomicU32 u32, AtomicU64 u64);

    /// A first guess for a compare-exchange. As an RMW: loom remembers the last access of each
    /// object only, so a plain load would hide the schedules in which others come between the two.
    /// On the other hand an RMW is never stale: see `spurious`, which has the models run with
    /// loads, too.
    pub trait Guess {
        fn guess(&self) -> usize;
    }

    impl Guess for AtomicUsize {
        fn guess(&self) -> usize {
            self.1.check();
            if super::spurious::guesses_are_loads() {
                return self.0.load(Ordering::Relaxed);
            }
            self.0.fetch_add(0, Ordering::Relaxed)
        }
    }

    /// Made of a number: loom's own does not know its end.
    #[derive(Debug)]
    pub struct AtomicBool(AtomicU32);

    impl AtomicBool {
        #[track_caller]
        pub fn new(value: bool) -> Self {
            Self(AtomicU32::new(value.into()))
        }

        #[track_caller]
        pub fn load(&self, order: Ordering) -> bool {
            self.0.load(order) == 1
        }

        #[track_caller]
        pub fn store(&self, value: bool, order: Ordering) {
            self.0.store(value.into(), order);
        }

        #[track_caller]
        pub fn swap(&self, value: bool, order: Ordering) -> bool {
            self.0.swap(value.into(), order) == 1
        }

        #[track_caller]
        pub fn compare_exchange(
            &self,
            current: bool,
            new: bool,
            success: Ordering,
            failure: Ordering,
        ) -> Result<bool, bool> {
            let done = self
                .0
                .compare_exchange(current.into(), new.into(), success, failure);
            done.map(|value| value == 1).map_err(|value| value == 1)
        }
    }

    #[derive(Debug)]
    pub struct AtomicPtr<T>(loom::sync::atomic::AtomicPtr<T>, Alive);
    common!(AtomicPtr, *mut T, T);
}

/// A mutex in the shape of parking_lot's: `lock` gives the guard. A mutex that is freed while a
/// thread may still be about to lock it fails the model.
#[derive(Debug)]
pub struct Mutex<T> {
    touched: loom::cell::UnsafeCell<()>,
    alive: alive::Alive,
    inner: loom::sync::Mutex<T>,
}

// SAFETY: the mark of accesses orders nothing and holds nothing.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// Its guard.
pub struct MutexGuard<'a, T> {
    mutex: &'a loom::sync::Mutex<T>,
    /// None while it waits at a condition variable.
    inner: Option<loom::sync::MutexGuard<'a, T>>,
}

impl<'a, T> MutexGuard<'a, T> {
    fn new(mutex: &'a loom::sync::Mutex<T>) -> Self {
        let inner = Some(mutex.lock().unwrap());
        Self { mutex, inner }
    }
}

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self {
            touched: loom::cell::UnsafeCell::new(()),
            alive: alive::Alive::new(),
            inner: loom::sync::Mutex::new(value),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.alive.check();
        self.touched.with(|_| {});
        MutexGuard::new(&self.inner)
    }

    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut().unwrap()
    }
}

impl<T> Drop for Mutex<T> {
    fn drop(&mut self) {
        if self.alive.end() {
            self.touched.with_mut(|_| {});
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> std::ops::Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().unwrap()
    }
}

impl<T> std::ops::DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().unwrap()
    }
}

/// What threads sleep on is no different here.
pub mod bed {
    pub use super::{Condvar, Mutex, MutexGuard};
}

/// Time as far as timed waits are concerned: how often it is over before a thread notifies.
pub mod time {
    use super::queue::Place;
    use loom::sync::atomic::AtomicU32;
    use std::cell::{Cell, RefCell};
    use std::sync::Arc;
    use std::sync::atomic::Ordering::{Acquire, Release};

    thread_local! {
        /// In the execution on this thread; `None` if its model has no timed wait.
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
        /// Writes from before the time passed are seen after it: nothing stays stale for
        /// milliseconds.
        static CLOCK: RefCell<Option<Arc<AtomicU32>>> = const { RefCell::new(None) };
        /// Timed waits that have all the time that they need.
        static PATIENT: RefCell<Vec<Arc<Place>>> = const { RefCell::new(Vec::new()) };
    }

    /// An execution begins.
    pub(crate) fn begin() {
        LEFT.set(None);
        CLOCK.set(None);
        PATIENT.with_borrow_mut(Vec::clear);
    }

    /// Called first in a model with timed waits: so many of them may end because their time is
    /// over. Later ones have all the time that they need, so a wake-up that is lost is a deadlock
    /// and is found.
    pub fn ends(waits: u32) {
        CLOCK.set(Some(Arc::new(AtomicU32::new(0))));
        LEFT.set(Some(waits));
    }

    /// So many more waits may end, and those that had all the time are the first of them.
    pub fn passes(waits: u32) {
        let clock = CLOCK.with_borrow(Clone::clone);
        let clock = clock.expect("`ends` was called");
        clock.fetch_add(1, Release);
        LEFT.set(Some(waits));
        PATIENT.with_borrow_mut(|patient| {
            for place in patient.drain(..) {
                if take() {
                    place.end();
                }
            }
        });
    }

    /// How many timed waits may still end by themselves.
    pub fn left() -> u32 {
        LEFT.get().unwrap_or(0)
    }

    pub(crate) fn is_modelled() -> bool {
        LEFT.get().is_some()
    }

    /// Whether the timed wait that begins now may end by itself.
    fn take() -> bool {
        let left = LEFT.get().expect("`time::ends` was called");
        LEFT.set(Some(left.saturating_sub(1)));
        left > 0
    }

    /// A timed wait has ended by itself.
    pub(crate) fn ended() {
        let clock = CLOCK.with_borrow(Clone::clone);
        // An RMW, which sees the newest.
        clock.expect("`ends` was called").fetch_add(0, Acquire);
    }

    /// A timed wait begins here.
    pub(crate) fn begins(place: &Arc<Place>) {
        if take() {
            place.end();
        } else {
            PATIENT.with_borrow_mut(|patient| patient.push(Arc::clone(place)));
        }
    }
}

/// A condition variable in the shape of parking_lot's: loom's, or, where time is modelled, a queue
/// of our own, because no waiter leaves loom's without having been notified.
#[derive(Debug)]
pub struct Condvar {
    inner: loom::sync::Condvar,
    timed: Option<queue::Queue>,
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl Condvar {
    pub fn new() -> Self {
        Self {
            inner: loom::sync::Condvar::new(),
            timed: time::is_modelled().then(queue::Queue::new),
        }
    }

    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let inner = guard.inner.take().unwrap();
        guard.inner = Some(match &self.timed {
            None => self.inner.wait(inner).unwrap(),
            Some(queue) => {
                let place = queue.enter();
                drop(inner);
                queue.leave(&place);
                guard.mutex.lock().unwrap()
            }
        });
    }

    /// Waits for a notification, or until the time is over, however long that is.
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) -> bool {
        let queue = self.timed.as_ref().expect("`time::ends` was called");
        let place = queue.enter();
        time::begins(&place);
        drop(guard.inner.take());
        let notified = queue.leave(&place);
        if !notified {
            time::ended();
        }
        guard.inner = Some(guard.mutex.lock().unwrap());
        !notified
    }

    /// As [`Condvar::wait_for`]: models know no clock.
    pub fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) -> bool {
        self.wait_for(guard, Duration::ZERO)
    }

    pub fn notify_one(&self) {
        match &self.timed {
            None => self.inner.notify_one(),
            Some(queue) => queue.notify(1),
        }
    }

    pub fn notify_all(&self) {
        match &self.timed {
            None => self.inner.notify_all(),
            Some(queue) => queue.notify(usize::MAX),
        }
    }
}

/// The waiters at a condition variable, in the order in which they came.
mod queue {
    use loom::sync::atomic::AtomicU32;
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::sync::{Arc, Mutex};

    /// The list is changed by one thread at a time, each after a turn, from which the model checker
    /// knows that the order matters. A turn orders no memory.
    #[derive(Debug)]
    pub struct Queue {
        turns: AtomicU32,
        places: Mutex<VecDeque<Arc<Place>>>,
    }

    #[derive(Debug)]
    pub struct Place {
        thread: loom::thread::Thread,
        notified: AtomicBool,
        /// Its time is over as soon as it looks.
        ends: AtomicBool,
        sleeps: AtomicBool,
    }

    impl Place {
        pub fn end(&self) {
            self.ends.store(true, Relaxed);
            self.rouse();
        }

        fn rouse(&self) {
            if self.sleeps.load(Relaxed) {
                self.thread.unpark();
            }
        }

        fn is_notified(&self) -> bool {
            self.notified.load(Relaxed)
        }

        fn ends(&self) -> bool {
            self.ends.load(Relaxed)
        }
    }

    impl Queue {
        pub fn new() -> Self {
            Self {
                turns: AtomicU32::new(0),
                places: Mutex::default(),
            }
        }

        fn turn<R>(&self, f: impl FnOnce(&mut VecDeque<Arc<Place>>) -> R) -> R {
            self.turns.fetch_add(1, Relaxed);
            f(&mut self.places.lock().unwrap())
        }

        /// This thread waits from now on. It still holds the lock.
        pub fn enter(&self) -> Arc<Place> {
            let place = Arc::new(Place {
                thread: loom::thread::current(),
                notified: AtomicBool::new(false),
                ends: AtomicBool::new(false),
                sleeps: AtomicBool::new(false),
            });
            self.turn(|places| places.push_back(Arc::clone(&place)));
            place
        }

        /// Waits, without the lock, until notified; if the time ends, only until others had the
        /// chance to be first. Whether it was notified.
        pub fn leave(&self, place: &Arc<Place>) -> bool {
            while !place.is_notified() && !place.ends() {
                // No other thread comes between these two: the model checker switches where it is
                // called.
                place.sleeps.store(true, Relaxed);
                loom::thread::park();
                place.sleeps.store(false, Relaxed);
            }
            if !place.is_notified() {
                self.turn(|places| places.retain(|other| !Arc::ptr_eq(other, place)));
            }
            place.is_notified()
        }

        pub fn notify(&self, count: usize) {
            self.turn(|places| {
                let count = count.min(places.len());
                for place in places.drain(..count) {
                    place.notified.store(true, Relaxed);
                    place.rouse();
                }
            });
        }
    }
}

/// Trusted: loom's own cannot hold a trait object.
pub use std::sync::Arc;

/// Something that is made once. The model checker sees the acquire of a reader and the release of
/// the maker.
#[derive(Debug)]
pub struct OnceLock<T> {
    made: loom::sync::atomic::AtomicBool,
    making: loom::sync::Mutex<()>,
    value: loom::cell::UnsafeCell<Option<T>>,
}

// SAFETY: the value is written once, under the lock, before `made` says so.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}

impl<T> OnceLock<T> {
    #[expect(clippy::new_without_default, reason = "the real one is used by `new`")]
    pub fn new() -> Self {
        Self {
            made: loom::sync::atomic::AtomicBool::new(false),
            making: loom::sync::Mutex::new(()),
            value: loom::cell::UnsafeCell::new(None),
        }
    }

    pub fn get(&self) -> Option<&T> {
        if !self.made.load(atomic::Ordering::Acquire) {
            return None;
        }
        // SAFETY: `made` was seen (Acquire), so the value is there, and it is never written again.
        self.value.with(|value| unsafe { (*value).as_ref() })
    }

    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        let lock = self.making.lock().unwrap();
        if !self.made.load(atomic::Ordering::Acquire) {
            let value = make();
            // SAFETY: not made yet, so no reader uses the place, and the lock is held, so no other
            // maker does.
            self.value.with_mut(|place| unsafe { *place = Some(value) });
            self.made.store(true, atomic::Ordering::Release);
        }
        drop(lock);
        self.get().expect("made")
    }
}

/// Threads of the model.
pub mod thread {
    pub use loom::thread::{JoinHandle, spawn};
    pub use std::thread::panicking;

    use loom::thread::ThreadId;
    use std::cell::RefCell;

    thread_local! {
        /// Threads of the execution on this thread that have looked once and would like to wait.
        static LOOKED: RefCell<Vec<ThreadId>> = const { RefCell::new(Vec::new()) };
    }

    /// An execution begins.
    pub(crate) fn begin() {
        LOOKED.with_borrow_mut(Vec::clear);
    }

    /// Lets other threads go on. Not the first time that a thread of an execution calls it: after a
    /// yield of the model checker a thread does not see again the values that it has seen before,
    /// so one that yields between two looks sees nothing stale at the second.
    pub fn yield_now() {
        let thread = loom::thread::current().id();
        let again = LOOKED.with_borrow_mut(|looked| {
            let again = looked.contains(&thread);
            if !again {
                looked.push(thread);
            }
            again
        });
        if again {
            loom::thread::yield_now();
        }
    }
}

pub use thread::yield_now as spin_loop;

/// Sizes differ from those of the product.
pub const EXACT_SIZES: bool = false;

/// Memory that is kept would hide a use after the end.
pub const RECYCLES: bool = false;

/// Memory whose accesses the model checker watches: payloads of models, and data that locks
/// protect.
pub mod cell {
    pub use loom::cell::UnsafeCell;
    use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// A payload that may be read while it is written; it orders nothing.
    #[derive(Debug, Default)]
    pub struct Racy(AtomicU32);

    impl Racy {
        pub fn get(&self) -> u32 {
            self.0.load(Relaxed)
        }

        pub fn set(&self, value: u32) {
            self.0.store(value, Relaxed);
        }
    }

    /// Counts what begins and what ends, unseen by the model checker: no schedule depends on it.
    /// Both are equal when it is dropped.
    #[derive(Debug, Default)]
    pub struct Balance(std::sync::atomic::AtomicIsize);

    impl Balance {
        pub fn begin(&self) {
            self.0.fetch_add(1, Relaxed);
        }

        pub fn end(&self) {
            self.0.fetch_sub(1, Relaxed);
        }
    }

    impl Drop for Balance {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                assert_eq!(*self.0.get_mut(), 0, "what begins ends, once");
            }
        }
    }

    /// `std::cell::Cell`, watched.
    #[derive(Debug)]
    pub struct Cell<T> {
        alive: super::alive::Alive,
        value: UnsafeCell<T>,
    }

    impl<T> Cell<T> {
        pub fn new(value: T) -> Self {
            Self {
                alive: super::alive::Alive::new(),
                value: UnsafeCell::new(value),
            }
        }

        #[track_caller]
        pub fn get(&self) -> T
        where
            T: Copy,
        {
            self.alive.check();
            // SAFETY: the model checker refuses a write at the same time.
            self.value.with(|value| unsafe { *value })
        }

        /// For reading where a protocol says that no thread writes.
        #[track_caller]
        pub fn as_ptr(&self) -> *mut T {
            self.alive.check();
            self.value.with(<*const T>::cast_mut)
        }

        #[track_caller]
        pub fn set(&self, value: T) {
            drop(self.replace(value));
        }

        #[track_caller]
        pub fn replace(&self, value: T) -> T {
            self.alive.check();
            // SAFETY: the model checker refuses another access at the same time.
            self.value
                .with_mut(|place| unsafe { std::mem::replace(&mut *place, value) })
        }
    }

    impl<T> Drop for Cell<T> {
        fn drop(&mut self) {
            if self.alive.end() {
                self.value.with_mut(|_| {});
            }
        }
    }
}

#[macro_export]
macro_rules! process_static {
    (static $name:ident: $type:ty = $value:expr;) => {
        loom::lazy_static! {
            static ref $name: $type = $crate::sync::uncounted(|| $value);
        }
    };
}

pub use process_static;

/// For [`process_static`].
pub use alive::uncounted;

/// Process-wide things of modelled files.
pub mod process {
    use super::MutexGuard;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Few, because each is an object of every execution; enough that two hosts of a model have a
    /// lock each.
    pub const STRIPES: usize = 4;

    struct Stripes {
        /// In the order of first use, because addresses differ between executions and a model must
        /// repeat itself.
        known: std::sync::Mutex<Vec<usize>>,
        locks: [loom::sync::Mutex<()>; STRIPES],
    }

    loom::lazy_static! {
        static ref LOCKS: Stripes = Stripes {
            known: std::sync::Mutex::new(Vec::new()),
            locks: std::array::from_fn(|_| loom::sync::Mutex::new(())),
        };
    }

    pub fn stripe_of(address: usize) -> usize {
        let stripes: &'static Stripes = &LOCKS;
        let mut known = stripes.known.lock().unwrap();
        let at = known
            .iter()
            .position(|&other| other == address)
            .unwrap_or_else(|| {
                known.push(address);
                known.len() - 1
            });
        at % STRIPES
    }

    pub fn lock_of(address: usize) -> MutexGuard<'static, ()> {
        let stripes: &'static Stripes = &LOCKS;
        MutexGuard::new(&stripes.locks[stripe_of(address)])
    }

    pub fn next_number() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
}

/// A thread-local of a thread of the model.
#[derive(Debug)]
pub struct LocalKey<T: 'static>(#[doc(hidden)] pub loom::thread::LocalKey<T>);

impl<T: 'static> LocalKey<T> {
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.0.with(f)
    }

    pub fn try_with<R>(
        &'static self,
        f: impl FnOnce(&T) -> R,
    ) -> Result<R, loom::thread::AccessError> {
        self.0.try_with(f)
    }
}

impl<T: 'static> LocalKey<std::cell::Cell<T>> {
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(std::cell::Cell::get)
    }

    pub fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }

    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

/// `std::thread_local!` with constant beginnings, for threads of the model.
#[macro_export]
#[doc(hidden)]
macro_rules! __thread_local {
    ($($vis:vis static $name:ident: $type:ty = const { $init:expr };)*) => {$(
        $vis static $name: $crate::sync::LocalKey<$type> = $crate::sync::LocalKey($crate::__private::LocalKey {
            init: (|| $init) as fn() -> $type,
            _p: ::std::marker::PhantomData,
        });
    )*};
}

pub use crate::__thread_local as thread_local;

pub mod deque;
