//! A relay: each group opens the next one, polls it once, hands its future out, and ends.

use super::Boxed;
use super::opened::{attic, once};
use crate::program::{End, Id};
use crate::record::{Event, World};
use spinney::{Group, group, yield_now};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

/// What the generations share.
struct Line {
    world: Arc<World>,
    /// The next group, on its way out of the one that opened it.
    out: Mutex<Option<Boxed<'static, ()>>>,
    /// How many values of theirs exist.
    values: AtomicUsize,
}

impl Line {
    fn take(&self) -> Option<Boxed<'static, ()>> {
        self.out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Takes the group that was handed out last, and that nobody took: it would keep the line, which keeps it.
struct Taken(Arc<Line>);

impl Drop for Taken {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

/// Counts itself.
struct Counted(Arc<Line>);

impl Counted {
    fn new(line: &Arc<Line>) -> Self {
        line.values.fetch_add(1, SeqCst);
        Self(Arc::clone(line))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.values.fetch_sub(1, SeqCst);
    }
}

fn generation(line: &Arc<Line>, left: u16) -> Boxed<'static, ()> {
    let line = Arc::clone(line);
    Box::pin(group(async move |g: Group<'_, '_>| {
        let _local = Counted::new(&line);
        g.keep(Counted::new(&line));
        yield_now().await;
        if left == 0 {
            return;
        }
        let mut next = generation(&line, left - 1);
        if once(next.as_mut()).await.is_pending() {
            let mut out = line.out.lock().unwrap_or_else(PoisonError::into_inner);
            *out = Some(next);
        }
    }))
}

/// Awaits one after the other, and does with the last one what it is told.
pub(super) async fn relay(world: &Arc<World>, id: Id, times: u16, end: End) {
    let line = Arc::new(Line {
        world: Arc::clone(world),
        out: Mutex::default(),
        values: AtomicUsize::new(0),
    });
    // After the generation that runs, which may hand out one more.
    let _taken = Taken(Arc::clone(&line));
    let mut current = generation(&line, times);
    let mut left = times;
    loop {
        if left == 0 {
            match end {
                End::Await => current.await,
                End::Drop => drop(current),
                End::Forget => {
                    world.note(Event::Forgotten(id));
                    attic(current);
                    return;
                }
            }
            break;
        }
        current.await;
        match line.take() {
            Some(next) => current = next,
            None => break,
        }
        left -= 1;
    }
    line.world
        .note(Event::Relayed(id, line.values.load(SeqCst)));
}
