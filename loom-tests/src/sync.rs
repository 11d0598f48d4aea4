//! See the crate's documentation.

/// Weakens the ordering of the site that `MUTANT` names.
mod mutant {
    use std::panic::Location;
    use std::sync::OnceLock;
    use std::sync::atomic::Ordering;

    /// Whether the caller is the site that is to be weakened.
    pub fn is_here(caller: &Location<'_>) -> bool {
        static MUTANT: OnceLock<Option<(String, u32, u32)>> = OnceLock::new();
        let mutant = MUTANT.get_or_init(|| {
            let text = std::env::var("MUTANT").ok()?;
            let mut parts = text.rsplitn(3, ':');
            let column = parts.next()?.parse().ok()?;
            let line = parts.next()?.parse().ok()?;
            Some((parts.next()?.to_owned(), line, column))
        });
        mutant.as_ref().is_some_and(|(file, line, column)| {
            caller.line() == *line
                && caller.column() == *column
                && caller.file().ends_with(file.as_str())
        })
    }

    /// What is left of the ordering: `MUTANT_TO` names one half of an `AcqRel`, else nothing is left.
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
}

/// Whether an object is still there.
pub(crate) mod alive {
    /// A mark that stays readable when the object was freed: the allocator of this crate gives memory back late.
    #[derive(Debug)]
    pub struct Alive(std::cell::Cell<u32>);

    // SAFETY: a model runs its threads one at a time.
    unsafe impl Sync for Alive {}

    const MARK: u32 = 0x600D_600D;

    thread_local! {
        /// Objects of the execution on this thread: a model runs on one.
        static LIVE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    /// Objects that were made and not dropped.
    pub fn live() -> usize {
        LIVE.get()
    }

    impl Alive {
        pub fn new() -> Self {
            LIVE.set(LIVE.get() + 1);
            Self(std::cell::Cell::new(MARK))
        }

        pub fn check(&self) {
            // SAFETY: a cell may be read; volatile, because what was freed is read on purpose.
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
            // SAFETY: as in `check`; volatile, or the store to memory that is freed next would be dropped.
            unsafe { self.0.as_ptr().write_volatile(0) };
            !std::thread::panicking()
        }
    }
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
                    self.compare_exchange(current, new, success, failure)
                }
            }

            impl$(<$generic>)? Drop for $name$(<$generic>)? {
                fn drop(&mut self) {
                    // Every access must come before the end, as the model checker sees it, and none after it.
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

    /// A first guess for a compare-exchange. As an RMW: loom remembers the last access of each object only, so a plain
    /// load would hide the schedules in which others come between the two.
    pub trait Guess {
        fn guess(&self) -> usize;
    }

    impl Guess for AtomicUsize {
        fn guess(&self) -> usize {
            self.1.check();
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

/// A mutex in the shape of parking_lot's: `lock` gives the guard. A mutex that is freed while somebody may still be
/// about to lock it fails the model.
#[derive(Debug)]
pub struct Mutex<T> {
    touched: loom::cell::UnsafeCell<()>,
    alive: alive::Alive,
    inner: loom::sync::Mutex<T>,
}

// SAFETY: the mark of accesses orders nothing and holds nothing.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// Its guard.
pub struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

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
        MutexGuard(Some(self.inner.lock().unwrap()))
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
        self.0.as_ref().unwrap()
    }
}

impl<T> std::ops::DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().unwrap()
    }
}

/// What threads sleep on is no different here.
pub mod bed {
    pub use super::{Condvar, Mutex, MutexGuard};
}

/// A condition variable in the shape of parking_lot's.
#[derive(Debug)]
pub struct Condvar(loom::sync::Condvar);

impl Condvar {
    #[expect(clippy::new_without_default, reason = "the real one is used by `new`")]
    pub fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let inner = guard.0.take().unwrap();
        guard.0 = Some(self.0.wait(inner).unwrap());
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }
}

/// Trusted: loom's own cannot hold a trait object.
pub use std::sync::Arc;

/// Something that is made once. The model checker sees the acquire of a reader and the release of the maker.
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
        // SAFETY: made, and never written again.
        self.value.with(|value| unsafe { (*value).as_ref() })
    }

    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        let lock = self.making.lock().unwrap();
        if !self.made.load(atomic::Ordering::Acquire) {
            let value = make();
            // SAFETY: not made, and the lock is held.
            self.value.with_mut(|place| unsafe { *place = Some(value) });
            self.made.store(true, atomic::Ordering::Release);
        }
        drop(lock);
        self.get().expect("made")
    }
}

/// Threads of the model.
pub mod thread {
    pub use loom::thread::{JoinHandle, spawn, yield_now};
    pub use std::thread::panicking;
}

pub use loom::hint::spin_loop;

/// Sizes differ from those of the product.
pub const EXACT_SIZES: bool = false;

/// Memory whose accesses the model checker watches: payloads of models, and what locks protect.
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

    /// Counts what begins and what ends, unseen by the model checker: no schedule depends on it. Both are equal when it
    /// is dropped.
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

        /// For reading where a protocol says that nobody writes.
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

/// Process-wide things of modelled files.
pub mod process {
    use super::MutexGuard;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Few, because each is an object of every execution; enough that two hosts of a model have a lock each.
    const STRIPES: usize = 4;

    struct Stripes {
        /// In the order of first use, because addresses differ between executions and a model must repeat itself.
        known: std::sync::Mutex<Vec<usize>>,
        locks: [loom::sync::Mutex<()>; STRIPES],
    }

    loom::lazy_static! {
        static ref LOCKS: Stripes = Stripes {
            known: std::sync::Mutex::new(Vec::new()),
            locks: std::array::from_fn(|_| loom::sync::Mutex::new(())),
        };
    }

    pub fn lock_of(address: usize) -> MutexGuard<'static, ()> {
        let stripes: &'static Stripes = &LOCKS;
        let at = {
            let mut known = stripes.known.lock().unwrap();
            known
                .iter()
                .position(|&other| other == address)
                .unwrap_or_else(|| {
                    known.push(address);
                    known.len() - 1
                })
        };
        MutexGuard(Some(stripes.locks[at % STRIPES].lock().unwrap()))
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
