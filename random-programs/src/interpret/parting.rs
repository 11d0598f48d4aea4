//! Values whose destructors look at something, wait, or panic.

use crate::program::{Id, Parting, Waits};
use crate::record::{Event, Fault, OnDrop, TICK, World};
use spinney::{Group, Wait, group, shield, sleep, yield_now};
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Waits when it is dropped.
pub(super) struct Parts {
    world: Arc<World>,
    parting: Parting,
    /// What it belongs to was not cut.
    ended: bool,
}

impl Parts {
    pub(super) fn new(world: &Arc<World>, parting: Parting) -> Self {
        Self {
            world: Arc::clone(world),
            parting,
            ended: false,
        }
    }

    /// What it belongs to comes to its end by itself: a cut that comes during the wait would unwind it, and so it shields
    /// itself.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    fn wait(&self, future: impl Future<Output = ()>) {
        match self.ended {
            true => shield(future).wait(),
            false => future.wait(),
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let Parting { id, what } = self.parting;
        self.world.note(Event::Parting(id));
        match what {
            Waits::Yield => self.wait(yield_now()),
            Waits::Sleep(ticks) => self.wait(sleep(TICK * u32::from(ticks))),
            Waits::Group => self.wait(group(async |g: Group<'_, '_>| {
                g.defer(yield_now());
                let child = g.spawn(async {
                    yield_now().await;
                    Ok(())
                });
                child.await;
            })),
        }
        self.world.note(Event::Parted(id));
    }
}

/// Panics when it is dropped.
pub(super) struct Bomb(Arc<World>, Id);

impl Bomb {
    pub(super) fn new(world: &Arc<World>, step: Id) -> Self {
        Self(Arc::clone(world), step)
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        resume_unwind(Box::new(Fault::raise(&self.0, self.1)));
    }
}

/// What a group keeps.
pub(super) struct Keeps {
    _gone: OnDrop,
    alive: AtomicBool,
}

impl Keeps {
    pub(super) fn new(world: &Arc<World>, step: Id) -> Self {
        Self {
            _gone: OnDrop::new(world, Event::KeptDropped(step)),
            alive: AtomicBool::new(true),
        }
    }
}

impl Drop for Keeps {
    fn drop(&mut self) {
        self.alive.store(false, SeqCst);
    }
}

/// Borrows it, and looks at it at last.
pub(super) struct Reads<'s>(Arc<World>, Id, &'s Keeps);

impl<'s> Reads<'s> {
    pub(super) fn new(world: &Arc<World>, frame: Id, kept: &'s Keeps) -> Self {
        Self(Arc::clone(world), frame, kept)
    }
}

impl Drop for Reads<'_> {
    fn drop(&mut self) {
        if !self.2.alive.load(SeqCst) {
            self.0.note(Event::Stale(self.1));
        }
    }
}
