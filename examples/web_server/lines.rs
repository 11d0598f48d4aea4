//! What the program says: results on stdout, trouble on stderr, a line each.

use crate::routes;
use spinney::Unobserved;
use std::any::Any;
use std::fmt;
use std::io::{self, Write};

/// One line on stdout. A reader that has gone away is no reason to stop serving.
pub fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// One line on stderr.
pub fn log(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "web_server: {line}");
}

/// A failure that has no receiver: a panic of a request, or an error of one whose client has gone away.
pub fn log_unobserved(failure: Unobserved) {
    let kind = if failure.is_panic { "panic" } else { "error" };
    let name = failure.name.as_deref().unwrap_or("a task");
    log(format_args!(
        "{kind} in {name} in {}: {}",
        failure.group,
        message(&*failure.payload)
    ));
}

/// The text of a panic, or of an error of a request.
fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    if let Some(text) = payload.downcast_ref::<String>() {
        return text.clone();
    }
    let error = payload.downcast_ref::<routes::Error>();
    error.map_or_else(|| "no message".to_owned(), ToString::to_string)
}
