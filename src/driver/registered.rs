//! A source of I/O that the driver watches: registered once, in edge mode, for as long as it lives.

use crate::driver::poller::Driver;
use crate::driver::selector::Event;
use crate::driver::source::Readiness;
use crate::poll::frame;
use crate::poll::tally;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::waiters::Key;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll};

/// Both directions of a source.
#[derive(Debug)]
pub(crate) struct Source {
    read: Readiness,
    write: Readiness,
    /// Nothing may come after what can be read: a short read is followed by another one.
    ended: AtomicBool,
}

impl Source {
    fn new() -> Self {
        Self {
            read: Readiness::new(),
            write: Readiness::new(),
            ended: AtomicBool::new(false),
        }
    }

    /// There was an event. Only the holder of the driver's role calls it.
    pub(crate) fn event(&self, event: Event) {
        if event.ended {
            // Relaxed: published by the Release in `Readiness::event`, which follows.
            self.ended.store(true, Ordering::Relaxed);
        }
        if event.readable {
            self.read.event();
        }
        if event.writable {
            self.write.event();
        }
    }
}

/// Sources by key. A key names a place and its generation, so that no event reaches a later owner of the place.
#[derive(Default)]
pub(crate) struct Sources {
    places: Vec<(u32, Option<Arc<Source>>)>,
    free: Vec<u32>,
}

impl Sources {
    fn insert(&mut self, source: Arc<Source>) -> Option<usize> {
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

    pub(crate) fn get(&self, key: usize) -> Option<Arc<Source>> {
        let (generation, source) = self.places.get(key & PLACE)?;
        if *generation & GENERATION == (key >> PLACE_BITS) as u32 {
            source.clone()
        } else {
            None
        }
    }

    /// Whether no source is registered.
    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    fn remove(&mut self, key: usize) {
        if let Some((generation, source)) = self.places.get_mut(key & PLACE) {
            *source = None;
            *generation = generation.wrapping_add(1);
            self.free.push((key & PLACE) as u32);
        }
    }
}

const PLACE_BITS: u32 = usize::BITS / 2;
const PLACE: usize = (1 << PLACE_BITS) - 1;
/// One bit short, so that no key is `usize::MAX`, which the poller keeps for itself.
const GENERATION: u32 = u32::MAX >> (33 - PLACE_BITS);

fn key(place: u32, generation: u32) -> usize {
    place as usize | ((generation & GENERATION) as usize) << PLACE_BITS
}

/// A socket and its registration.
pub(crate) struct Registered<S: AsFd + AsRawFd> {
    io: S,
    source: Arc<Source>,
    driver: Arc<Driver>,
    key: usize,
}

/// A direction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl<S: AsFd + AsRawFd> Registered<S> {
    /// Registers a socket in non-blocking mode.
    pub(crate) fn new(io: S, driver: Arc<Driver>) -> io::Result<Self> {
        driver.must_be_here()?;
        let source = Arc::new(Source::new());
        let poll = &driver.role.selector;
        let key = poll.sources.lock().insert(Arc::clone(&source));
        let key = key.ok_or_else(|| io::Error::other("too many sources"))?;
        if let Err(error) = poll.system.add(&io, key) {
            poll.sources.lock().remove(key);
            return Err(error);
        }
        driver.note_change();
        Ok(Self {
            io,
            source,
            driver,
            key,
        })
    }

    pub(crate) fn io(&self) -> &S {
        &self.io
    }

    fn readiness(&self, direction: Direction) -> &Readiness {
        match direction {
            Direction::Read => &self.source.read,
            Direction::Write => &self.source.write,
        }
    }

    /// Tries `op` while the source may be ready; registers the waker when it is not.
    pub(crate) fn poll_io<R>(
        &self,
        direction: Direction,
        key: Option<&mut Key>,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        if !tally::spend_budget() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let readiness = self.readiness(direction);
        let mut key = key;
        let mut registered = false;
        loop {
            let seen = readiness.look();
            if seen.is_ready() {
                match op(&self.io) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        readiness.clear(seen)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    done => return Poll::Ready(done),
                }
            } else if registered {
                frame::note_leaf();
                return Poll::Pending;
            } else {
                match &mut key {
                    Some(key) => readiness.waiters.register(key, cx.waker()),
                    None => readiness.waiters.add(cx.waker()),
                }
                registered = true;
            }
        }
    }

    /// As [`Registered::poll_io`], for an operation on a buffer of `room` bytes. One that moves fewer has emptied, or
    /// filled, the system's buffer: the next one need not be tried before there was an event.
    pub(crate) fn poll_transfer(
        &self,
        direction: Direction,
        room: usize,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let mut seen = None;
        let readiness = self.readiness(direction);
        let done = self.poll_io(direction, None, cx, |io| {
            // As of before the operation: an event after it makes the clear below fail.
            seen = Some(readiness.look());
            op(io)
        });
        if let (Poll::Ready(Ok(moved)), Some(seen)) = (&done, seen) {
            // Relaxed: ordered by the Acquire in `look`, which saw the event that may have set it.
            if (1..room).contains(moved) && !self.source.ended.load(Ordering::Relaxed) {
                readiness.clear(seen);
            }
        }
        done
    }

    /// A waiting future goes away.
    pub(crate) fn forget(&self, direction: Direction, key: &mut Key) {
        self.readiness(direction).waiters.remove(key);
    }
}

impl<S: AsFd + AsRawFd> Drop for Registered<S> {
    fn drop(&mut self) {
        // In a forked process the kernel would delete the parent's registration, which is the same
        // one.
        if self.driver.is_elsewhere() {
            return;
        }
        // An error means that the poller does not know the socket: then there is nothing to delete.
        let poll = &self.driver.role.selector;
        let _ = poll.system.delete(&self.io);
        poll.sources.lock().remove(self.key);
        self.driver.note_change();
    }
}
