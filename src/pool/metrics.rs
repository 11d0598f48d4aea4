//! Counters that tests and users may read.

use crate::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of one seat, which only the thread on it writes, or those of a runtime,
        /// which all may write.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        /// What a runtime has done so far, and what is alive in it; read without stopping its
        /// threads.
        ///
        /// All fields are numbers of things. Those that begin with `live_` are *levels*: how many
        /// there are now; they go up and down. All others are *sums* over all threads since the
        /// runtime was built; they only go up.
        ///
        /// # Levels
        ///
        /// A level counts what was alive all the time while it was read. It does not count a task
        /// or a group that was awaited before, nor any task or group in one that was: there is no
        /// need to wait for a zero. So the levels of a runtime with nothing to do are zero, and
        /// what stays is what was forgotten.
        ///
        /// # Examples
        ///
        /// ```
        /// use spinney::{Runtime, group};
        ///
        /// let runtime = Runtime::builder().workers(1).build()?;
        /// let during = runtime.block_on(group(async |g| {
        ///     g.spawn(async {}).await;
        ///     runtime.metrics()
        /// }));
        /// assert_eq!(during.live_groups, 1);
        /// let after = runtime.metrics();
        /// assert_eq!(after.live_groups, 0); // a level
        /// assert!(after.jobs >= 1 && after.jobs >= during.jobs); // a sum
        /// # Ok::<(), spinney::runtime::BuildError>(())
        /// ```
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Metrics {
            $($(#[$doc])* pub $name: u64,)*
            /// Tasks that were spawned and have not ended, queued ones included: children,
            /// services, closures, and one for each group whose body has ended and that has
            /// services to end, or defers to run.
            ///
            /// A task whose group was forgotten, and that does not end by itself, is counted until
            /// the shutdown.
            pub live_tasks: u64,
            /// Groups whose future was polled, or whose `scope` was called, and that have not
            /// ended: their body, a child, a service or a defer is left, or their future is there
            /// and was not told of the end. A `race`, and a free `blocking`, is one.
            ///
            /// A group in its first poll is counted once others may know of it: it has a child, a
            /// handle, a service or a deadline, or code in it asks for this.
            ///
            /// A group whose future was forgotten is counted as long as the runtime can be asked.
            pub live_groups: u64,
            /// Timers that are set and have not fired: sleeps, timeouts and intervals that were
            /// polled, deadlines of groups.
            pub live_timers: u64,
            /// Tasks of `tokio::spawn` that have not ended, in the tokio of this runtime: whether
            /// groups wait for them depends on the build. None without the feature `tokio`.
            pub live_tokio_tasks: u64,
        }

        impl Counters {
            pub(crate) fn add_to(&self, sum: &mut Metrics) {
                $(sum.$name += self.$name.get();)*
                sum.jobs += self.awaited_jobs.get();
            }
        }
    };
}

counters! {
    /// Jobs run: polls of tasks, reapers, and stretches in which a worker ran tasks of tokio's.
    jobs,
    /// Of these, jobs run by threads that wait for them, in `block_on`, `.wait()` or a scope.
    awaited_jobs,
    /// Batches taken from another seat.
    steals,
    /// Times that a worker without a job looked for one at every seat, before it went to sleep or
    /// after it was woken.
    searches,
    /// Times that a worker went to sleep.
    parks,
    /// Sleepers that were woken for a push.
    wakes,
    /// Jobs pushed by threads without a seat.
    injected,
    /// Halves of `join` that were offered to other threads.
    forks,
    /// Spare workers started for blocked ones, and for those that did not come back from a job.
    spares,
    /// Spare workers that have left, because they were not needed any more.
    ended_spares,
    /// Times that a worker was found not to come back from a job.
    stalls,
    /// Times that one of those came back, or waits now for async code, which is no stall.
    ended_stalls,
    /// Tasks that did not return and were reported, once for each such poll.
    reported_stalls,
    /// Waits that ran whatever was there because no thread could be had.
    last_resorts,
    /// Tasks that ended without having returned or panicked: cut, or never begun in a group that
    /// was cancelled. Services end like that, too.
    cut_tasks,
    /// Failures that had no receiver: those that the hook `on_unobserved` was given, and what its
    /// default has left out.
    unobserved,
}

/// A number that one thread sets and others read.
#[derive(Debug, Default)]
pub(crate) struct Level(AtomicU64);

impl Level {
    pub(crate) fn set(&self, value: u64) {
        // Relaxed: a hint, here and below.
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        // Relaxed: as above.
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds one; for a counter with one writer.
    #[inline]
    pub(crate) fn bump(&self) {
        self.add(1);
    }

    /// Adds so many; for a counter with one writer.
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        // Relaxed: a statistic with one writer, here and below.
        let now = self.0.load(Ordering::Relaxed);
        // Relaxed: as above.
        self.0.store(now.wrapping_add(more), Ordering::Relaxed);
    }

    /// Adds one; for a counter with many writers.
    pub(crate) fn bump_shared(&self) {
        self.add_shared(1);
    }

    /// Adds so many; for a counter with many writers.
    pub(crate) fn add_shared(&self, more: u64) {
        // Relaxed: a statistic.
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        // Relaxed: a statistic.
        self.0.load(Ordering::Relaxed)
    }
}
