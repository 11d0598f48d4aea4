//! The task that a seat runs right now, published by value, so that a dump or a shutdown never
//! follows a pointer to a task that it does not hold. The group is published as an address, which
//! is looked for in the tree (`tree::paths::path_at`): a reader that finds it there, and the same
//! task in the record afterwards, has found the group of that task, because the task was counted
//! all the while.
//!
//! # Protocol
//!
//! A sequence lock with one writer, the thread on the seat. Writing: 1. make the number odd;
//! 2. Release fence; 3. store the fields; 4. make the number even (Release). Reading: 1. load the
//! number (Acquire); 2. load the fields; 3. Acquire fence; 4. load the number again: if it is the
//! same and even, the fields belong together. Ending a poll is one store: a task number of zero
//! means idle.

#![expect(
    unsafe_code,
    reason = "static strings and locations are published as addresses"
)]

use crate::report::failure::{Straggler, TaskId};
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::panic::Location;
use std::ptr;
use std::time::Duration;

/// The now-running record of a seat.
#[derive(Debug)]
pub(crate) struct Running {
    sequence: AtomicU32,
    task: AtomicU64,
    location: AtomicPtr<Location<'static>>,
    name: AtomicPtr<u8>,
    name_len: AtomicUsize,
    group: AtomicUsize,
    birth: AtomicU32,
    /// The task that runs, if it said that it computes for long.
    computing: AtomicU64,
}

/// The facts that are published of a task.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) task: TaskId,
    pub(crate) location: &'static Location<'static>,
    pub(crate) name: Option<&'static str>,
    /// The address of its group.
    pub(crate) group: usize,
    /// Coarse milliseconds since the runtime was built.
    pub(crate) birth: u32,
}

/// The facts that were read of a task that was running. The path of its group is not there yet.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) straggler: Straggler,
    /// An address to compare: no reader may follow it.
    pub(crate) group: usize,
    /// The task said that it computes for long.
    pub(crate) computes: bool,
}

impl Running {
    pub(crate) fn new() -> Self {
        Self {
            sequence: AtomicU32::new(0),
            task: AtomicU64::new(0),
            location: AtomicPtr::new(ptr::null_mut()),
            name: AtomicPtr::new(ptr::null_mut()),
            name_len: AtomicUsize::new(0),
            group: AtomicUsize::new(0),
            birth: AtomicU32::new(0),
            computing: AtomicU64::new(0),
        }
    }

    /// Publishes the task that is polled next. Only the thread on the seat calls it.
    #[inline]
    pub(crate) fn begin(&self, now: &Publication) {
        // Relaxed: this thread is the only writer.
        let number = self.sequence.load(Ordering::Relaxed);
        // Relaxed: ordered before the fields by the Release fence below.
        self.sequence
            .store(number.wrapping_add(1), Ordering::Relaxed);
        // Release: a reader that sees one of the fields sees the odd number (its Acquire fence).
        fence(Ordering::Release);
        // Relaxed: the sequence number tells a reader whether the fields belong together.
        self.task.store(now.task.0, Ordering::Relaxed);
        let location = ptr::from_ref(now.location).cast_mut();
        // Relaxed: the sequence number tells a reader whether the fields belong together.
        self.location.store(location, Ordering::Relaxed);
        let name = now.name.unwrap_or("");
        // Relaxed: the sequence number tells a reader whether the fields belong together.
        self.name.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
        // Relaxed: the sequence number tells a reader whether the fields belong together.
        self.name_len.store(name.len(), Ordering::Relaxed);
        // Relaxed: the sequence number tells a reader whether the fields belong together.
        self.group.store(now.group, Ordering::Relaxed);
        // Relaxed: the sequence number tells a reader whether the fields belong together.
        self.birth.store(now.birth, Ordering::Relaxed);
        // Release: pairs with the Acquire load in `read`.
        self.sequence
            .store(number.wrapping_add(2), Ordering::Release);
    }

    /// Says that the task which is polled may compute for as long as it likes. Only the thread on
    /// the seat calls it.
    pub(crate) fn note_compute(&self) {
        // Relaxed: this thread is the only writer.
        let task = self.task.load(Ordering::Relaxed);
        // Relaxed: a hint, and a number that stands for one task alone.
        self.computing.store(task, Ordering::Relaxed);
    }

    /// Says that no task is polled from here on.
    #[inline]
    pub(crate) fn end(&self) {
        // Relaxed: a reader that misses it reports a task that ended a moment ago.
        self.task.store(0, Ordering::Relaxed);
    }

    /// The task that runs now, if there is one; `now` in coarse milliseconds since the runtime was
    /// built.
    pub(crate) fn read(&self, now: u32) -> Option<Seen> {
        loop {
            // Acquire: pairs with the Release store at the end of `begin`.
            let before = self.sequence.load(Ordering::Acquire);
            // Relaxed: the sequence number, read again below, says whether the fields belong
            // together.
            let task = self.task.load(Ordering::Relaxed);
            // Relaxed: the sequence number, read again below, says whether the fields belong
            // together.
            let location = self.location.load(Ordering::Relaxed);
            // Relaxed: the sequence number, read again below, says whether the fields belong
            // together.
            let name = self.name.load(Ordering::Relaxed);
            // Relaxed: the sequence number, read again below, says whether the fields belong
            // together.
            let name_len = self.name_len.load(Ordering::Relaxed);
            // Relaxed: the sequence number, read again below, says whether the fields belong
            // together.
            let group = self.group.load(Ordering::Relaxed);
            // Relaxed: the sequence number, read again below, says whether the fields belong
            // together.
            let birth = self.birth.load(Ordering::Relaxed);
            // Relaxed: a hint.
            let computing = self.computing.load(Ordering::Relaxed);
            // Acquire: pairs with the Release fence in `begin`: a read of a newer field makes the
            // odd number, or a later one, visible below.
            fence(Ordering::Acquire);
            // Relaxed: ordered after the fields by the Acquire fence above.
            if before % 2 == 1 || self.sequence.load(Ordering::Relaxed) != before {
                crate::sync::spin_loop();
                continue;
            }
            if task == 0 {
                return None;
            }
            // SAFETY: every address that was stored in this field is null or that of a `&'static
            // Location`: valid for `'static`.
            let location = unsafe { location.as_ref() }?;
            // SAFETY: address and length were stored together from one `&'static str`, as the
            // sequence number shows: so many bytes are there, initialized, and unchanged for
            // `'static`.
            let name: &'static [u8] = unsafe { std::slice::from_raw_parts(name, name_len) };
            let name = std::str::from_utf8(name).unwrap_or_default();
            let straggler = Straggler {
                task: TaskId(task),
                name: (!name.is_empty()).then(|| name.to_owned()),
                location,
                age: age(birth, now),
                group: String::new(),
            };
            return Some(Seen {
                straggler,
                group,
                computes: computing == task,
            });
        }
    }
}

/// The age of a task, from coarse milliseconds that wrap. Threads read the coarse clock in no
/// order: a task that was born a little later than now is new.
pub(crate) fn age(birth: u32, now: u32) -> Duration {
    let age = now.wrapping_sub(birth);
    let born_later = age > u32::MAX / 2;
    Duration::from_millis(if born_later { 0 } else { age.into() })
}
