//! What the driver watches: sources of I/O by key, and what an event tells them.

use crate::driver::source::Readiness;
use crate::report::waits_for::Endpoint;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex};

/// What happened to a source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) key: usize,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// A read that brings little may be followed by one that brings more, or the end: reads are to
    /// be tried until they would block.
    pub(crate) must_say_so: bool,
}

/// A direction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// Both directions of a source.
#[derive(Debug)]
pub(crate) struct Source {
    read: Readiness,
    write: Readiness,
    /// A short read may be followed by another one: there was an event that says so, or it is so
    /// from the start.
    must_say_so: AtomicBool,
    /// Its file descriptor, for dumps.
    pub(crate) descriptor: i32,
    /// Where it leads, for dumps: a socket may be connected again.
    endpoint: Mutex<Option<Endpoint>>,
}

impl Source {
    pub(crate) fn new() -> Self {
        Self {
            read: Readiness::new(),
            write: Readiness::new(),
            must_say_so: AtomicBool::new(false),
            descriptor: -1,
            endpoint: Mutex::new(None),
        }
    }

    /// One from which a read may take less than there is.
    pub(crate) fn in_pieces() -> Self {
        Self {
            must_say_so: AtomicBool::new(true),
            ..Self::new()
        }
    }

    /// Of a descriptor, which leads to there.
    pub(crate) fn with(self, descriptor: i32, endpoint: Option<Endpoint>) -> Self {
        Self {
            descriptor,
            endpoint: Mutex::new(endpoint),
            ..self
        }
    }

    /// Where it leads, if it is a socket with an address.
    pub(crate) fn endpoint(&self) -> Option<Endpoint> {
        self.endpoint.lock().clone()
    }

    /// It leads elsewhere now.
    pub(crate) fn leads_to(&self, endpoint: Option<Endpoint>) {
        *self.endpoint.lock() = endpoint;
    }

    pub(crate) fn readiness(&self, direction: Direction) -> &Readiness {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// Whether an operation that moves little proves nothing, because of what an event said. The
    /// caller has looked at the readiness since that event.
    pub(crate) fn must_say_so(&self) -> bool {
        // Relaxed: ordered by the Acquire in `look`, which saw the event that may have set it.
        self.must_say_so.load(Ordering::Relaxed)
    }

    /// There was an event. The thread that took it in the driver's role calls it, when it has given
    /// the role up.
    pub(crate) fn event(&self, event: Event) {
        if event.must_say_so {
            // Relaxed: published by the Release in `Readiness::event`, which follows.
            self.must_say_so.store(true, Ordering::Relaxed);
        }
        if event.readable {
            self.read.event();
        }
        if event.writable {
            self.write.event();
        }
    }
}

/// Sources by key. A key names a place and its generation, so that no event reaches a later owner
/// of the place.
#[derive(Default)]
pub(crate) struct Sources {
    places: Vec<(u32, Option<Arc<Source>>)>,
    free: Vec<u32>,
}

impl Sources {
    /// Enters a source; its key, unless there are too many.
    pub(crate) fn insert(&mut self, source: Arc<Source>) -> Option<usize> {
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let place = u32::try_from(self.places.len()).ok()?;
                self.places.push((0, None));
                place
            }
        };
        let (generation, slot) = self.places.get_mut(place as usize)?;
        *slot = Some(source);
        Some(key(place, *generation))
    }

    /// The source of a key, unless it was taken out since.
    pub(crate) fn get(&self, key: usize) -> Option<Arc<Source>> {
        let (generation, source) = self.places.get(key & PLACE)?;
        if *generation & GENERATION == (key >> PLACE_BITS) as u32 {
            source.clone()
        } else {
            None
        }
    }

    /// The sources of a part of the places; `None` behind the last one.
    pub(crate) fn part(&self, part: usize) -> Option<Vec<Arc<Source>>> {
        let sources = self.places.chunks(PART).nth(part)?.iter();
        Some(sources.filter_map(|(_, source)| source.clone()).collect())
    }

    /// Whether no source is registered.
    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    /// Takes out the source of a key.
    pub(crate) fn remove(&mut self, key: usize) {
        if let Some((generation, source)) = self.places.get_mut(key & PLACE) {
            *source = None;
            *generation = generation.wrapping_add(1);
            self.free.push((key & PLACE) as u32);
        }
    }
}

/// Places that a dump looks at under one lock.
const PART: usize = 256;

const PLACE_BITS: u32 = usize::BITS / 2;
const PLACE: usize = (1 << PLACE_BITS) - 1;
/// One bit short, so that no key is `usize::MAX`, which the poller keeps for itself.
const GENERATION: u32 = u32::MAX >> (33 - PLACE_BITS);

fn key(place: u32, generation: u32) -> usize {
    place as usize | ((generation & GENERATION) as usize) << PLACE_BITS
}
