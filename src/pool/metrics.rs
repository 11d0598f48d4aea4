//! Counters that tests and users may read.

use crate::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of one seat. Only the thread on the seat writes them.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        /// What a runtime has done so far; sums over all its threads, read without stopping them.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Metrics {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            pub(crate) fn add_to(&self, sum: &mut Metrics) {
                $(sum.$name += self.$name.get();)*
            }
        }
    };
}

counters! {
    /// Jobs run: polls of tasks, reapers.
    jobs,
    /// Batches taken from another seat.
    steals,
    /// Times that a worker went to sleep.
    parks,
    /// Sleepers that were woken for a push.
    wakes,
    /// Jobs pushed by threads without a seat.
    injected,
    /// Halves of `join` that were offered to other threads.
    forks,
    /// Spare workers started for blocked ones.
    spares,
    /// Waits that ran whatever was there because no thread could be had.
    last_resorts,
}

/// A counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds one; for a counter with one writer.
    #[inline]
    pub(crate) fn bump(&self) {
        // Relaxed: a statistic with one writer, here and below.
        let now = self.0.load(Ordering::Relaxed);
        // Relaxed: as above.
        self.0.store(now.wrapping_add(1), Ordering::Relaxed);
    }

    /// Adds one; for a counter with many writers.
    pub(crate) fn bump_shared(&self) {
        // Relaxed: a statistic.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        // Relaxed: a statistic.
        self.0.load(Ordering::Relaxed)
    }
}
