//! One call into the system, as a closure on a thread for those that block.

use crate::api::child::closures::blocking_at;
use crate::report::tried::failed;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};

/// Calls `f` with the path, on a thread for closures that block. In an error `verb` says which
/// attempt has failed.
#[track_caller]
pub(super) fn on<T, F>(
    verb: &'static str,
    path: &Path,
    f: F,
) -> impl Future<Output = io::Result<T>> + Send + use<T, F>
where
    F: FnOnce(&Path) -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    let path = path.to_owned();
    let call = move || f(&path).map_err(|error| at(error, verb, &path));
    blocking_at(call, Location::caller())
}

/// As [`on`], with two paths.
#[track_caller]
pub(super) fn between<T, F>(
    verb: &'static str,
    from: &Path,
    to: &Path,
    f: F,
) -> impl Future<Output = io::Result<T>> + Send + use<T, F>
where
    F: FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
    T: Send + 'static,
{
    let (from, to): (PathBuf, PathBuf) = (from.into(), to.into());
    let call = move || {
        let tried = |error| failed(error, format_args!("cannot {verb} {from:?} to {to:?}"));
        f(&from, &to).map_err(tried)
    };
    blocking_at(call, Location::caller())
}

/// An error of the system that names the path.
pub(super) fn at(error: io::Error, verb: &str, path: &Path) -> io::Error {
    failed(error, format_args!("cannot {verb} {path:?}"))
}
