//! Panics that say where in the tree they happened.

use crate::sync::OnceLock;
use crate::tree::unresolvable::whereabouts;
use std::io::{self, Write};
use std::panic;

/// Makes the message of every panic in a task say which task it was, and in which group.
///
/// The panic hook that is set keeps its place; one line to stderr follows what it prints: `in task
/// `fetch` #1031, spawned at src/main.rs:12:9, in group `server/conn``. Panics outside tasks and
/// groups are left as they are. Call it once, early in `main`, after any other hook was set;
/// further calls do nothing.
///
/// A hook of one's own finds the same in [`current::task_name`](crate::current::task_name) and
/// [`current::group_path`](crate::current::group_path).
///
/// # Examples
///
/// ```
/// spinney::install_panic_hook();
/// ```
pub fn install_panic_hook() {
    static SET: OnceLock<()> = OnceLock::new();
    SET.get_or_init(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            before(info);
            if let Some(place) = whereabouts() {
                // Where stderr is gone the line is lost.
                let _ = writeln!(io::stderr(), "in {place}");
            }
        }));
    });
}
