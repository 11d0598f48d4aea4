//! What the program says: results on stdout, trouble on stderr, a line each.

use crate::routes;
use spinney::{Unobserved, current};
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

/// A panic that was caught, with the groups around the place where it was.
pub fn log_panic(payload: Box<dyn Any + Send>) {
    let path = current::group_path().map_or_else(String::new, |path| format!(" in {path}"));
    log(format_args!("panic{path}: {}", message(&*payload)));
}

/// A failure that nobody can be told: that of a request whose client has gone away.
pub fn log_unobserved(failure: Unobserved) {
    let kind = if failure.is_panic { "panic" } else { "error" };
    let name = failure.name.as_deref().unwrap_or("a task");
    log(format_args!(
        "{kind} in {name} after its client had gone: {}",
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
