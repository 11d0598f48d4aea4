//! Which workers do not come back from a job: the sentinel's view, tick by tick.
//!
//! A worker that is neither asleep nor counted as blocked, and whose number of jobs stands still,
//! is in one job. If its thread sleeps in the kernel it is *stalled* after [`BLOCKED_AFTER`] ticks;
//! if it computes, or that cannot be told, after [`COMPUTES_AFTER`]: a spare for it has to share
//! its processor, so closures of some milliseconds are better left alone.

use crate::pool::seats::Seat;
use std::fs;

/// Ticks (ms) after which a thread that sleeps in the kernel is stalled.
const BLOCKED_AFTER: u32 = 2;

/// Ticks (ms) after which any thread is: some slices of the kernel.
const COMPUTES_AFTER: u32 = 30;

/// What a stalled thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stall {
    Sleeps,
    Computes,
}

#[derive(Clone, Copy, Debug, Default)]
struct Track {
    jobs: u64,
    ticks: u32,
    stall: Option<Stall>,
}

/// What was seen of the seats so far.
#[derive(Debug, Default)]
pub(crate) struct Stalls(Vec<Track>);

impl Stalls {
    /// A tick has passed: how the thread on this seat is stalled, if it is. `idle`: it sleeps, or
    /// is counted as blocked.
    pub(crate) fn look(&mut self, index: usize, seat: &Seat, idle: bool) -> Option<Stall> {
        let thread = seat.worker.get();
        let jobs = seat.counters.jobs.get();
        self.note(index, jobs, idle || thread == 0, || sleeps(thread))
    }

    fn note(
        &mut self,
        index: usize,
        jobs: u64,
        idle: bool,
        sleeps: impl FnOnce() -> bool,
    ) -> Option<Stall> {
        if self.0.len() <= index {
            self.0.resize(index + 1, Track::default());
        }
        let track = &mut self.0[index];
        if idle || track.jobs != jobs {
            *track = Track {
                jobs,
                ..Track::default()
            };
            return None;
        }
        track.ticks = track.ticks.saturating_add(1);
        // One that slept may compute by now: it is looked at again now and then.
        let known = track.stall == Some(Stall::Sleeps) && track.ticks % COMPUTES_AFTER != 0;
        if !known && track.ticks >= BLOCKED_AFTER {
            track.stall = match sleeps() {
                true => Some(Stall::Sleeps),
                false => (track.ticks >= COMPUTES_AFTER).then_some(Stall::Computes),
            };
        }
        track.stall
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
    use super::{BLOCKED_AFTER, COMPUTES_AFTER, Stall, Stalls, sleeps, this_thread};

    fn ticks_until_stalled(is_asleep: bool) -> u32 {
        let mut stalls = Stalls::default();
        assert_eq!(stalls.note(3, 7, false, || is_asleep), None);
        let stall = match is_asleep {
            true => Some(Stall::Sleeps),
            false => Some(Stall::Computes),
        };
        let mut tick = || stalls.note(3, 7, false, || is_asleep);
        (1..).find(|_| tick() == stall).unwrap()
    }

    #[test]
    fn a_thread_that_sleeps_is_stalled_before_one_that_computes() {
        assert_eq!(ticks_until_stalled(true), BLOCKED_AFTER);
        assert_eq!(ticks_until_stalled(false), COMPUTES_AFTER);
    }

    #[test]
    fn a_job_that_ends_ends_the_stall() {
        let mut stalls = Stalls::default();
        let mut tick = |jobs, idle| stalls.note(0, jobs, idle, || true);
        (0..BLOCKED_AFTER).for_each(|_| assert_eq!(tick(7, false), None));
        assert_eq!(tick(7, false), Some(Stall::Sleeps));
        assert_eq!(tick(8, false), None);
        assert_eq!(tick(8, true), None);
    }

    #[test]
    fn a_thread_that_runs_does_not_sleep() {
        assert!(!sleeps(this_thread()));
        assert!(!sleeps(u64::MAX));
    }
}
