//! A look at the runtime that the caller uses, without a name for it: the global one, as a rule.

use crate::pool::metrics::Metrics;
use crate::pool::{global, snapshot};
use crate::report::dump::Dump;
use crate::tree::attach;

/// What the runtime that the caller uses has done so far, and what is alive in it:
/// [`Runtime::metrics`](crate::Runtime::metrics), also of the global one.
///
/// # Examples
///
/// ```
/// use spinney::{block_on, current, group};
///
/// block_on(group(async |g| {
///     let child = g.spawn(std::future::pending::<()>());
///     assert!(current::metrics().live_tasks >= 1);
///     child.cancel().await;
/// }));
/// ```
///
/// # Panics
///
/// If there is no runtime yet and the global one cannot be started, as in any free function.
#[must_use]
pub fn metrics() -> Metrics {
    attach::attach_here();
    global::with_runtime(|shared| shared.metrics())
}

/// The groups and tasks that there are in the runtime that the caller uses:
/// [`Runtime::dump`](crate::Runtime::dump), also of the global one.
///
/// # Examples
///
/// ```
/// use spinney::{block_on, current, group};
///
/// block_on(group(async |_| {
///     println!("{}", current::dump()); // a tree: groups, and below each its tasks
///     assert!(!current::dump().groups().is_empty());
/// }));
/// ```
///
/// # Panics
///
/// As [`metrics`].
#[must_use]
pub fn dump() -> Dump {
    global::with_runtime(|shared| snapshot::take(shared))
}

/// The name of the runtime that the caller uses:
/// [`RuntimeBuilder::thread_name`](crate::RuntimeBuilder::thread_name).
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, current};
///
/// let runtime = Runtime::builder().workers(1).thread_name("forest").build()?;
/// assert_eq!(runtime.block_on(async { current::runtime_name() }), "forest");
/// assert_eq!(current::runtime_name(), "spinney"); // the global one
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
///
/// # Panics
///
/// As [`metrics`].
#[must_use]
pub fn runtime_name() -> String {
    global::with_runtime(|shared| shared.name.clone())
}
