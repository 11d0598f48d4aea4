//! What threads note while a trace is recorded: polls, pushes, sleeps and groups, with their times.
//!
//! There is one recording of a process at a time. Each thread notes what it does in a ring of its
//! own, which a lock guards that it shares with the end of the recording alone; of a full ring the
//! oldest events make room, and are counted.
//!
//! While nothing is recorded no hot path asks. Jobs come here by the bits that say which ones are
//! timed: when a recording begins, each thread marks all tasks that it queues from the next one on
//! that it would have timed (`timing`), and a worker from its next look around on.

use crate::driver::clock::Clock;
use crate::job::{Described, Job};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, thread};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

/// Events that are kept for each thread, at most: some 6 MB.
pub(crate) const KEPT: usize = 1 << 16;

/// What happened on a thread.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A task was queued: for the first time, or because it was woken.
    Queued { task: u64, is_new: bool },
    /// The thread begins to run a task.
    Begins(Described),
    /// It has run it.
    Ends,
    /// It goes to sleep.
    Parks,
    /// It is awake again.
    Unparks,
    /// A group was opened, in another one; both by address.
    Opens {
        group: usize,
        parent: usize,
        label: Cow<'static, str>,
    },
    /// A group has ended.
    Closes { group: usize },
}

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: Instant,
    pub(crate) what: What,
}

#[derive(Default)]
struct Ring {
    events: VecDeque<Event>,
    dropped: u64,
}

/// The events of one thread.
pub(crate) struct Track {
    /// Of which recording.
    number: u64,
    name: String,
    ring: Mutex<Ring>,
}

/// What one thread did.
pub(crate) struct Recorded {
    pub(crate) name: String,
    pub(crate) events: Vec<Event>,
    /// Older ones that were dropped.
    pub(crate) dropped: u64,
}

static ON: AtomicBool = AtomicBool::new(false);
/// Counted up at the beginning of each recording.
static NUMBER: AtomicU64 = AtomicU64::new(0);
static TRACKS: Mutex<Vec<Arc<Track>>> = Mutex::new(Vec::new());

thread_local! {
    static HERE: RefCell<Option<Arc<Track>>> = const { RefCell::new(None) };
}

/// Whether a trace is recorded.
#[inline]
pub(crate) fn is_on() -> bool {
    // Relaxed: what is noted a little too early or too late belongs to no recording, or is missing.
    ON.load(Ordering::Relaxed)
}

/// Begins a recording; false if there is one.
pub(crate) fn begin() -> bool {
    let _tracks = TRACKS.lock();
    // Relaxed: changed under the lock of the tracks.
    if ON.load(Ordering::Relaxed) {
        return false;
    }
    // Relaxed: as above; a thread that reads the one before notes nothing in this recording.
    NUMBER.fetch_add(1, Ordering::Relaxed);
    // Relaxed: as above.
    ON.store(true, Ordering::Relaxed);
    true
}

/// Ends the recording.
pub(crate) fn end() -> Vec<Recorded> {
    let tracks = {
        let mut tracks = TRACKS.lock();
        // Relaxed: changed under the lock of the tracks.
        ON.store(false, Ordering::Relaxed);
        mem::take(&mut *tracks)
    };
    let taken = tracks.into_iter().map(|track| {
        let Ring { events, dropped } = mem::take(&mut *track.ring.lock());
        Recorded {
            name: track.name.clone(),
            events: events.into(),
            dropped,
        }
    });
    taken.collect()
}

/// Notes what happens on this thread now, if a trace is recorded.
#[inline]
pub(crate) fn note(what: impl FnOnce() -> What) {
    if is_on() {
        keep(what());
    }
}

#[cold]
fn keep(what: What) {
    let event = Event {
        at: Clock::System.now(),
        what,
    };
    // A thread that ends notes nothing.
    let _ = HERE.try_with(|here| {
        let mut here = here.borrow_mut();
        // Relaxed: which recording it is; an end in between finds no event that matters.
        let number = NUMBER.load(Ordering::Relaxed);
        if here.as_ref().is_none_or(|track| track.number != number) {
            *here = Some(new_track(number));
        }
        let Some(track) = &*here else { return };
        let mut ring = track.ring.lock();
        if ring.events.len() == KEPT {
            ring.dropped += 1;
            // What is in it is ours, and has no destructor of the program's.
            ring.events.pop_front();
        }
        ring.events.push_back(event);
    });
}

/// Has a job run, and notes when, if a trace is recorded: a job that was queued for one may come
/// after its end.
#[inline]
pub(crate) fn around(job: Job, run: impl FnOnce(Job)) {
    match is_on() {
        true => keep_around(job, run),
        false => run(job),
    }
}

#[cold]
fn keep_around(job: Job, run: impl FnOnce(Job)) {
    let Some(task) = job.describe() else {
        return run(job);
    };
    note(|| What::Begins(task));
    run(job);
    note(|| What::Ends);
}

#[cold]
fn new_track(number: u64) -> Arc<Track> {
    let thread = thread::current();
    let track = Arc::new(Track {
        number,
        name: thread.name().unwrap_or("thread").to_owned(),
        ring: Mutex::default(),
    });
    let mut tracks = TRACKS.lock();
    // Relaxed: changed under the lock. Of a recording that has ended nothing is kept.
    if is_on() && NUMBER.load(Ordering::Relaxed) == number {
        tracks.push(Arc::clone(&track));
    }
    track
}
