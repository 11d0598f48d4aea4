//! Which workers do not come back from a job: the sentinel's view, tick by tick.
//!
//! A worker that is neither asleep nor counted as blocked, and whose number of jobs stands still,
//! is in one job. If its thread sleeps in the kernel it is *stalled* after [`BLOCKED_AFTER`] ticks;
//! if it computes, or that cannot be told, after [`COMPUTES_AFTER`]: a spare for it has to share
//! its processor, so closures of some milliseconds are better left alone.

use crate::pool::seats::Seat;
use crate::report::stall::ThreadState;
use crate::sync::atomic::Ordering;
use std::fs;

/// Ticks (ms) after which a thread that sleeps in the kernel is stalled.
const BLOCKED_AFTER: u32 = 2;

/// Ticks (ms) after which any thread is: some slices of the kernel.
const COMPUTES_AFTER: u32 = 30;

#[derive(Clone, Copy, Debug, Default)]
struct Track {
    jobs: u64,
    ticks: u32,
    stall: Option<ThreadState>,
    /// It was reported.
    told: bool,
}

/// What a tick found of one seat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// How its thread is stalled, if it is.
    pub(crate) stall: Option<ThreadState>,
    /// The job in which the thread is, and for how many ticks.
    pub(crate) jobs: u64,
    pub(crate) ticks: u32,
    /// It is to be reported, and what the thread does. If there is nothing to say now, it comes
    /// again; else the caller calls [`Stalls::reported`].
    pub(crate) due: Option<ThreadState>,
}

/// What was seen of the seats so far.
#[derive(Debug)]
pub(crate) struct Stalls {
    tracks: Vec<Track>,
    /// Ticks after which a stall is reported, if it is.
    report_after: Option<u32>,
}

impl Stalls {
    pub(crate) fn new(report_after: Option<u32>) -> Self {
        Self {
            tracks: Vec::new(),
            report_after,
        }
    }

    /// A tick has passed: what that says of this seat. `idle`: its thread sleeps, or is counted as
    /// blocked, or there is none.
    pub(crate) fn look(&mut self, index: usize, seat: &Seat, idle: bool) -> Look {
        let thread = seat.worker.get();
        let jobs = seat.counters.jobs.get();
        self.note(index, jobs, idle, || sleeps(thread))
    }

    /// The stall of this seat was reported.
    pub(crate) fn reported(&mut self, index: usize) {
        self.tracks[index].told = true;
    }

    fn note(&mut self, index: usize, jobs: u64, idle: bool, sleeps: impl FnOnce() -> bool) -> Look {
        if self.tracks.len() <= index {
            self.tracks.resize(index + 1, Track::default());
        }
        let track = &mut self.tracks[index];
        if idle || track.jobs != jobs {
            *track = Track {
                jobs,
                ..Track::default()
            };
            return Look {
                jobs,
                ..Look::default()
            };
        }
        track.ticks = track.ticks.saturating_add(1);
        let after = self.report_after.filter(|_| !track.told);
        let past = after.and_then(|after| track.ticks.checked_sub(after));
        let is_due = past.is_some_and(|past| past % COMPUTES_AFTER == 0);
        // One that slept may compute by now: it is looked at again now and then.
        let again = is_due || track.ticks % COMPUTES_AFTER == 0;
        let known = track.stall == Some(ThreadState::Sleeps) && !again;
        if !known && track.ticks >= BLOCKED_AFTER {
            track.stall = match sleeps() {
                true => Some(ThreadState::Sleeps),
                false => (track.ticks >= COMPUTES_AFTER).then_some(ThreadState::Computes),
            };
        }
        Look {
            stall: track.stall,
            jobs,
            ticks: track.ticks,
            due: is_due.then_some(track.stall.unwrap_or(ThreadState::Computes)),
        }
    }
}

impl Seat {
    /// The sentinel has seen how the worker is stalled, if it is, in the job of this number.
    /// Whether that began or ended.
    pub(crate) fn note_stall(&self, stall: Option<ThreadState>, ticks: u32, jobs: u64) -> bool {
        let sleeps = u64::from(stall == Some(ThreadState::Sleeps));
        self.stuck_for.set(2 * u64::from(ticks) + sleeps);
        self.stuck_in.set(jobs);
        // Relaxed: a hint; one that is missed is seen at the next tick.
        self.stalled.swap(stall.is_some(), Ordering::Relaxed) != stall.is_some()
    }

    /// The job from which the worker does not come back, for how many ticks, and how, if it is
    /// stalled.
    pub(crate) fn stall(&self) -> Option<(u64, u32, ThreadState)> {
        // Relaxed: a hint, as of some moment.
        if !self.stalled.load(Ordering::Relaxed) {
            return None;
        }
        let stuck_for = self.stuck_for.get();
        let thread = match stuck_for % 2 {
            0 => ThreadState::Computes,
            _ => ThreadState::Sleeps,
        };
        Some((self.stuck_in.get(), (stuck_for / 2) as u32, thread))
    }
}

/// The number of this thread, by which the kernel says what it does; one that no thread has where
/// the kernel does not say.
pub(crate) fn this_thread() -> u64 {
    let path = fs::read_link("/proc/thread-self");
    let name = path
        .as_ref()
        .ok()
        .and_then(|path| path.file_name()?.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or(u64::MAX)
}

/// Whether a thread of this process sleeps in the kernel, as far as that can be told.
fn sleeps(thread: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat"));
    // The name of the thread, in brackets, may have any character; one letter follows it.
    let state = stat.ok().and_then(|stat| {
        let (_, rest) = stat.rsplit_once(") ")?;
        rest.chars().next()
    });
    matches!(state, Some('S' | 'D'))
}

#[cfg(test)]
mod tests {
    use super::{BLOCKED_AFTER, COMPUTES_AFTER, Look, Stalls, sleeps, this_thread};
    use crate::report::stall::ThreadState;

    /// Ticks in one job.
    fn ticks(report_after: Option<u32>, is_asleep: bool) -> impl Iterator<Item = (Stalls, Look)> {
        (1..).map(move |ticks| {
            let mut stalls = Stalls::new(report_after);
            let mut look = stalls.note(3, 7, false, || is_asleep);
            for _ in 0..ticks {
                look = stalls.note(3, 7, false, || is_asleep);
            }
            (stalls, look)
        })
    }

    fn ticks_until(is_it: impl Fn(Look) -> bool, is_asleep: bool) -> u32 {
        let (_, look) = ticks(Some(5), is_asleep)
            .find(|(_, look)| is_it(*look))
            .unwrap();
        look.ticks
    }

    #[test]
    fn a_thread_that_sleeps_is_stalled_before_one_that_computes() {
        let sleeps = |look: Look| look.stall == Some(ThreadState::Sleeps);
        let computes = |look: Look| look.stall == Some(ThreadState::Computes);
        assert_eq!(ticks_until(sleeps, true), BLOCKED_AFTER);
        assert_eq!(ticks_until(computes, false), COMPUTES_AFTER);
    }

    #[test]
    fn a_job_that_ends_ends_the_stall() {
        let mut stalls = Stalls::new(None);
        let mut tick = |jobs, idle| stalls.note(0, jobs, idle, || true).stall;
        (0..BLOCKED_AFTER).for_each(|_| assert_eq!(tick(7, false), None));
        assert_eq!(tick(7, false), Some(ThreadState::Sleeps));
        assert_eq!(tick(8, false), None);
        assert_eq!(tick(8, true), None);
    }

    #[test]
    fn a_stall_is_due_to_be_reported_until_it_was() {
        for (is_asleep, thread) in [(true, ThreadState::Sleeps), (false, ThreadState::Computes)] {
            assert_eq!(ticks_until(|look| look.due.is_some(), is_asleep), 5);
            let mut due = ticks(Some(5), is_asleep).filter(|(_, look)| look.due.is_some());
            let ((_, first), (mut stalls, second)) = (due.next().unwrap(), due.next().unwrap());
            assert_eq!((first.due, second.due), (Some(thread), Some(thread)));
            assert_eq!(second.ticks, 5 + COMPUTES_AFTER);
            let mut more = |jobs, count| {
                let mut looks = (0..count).map(|_| stalls.note(3, jobs, false, || is_asleep));
                looks.find_map(|look| look.due)
            };
            assert_eq!(more(7, 29), None);
            assert_eq!(more(7, 1), Some(thread));
            // It is told now: that job is through, and the next one is not.
            stalls.reported(3);
            let mut more = |jobs, count| {
                let mut looks = (0..count).map(|_| stalls.note(3, jobs, false, || is_asleep));
                looks.find_map(|look| look.due)
            };
            assert_eq!(more(7, 200), None);
            assert_eq!(more(8, 6), Some(thread));
        }
        let never = ticks(None, true).take(200);
        assert_eq!(never.filter(|(_, look)| look.due.is_some()).count(), 0);
    }

    #[test]
    fn a_thread_that_runs_does_not_sleep() {
        assert!(!sleeps(this_thread()));
        assert!(!sleeps(u64::MAX));
    }
}
