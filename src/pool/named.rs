//! What is counted by the names of groups: how many were opened, how they ended, and when.
//!
//! A name has a place in a table, which is looked for by a hash when a group of that name is
//! opened. Names are few, and known to the program; so there is room for [`NAMES`], and groups of
//! later ones are counted together. Each name has counters for each worker, so that workers that
//! open groups of one name do not meet, and one more for all other threads.

use crate::group::name::NamedEnd;
use crate::pool::metrics::Counter;
use crate::sync::OnceLock;
use std::time::Duration;

/// Names that are counted, at most.
pub(crate) const NAMES: usize = 256;

/// Places that are looked at for a name, from that of its hash on.
const PROBES: usize = 32;

/// The numbers of one name, of the groups that one worker opened or ended.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Counts {
    opened: Counter,
    ended: Counter,
    failed: Counter,
    cut: Counter,
    nanos: Counter,
}

struct Entry {
    name: Box<str>,
    /// By seat; the last one is for all threads that are on no worker's.
    counts: Box<[Counts]>,
}

/// The sums of one name.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) opened: u64,
    pub(crate) ended: u64,
    pub(crate) failed: u64,
    pub(crate) cut: u64,
    /// Of groups that have ended.
    pub(crate) open_for: Duration,
}

/// The table of one runtime.
pub(crate) struct Names {
    workers: usize,
    table: OnceLock<Box<[OnceLock<Entry>]>>,
    unlisted: Counter,
}

/// FNV-1a (Fowler, Noll, Vo): names are short.
fn hash(name: &str) -> usize {
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    (hash ^ (hash >> 32)) as usize
}

/// Adds to a counter of this seat, or to the one that threads without a seat share.
fn add(entry: &Entry, seat: Option<usize>, counter: impl Fn(&Counts) -> &Counter, more: u64) {
    let Some((shared, own)) = entry.counts.split_last() else {
        return;
    };
    match seat.and_then(|seat| own.get(seat)) {
        Some(own) => counter(own).add(more),
        None => counter(shared).add_shared(more),
    }
}

impl Names {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers,
            table: OnceLock::new(),
            unlisted: Counter::new(),
        }
    }

    /// The place of a name, which it gets if it has none; `None` if there is none left.
    fn place(&self, name: &str) -> Option<usize> {
        let make = || (0..NAMES).map(|_| OnceLock::new()).collect();
        let table = self.table.get_or_init(make);
        let first = hash(name);
        let mut places = (0..PROBES).map(|step| first.wrapping_add(step) % NAMES);
        places.find(|place| {
            let entry = table[*place].get_or_init(|| Entry {
                name: name.into(),
                counts: (0..=self.workers).map(|_| Counts::default()).collect(),
            });
            *entry.name == *name
        })
    }

    fn entry(&self, place: usize) -> Option<&Entry> {
        self.table.get()?[place].get()
    }

    /// A group of this name is opened, on this worker's seat. The answer is for [`Names::ends`].
    pub(crate) fn opens(&self, name: &str, seat: Option<usize>) -> Option<usize> {
        let place = self.place(name);
        match place.and_then(|place| self.entry(place)) {
            Some(entry) => add(entry, seat, |counts| &counts.opened, 1),
            None => self.unlisted.bump_shared(),
        }
        place
    }

    /// A group ends, which was open for so long.
    pub(crate) fn ends(&self, place: usize, seat: Option<usize>, how: NamedEnd, after: Duration) {
        let Some(entry) = self.entry(place) else {
            return;
        };
        add(entry, seat, |counts| &counts.nanos, after.as_nanos() as u64);
        match how {
            NamedEnd::Well => {}
            NamedEnd::Failed => add(entry, seat, |counts| &counts.failed, 1),
            NamedEnd::Cut => add(entry, seat, |counts| &counts.cut, 1),
        }
        add(entry, seat, |counts| &counts.ended, 1);
    }

    /// All names that were opened so far, in their order, and the sums of each.
    pub(crate) fn sums(&self) -> Vec<(&str, Sums)> {
        let entries = self.table.get().into_iter().flatten();
        let sums = |entry: &Entry| {
            let sum = |counter: fn(&Counts) -> &Counter| -> u64 {
                entry
                    .counts
                    .iter()
                    .map(|counts| counter(counts).get())
                    .sum()
            };
            // The ends first: a group that has ended is not missing among those that were opened.
            let ended = sum(|counts| &counts.ended);
            Sums {
                ended,
                failed: sum(|counts| &counts.failed),
                cut: sum(|counts| &counts.cut),
                open_for: Duration::from_nanos(sum(|counts| &counts.nanos)),
                opened: sum(|counts| &counts.opened),
            }
        };
        let entries = entries.filter_map(OnceLock::get);
        let mut all: Vec<_> = entries.map(|entry| (&*entry.name, sums(entry))).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }

    /// Groups that were opened under a name for which there was no room.
    pub(crate) fn unlisted(&self) -> u64 {
        self.unlisted.get()
    }
}
