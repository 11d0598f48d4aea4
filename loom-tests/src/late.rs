//! An allocator that gives memory back late, so that a use after the end is found and not hidden by
//! the next owner.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// Blocks that wait on each thread. An execution of a model frees some hundreds at most.
const WAITING: usize = 4096;

/// Larger blocks (stacks, the checker's own tables) go back at once.
const LARGEST: usize = 4096;

struct Late;

struct Ring {
    at: Cell<usize>,
    blocks: [Cell<(*mut u8, usize, usize)>; WAITING],
}

thread_local! {
    static RING: Ring = const {
        Ring {
            at: Cell::new(0),
            blocks: [const { Cell::new((ptr::null_mut(), 0, 1)) }; WAITING],
        }
    };
}

#[global_allocator]
static LATE: Late = Late;

// SAFETY: every block is given to the system's allocator once, with its own layout, or never.
unsafe impl GlobalAlloc for Late {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout has a size that is not zero, which `GlobalAlloc::alloc` demands of its
        // caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let freed = if layout.size() > LARGEST {
            (block, layout.size(), layout.align())
        } else {
            let waiting = RING.try_with(|ring| {
                let at = ring.at.get();
                ring.at.set((at + 1) % WAITING);
                ring.blocks[at].replace((block, layout.size(), layout.align()))
            });
            waiting.unwrap_or((block, layout.size(), layout.align()))
        };
        if !freed.0.is_null() {
            // SAFETY: the layout is that of an earlier, valid call.
            let layout = unsafe { Layout::from_size_align_unchecked(freed.1, freed.2) };
            // SAFETY: the system's allocator gave the block out with this layout, and it is given
            // back here only, once.
            unsafe { System.dealloc(freed.0, layout) };
        }
    }
}
