//! When a busy worker looks beyond the queues of its seat.
//!
//! By number: at the queue for outsiders every few jobs, at time and I/O after as many jobs as took
//! about [`LOOK_AFTER`] the last time. By time: when the sentinel has beaten, which it does every
//! millisecond while no worker sleeps in the driver. So a timer and a socket are seen within two
//! beats, or one job if that takes longer, the queue for outsiders once in six jobs at least, and
//! no clock is read for each job.
//!
//! A beat is also where the oldest come first: the oldest child that waits on the seat, and one job
//! of another seat, are run before the newest here. At most `seats::FORKS_MOST` new children wait
//! on a seat, and those that come later are newer: so each begins after half as many beats at the
//! latest, or three times as many jobs if that takes longer, and the oldest of all at the next
//! beat.

use std::time::Duration;

/// Jobs between two looks at the queue for outsiders: a look costs about 1 ns.
const OUTSIDE_EVERY: u32 = 4;

/// What a worker aims at between two looks at time and I/O. A look costs about 0.15 us.
const LOOK_AFTER: Duration = Duration::from_micros(64);

/// Jobs between two looks at time and I/O at first, and for a clock that stands still. Source:
/// tokio and Go use 61, a prime, so that no pattern of jobs keeps step with it.
pub(crate) const LOOK_EVERY: u32 = 61;

/// Jobs between two looks at most: at 50 ns each about the time that is aimed at.
const LOOK_EVERY_MOST: u32 = 1024;

/// Jobs that may wait on a seat before its worker wakes another: as many as take
/// about 16 us, the price of a wake-up and of moving them, and these at most.
const WAIT_MOST: u32 = 16;

/// Jobs that are taken along from another queue at most: crossbeam's own limit.
const BATCH_MOST: u32 = 32;

/// Steps of a beat.
const STEPS: u32 = 6;

/// What a worker does before its next job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Look at time and I/O.
    pub(crate) drive: bool,
    /// Look at the queue for outsiders.
    pub(crate) outside: bool,
    /// Take the oldest child of the seat.
    pub(crate) oldest: bool,
    /// Take a job of another seat.
    pub(crate) other: bool,
}

/// The looks of one worker.
#[derive(Debug)]
pub(crate) struct Looks {
    jobs: u32,
    beat: u32,
    /// Steps that the last beat left to do.
    owed: u32,
    /// The number of the job before which something is due, if there is no beat before.
    at: u32,
    /// When the driver was looked at last, as a number of jobs and as a time.
    last_jobs: u32,
    last_time: Duration,
    every: u32,
}

impl Looks {
    /// Of a worker that begins at this time, since the driver was made.
    pub(crate) fn new(beat: u32, now: Duration) -> Self {
        Self {
            jobs: 0,
            beat,
            owed: 0,
            at: 1,
            last_jobs: 0,
            last_time: now,
            every: LOOK_EVERY,
        }
    }

    /// How many jobs to take along from another queue: as many as take a few microseconds, so that
    /// long ones do not keep what is woken here waiting.
    pub(crate) fn batch(&self) -> usize {
        (self.every / 8).clamp(1, BATCH_MOST) as usize
    }

    /// How many jobs that wait on the seat are too many for this worker alone.
    pub(crate) fn crowd(&self) -> u32 {
        (self.every / 4).clamp(1, WAIT_MOST)
    }

    /// How many jobs came so far.
    #[inline]
    pub(crate) fn jobs(&self) -> u32 {
        self.jobs
    }

    /// A job comes next: whether something is due before, see [`Looks::due`].
    #[inline]
    pub(crate) fn next(&mut self, beat: u32) -> bool {
        self.jobs = self.jobs.wrapping_add(1);
        self.jobs == self.at || beat != self.beat
    }

    /// What is due before the next job.
    #[cold]
    pub(crate) fn due(&mut self, beat: u32) -> Due {
        let due = match beat != self.beat || self.owed != 0 {
            true => self.beaten(beat),
            false => Due {
                drive: self.jobs.wrapping_sub(self.last_jobs) >= self.every,
                outside: self.jobs % OUTSIDE_EVERY == OUTSIDE_EVERY - 1,
                ..Due::default()
            },
        };
        self.plan();
        due
    }

    /// When something is due the next time.
    fn plan(&mut self) {
        // Never where it is the turn of the fork deque, which comes every eighth time.
        let outside = OUTSIDE_EVERY - (self.jobs.wrapping_add(1)) % OUTSIDE_EVERY;
        let drive = self
            .every
            .saturating_sub(self.jobs.wrapping_sub(self.last_jobs));
        let after = match self.owed {
            0 => outside.min(drive.max(1)),
            _ => 1,
        };
        self.at = self.jobs.wrapping_add(after);
    }

    /// One step for each job. Every other step is a job of the own queues, so that what the look
    /// has woken waits for one job of others at most for each of its own queue, also where each job
    /// takes longer than a beat.
    fn beaten(&mut self, beat: u32) -> Due {
        let drive = beat != self.beat;
        self.beat = beat;
        self.owed = self.owed.checked_sub(1).unwrap_or(STEPS - 1);
        Due {
            drive,
            outside: self.owed == 4,
            oldest: self.owed == 2,
            other: self.owed == 0,
        }
    }

    /// The worker slept until this time: what it does next says nothing of the jobs before.
    pub(crate) fn slept(&mut self, now: Duration) {
        self.last_jobs = self.jobs;
        self.last_time = now;
        self.plan();
    }

    /// The driver was looked at, at this time.
    pub(crate) fn looked(&mut self, now: Duration) {
        let jobs = self.jobs.wrapping_sub(self.last_jobs);
        let took = now.saturating_sub(self.last_time);
        if jobs > 0 {
            let most = (2 * self.every).min(LOOK_EVERY_MOST);
            let aim = LOOK_AFTER.as_nanos() * u128::from(jobs);
            self.every = match aim.checked_div(took.as_nanos()) {
                Some(every) => u32::try_from(every).unwrap_or(most).clamp(1, most),
                None => LOOK_EVERY,
            };
        }
        self.slept(now);
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, LOOK_EVERY, LOOK_EVERY_MOST, Looks, WAIT_MOST};
    use std::time::Duration;

    fn step(looks: &mut Looks, beat: u32) -> Due {
        match looks.next(beat) {
            true => looks.due(beat),
            false => Due::default(),
        }
    }

    /// Looks at the driver `looks` times, with jobs that take so long; jobs between the last two.
    fn settles(job: Duration, looks: u32) -> u32 {
        let mut of = Looks::new(0, Duration::ZERO);
        let mut between = 0;
        for _ in 0..looks {
            between = 0;
            loop {
                between += 1;
                if step(&mut of, 0).drive {
                    break;
                }
            }
            let now = job * of.jobs();
            of.looked(now);
        }
        between
    }

    #[test]
    fn the_driver_is_looked_at_by_time() {
        assert_eq!(settles(Duration::from_micros(1), 4), 64);
        assert_eq!(settles(Duration::from_millis(10), 2), 1);
        assert_eq!(settles(Duration::from_nanos(10), 20), LOOK_EVERY_MOST);
        assert_eq!(settles(Duration::ZERO, 4), LOOK_EVERY);
    }

    #[test]
    fn long_jobs_are_a_crowd_one_by_one() {
        let crowd = |job: Duration| {
            let mut looks = Looks::new(0, Duration::ZERO);
            (0..LOOK_EVERY).for_each(|_| assert!(!step(&mut looks, 0).oldest));
            looks.looked(job * LOOK_EVERY);
            looks.crowd()
        };
        assert_eq!(crowd(Duration::from_nanos(100)), WAIT_MOST);
        assert_eq!(crowd(Duration::from_micros(4)), 4);
        assert_eq!(crowd(Duration::from_millis(1)), 1);
    }

    #[test]
    fn a_beat_is_six_steps() {
        let steps = |beats: [u32; 6]| {
            let mut looks = Looks::new(7, Duration::ZERO);
            assert_eq!(step(&mut looks, 7), Due::default());
            beats.map(|beat| step(&mut looks, beat)).map(|due| {
                let own = !(due.outside || due.oldest || due.other);
                (due.drive, own, due.outside, due.oldest, due.other)
            })
        };
        let all = [
            (true, true, false, false, false),
            (false, false, true, false, false),
            (false, true, false, false, false),
            (false, false, false, true, false),
            (false, true, false, false, false),
            (false, false, false, false, true),
        ];
        assert_eq!(steps([8; 6]), all);
        // Jobs that take longer than a beat: all comes in its turn, and each time the driver.
        let long = steps([8, 9, 10, 11, 12, 13]);
        assert_eq!(long, all.map(|step| (true, step.1, step.2, step.3, step.4)));
    }

    #[test]
    fn outsiders_are_looked_for_every_few_jobs() {
        let mut looks = Looks::new(0, Duration::ZERO);
        let seen = (0..80).filter(|_| step(&mut looks, 0).outside).count();
        assert_eq!(seen, 20);
    }
}
