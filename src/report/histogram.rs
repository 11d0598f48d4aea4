//! Histograms of durations: log-linear, of constant size.
//!
//! Up to 32 ns each nanosecond has a bucket, and above that each doubling has 32 of equal width. A
//! duration is told as the middle of its bucket: 1.6 % off at most. Source: the layout is that of
//! HdrHistogram, with five bits of precision.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Bits of precision: buckets in each doubling, as a power of two.
const BITS: u32 = 5;
const STEPS: usize = 1 << BITS;

/// Durations have fewer bits than this, in nanoseconds: 137 s. Longer ones count as the longest.
const MOST_BITS: u32 = 37;

/// Buckets of a histogram.
pub(crate) const BUCKETS: usize = (MOST_BITS - BITS + 1) as usize * STEPS;

/// The bucket of a duration in nanoseconds.
pub(crate) fn bucket_of(nanos: u64) -> usize {
    let nanos = nanos.min((1 << MOST_BITS) - 1);
    let Some(shift) = (u64::BITS - nanos.leading_zeros()).checked_sub(BITS + 1) else {
        return nanos as usize;
    };
    // The leading bit is 32 here: so the first bucket with this shift is the last one before, plus
    // one.
    shift as usize * STEPS + (nanos >> shift) as usize
}

/// The shortest duration of a bucket, and how many nanoseconds wide it is.
fn bounds(bucket: usize) -> (u64, u64) {
    let shift = (bucket / STEPS).saturating_sub(1);
    let steps = (bucket - shift * STEPS) as u64;
    (steps << shift, 1 << shift)
}

/// How often durations were of which length: of a sample, since the runtime was built.
///
/// Its size is constant, about 8 KiB. A duration that it tells is at most 1.6 % off the one that
/// was measured; one of more than 137 s counts as 137 s.
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, group, yield_now};
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// runtime.block_on(group(async |g| {
///     g.spawn(async {
///         for _ in 0..10_000 {
///             yield_now().await;
///         }
///     });
/// }));
/// let polls = runtime.statistics().poll_time;
/// let (median, longest) = (polls.quantile(0.5).unwrap(), polls.max().unwrap());
/// assert!(median <= longest && polls.mean().unwrap() <= polls.total());
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64]>,
    nanos: u64,
}

impl Histogram {
    /// Without any duration.
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS].into(),
            nanos: 0,
        }
    }

    /// Adds so many durations of a bucket.
    pub(crate) fn add(&mut self, bucket: usize, count: u64) {
        self.counts[bucket] += count;
    }

    /// Adds to the sum of all durations.
    pub(crate) fn add_nanos(&mut self, nanos: u64) {
        self.nanos += nanos;
    }

    /// How many durations were measured.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = spinney::Runtime::builder().workers(1).build()?;
    /// assert_eq!(runtime.statistics().poll_time.count(), 0); // nothing ran yet
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all durations that were measured; it is exact.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = spinney::Runtime::builder().workers(1).build()?;
    /// assert_eq!(runtime.statistics().poll_time.total(), std::time::Duration::ZERO);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// The mean; `None` if there are none.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = spinney::Runtime::builder().workers(1).build()?;
    /// assert_eq!(runtime.statistics().schedule_latency.mean(), None);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        self.nanos
            .checked_div(self.count())
            .map(Duration::from_nanos)
    }

    /// The duration below or at which this share of all lies, from 0 to 1; `None` if there are
    /// none.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = spinney::Runtime::builder().workers(1).build()?;
    /// let statistics = runtime.statistics();
    /// if let Some(p99) = statistics.schedule_latency.quantile(0.99) {
    ///     println!("99 of 100 jobs waited for {p99:?} at most");
    /// }
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        // A share that is no number, or out of range, is the nearest one that is.
        let rank = (share.clamp(0.0, 1.0) * count as f64).ceil() as u64;
        let mut left = rank.clamp(1, count.max(1));
        for (bucket, here) in self.counts.iter().enumerate() {
            if left <= *here {
                let (from, width) = bounds(bucket);
                return Some(Duration::from_nanos(from + width / 2));
            }
            left -= here;
        }
        None
    }

    /// The longest one; `None` if there are none.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = spinney::Runtime::builder().workers(1).build()?;
    /// assert_eq!(runtime.statistics().poll_time.max(), None);
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        self.quantile(1.0)
    }

    /// The buckets that are not empty, the shortest durations first, with how many are in each.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = spinney::Runtime::builder().workers(1).build()?;
    /// for (durations, count) in runtime.statistics().poll_time.buckets() {
    ///     println!("{count} polls took from {:?} to {:?}", durations.start, durations.end);
    /// }
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn buckets(&self) -> impl Iterator<Item = (Range<Duration>, u64)> + '_ {
        let filled = self
            .counts
            .iter()
            .enumerate()
            .filter(|(_, here)| **here > 0);
        filled.map(|(bucket, here)| {
            let (from, width) = bounds(bucket);
            let [from, to] = [from, from + width].map(Duration::from_nanos);
            (from..to, *here)
        })
    }

    /// What was measured since an earlier look at the same runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// let runtime = spinney::Runtime::builder().workers(1).build()?;
    /// let before = runtime.statistics();
    /// runtime.block_on(async {});
    /// let meanwhile = runtime.statistics().poll_time.since(&before.poll_time);
    /// assert_eq!(meanwhile.count(), 0); // no task was polled
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = self.counts.iter().zip(&earlier.counts);
        Self {
            counts: counts
                .map(|(now, then)| now.saturating_sub(*then))
                .collect(),
            nanos: self.nanos.saturating_sub(earlier.nanos),
        }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("mean", &self.mean())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.max())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, Histogram, bounds, bucket_of};
    use std::time::Duration;

    #[test]
    fn buckets_follow_one_another() {
        let mut next = 0;
        for bucket in 0..BUCKETS {
            let (from, width) = bounds(bucket);
            assert_eq!(from, next, "bucket {bucket}");
            next = from + width;
            assert_eq!(bucket_of(from), bucket);
            assert_eq!(bucket_of(next - 1), bucket);
        }
        assert_eq!(next, 1 << 37);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn what_is_told_is_three_percent_off_at_most() {
        for nanos in (0..5000).chain((12..37).map(|bits| (1 << bits) + 1234)) {
            let mut one = Histogram::new();
            one.add(bucket_of(nanos), 1);
            let told = one.max().unwrap().as_nanos().abs_diff(nanos.into());
            assert!(told * 100 <= u128::from(nanos) * 2, "{nanos} is {told} off");
        }
    }

    #[test]
    fn a_share_of_all_lies_below_its_quantile() {
        let mut all = Histogram::new();
        assert_eq!((all.quantile(0.5), all.mean()), (None, None));
        for nanos in 1..=30 {
            all.add(bucket_of(nanos), 1);
            all.add_nanos(nanos);
        }
        let nanos = |share| all.quantile(share).unwrap().as_nanos();
        let at = [f64::NAN, -1.0, 0.5, 0.99, 2.0].map(nanos);
        assert_eq!(at, [1, 1, 15, 30, 30]);
        assert_eq!(all.mean(), Some(Duration::from_nanos(15)));
        let mut later = all.clone();
        later.add(bucket_of(7), 2);
        let since: Vec<_> = later
            .since(&all)
            .buckets()
            .map(|(at, n)| (at.start.as_nanos(), n))
            .collect();
        assert_eq!(since, [(7, 2)]);
    }
}
