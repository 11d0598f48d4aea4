//! Which workers are asleep: one packed word that every push reads, and the list of sleepers. It
//! answers *which* sleeper to wake.
//!
//! # States
//!
//! The word counts *searching* workers (lower half) and *sleeping* ones (upper half). A worker is
//! busy, searching or sleeping; a sleeper is in the list exactly while it is counted as sleeping.
//!
//! # Protocol
//!
//! What counts as work here, and which pushes take part, is the pool's to say (`pool::crowd`): a
//! job that is left to its seat is none.
//!
//! Pushing: 1. push the job; 2. PushFence; 3. if no worker searches and one sleeps, take the newest
//! sleeper out of the list, count it as searching, and unpark it.
//!
//! Falling asleep: 1. under the list's lock: enter the list, one more sleeping and (if it searched)
//! one less searching, in one step; 2. SleepFence; 3. look at every queue once more; 4. if there is
//! work, leave the list again, or, if a waker was faster, take its token; else park.
//!
//! Finding work: 1. one less searching; 2. the last searcher: SearchFence; 3. look at every
//! queue; 4. if there is more, wake another one, because pushes that saw this one searching woke no
//! worker.
//!
//! # Why no wake-up is lost
//!
//! Either PushFence or SleepFence comes first in the one order of fences. If PushFence: the
//! sleeper's last look sees the job. If SleepFence: the pusher sees the sleeper counted, and wakes
//! one unless a searcher is counted; that searcher either finds the job, or falls asleep after the
//! push and looks again, or finds another job and looks again: if SearchFence comes after PushFence
//! it sees the job, else the pusher does not see it searching.
//!
//! Jobs that a worker moves to its own queues in a batch are in no queue on their way. Afterwards
//! it does what a pusher does, or stops searching: if it was the last searcher it looks at its own
//! queue, too, and a searcher that falls asleep later sees the jobs that it moved.

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering, fence};
use std::mem;

const SEARCHING: usize = 1;
const SLEEPING: usize = 1 << 16;

/// The sleepers of a runtime.
#[derive(Debug)]
pub(crate) struct Sleep {
    word: AtomicUsize,
    /// Seats of sleepers. The last is woken first: the most recent one, whose caches are the
    /// warmest.
    list: Mutex<Vec<usize>>,
}

fn searching(word: usize) -> usize {
    word & (SLEEPING - 1)
}

impl Sleep {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicUsize::new(0),
            list: Mutex::new(Vec::new()),
        }
    }

    /// After a push: whether no worker searches for it, and one sleeps.
    #[inline]
    pub(crate) fn hears_nothing(&self) -> bool {
        // SeqCst: PushFence, pairs with SleepFence in `fall_asleep`.
        fence(Ordering::SeqCst);
        // Relaxed: ordered by the fence above.
        let word = self.word.load(Ordering::Relaxed);
        searching(word) == 0 && word >= SLEEPING
    }

    /// The seat to wake then, if that is still so. It counts as searching from now on.
    #[must_use]
    pub(crate) fn take_one(&self) -> Option<usize> {
        let mut list = self.list.lock();
        // Relaxed: sleeping is changed under this lock only; another notifier may have been first.
        if searching(self.word.load(Ordering::Relaxed)) > 0 {
            return None;
        }
        let seat = list.pop()?;
        // Relaxed: the word carries counts; data is ordered by the fences, the lock and the
        // sleeper's token.
        self.word
            .fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::Relaxed);
        Some(seat)
    }

    /// Whether a worker searches or sleeps: as of some moment, for a forker that may offer work or
    /// not.
    #[inline]
    pub(crate) fn is_anyone_idle(&self) -> bool {
        // Relaxed: a hint, on which nothing depends.
        self.word.load(Ordering::Relaxed) != 0
    }

    /// Whether a worker sleeps: as of some moment.
    pub(crate) fn has_sleepers(&self) -> bool {
        // Relaxed: a hint; a reader that must not miss a sleeper has passed a fence.
        self.word.load(Ordering::Relaxed) >= SLEEPING
    }

    /// Starts to search, unless half of `workers` search already.
    pub(crate) fn start_search(&self, workers: usize) -> bool {
        // Relaxed: a limit on wasted work, nothing depends on its being exact.
        if 2 * searching(self.word.load(Ordering::Relaxed)) >= workers.max(2) {
            return false;
        }
        // Relaxed: the word carries counts, no data; a pusher that misses it wakes one too many.
        self.word.fetch_add(SEARCHING, Ordering::Relaxed);
        true
    }

    /// Goes on with a search that stopped because the worker blocked.
    pub(crate) fn search_again(&self) {
        // Relaxed: it only keeps others from being woken for what this thread looks for from now
        // on.
        self.word.fetch_add(SEARCHING, Ordering::Relaxed);
    }

    /// Stops searching because work was found; whether this was the last searcher, which must look
    /// at every queue and wake another one if there is more.
    #[must_use]
    pub(crate) fn stop_search(&self) -> bool {
        // Release: pairs with the fence in `fall_asleep`: a searcher that gives up after this one
        // sees the jobs that this one moved to its own queues.
        let last = searching(self.word.fetch_sub(SEARCHING, Ordering::Release)) == 1;
        if last {
            // SeqCst: SearchFence, pairs with PushFence in `hears_nothing`.
            fence(Ordering::SeqCst);
        }
        last
    }

    /// Makes a sleeper the last one to be woken: it watches time and I/O for the others, and to
    /// wake it costs a system call more.
    pub(crate) fn wake_last(&self, seat: usize) {
        let mut list = self.list.lock();
        if let Some(at) = list.iter().rposition(|&sleeper| sleeper == seat) {
            list[..=at].rotate_right(1);
        }
    }

    /// Enters the list of sleepers. The caller looks at every queue once more, and then parks or
    /// calls [`Sleep::stay_awake`].
    pub(crate) fn fall_asleep(&self, seat: usize, searched: bool) {
        {
            let mut list = self.list.lock();
            list.push(seat);
            let less = if searched { SEARCHING } else { 0 };
            // Relaxed: ordered by the fence below, which pairs with the Release in `stop_search`,
            // too.
            self.word.fetch_add(SLEEPING - less, Ordering::Relaxed);
        }
        // SeqCst: SleepFence, pairs with PushFence in `hears_nothing`.
        fence(Ordering::SeqCst);
    }

    /// Leaves the list of sleepers; the caller counts as searching from now on, in both cases.
    /// False if a waker was faster: its token is on the way and must be taken.
    pub(crate) fn stay_awake(&self, seat: usize) -> bool {
        let mut list = self.list.lock();
        match list.iter().rposition(|&sleeper| sleeper == seat) {
            Some(at) => {
                list.remove(at);
                // Relaxed: the word carries counts; data is ordered by the fences, the lock and the
                // sleeper's token.
                self.word
                    .fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::Relaxed);
                true
            }
            None => false,
        }
    }

    /// Every sleeper, as of some moment.
    pub(crate) fn sleepers(&self) -> Vec<usize> {
        self.list.lock().clone()
    }

    /// Takes every sleeper out of the list: the caller unparks them all. Each counts as searching
    /// from now on, and does not look for itself in the list.
    #[must_use]
    pub(crate) fn take_all(&self) -> Vec<usize> {
        let mut list = self.list.lock();
        let all = mem::take(&mut *list);
        let change = SEARCHING.wrapping_sub(SLEEPING).wrapping_mul(all.len());
        // Relaxed: as in `take_one`.
        self.word.fetch_add(change, Ordering::Relaxed);
        all
    }
}
