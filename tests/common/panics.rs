//! The texts of panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The text of a payload; `?` is one without a text.
pub(crate) fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("?")
}

/// The text of the panic of `f`.
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else {
        panic!("it did not panic");
    };
    text(&*payload).to_owned()
}
