//! Values with destructors that wait, or panic.

use crate::program::{Id, Parting, Waits};
use crate::record::{Event, Fault, TICK, World};
use spinney::{Group, Wait, group, sleep, yield_now};
use std::panic::resume_unwind;
use std::sync::Arc;

/// Waits when it is dropped.
pub(super) struct Parts(Arc<World>, Parting);

impl Parts {
    pub(super) fn new(world: &Arc<World>, parting: Parting) -> Self {
        Self(Arc::clone(world), parting)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let Self(world, Parting { id, what }) = self;
        world.note(Event::Parting(*id));
        match what {
            Waits::Yield => yield_now().wait(),
            Waits::Sleep(ticks) => sleep(TICK * u32::from(*ticks)).wait(),
            Waits::Group => group(async |g: Group<'_, '_>| {
                g.defer(yield_now());
                let child = g.spawn(async {
                    yield_now().await;
                    Ok(())
                });
                child.await;
            })
            .wait(),
        }
        world.note(Event::Parted(*id));
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
