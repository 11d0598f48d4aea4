//! A thing that one thread has at a time and gives back: tokio's runtime, which drives on the
//! thread that has it.
//!
//! # Protocol
//!
//! A thread that only looks takes the thing if it is there. One that is to sleep with it, and finds
//! it out, says so under the same lock, and sleeps without; the thread that gives it back hears of
//! that, and ends this sleep. The end waits for the thing, and keeps it. It is closed before: a
//! thread that was called back from a sleep with it does not take it again.

use crate::sync::bed::{Condvar, Mutex};
use std::time::Duration;

/// A thing that is there, or out.
#[derive(Debug)]
pub(crate) struct Lent<T> {
    state: Mutex<State<T>>,
    back: Condvar,
}

#[derive(Debug)]
struct State<T> {
    thing: Option<T>,
    /// A thread that could not have it counts on the one that has it.
    wanted: bool,
    /// It is not lent any more.
    closed: bool,
    /// It was taken for good.
    ended: bool,
}

impl<T> State<T> {
    fn lend(&mut self) -> Option<T> {
        if self.closed {
            return None;
        }
        self.thing.take()
    }
}

/// The thing does not come back.
#[derive(Debug)]
pub(crate) struct StillOut;

impl<T> Lent<T> {
    pub(crate) fn new(thing: T) -> Self {
        Self {
            state: Mutex::new(State {
                thing: Some(thing),
                wanted: false,
                closed: false,
                ended: false,
            }),
            back: Condvar::new(),
        }
    }

    /// Takes the thing if it is there.
    pub(crate) fn take(&self) -> Option<T> {
        self.state.lock().lend()
    }

    /// Takes the thing, or says that it was wanted.
    pub(crate) fn take_or_want(&self) -> Option<T> {
        let mut state = self.state.lock();
        state.wanted |= state.thing.is_none();
        state.lend()
    }

    /// Gives the thing back; whether it was wanted meanwhile.
    pub(crate) fn give_back(&self, thing: T) -> bool {
        let mut state = self.state.lock();
        state.thing = Some(thing);
        let wanted = std::mem::take(&mut state.wanted);
        // Only the end waits, and it comes after the close.
        let ends = state.closed;
        drop(state);
        if ends {
            self.back.notify_all();
        }
        wanted
    }

    /// From now on nobody has it who does not have it already.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Takes the thing for good, when it is closed, or finds that another thread has done that. It
    /// waits for the thing for `steps` times `step` at most.
    pub(crate) fn end(&self, step: Duration, steps: u32) -> Result<Option<T>, StillOut> {
        let mut state = self.state.lock();
        for _ in 0..steps {
            if state.thing.is_some() || state.ended {
                break;
            }
            // A wait may end for no reason: so much shorter is the whole.
            self.back.wait_for(&mut state, step);
        }
        if state.thing.is_none() && !state.ended {
            return Err(StillOut);
        }
        state.ended = true;
        Ok(state.thing.take())
    }
}
