//! Must be refused: a child that can fail in a group that cannot.
//! Expected: E0277, with notes that say what to write.

use spinney::{block_on, group};

fn main() {
    block_on(group(async |g| {
        g.spawn(async { "7".parse::<u32>() }).await;
    }));
}
