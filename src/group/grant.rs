//! A deadline of zero grants its group one poll of the body: the end is held back until that poll is over, or blocks.
//!
//! A poll stays on one thread, so the thread itself keeps what is held: no timer of another one can be faster. Whoever
//! blocks the thread calls [`blocks`] first, because a poll that waits for something may never be over: the frame that
//! blocks is unwound by the cut.

use crate::group::node::NodeRef;
use crate::group::spawn::Late;
use std::cell::RefCell;
use std::marker::PhantomData;

struct Held {
    node: NodeRef,
    end: Late,
}

impl Held {
    fn end(self) {
        (self.end)(self.node.spawn());
    }
}

crate::sync::thread_local! {
    // One place for each granted poll on this thread's stack; empty once it was ended because the poll blocked.
    static GRANTED: RefCell<Vec<Option<Held>>> = const { RefCell::new(Vec::new()) };
}

/// The right of one poll not to be ended by the deadline.
pub(crate) struct Grant {
    place: usize,
    /// It belongs to the thread that polls.
    _thread: PhantomData<*const ()>,
}

impl Grant {
    /// Holds back what ends the group. Gives it back where a thread keeps nothing any more: while its locals are destroyed.
    pub(crate) fn new(node: NodeRef, end: Late) -> Result<Self, Late> {
        if GRANTED.try_with(|_| ()).is_err() {
            return Err(end);
        }
        let place = GRANTED.with(|granted| {
            let mut granted = granted.borrow_mut();
            granted.push(Some(Held { node, end }));
            granted.len() - 1
        });
        Ok(Self {
            place,
            _thread: PhantomData,
        })
    }

    /// The poll is over, and the group is not: ends it.
    pub(crate) fn expire(self) {
        if let Some(held) = self.take() {
            held.end();
        }
    }

    fn take(&self) -> Option<Held> {
        GRANTED.with(|granted| {
            let mut granted = granted.borrow_mut();
            let held = granted.get_mut(self.place).and_then(Option::take);
            granted.truncate(self.place);
            held
        })
    }
}

impl Drop for Grant {
    /// The deadline is not used. Its error stays until the end of the group, like that of any other.
    fn drop(&mut self) {
        if let Some(Held { node, end }) = self.take() {
            node.slow.lock().kept_open.push(Box::new(end));
        }
    }
}

/// This thread is about to wait inside whatever it polls: no granted poll lasts longer than this. The outermost is ended
/// first.
pub(crate) fn blocks() {
    let next = || {
        let next = |granted: &RefCell<Vec<Option<Held>>>| {
            let mut granted = granted.borrow_mut();
            granted.iter_mut().find_map(Option::take)
        };
        GRANTED.try_with(next).ok().flatten()
    };
    while let Some(held) = next() {
        held.end();
    }
}
