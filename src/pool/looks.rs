//! When a busy worker looks beyond the queues of its seat.
//!
//! By number: at the queue for outsiders every few jobs, at time and I/O after as many jobs as took
//! about [`LOOK_AFTER`] the last time, or when all that had been woken before the last look have
//! had their turn, for what a look wakes comes behind them. By time: when the sentinel has beaten,
//! which it does every millisecond while no worker sleeps in the driver. So a timer and a socket
//! are seen within two beats, or one job if that takes longer, the queue for outsiders once in six
//! jobs at least, and no clock is read for each job.
//!
//! A beat is also where the oldest come first: the oldest child that waits on the seat, and one job
//! of another seat, are run before the newest here. At most `seats::FORKS_MOST` new children wait
//! newest first on a seat, and those that come later are newer: so each begins after half as many
//! beats at the latest, or three times as many jobs if that takes longer, and the oldest of all at
//! the next beat. Those that were too many for that begin in order, in turns with woken tasks.
//!
//! Where each job takes longer than a beat, a timer that is due would wait for one of all of these.
//! So what waits woken after the look of a beat has its turn first, unless these jobs are long as
//! well: then they take turns with the steps of beats, one by one. Measured with 400 closures of 10
//! ms on two workers: a sleep of 5 ms was 35 ms late at worst, and is 15 ms late now.
//!
//! With a look at time and I/O goes one at a few other seats. If one of them begins no job from one
//! such look to another, its worker is in a long one, or has lost its processor for a slice of the
//! kernel's, which is milliseconds. What waits there is older than what has just come here, and
//! this worker may always find something in its own queues and never search. So every other job is
//! one of that seat, until it gets on. Measured without it, with 64 connections, two workers and
//! their client on two processors: up to 54 requests waited for a whole slice, and the p99 was 4.4
//! ms in place of 1.1.

use std::mem;
use std::time::Duration;

/// Jobs between two looks at the queue for outsiders: a look costs about 1 ns.
const OUTSIDE_EVERY: u32 = 4;

/// What a worker aims at between two looks at time and I/O. A look costs about 0.15 us.
pub(super) const LOOK_AFTER: Duration = Duration::from_micros(64);

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

/// After this time without a beat of the sentinel, whose thread waits for a processor or begins, a
/// look at time and I/O counts as one. Measured: when a process begins that is 4 ms.
const BEAT_LATE: Duration = Duration::from_millis(2);

/// So many times [`LOOK_AFTER`] lie between two looks at most.
const ROUND_MOST: u32 = 8;

/// Every so many jobs the fork deque comes before the others: none starves another.
pub(crate) const FORK_EVERY: u32 = 8;

/// Woken jobs that pass the steps of a beat at most.
const PASS_MOST: u32 = 16;

/// Steps of a beat.
const STEPS: u32 = 6;

/// What a worker does before its next job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Look at time and I/O.
    pub(crate) drive: bool,
    /// The rest may be put off: a look at time and I/O comes first, and nothing was put off since
    /// the last one.
    pub(crate) can_wait: bool,
    /// Look at the queue for outsiders.
    pub(crate) outside: bool,
    /// Take the oldest child of the seat.
    pub(crate) oldest: bool,
    /// Take a job of another seat.
    pub(crate) other: bool,
    /// Take a job of this seat, which is stuck.
    pub(crate) stuck: Option<usize>,
}

impl Due {
    /// Whether a job from elsewhere is due.
    pub(crate) fn is_step(self) -> bool {
        self.outside || self.oldest || self.other
    }
}

/// How many of so many woken jobs pass the steps of a beat.
pub(crate) fn passing(woken: usize) -> u32 {
    u32::try_from(woken).unwrap_or(PASS_MOST).min(PASS_MOST)
}

/// The looks of one worker.
#[derive(Debug)]
pub(crate) struct Looks {
    jobs: u32,
    beat: u32,
    /// Steps that the last beat left to do.
    owed: u32,
    /// The next of them was put off.
    put_off: bool,
    /// The number of the job before which something is due, if there is no beat before.
    at: u32,
    /// When the driver was looked at last, as a number of jobs and as a time.
    last_jobs: u32,
    last_time: Duration,
    /// The last look after a beat, or what counted as one.
    beat_time: Duration,
    every: u32,
    /// Jobs until the next look.
    after: u32,
    /// Another seat that is stuck: every other job is one of its.
    stuck: Option<usize>,
}

impl Looks {
    /// Of a worker that begins at this time, since the driver was made.
    pub(crate) fn new(beat: u32, now: Duration) -> Self {
        Self {
            jobs: 0,
            beat,
            owed: 0,
            put_off: false,
            at: 1,
            last_jobs: 0,
            last_time: now,
            beat_time: now,
            every: LOOK_EVERY,
            after: LOOK_EVERY,
            stuck: None,
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

    /// Whether the next job is to be the newest child rather than a woken task. At a beat another
    /// step sees to new children.
    #[inline]
    pub(crate) fn is_turn_of_forks(&self) -> bool {
        self.jobs % FORK_EVERY == 0 && self.owed == 0
    }

    /// How many came since the driver was looked at, or was slept in.
    pub(crate) fn since(&self) -> u32 {
        self.jobs.wrapping_sub(self.last_jobs)
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
                drive: self.since() >= self.after,
                outside: self.jobs % OUTSIDE_EVERY == OUTSIDE_EVERY - 1,
                stuck: self.stuck,
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
        let drive = self.after.saturating_sub(self.since());
        let after = match self.owed {
            0 if self.stuck.is_some() => 2,
            0 => outside.min(drive.max(1)),
            _ => 1,
        };
        self.at = self.jobs.wrapping_add(after);
    }

    /// One step for each job. Every other step is a job of the own queues, so that what the look
    /// has woken waits for one job of others at most for each of its own queue, also where each job
    /// takes longer than a beat.
    fn beaten(&mut self, beat: u32) -> Due {
        let beaten = beat != self.beat;
        if beaten {
            self.beat_time = self.last_time;
        }
        let put_off = mem::take(&mut self.put_off);
        self.beat = beat;
        self.owed = self.owed.checked_sub(1).unwrap_or(STEPS - 1);
        let drive = beaten || self.since() >= self.after;
        Due {
            drive,
            can_wait: drive && !put_off,
            outside: self.owed == 4,
            oldest: self.owed == 2,
            other: self.owed == 0,
            stuck: None,
        }
    }

    /// The step that is due comes after so many jobs, or at the next beat.
    pub(crate) fn put_off(&mut self, jobs: u32) {
        self.put_off = true;
        self.owed += 1;
        self.at = self.jobs.wrapping_add(jobs);
    }

    /// From now on every other job is one of this seat, which is stuck, or none is.
    pub(crate) fn relieve(&mut self, stuck: Option<usize>) {
        self.stuck = stuck;
        self.plan();
    }

    /// Whether every other job is one of a seat that is stuck.
    pub(crate) fn relieves(&self) -> bool {
        self.stuck.is_some()
    }

    /// The worker slept until this time: what it does next says nothing of the jobs before.
    pub(crate) fn slept(&mut self, now: Duration) {
        self.beat_time = now;
        self.begin(now);
    }

    fn begin(&mut self, now: Duration) {
        self.last_jobs = self.jobs;
        self.last_time = now;
        self.plan();
    }

    /// The driver was looked at, at this time, or the worker is about to sleep there. What the next
    /// look brings comes behind the woken jobs that wait now: so it is not made before they had
    /// their turn, unless that takes too long.
    pub(crate) fn looked(&mut self, now: Duration, woken: usize) {
        let jobs = self.jobs.wrapping_sub(self.last_jobs);
        let took = now.saturating_sub(self.last_time);
        if jobs > 0 {
            let most = (2 * self.every).min(LOOK_EVERY_MOST);
            // 584 years fit, and so do 2^32 jobs.
            let aim = LOOK_AFTER.as_nanos() as u64 * u64::from(jobs);
            self.every = match aim.checked_div(took.as_nanos() as u64) {
                Some(every) => u32::try_from(every).unwrap_or(most).clamp(1, most),
                None => LOOK_EVERY,
            };
        }
        if self.owed == 0 && now.saturating_sub(self.beat_time) >= BEAT_LATE {
            self.beat_time = now;
            self.owed = STEPS;
        }
        let most = ROUND_MOST * self.every;
        let round = u32::try_from(woken).unwrap_or(most);
        self.after = round.clamp(self.every, most);
        self.begin(now);
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
            let now = job * of.jobs;
            of.looked(now, 0);
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
    fn the_next_look_is_behind_those_that_wait() {
        let jobs = |woken: usize| {
            let mut looks = Looks::new(0, Duration::ZERO);
            (0..LOOK_EVERY).for_each(|_| _ = step(&mut looks, 0));
            looks.looked(Duration::from_micros(8) * LOOK_EVERY, woken);
            (1..).find(|_| step(&mut looks, 0).drive)
        };
        assert_eq!([0, 8, 20, 64, 1000].map(jobs), [8, 8, 20, 64, 64].map(Some));
    }

    #[test]
    fn every_other_job_is_one_of_a_seat_that_is_stuck() {
        let mut looks = Looks::new(0, Duration::ZERO);
        looks.relieve(Some(5));
        let stuck = |looks: &mut Looks, beat| step(looks, beat).stuck == Some(5);
        let seen: Vec<_> = (0..6).map(|_| stuck(&mut looks, 0)).collect();
        assert_eq!(seen, [false, true, false, true, false, true]);
        // The steps of a beat come first.
        let beaten = (0..6).filter(|_| stuck(&mut looks, 1));
        assert_eq!(beaten.count(), 0);
        assert!((0..2).any(|_| stuck(&mut looks, 1)));
        looks.relieve(None);
        assert!(!(0..1_000).any(|_| stuck(&mut looks, 1)));
    }

    #[test]
    fn long_jobs_are_a_crowd_one_by_one() {
        let crowd = |job: Duration| {
            let mut looks = Looks::new(0, Duration::ZERO);
            (0..LOOK_EVERY).for_each(|_| assert!(!step(&mut looks, 0).oldest));
            looks.looked(job * LOOK_EVERY, 0);
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
                let own = !due.is_step();
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
    fn a_step_of_a_beat_is_put_off_once() {
        let mut looks = Looks::new(0, Duration::ZERO);
        let _ = step(&mut looks, 1);
        // Each job takes longer than a beat, and woken tasks wait all the time.
        let mut steps = [0; 3];
        for beat in 2..42 {
            let due = step(&mut looks, beat);
            assert!(due.drive);
            if due.is_step() && due.can_wait {
                looks.put_off(5);
                continue;
            }
            steps[0] += u32::from(due.outside);
            steps[1] += u32::from(due.oldest);
            steps[2] += u32::from(due.other);
        }
        // Nine jobs for six steps, three of which are put off.
        assert!(
            steps.iter().all(|count| (4..=5).contains(count)),
            "{steps:?}"
        );
        // Without another beat it comes after as many jobs as were to pass.
        let mut looks = Looks::new(0, Duration::ZERO);
        let _ = step(&mut looks, 1);
        assert!(step(&mut looks, 1).outside && !step(&mut looks, 1).can_wait);
        let due = step(&mut looks, 2);
        assert!(due.oldest && due.can_wait);
        looks.put_off(5);
        let later = (1..).find(|_| step(&mut looks, 2).oldest);
        assert_eq!(later, Some(5));
    }

    #[test]
    fn a_look_stands_in_for_a_beat_that_is_late() {
        let mut looks = Looks::new(0, Duration::ZERO);
        let mut others_by = |millis: u64| {
            looks.looked(Duration::from_millis(millis), 0);
            (0..LOOK_EVERY_MOST)
                .filter(|_| step(&mut looks, 0).other)
                .count()
        };
        assert_eq!([1, 2, 3, 4].map(&mut others_by), [0, 1, 0, 1]);
    }

    #[test]
    fn the_forks_have_no_turn_in_the_steps_of_a_beat() {
        let turns = |beat: fn(u32) -> u32| {
            let mut looks = Looks::new(0, Duration::ZERO);
            let turn = |job| {
                let _ = step(&mut looks, beat(job));
                looks.is_turn_of_forks()
            };
            (0..48).map(turn).filter(|turn| *turn).count()
        };
        assert_eq!(turns(|_| 0), 6);
        assert!(turns(|job| job) <= 2);
    }

    #[test]
    fn outsiders_are_looked_for_every_few_jobs() {
        let mut looks = Looks::new(0, Duration::ZERO);
        let seen = (0..80).filter(|_| step(&mut looks, 0).outside).count();
        assert_eq!(seen, 20);
    }
}
