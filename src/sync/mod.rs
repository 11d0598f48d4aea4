//! The ground: the only file that names `std::sync`, `std::thread`, parking_lot or crossbeam.
//!
//! All other files ask `crate::sync` for their atomics, locks, threads and deques. `loom-tests`
//! supplies a twin of this file with the same names, so that the very sources of the protocols run
//! under the model checker.
//!
//! Rules that keep the twin possible: in a file that has a model there is no static whose value
//! changes, and no `Weak`; every store-load point is a pair of [`atomic::fence`]s with `SeqCst`,
//! never a pair of `SeqCst` accesses (the model checker treats those as acquire and release). A
//! timed wait in the twin ends when the model says so.

/// Atomic integers and pointers.
pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };

    /// A first guess for a compare-exchange, which decides. Apart from `load` because the twin must
    /// treat it apart: loom remembers the last access of each object only, and a plain load before
    /// a compare-exchange hides schedules.
    pub(crate) trait Guess {
        /// The value, as of some moment.
        fn guess(&self) -> usize;
    }

    impl Guess for AtomicUsize {
        #[inline(always)]
        fn guess(&self) -> usize {
            // Relaxed: only a guess.
            self.load(Ordering::Relaxed)
        }
    }
}

/// Plain memory that several threads may reach, guarded by a protocol.
pub(crate) mod cell {
    /// For what a lock protects; the twin's is watched.
    pub(crate) use std::cell::Cell;

    /// `std::cell::UnsafeCell` in the shape that the model checker can watch: the pointer exists
    /// only inside a closure.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Hands out the pointer for reading.
        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Hands out the pointer for writing.
        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

/// A static of a file that has a model, made at its first use: in a model for each execution.
macro_rules! process_static {
    (static $name:ident: $type:ty = $value:expr;) => {
        static $name: std::sync::LazyLock<$type> = std::sync::LazyLock::new(|| $value);
    };
}

pub(crate) use process_static;

pub(crate) mod process;

/// The answer to a question that is asked under a lock, and decides which duty comes next. In the
/// twin it can be given without looking, and some model fails then: see CONTRIBUTING.md.
#[inline(always)]
pub(crate) fn decided(answer: bool) -> bool {
    answer
}

/// Whether types have the sizes of the product; in the twin they have not.
pub(crate) const EXACT_SIZES: bool = true;

/// Whether threads keep memory for the next tasks and groups: not in the twin, nor where a tool
/// looks for uses after the end, which find nothing in memory that has a new owner.
pub(crate) const RECYCLES: bool = option_env!("SPINNEY_NO_RECYCLING").is_none() && !cfg!(miri);

/// Work-stealing deques: owner ends, thief ends, and the queue for outsiders.
pub(crate) mod deque {
    pub(crate) use crossbeam_deque::{Injector, Steal, Stealer, Worker};
}

/// Threads: only what the protocols need.
pub(crate) mod thread {
    pub(crate) use std::thread::{Builder, JoinHandle, current, panicking, yield_now};
}

/// What threads sleep on for long: the locks and condition variables of std, in the shape of
/// parking_lot's.
///
/// parking_lot keeps its sleepers in one table of the process, as addresses of what belongs to
/// their threads. A process that is forked has the table and not the threads, and its own new
/// threads get their memory: the lists in the table would become knots. std's are words on which
/// the kernel lets threads sleep, and leave nothing behind.
pub(crate) mod bed {
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::time::{Duration, Instant};

    /// A lock for use with a [`Condvar`]. It is not poisoned.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
        }
    }

    /// Its guard; empty only inside a wait.
    pub(crate) struct MutexGuard<'a, T>(Option<std::sync::MutexGuard<'a, T>>);

    const HELD: &str = "the lock is held but in a wait";

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().expect(HELD)
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().expect(HELD)
        }
    }

    /// A condition variable. A wait may end for no reason.
    #[derive(Debug, Default)]
    pub(crate) struct Condvar(std::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let held = guard.0.take().expect(HELD);
            guard.0 = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
        }

        /// Waits for `limit` at most; whether that was over.
        pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, limit: Duration) -> bool {
            let held = guard.0.take().expect(HELD);
            let waited = self.0.wait_timeout(held, limit);
            let (held, ended) = waited.unwrap_or_else(PoisonError::into_inner);
            guard.0 = Some(held);
            ended.timed_out()
        }

        /// Waits until `at` at most; whether that was reached.
        pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, at: Instant) -> bool {
            self.wait_for(guard, at.saturating_duration_since(Instant::now()))
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

pub(crate) use parking_lot::{Mutex, MutexGuard};
pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::{Arc, OnceLock, Weak};
pub(crate) use std::thread::LocalKey;
pub(crate) use std::thread_local;
