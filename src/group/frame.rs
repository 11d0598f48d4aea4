//! Where this thread is in the tree: the frame of the poll that runs on it.

/// Notes in the current frame that this poll waits for a timer, a source of I/O, a deadline or a stop.
/// A blocked caller that waits for one of these polls its body only.
pub(crate) fn note_leaf() {}
