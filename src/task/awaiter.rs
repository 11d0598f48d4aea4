//! The slot of the awaiter of a task's output: one tagged word, the waker of a spinney task or a
//! boxed foreign waker.
//!
//! # States
//!
//! | word | meaning |
//! |---|---|
//! | 0 | no waker is registered |
//! | 1 | closed: the task is complete, no waker will be called any more |
//! | even | the data of a waker of a spinney task, which owns a reference to it, and the mark of its table |
//! | odd | the address of a boxed foreign waker, plus one |
//!
//! # Protocol
//!
//! The handle, of which there is one, swaps its waker in; if it finds the word closed, it closes it
//! again and takes the output. The completer publishes the output, then swaps `closed` in and calls
//! the waker that it finds. Both are swaps on one word: either the completer finds the waker, or
//! the handle finds the word closed.

#![expect(unsafe_code, reason = "a waker is packed into one tagged word")]

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::task::waker;
use crate::waiters;
use std::mem::ManuallyDrop;
use std::ptr;
use std::task::Waker;

const NOBODY: usize = 0;
const CLOSED: usize = 1;

/// The slot for the one waker that waits for a task.
#[derive(Debug)]
pub(crate) struct Awaiter(AtomicUsize);

#[inline]
fn pack(waker: &Waker) -> usize {
    match waker::mark_of(waker) {
        // The clone's reference moves into the word.
        Some(mark) => ManuallyDrop::new(waker.clone()).data().expose_provenance() | mark,
        None => Box::into_raw(Box::new(waker.clone())).expose_provenance() + 1,
    }
}

/// The waker in a word, if there is one.
///
/// # Safety
///
/// 1. The word came from [`pack`], or is `NOBODY` or `CLOSED`.
/// 2. It is unpacked once.
#[inline]
unsafe fn unpack(word: usize) -> Option<Waker> {
    match word {
        NOBODY | CLOSED => None,
        even if even % 2 == 0 => {
            let data = ptr::with_exposed_provenance(even & !waker::MARK);
            let table = waker::table_of(even & waker::MARK);
            // SAFETY: (1): `pack` stored the data of a waker with this table. (2): its reference
            // moves out again, once.
            Some(unsafe { Waker::new(data, table) })
        }
        odd => {
            let boxed = ptr::with_exposed_provenance_mut::<Waker>(odd - 1);
            // SAFETY: (1): `pack` made it from a box. (2): it is taken back once.
            Some(*unsafe { Box::from_raw(boxed) })
        }
    }
}

impl Awaiter {
    #[inline]
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(NOBODY))
    }

    /// Registers a waker in place of the one before. False if the task is complete; then nothing is
    /// registered.
    #[inline]
    pub(crate) fn register(&self, waker: &Waker) -> bool {
        // AcqRel: Release gives the box to the completer; Acquire pairs with `close`: the output is
        // there.
        let before = self.0.swap(pack(waker), Ordering::AcqRel);
        if before == CLOSED {
            // Relaxed: takes back the word that was stored above; after the close only the handle,
            // which this is, swaps.
            let mine = self.0.swap(CLOSED, Ordering::Relaxed);
            // SAFETY: (1): packed above. (2): taken out of the word by this swap.
            waiters::discard(unsafe { unpack(mine) });
            return false;
        }
        // SAFETY: (1): packed by an earlier `register`. (2): taken out of the word by the swap.
        waiters::discard(unsafe { unpack(before) });
        true
    }

    /// Takes the registered waker out again: the handle goes away. Without this, a chain of tasks
    /// that wait for each other would keep one another's memory, and free it recursively.
    #[inline]
    pub(crate) fn forget(&self) {
        // Relaxed: only the handle, which calls this, registers; a close that is missed is seen by
        // the swap.
        let word = self.0.load(Ordering::Relaxed);
        if word == NOBODY || word == CLOSED {
            return;
        }
        // Acquire: pairs with the Release of the completer, if it was faster and closed the slot.
        let word = self.0.swap(NOBODY, Ordering::Acquire);
        if word == CLOSED {
            // Relaxed: only the handle, which goes away, would look at the slot again.
            self.0.store(CLOSED, Ordering::Relaxed);
        }
        // SAFETY: (1): packed by `register`. (2): taken out of the word by the swap.
        waiters::discard(unsafe { unpack(word) });
    }

    /// Where the task is that waits, if it is one of ours: no reader may follow the address.
    pub(crate) fn address(&self) -> Option<usize> {
        // Relaxed: for people, who know it to be of some moment.
        let word = self.0.load(Ordering::Relaxed);
        (word != NOBODY && word % 2 == 0).then_some(word & !waker::MARK)
    }

    /// Closes the slot and returns the waker that waited. The completer calls it once, after it
    /// published the output.
    #[inline]
    pub(crate) fn close(&self) -> Option<Waker> {
        // AcqRel: Acquire pairs with `register`: the box is complete; Release pairs with its
        // Acquire.
        let word = self.0.swap(CLOSED, Ordering::AcqRel);
        // SAFETY: (1): packed by `register`. (2): taken out of the word by the swap.
        unsafe { unpack(word) }
    }
}

impl Drop for Awaiter {
    #[inline]
    fn drop(&mut self) {
        // Relaxed: `&mut self`: the freer of the task, which drops it, comes after all holders of
        // references (`State::drop_reference`).
        let word = self.0.load(Ordering::Relaxed);
        // SAFETY: (1): packed by `register`. (2): the word is not looked at again.
        waiters::discard(unsafe { unpack(word) });
    }
}
