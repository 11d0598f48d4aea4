//! The twin of `src/sync`: the same names, and each call is counted where it was made.

use crate::counts::{Kind, count};
use crate::real;

pub(crate) use crate::real::{
    Arc, EXACT_SIZES, LocalKey, MutexGuard, OnceLock, RECYCLES, Weak, cell, decided, process,
    process_static, spin_loop, thread, thread_local,
};

/// Atomics that count.
pub(crate) mod atomic {
    use super::{Kind, count, real};

    pub(crate) use super::real::atomic::Ordering;

    /// A fence that counts; others than `SeqCst` are no instruction.
    #[inline]
    #[track_caller]
    pub(crate) fn fence(order: Ordering) {
        if order == Ordering::SeqCst {
            count(Kind::Fence);
        }
        real::atomic::fence(order);
    }

    macro_rules! counted {
        ([$($generic:ident)?] $name:ty, $value:ty, $inner:ident { $($method:ident)* }) => {
            impl $(<$generic>)? $name {
                pub(crate) const fn new(value: $value) -> Self {
                    Self(real::atomic::$inner::new(value))
                }
                pub(crate) fn load(&self, order: Ordering) -> $value {
                    self.0.load(order)
                }
                #[track_caller]
                pub(crate) fn store(&self, value: $value, order: Ordering) {
                    count(Kind::Store);
                    self.0.store(value, order);
                }
                #[track_caller]
                pub(crate) fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    count(Kind::Rmw);
                    self.0.compare_exchange(current, new, success, failure)
                }
                #[track_caller]
                pub(crate) fn compare_exchange_weak(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    count(Kind::Rmw);
                    self.0.compare_exchange_weak(current, new, success, failure)
                }
                $(
                    #[track_caller]
                    pub(crate) fn $method(&self, value: $value, order: Ordering) -> $value {
                        count(Kind::Rmw);
                        self.0.$method(value, order)
                    }
                )*
            }
        };
    }

    macro_rules! integers {
        ($($name:ident $value:ty),*) => {$(
            #[derive(Debug, Default)]
            pub(crate) struct $name(real::atomic::$name);
            counted!([] $name, $value, $name {
                swap fetch_add fetch_sub fetch_or fetch_and fetch_xor
            });
        )*};
    }

    integers!(AtomicU32 u32, AtomicU64 u64, AtomicUsize usize);

    #[derive(Debug, Default)]
    pub(crate) struct AtomicBool(real::atomic::AtomicBool);
    counted!([] AtomicBool, bool, AtomicBool { swap });

    #[derive(Debug)]
    pub(crate) struct AtomicPtr<T>(real::atomic::AtomicPtr<T>);
    counted!([T] AtomicPtr<T>, *mut T, AtomicPtr { swap });

    /// See the real one.
    pub(crate) trait Guess {
        fn guess(&self) -> usize;
    }

    impl Guess for AtomicUsize {
        fn guess(&self) -> usize {
            self.load(Ordering::Relaxed)
        }
    }
}

/// A lock that counts.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(real::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(real::Mutex::new(value))
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        count(Kind::Lock);
        self.0.lock()
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

/// What threads sleep on for long.
pub(crate) mod bed {
    use super::{Kind, count, real};

    pub(crate) use super::real::bed::{Condvar, MutexGuard};

    /// A lock that counts.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(real::bed::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(real::bed::Mutex::new(value))
        }

        #[track_caller]
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            count(Kind::Lock);
            self.0.lock()
        }
    }
}

/// Deques that count.
pub(crate) mod deque {
    use super::{Kind, count, real};

    pub(crate) use super::real::deque::Steal;

    /// The owner's end.
    pub(crate) struct Worker<T>(real::deque::Worker<T>);

    impl<T> Worker<T> {
        pub(crate) fn new_lifo() -> Self {
            Self(real::deque::Worker::new_lifo())
        }

        pub(crate) fn new_fifo() -> Self {
            Self(real::deque::Worker::new_fifo())
        }

        pub(crate) fn stealer(&self) -> Stealer<T> {
            Stealer(self.0.stealer())
        }

        pub(crate) fn len(&self) -> usize {
            self.0.len()
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        #[track_caller]
        pub(crate) fn push(&self, value: T) {
            count(Kind::Deque);
            self.0.push(value);
        }

        /// An empty deque is seen without an instruction that locks.
        #[track_caller]
        pub(crate) fn pop(&self) -> Option<T> {
            let popped = self.0.pop();
            if popped.is_some() {
                count(Kind::Deque);
            }
            popped
        }
    }

    /// A thief's end.
    pub(crate) struct Stealer<T>(real::deque::Stealer<T>);

    impl<T> Stealer<T> {
        pub(crate) fn len(&self) -> usize {
            self.0.len()
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        #[track_caller]
        pub(crate) fn steal(&self) -> Steal<T> {
            count(Kind::Deque);
            self.0.steal()
        }

        #[track_caller]
        pub(crate) fn steal_batch_with_limit_and_pop(
            &self,
            to: &Worker<T>,
            limit: usize,
        ) -> Steal<T> {
            count(Kind::Deque);
            self.0.steal_batch_with_limit_and_pop(&to.0, limit)
        }
    }

    /// The queue for outsiders.
    pub(crate) struct Injector<T>(real::deque::Injector<T>);

    impl<T> Injector<T> {
        pub(crate) fn new() -> Self {
            Self(real::deque::Injector::new())
        }

        pub(crate) fn len(&self) -> usize {
            self.0.len()
        }
        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        #[track_caller]
        pub(crate) fn push(&self, value: T) {
            count(Kind::Deque);
            self.0.push(value);
        }

        #[track_caller]
        pub(crate) fn steal(&self) -> Steal<T> {
            count(Kind::Deque);
            self.0.steal()
        }

        #[track_caller]
        pub(crate) fn steal_batch_with_limit_and_pop(
            &self,
            to: &Worker<T>,
            limit: usize,
        ) -> Steal<T> {
            count(Kind::Deque);
            self.0.steal_batch_with_limit_and_pop(&to.0, limit)
        }
    }
}
