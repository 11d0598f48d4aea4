//! Which seats are active: a bitmap, for thieves.
//!
//! A bit is set while its seat is claimed. A thief that sees it sees the seat, which may just have
//! been made. One that misses it is covered by the notification that follows a push, and one that
//! comes too late finds deques that are empty: their own synchronisation covers what is in them.

use crate::sync::atomic::{AtomicU64, Ordering};

/// The bitmap of the active seats.
pub(crate) struct Active(Box<[AtomicU64]>);

impl Active {
    /// Of so many seats, none of which is active.
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// A seat is active from now on.
    pub(crate) fn add(&self, index: usize) {
        // Release: pairs with the Acquire in `Walk::word`: a thief that sees the bit sees the seat.
        self.0[index / 64].fetch_or(1 << (index % 64), Ordering::Release);
    }

    /// A seat is active no more.
    pub(crate) fn remove(&self, index: usize) {
        // Relaxed: the deques are empty; a thief that looks in vain loses nothing.
        self.0[index / 64].fetch_and(!(1 << (index % 64)), Ordering::Relaxed);
    }

    /// The numbers of the active seats, from this one on.
    #[inline]
    pub(crate) fn from(&self, start: usize) -> Walk<'_> {
        let words = &*self.0;
        let mut walk = Walk {
            words,
            start: start % (64 * words.len()),
            turn: 0,
            bits: 0,
        };
        walk.bits = walk.word();
        walk
    }
}

/// The numbers of active seats from one on.
pub(crate) struct Walk<'a> {
    words: &'a [AtomicU64],
    start: usize,
    /// Words behind the first one, which is walked from `start`, and its rest at the end.
    turn: usize,
    /// What is left of the word of this turn.
    bits: u64,
}

impl Walk<'_> {
    fn at(&self) -> usize {
        let at = self.start / 64 + self.turn;
        match at.checked_sub(self.words.len()) {
            Some(wrapped) => wrapped,
            None => at,
        }
    }

    fn word(&self) -> u64 {
        // Acquire: pairs with the Release in `Active::add`.
        let bits = self.words[self.at()].load(Ordering::Acquire);
        let low = (1_u64 << (self.start % 64)) - 1;
        match self.turn {
            0 => bits & !low,
            last if last == self.words.len() => bits & low,
            _ => bits,
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            if self.turn == self.words.len() {
                return None;
            }
            self.turn += 1;
            self.bits = self.word();
        }
        let bit = self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(64 * self.at() + bit)
    }
}
