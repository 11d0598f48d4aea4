//! Must be refused: a body is an `async` closure, and not a closure that returns an `async` block.
//! Expected: a lifetime error.

use spinney::{block_on, group};

fn main() {
    block_on(group(|g| async move {
        g.spawn(async {});
    }));
}
