//! How long jobs wait and run: measured for one of [`EVERY`], and how long workers are busy.
//!
//! # Which jobs are measured
//!
//! Each thread counts the tasks that it queues down from a random number, of [`EVERY`] in the mean:
//! so no pattern of a program keeps step with it, and all tasks of one poll are as likely. The task
//! at zero is *stamped*: its job says so by a bit, and when it was queued is kept in a table, at a
//! place that goes by its address. A place that is taken stays so, and the task is not measured:
//! that is [`Timing::missed`]. The thread that runs the job reads the clock before and after.
//!
//! A job has one owner, and goes from thread to thread through queues that synchronise: so the
//! runner of a stamped job finds the time that its pusher left, and no other thread writes to that
//! place meanwhile. Jobs of reapers and halves of `join` are not measured.
//!
//! While a trace is recorded (`recorder`) a thread looks at each task that it queues, and counts
//! on.
//!
//! All other jobs pay for a count down and the look at a bit. `docs/performance.md` has the price.

use crate::job::Job;
use crate::pool::metrics::Counter;
use crate::report::histogram::{BUCKETS, Histogram, bucket_of};
use crate::rng::Rng;
use crate::sync::OnceLock;
use crate::sync::atomic::{AtomicU64, Ordering};
use std::cell::Cell;
use std::ptr;
use std::time::Duration;

/// One task of so many that are queued is measured, in the mean.
pub(crate) const EVERY: u32 = 128;

/// Of the golden ratio: spreads addresses, which are multiples of something (Knuth's Fibonacci
/// hashing).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Jobs that are measured and wait at a time, at most.
const PLACES: usize = 256;

thread_local! {
    /// Tasks that this thread queues until it looks closer at one.
    static UNTIL: Cell<u32> = const { Cell::new(EVERY / 2) };
    /// And so many more until it stamps one: not zero while a trace is recorded, which has it look
    /// at each.
    static MORE: Cell<u32> = const { Cell::new(0) };
    static DRAWN: Cell<u64> = const { Cell::new(0) };
}

/// Whether this thread looks closer at the task that it queues now; then it calls [`plan`].
#[inline]
pub(crate) fn is_due() -> bool {
    let left = UNTIL.get().wrapping_sub(1);
    UNTIL.set(left);
    left == 0
}

/// Says at which task this thread looks next: at the next one if `each`. Whether this one is to be
/// timed.
pub(crate) fn plan(each: bool) -> bool {
    let more = MORE.get();
    let is_timed = more == 0;
    let distance = if is_timed { draw() } else { more };
    match each {
        true => {
            UNTIL.set(1);
            MORE.set(distance - 1);
        }
        false => {
            UNTIL.set(distance);
            MORE.set(0);
        }
    }
    is_timed
}

/// This thread looks at the next task that it queues: a trace is recorded.
pub(crate) fn hurry() {
    let until = UNTIL.replace(1);
    MORE.set(MORE.get() + until.saturating_sub(1));
}

/// How many tasks further the next one is timed.
fn draw() -> u32 {
    // Each thread has a place of its own, and each draw a number there.
    let place = DRAWN.with(|drawn| ptr::from_ref(drawn).addr()) as u64;
    let number = DRAWN.get();
    DRAWN.set(number + 1);
    let seed = (place ^ number).wrapping_mul(GOLDEN);
    1 + Rng::new(seed).below(2 * EVERY - 1)
}

/// A histogram that one thread writes, as a rule.
#[derive(Debug)]
struct Recorder {
    counts: [Counter; BUCKETS],
    nanos: Counter,
}

impl Recorder {
    const fn new() -> Self {
        Self {
            counts: [const { Counter::new() }; BUCKETS],
            nanos: Counter::new(),
        }
    }

    fn record(&self, nanos: u64) {
        self.counts[bucket_of(nanos)].bump();
        self.nanos.add(nanos);
    }

    fn add_to(&self, histogram: &mut Histogram) {
        for (bucket, count) in self.counts.iter().enumerate() {
            histogram.add(bucket, count.get());
        }
        histogram.add_nanos(self.nanos.get());
    }
}

/// What is measured on one seat, by the thread on it.
#[derive(Debug)]
pub(crate) struct SeatTimes {
    waited: Recorder,
    ran: Recorder,
    pub(crate) busy: Time,
    pub(crate) searching: Time,
}

/// A sum of times.
#[derive(Debug)]
pub(crate) struct Time(Counter);

impl Time {
    pub(crate) fn add(&self, time: Duration) {
        self.0.add(time.as_nanos() as u64);
    }

    pub(crate) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.get())
    }
}

/// What is measured in one runtime.
pub(crate) struct Timing {
    /// When the job at each place was queued, in nanoseconds since the runtime was built; zero if
    /// there is none.
    places: Box<[AtomicU64]>,
    /// By seat; made when the first comes.
    seats: Box<[OnceLock<Box<SeatTimes>>]>,
    /// Tasks that were due, and whose place was taken.
    missed: Counter,
}

impl Timing {
    /// For so many seats.
    pub(crate) fn new(seats: usize) -> Self {
        Self {
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            seats: (0..seats).map(|_| OnceLock::new()).collect(),
            missed: Counter::new(),
        }
    }

    fn place(&self, job: &Job) -> &AtomicU64 {
        let hash = (job.address().addr() as u64).wrapping_mul(GOLDEN);
        &self.places[(hash >> 32) as usize % PLACES]
    }

    /// Stamps a job that is timed, and is about to be queued.
    pub(crate) fn stamp(&self, job: Job, now: Duration) -> Job {
        let now = (now.as_nanos() as u64).max(1);
        // Relaxed: the queue gives the place to the runner, and a place that is free carries
        // nothing.
        let free = self
            .place(&job)
            .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        if free.is_err() {
            self.missed.bump_shared();
            return job;
        }
        job.stamped()
    }

    /// Runs a stamped job on this seat, and without being measured on none. `now` reads the clock.
    pub(crate) fn measure(&self, seat: Option<usize>, job: Job, now: impl Fn() -> Duration) {
        // Relaxed: the queue has brought the place along with the job; it is free from here on.
        let queued = self.place(&job).swap(0, Ordering::Relaxed);
        let Some(seat) = seat else {
            return job.run();
        };
        let times = self.of_seat(seat);
        let begun = now();
        let waited = begun.saturating_sub(Duration::from_nanos(queued));
        times.waited.record(waited.as_nanos() as u64);
        job.run();
        let ran = now().saturating_sub(begun);
        times.ran.record(ran.as_nanos() as u64);
    }

    /// The times of a seat; `None` if nothing was measured there so far.
    pub(crate) fn measured_on(&self, seat: usize) -> Option<&SeatTimes> {
        self.seats[seat].get().map(|times| &**times)
    }

    /// Where to measure on a seat.
    pub(crate) fn of_seat(&self, seat: usize) -> &SeatTimes {
        self.seats[seat].get_or_init(|| {
            Box::new(SeatTimes {
                waited: Recorder::new(),
                ran: Recorder::new(),
                busy: Time(Counter::new()),
                searching: Time(Counter::new()),
            })
        })
    }

    /// How long jobs waited, and how long they ran, on all seats.
    pub(crate) fn histograms(&self) -> (Histogram, Histogram) {
        let (mut waited, mut ran) = (Histogram::new(), Histogram::new());
        for times in self.seats.iter().filter_map(OnceLock::get) {
            times.waited.add_to(&mut waited);
            times.ran.add_to(&mut ran);
        }
        (waited, ran)
    }

    pub(crate) fn missed(&self) -> u64 {
        self.missed.get()
    }
}
