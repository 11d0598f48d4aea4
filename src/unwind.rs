//! Catching a panic, carrying its payload, and throwing a payload away without being hurt by it.

use std::any::Any;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs `f` and returns its value or the payload of its panic.
///
/// `AssertUnwindSafe` is right here because every caller drops or fails all that `f` touched before
/// any other code can look at it.
#[inline]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Drops `value`, and returns the payload if its destructor panicked.
#[inline]
pub(crate) fn drop_quietly<T>(value: T) -> Result<(), Payload> {
    catch(move || drop(value))
}

/// Runs `f`, which must not unwind: another thread may be using this stack. If it does, that is a
/// bug of ours, and the process ends.
#[inline]
pub(crate) fn never<R>(f: impl FnOnce() -> R) -> R {
    struct Unwinds;
    impl Drop for Unwinds {
        fn drop(&mut self) {
            std::process::abort();
        }
    }
    let guard = Unwinds;
    let value = f();
    std::mem::forget(guard);
    value
}

/// Ends the process, with this text on stderr.
#[cold]
pub(crate) fn abort(text: &str) -> ! {
    // Where stderr is gone the text is lost, and the process ends all the same.
    let _ = writeln!(io::stderr(), "spinney: {text}");
    std::process::abort();
}

/// The frames on this thread's stack do not nest: code that was suspended inside a poll or a
/// blocking call with a stack of its own (a coroutine) went on elsewhere, or later.
#[cold]
pub(crate) fn abort_misnested() -> ! {
    abort("a coroutine was suspended inside a poll, a scope, a wait or a join")
}

/// Throws a payload away. A payload whose own destructor panics is forgotten at the second attempt,
/// so this never unwinds and never aborts.
pub(crate) fn discard(payload: Payload) {
    if let Err(second) = drop_quietly(payload) {
        std::mem::forget(second);
    }
}

/// The text of a payload, if it has one.
pub(crate) fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// The text of a payload, or what std prints for one without.
pub(crate) fn message(payload: &(dyn Any + Send)) -> &str {
    text(payload).unwrap_or("Box<dyn Any>")
}

/// The private payload that unwinds a blocked frame, or a shield, of something that is being cut.
/// No hook prints it, and it never outranks a real panic.
pub(crate) struct Cut;

/// Whether a frame can be unwound at all: not in a program that aborts at a panic.
pub(crate) const POSSIBLE: bool = cfg!(panic = "unwind");

/// Unwinds the current frame because the task or group that it belongs to is being cut.
pub(crate) fn unwind_cut() -> ! {
    if !POSSIBLE {
        abort(
            "a blocked wait for something that was cut can only be unwound, and this program aborts at panics",
        );
    }
    resume_unwind(Box::new(Cut))
}

/// Whether a payload is that of a cut.
pub(crate) fn is_cut(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Cut>()
}

/// Where something is being cut, the payload of a cut is no news.
pub(crate) fn ignore_cut(payload: Payload) -> Result<(), Payload> {
    if is_cut(&*payload) {
        return Ok(());
    }
    Err(payload)
}
