//! What the program says: results on stdout, trouble on stderr, a line each.

use crate::errors::Error;
use spinney::Unobserved;
use std::any::Any;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

/// One line on stdout. A reader that has gone away is no reason to stop serving.
pub fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// One line on stderr.
pub fn log(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "web_server: {line}");
}

/// The program cannot do what it was asked to.
pub fn refuse(why: &str) -> ExitCode {
    log(format_args!("{why}"));
    ExitCode::from(2)
}

/// What there is to try, as commands.
pub fn say_what_to_try(address: SocketAddr) {
    let http = format!("http://{address}");
    say(format_args!("routes: / /fail /panic /stats /livez /readyz"));
    for (command, what) in [
        (format!("curl '{http}/fanout?n=100'"), "a hundred children"),
        (
            format!("curl -H 'x-request-timeout-ms: 200' '{http}/slow?ms=500'"),
            "a deadline",
        ),
        (format!("curl -T Cargo.toml {http}/upload"), "to a file"),
        (format!("curl -N {http}/events"), "until the drain"),
        (format!("curl {http}/debug/tasks"), "or in a browser"),
        (format!("curl {http}/metrics"), "for Prometheus"),
        (format!("websocat ws://{address}/ws"), "an echo"),
    ] {
        say(format_args!("try: {command:79} # {what}"));
    }
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
    let error = payload.downcast_ref::<Error>();
    error.map_or_else(|| "no message".to_owned(), ToString::to_string)
}
