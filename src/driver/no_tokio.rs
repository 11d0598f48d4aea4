//! What stands for tokio's runtime where the feature `tokio` is off: nothing can be asked for.

use crate::driver::system::{Events, System};
use crate::sync::Arc;
use std::io;
use std::panic::Location;
use std::time::{Duration, Instant};

/// tokio, as it was asked for: it cannot be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {}

impl Wanted {
    pub(crate) fn is_within(&self, _most: usize) -> bool {
        match *self {}
    }
}

/// Options of a runtime of tokio's.
pub(crate) enum Builder {}

/// What a runtime asks for that has tokio beside.
pub(crate) struct Asked<'a> {
    pub(crate) wanted: Wanted,
    #[expect(dead_code, reason = "tokio's threads are named after it")]
    pub(crate) name: &'a str,
    #[expect(dead_code, reason = "for tokio")]
    pub(crate) hooks: &'a dyn Fn(&mut Builder),
}

/// tokio's runtime.
pub(crate) struct Beside {
    none: Wanted,
    pub(crate) location: &'static Location<'static>,
}

/// A worker that is about to sleep.
#[derive(Clone, Copy)]
#[expect(dead_code, reason = "tokio's driver asks for it")]
pub(crate) struct Sleeper<'a> {
    pub(crate) sleeps: &'a dyn Fn() -> bool,
    pub(crate) wakes: &'a dyn Fn() -> bool,
}

pub(crate) fn sleep_as(_: Sleeper<'_>, park: impl FnOnce()) {
    park();
}

pub(crate) fn is_apart() -> bool {
    false
}

impl Beside {
    pub(crate) fn new(asked: Asked<'_>, _: &Arc<System>) -> io::Result<Self> {
        match asked.wanted {}
    }

    pub(crate) fn enter_for_good(&self) {
        match self.none {}
    }

    pub(crate) fn around<R>(&self, _: bool, _: impl FnOnce() -> R) -> R {
        match self.none {}
    }

    pub(crate) fn is_hidden(&self) -> bool {
        match self.none {}
    }

    pub(crate) fn visit(&self, _: &System) {
        match self.none {}
    }

    pub(crate) fn wait(&self, _: &System, _: &mut Events, _: Option<Instant>) -> bool {
        match self.none {}
    }

    pub(crate) fn is_parked(&self) -> bool {
        match self.none {}
    }

    pub(crate) fn away(&self) -> Option<u32> {
        match self.none {}
    }

    pub(crate) fn comes_back(&self) -> bool {
        match self.none {}
    }

    pub(crate) fn tick(&self) {
        match self.none {}
    }

    pub(crate) fn alive(&self) -> usize {
        match self.none {}
    }

    pub(crate) fn leave(&self, _: Duration, _: u32) -> Result<Option<Owned>, StillOut> {
        match self.none {}
    }
}

/// A thread does not come back from tokio.
#[derive(Debug)]
pub(crate) struct StillOut;

/// A runtime of tokio's.
pub(crate) struct Owned(Wanted);

impl Owned {
    pub(crate) fn end(
        self,
        _: Duration,
        _: impl FnOnce() -> Option<usize> + Send + 'static,
    ) -> usize {
        match self.0 {}
    }
}
