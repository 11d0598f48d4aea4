//! The memory of tasks and groups: what is given back on a thread is kept for the next ones there.
//!
//! A block has one of a few sizes, and blocks of one size are in one list of the thread. So a task
//! that is spawned on the thread on which another one has ended costs 20 instructions of memory and
//! not 140 (glibc's allocator).
//!
//! A thread that gives back more than it takes, because it runs what others spawn, keeps so many
//! bytes and gives the rest to the allocator: [`SOME`], and [`MOST`] more while it is a worker,
//! which says so ([`Room`]). When it ends it gives back all; a thread for closures that block does
//! after each of them ([`give_back`]). In a full room the next block takes the place of those of
//! other sizes, so that a burst of one size does not keep the others out for ever.

#![expect(unsafe_code, reason = "memory is managed here")]

use crate::sync::{LocalKey, RECYCLES};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// Sizes are so many bytes apart; it is also their alignment, which is that of every allocator on
/// 64-bit platforms.
const STEP: usize = 16;

/// How many sizes there are: up to 512 bytes. Larger futures are rare, and cost more than memory.
const SIZES: usize = 32;

/// Bytes that any thread keeps at most: 170 tasks of 96 bytes.
const SOME: usize = 16 * 1024;

/// Bytes that a worker keeps more: 5,461 such tasks.
const MOST: usize = 512 * 1024;

/// Lines that one call looks through for room. It goes on where the last one has ended, so a thread
/// that keeps blocks of one size only pays for few (four lines cost a burst of tasks 27
/// instructions more for each).
const LOOKS: usize = 1;

/// A block in a list.
struct Block {
    next: *mut Block,
}

/// The blocks that a thread keeps.
struct Lines {
    /// The first block of each size.
    first: [Cell<*mut Block>; SIZES],
    /// How many bytes more may be kept.
    room: Cell<usize>,
    /// The line that makes room next, if it is not empty.
    next: Cell<usize>,
}

crate::sync::thread_local! {
    static LINES: Lines = const { Lines::new() };
}

const HERE: &LocalKey<Lines> = &LINES;

/// The layout of the blocks of a line.
const fn layout_of(line: usize) -> Layout {
    match Layout::from_size_align((line + 1) * STEP, STEP) {
        Ok(layout) => layout,
        Err(_) => panic!("sizes are small"),
    }
}

/// The line for a `T`, if it has one.
const fn line_of<T>() -> Option<usize> {
    let fits = size_of::<T>() > 0 && size_of::<T>() <= STEP * SIZES && align_of::<T>() <= STEP;
    match fits && RECYCLES {
        true => Some((size_of::<T>() - 1) / STEP),
        false => None,
    }
}

impl Lines {
    const fn new() -> Self {
        Self {
            first: [const { Cell::new(ptr::null_mut()) }; SIZES],
            room: Cell::new(SOME),
            next: Cell::new(0),
        }
    }

    /// A block out of a line, if there is one.
    #[inline]
    fn take(&self, line: usize) -> Option<NonNull<u8>> {
        let first = &self.first[line];
        let block = NonNull::new(first.get())?;
        // SAFETY: a block in a line is there, is of that size, and is this thread's alone: `put`
        // wrote its head.
        let next = unsafe { block.as_ref() }.next;
        first.set(next);
        self.room.set(self.room.get() + layout_of(line).size());
        Some(block.cast())
    }

    /// Puts a block into a line; false if enough is kept.
    ///
    /// # Safety
    ///
    /// The block has the layout of that line, and belongs to the caller, who gives it up with the
    /// answer true.
    #[inline]
    unsafe fn put(&self, line: usize, block: NonNull<u8>) -> bool {
        let Some(left) = self.room.get().checked_sub(layout_of(line).size()) else {
            return false;
        };
        let first = &self.first[line];
        let block = block.cast::<Block>();
        // SAFETY: `put`: the block is the caller's, and at least one word large and aligned.
        unsafe { block.write(Block { next: first.get() }) };
        first.set(block.as_ptr());
        self.room.set(left);
        true
    }

    /// Gives one block of a line to the allocator; false if there is none.
    fn give_one_back(&self, line: usize) -> bool {
        let Some(block) = self.take(line) else {
            return false;
        };
        // SAFETY: blocks of a line were allocated with its layout, and this one has left the line.
        unsafe { dealloc(block.as_ptr(), layout_of(line)) };
        true
    }

    fn give_all_back(&self) {
        for line in 0..SIZES {
            while self.give_one_back(line) {}
        }
    }

    /// Makes room for one more block of a line out of those of other sizes; false if none were
    /// found, in the few lines where this call has looked.
    fn make_room(&self, line: usize) -> bool {
        for _ in 0..LOOKS {
            let other = self.next.get();
            while other != line && self.give_one_back(other) {
                if self.room.get() >= layout_of(line).size() {
                    return true;
                }
            }
            self.next.set((other + 1) % SIZES);
        }
        false
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.give_all_back();
    }
}

/// While it is there, its thread keeps [`MOST`] bytes more.
#[must_use]
pub(crate) struct Room {
    /// It stays on its thread.
    _here: PhantomData<*const ()>,
}

impl Room {
    pub(crate) fn new() -> Self {
        let widen = |lines: &Lines| lines.room.set(lines.room.get() + MOST);
        // A thread that ends keeps nothing any more.
        let _ = HERE.try_with(widen);
        Self { _here: PhantomData }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = HERE.try_with(|lines| {
            lines.give_all_back();
            lines.room.set(lines.room.get().saturating_sub(MOST));
        });
    }
}

/// Gives all that this thread keeps to the allocator.
pub(crate) fn give_back() {
    if RECYCLES {
        let _ = HERE.try_with(Lines::give_all_back);
    }
}

/// Keeps a block of a line, for which there is no room, in place of others, or gives it back.
///
/// # Safety
///
/// As for `Lines::put`; the caller gives the block up in any case.
#[cold]
unsafe fn keep_or_free(line: usize, block: NonNull<u8>) {
    let kept = HERE.try_with(|lines| {
        // SAFETY: `put`: says the caller.
        lines.make_room(line) && unsafe { lines.put(line, block) }
    });
    if !kept.unwrap_or(false) {
        // SAFETY: it has the layout of the line, and is not kept.
        unsafe { dealloc(block.as_ptr(), layout_of(line)) };
    }
}

#[cold]
fn allocate_anew(layout: Layout) -> NonNull<u8> {
    assert!(layout.size() > 0, "tasks and groups have a size");
    // SAFETY: the size is not zero.
    let block = unsafe { alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Memory for a `T`, which is not initialized.
#[inline]
pub(crate) fn allocate<T>() -> NonNull<T> {
    let block = match const { line_of::<T>() } {
        Some(line) => {
            let kept = HERE.try_with(|lines| lines.take(line)).ok().flatten();
            kept.unwrap_or_else(|| allocate_anew(layout_of(line)))
        }
        None => allocate_anew(Layout::new::<T>()),
    };
    block.cast()
}

/// Gives back the memory of a `T`.
///
/// # Safety
///
/// 1. It came from [`allocate`] of a type of this layout, on any thread, and is given up.
/// 2. What was in it was dropped or moved out.
#[inline]
pub(crate) unsafe fn free<T>(place: NonNull<T>) {
    let block = place.cast::<u8>();
    match const { line_of::<T>() } {
        Some(line) => {
            // SAFETY: `put`: (1): `allocate` chose the same line for the same layout; nothing in
            // the block is used any more (2).
            let kept = HERE.try_with(|lines| unsafe { lines.put(line, block) });
            if !kept.unwrap_or(false) {
                // SAFETY: `put`, as above: the block was not taken.
                unsafe { keep_or_free(line, block) };
            }
        }
        // SAFETY: (1): it was allocated with this layout.
        None => unsafe { dealloc(block.as_ptr(), Layout::new::<T>()) },
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES, MOST, Room, SOME, allocate, free, give_back};
    use crate::sync::RECYCLES;
    use std::ptr::NonNull;

    /// A size that nothing else here has.
    type Large = [u64; 60];

    fn free_all<T>(blocks: Vec<NonNull<T>>) {
        for block in blocks {
            // SAFETY: (1): it came from `allocate` of this type. (2): nothing was written.
            unsafe { free(block) };
        }
    }

    /// So many blocks that were taken at once are given back.
    fn burst<T>(bytes: usize) {
        free_all::<T>((0..bytes / size_of::<T>()).map(|_| allocate()).collect());
    }

    fn room() -> usize {
        LINES.with(|lines| lines.room.get())
    }

    #[test]
    fn the_last_block_of_a_size_is_used_next() {
        if !RECYCLES {
            return;
        }
        let blocks = [allocate::<Large>(), allocate()];
        free_all(blocks.to_vec());
        let again = [allocate::<[u64; 59]>().cast(), allocate::<Large>()];
        assert_eq!(again, [blocks[1], blocks[0]]);
        assert_ne!(allocate::<[u64; 58]>().cast(), blocks[0]);
    }

    /// On a thread that is no worker little is kept, on one that is more, and at its end nothing.
    #[test]
    fn no_more_is_kept_than_may_be() {
        if !RECYCLES {
            return;
        }
        give_back();
        let size = size_of::<Large>();
        assert_eq!(room(), SOME);
        burst::<Large>(4 * SOME);
        assert!(room() < size, "{} bytes of room", room());
        {
            let _worker = Room::new();
            burst::<Large>(2 * MOST);
            assert!(room() < size, "{} bytes of room", room());
        }
        assert_eq!(room(), SOME);
    }

    /// A burst of one size fills the room. Blocks of another one are kept in their place, as many
    /// as are used at once.
    #[test]
    fn the_sizes_of_today_are_kept_in_place_of_those_of_yesterday() {
        if !RECYCLES {
            return;
        }
        burst::<Large>(4 * SOME);
        type Small = [u64; 8];
        let of_today = || -> Vec<NonNull<Small>> { (0..200).map(|_| allocate()).collect() };
        // The first looks for room are in other lines, and in vain.
        free_all(of_today());
        free_all(of_today());
        let before = room();
        let blocks = of_today();
        assert_eq!(room() - before, 200 * size_of::<Small>());
        free_all(blocks);
    }

    #[test]
    fn what_is_given_back_is_kept_no_longer() {
        if !RECYCLES {
            return;
        }
        burst::<Large>(SOME);
        give_back();
        assert_eq!(room(), SOME);
    }
}
