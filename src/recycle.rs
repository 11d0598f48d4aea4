//! The memory of tasks and groups: what is given back on a thread is kept for the next ones there.
//!
//! A block has one of a few sizes, and blocks of one size are in one list of the thread. So a task
//! that is spawned on the thread on which another one has ended costs 20 instructions of memory and
//! not 140 (glibc's allocator). A thread that gives back more than it takes, because it runs what
//! others spawn, keeps [`MOST`] bytes and gives the rest to the allocator; when it ends all of it.

#![expect(unsafe_code, reason = "memory is managed here")]

use crate::sync::{LocalKey, RECYCLES};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Sizes are so many bytes apart; it is also their alignment, which is that of every allocator on
/// 64-bit platforms.
const STEP: usize = 16;

/// How many sizes there are: up to 512 bytes. Larger futures are rare, and cost more than memory.
const SIZES: usize = 32;

/// Bytes that a thread keeps at most: 5,461 tasks of 96 bytes.
const MOST: usize = 512 * 1024;

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
            room: Cell::new(MOST),
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
}

impl Drop for Lines {
    fn drop(&mut self) {
        for line in 0..SIZES {
            while let Some(block) = self.take(line) {
                // SAFETY: blocks of a line were allocated with its layout, and this one has left
                // the line.
                unsafe { dealloc(block.as_ptr(), layout_of(line)) };
            }
        }
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
    let layout = match const { line_of::<T>() } {
        Some(line) => {
            // SAFETY: `put`: (1): `allocate` chose the same line for the same layout; nothing in
            // the block is used any more (2).
            let kept = HERE.try_with(|lines| unsafe { lines.put(line, block) });
            if kept.unwrap_or(false) {
                return;
            }
            layout_of(line)
        }
        None => Layout::new::<T>(),
    };
    // SAFETY: (1): it was allocated with this layout, and is not kept.
    unsafe { dealloc(block.as_ptr(), layout) };
}

#[cfg(test)]
mod tests {
    use super::{LINES, MOST, allocate, free};
    use crate::sync::RECYCLES;
    use std::ptr::NonNull;

    /// A size that nothing else here has.
    type Large = [u64; 60];

    fn give_back(blocks: Vec<NonNull<Large>>) {
        for block in blocks {
            // SAFETY: (1): it came from `allocate` of this type. (2): nothing was written.
            unsafe { free(block) };
        }
    }

    #[test]
    fn the_last_block_of_a_size_is_used_next() {
        if !RECYCLES {
            return;
        }
        let blocks = [allocate::<Large>(), allocate()];
        give_back(blocks.to_vec());
        let again = [allocate::<[u64; 59]>().cast(), allocate::<Large>()];
        assert_eq!(again, [blocks[1], blocks[0]]);
        assert_ne!(allocate::<[u64; 58]>().cast(), blocks[0]);
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        if !RECYCLES {
            return;
        }
        let size = size_of::<Large>();
        let blocks: Vec<_> = (0..2 * MOST / size).map(|_| allocate()).collect();
        give_back(blocks);
        let room = LINES.with(|lines| lines.room.get());
        assert!(room < size, "{room} bytes of room");
        let blocks: Vec<NonNull<Large>> = (0..2 * MOST / size).map(|_| allocate()).collect();
        assert_eq!(LINES.with(|lines| lines.room.get()), MOST);
        give_back(blocks);
    }
}
