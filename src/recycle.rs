//! The memory of tasks and groups: what is given back on a thread is kept for the next ones there.
//!
//! A block has one of a few sizes, and blocks of one size are in one list of the thread. So a task
//! that is spawned on the thread on which another one has ended costs 20 instructions of memory and
//! not 140 (glibc's allocator). A thread that gives back more than it takes, because it runs what
//! others spawn, keeps [`MOST_BYTES`] of each size, which is less than 1 MiB in all, and gives the
//! rest to the allocator; when the thread ends all of it.

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

/// Bytes of one size that a thread keeps at most: 341 tasks of 96 bytes.
const MOST_BYTES: usize = 32 * 1024;

/// A block in a list.
struct Block {
    next: *mut Block,
}

/// The blocks of one size.
struct Line {
    first: Cell<*mut Block>,
    /// How many more may be kept.
    room: Cell<usize>,
}

/// The blocks that a thread keeps, by size.
struct Lines([Line; SIZES]);

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
        let mut lines = [const {
            Line {
                first: Cell::new(ptr::null_mut()),
                room: Cell::new(0),
            }
        }; SIZES];
        let mut at = 0;
        while at < SIZES {
            lines[at].room = Cell::new(MOST_BYTES / layout_of(at).size());
            at += 1;
        }
        Self(lines)
    }

    /// A block out of a line, if there is one.
    #[inline]
    fn take(&self, line: usize) -> Option<NonNull<u8>> {
        let Line { first, room } = &self.0[line];
        let block = NonNull::new(first.get())?;
        // SAFETY: a block in a line is there, is of that size, and is this thread's alone: `put`
        // wrote its head.
        let next = unsafe { block.as_ref() }.next;
        first.set(next);
        room.set(room.get() + 1);
        Some(block.cast())
    }

    /// Puts a block into a line; false if that is full.
    ///
    /// # Safety
    ///
    /// The block has the layout of that line, and belongs to the caller, who gives it up with the
    /// answer true.
    #[inline]
    unsafe fn put(&self, line: usize, block: NonNull<u8>) -> bool {
        let Line { first, room } = &self.0[line];
        let Some(left) = room.get().checked_sub(1) else {
            return false;
        };
        let block = block.cast::<Block>();
        // SAFETY: `put`: the block is the caller's, and at least one word large and aligned.
        unsafe { block.write(Block { next: first.get() }) };
        first.set(block.as_ptr());
        room.set(left);
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
            if kept == Ok(true) {
                return;
            }
            layout_of(line)
        }
        None => Layout::new::<T>(),
    };
    // SAFETY: (1): it was allocated with this layout, and is not kept.
    unsafe { dealloc(block.as_ptr(), layout) };
}
