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

    pub fn order(order: Ordering, caller: &Location<'_>) -> Ordering {
        if is_here(caller) {
            Ordering::Relaxed
        } else {
            order
        }
    }
}

/// Atomics that a mutant can weaken.
pub mod atomic {
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
                    Self(loom::sync::atomic::$name::new(value))
                }
                #[track_caller]
                pub fn load(&self, order: Ordering) -> $value {
                    self.0.load(mutant::order(order, Location::caller()))
                }
                #[track_caller]
                pub fn store(&self, value: $value, order: Ordering) {
                    self.0.store(value, mutant::order(order, Location::caller()));
                }
                #[track_caller]
                pub fn swap(&self, value: $value, order: Ordering) -> $value {
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
        };
    }

    macro_rules! integer {
        ($($name:ident $value:ty),*) => {$(
            #[derive(Debug)]
            pub struct $name(loom::sync::atomic::$name);
            common!($name, $value);
            impl $name {
                #[track_caller]
                pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                    self.0.fetch_add(value, mutant::order(order, Location::caller()))
                }
                #[track_caller]
                pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                    self.0.fetch_sub(value, mutant::order(order, Location::caller()))
                }
                #[track_caller]
                pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                    self.0.fetch_or(value, mutant::order(order, Location::caller()))
                }
                #[track_caller]
                pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                    self.0.fetch_and(value, mutant::order(order, Location::caller()))
                }
                #[track_caller]
                pub fn fetch_xor(&self, value: $value, order: Ordering) -> $value {
                    self.0.fetch_xor(value, mutant::order(order, Location::caller()))
                }
            }
        )*};
    }

    integer!(AtomicUsize usize, AtomicU32 u32, AtomicU64 u64);

    /// A first guess for a compare-exchange. As an RMW: loom remembers the last access of each object only, so a plain
    /// load would hide the schedules in which others come between the two.
    pub trait Guess {
        fn guess(&self) -> usize;
    }

    impl Guess for AtomicUsize {
        fn guess(&self) -> usize {
            self.0.fetch_add(0, Ordering::Relaxed)
        }
    }

    #[derive(Debug)]
    pub struct AtomicBool(loom::sync::atomic::AtomicBool);
    common!(AtomicBool, bool);

    #[derive(Debug)]
    pub struct AtomicPtr<T>(loom::sync::atomic::AtomicPtr<T>);
    common!(AtomicPtr, *mut T, T);
}

/// A mutex in the shape of parking_lot's: `lock` gives the guard.
#[derive(Debug)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

/// Its guard.
pub struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().unwrap()))
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

/// Threads of the model.
pub mod thread {
    pub use loom::thread::{JoinHandle, spawn, yield_now};
}

/// Memory whose accesses the model checker watches: payloads of models.
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
}
