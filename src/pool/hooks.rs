//! The hooks of a runtime: what users hang in, and what happens when a hook panics.

use crate::pool::lines::Lines;
use crate::report::failure::Unobserved;
use crate::report::stall::Stall;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::unwind;
use std::io::{self, Write};
use std::panic::Location;
use std::time::Instant;

type OnThread = Arc<dyn Fn() + Send + Sync>;

/// A hook that is given reports, and by default a line to stderr in its place.
struct Hook<T> {
    call: Option<Arc<dyn Fn(T) + Send + Sync>>,
    silenced: AtomicBool,
}

impl<T> Default for Hook<T> {
    fn default() -> Self {
        Self {
            call: None,
            silenced: AtomicBool::new(false),
        }
    }
}

impl<T> Hook<T> {
    fn set(&mut self, hook: impl Fn(T) + Send + Sync + 'static) {
        self.call = Some(Arc::new(hook));
    }

    /// Hands a report over. A hook that panics is switched off, and stderr says so.
    fn give(&self, report: T, name: &str, print: impl FnOnce(T)) {
        // Relaxed: a switch; a call that misses it calls the hook once more.
        let silenced = self.silenced.load(Ordering::Relaxed);
        let outcome = match &self.call {
            Some(hook) if !silenced => unwind::catch(|| hook(report)),
            _ => unwind::catch(|| print(report)),
        };
        if let Err(payload) = outcome {
            // Relaxed: as above.
            self.silenced.store(true, Ordering::Relaxed);
            say(&format!(
                "spinney: the {name} hook panicked ({}) and is switched off",
                unwind::message(&*payload)
            ));
            unwind::discard(payload);
        }
    }
}

/// What users hang in.
#[derive(Default)]
pub(crate) struct Hooks {
    unobserved: Hook<Unobserved>,
    stall: Hook<Stall>,
    start: Option<OnThread>,
    stop: Option<OnThread>,
    /// What the default hook has printed.
    lines: Lines,
}

impl Hooks {
    pub(super) fn set_unobserved(&mut self, hook: impl Fn(Unobserved) + Send + Sync + 'static) {
        self.unobserved.set(hook);
    }

    pub(super) fn set_stall(&mut self, hook: impl Fn(Stall) + Send + Sync + 'static) {
        self.stall.set(hook);
    }

    pub(super) fn set_start(&mut self, hook: impl Fn() + Send + Sync + 'static) {
        self.start = Some(Arc::new(hook));
    }

    pub(super) fn set_stop(&mut self, hook: impl Fn() + Send + Sync + 'static) {
        self.stop = Some(Arc::new(hook));
    }

    /// Hands over a failure that came at this instant.
    pub(crate) fn report(&self, failure: Unobserved, now: Instant) {
        let print = |failure: Unobserved| match self.lines.take(failure.location, now) {
            Some(omitted) => {
                tell_omitted(failure.location, omitted);
                print(failure);
            }
            None => unwind::discard(failure.payload),
        };
        self.unobserved.give(failure, "unobserved", print);
    }

    /// At the end of the runtime: what the default hook has left out since its last line.
    pub(crate) fn tell_omitted(&self) {
        for (from, omitted) in self.lines.omitted() {
            tell_omitted(from, omitted);
        }
    }

    /// Hands over a task that does not return.
    pub(crate) fn report_stall(&self, stall: Stall) {
        self.stall.give(stall, "stall", print_stall);
    }

    pub(crate) fn thread_started(&self) {
        Self::call(self.start.as_ref());
    }

    pub(crate) fn thread_stops(&self) {
        Self::call(self.stop.as_ref());
    }

    fn call(hook: Option<&OnThread>) {
        if let Some(hook) = hook {
            if let Err(payload) = unwind::catch(|| hook()) {
                say(&format!(
                    "spinney: a thread hook panicked ({})",
                    unwind::message(&*payload)
                ));
                unwind::discard(payload);
            }
        }
    }
}

/// One line to stderr. Where stderr is a pipe whose reader has gone there is no reader to tell, and
/// to panic here would take down a worker.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Without a hook, or a thread to call it: one line to stderr.
pub(crate) fn print_stall(stall: Stall) {
    say(&format!("spinney: {stall}"));
}

/// That many failures had no line.
fn tell_omitted(from: &Location<'_>, omitted: u64) {
    if omitted > 0 {
        say(&format!(
            "spinney: {omitted} more unobserved failures of tasks spawned at {from}"
        ));
    }
}

/// The default hook: one line to stderr.
fn print(failure: Unobserved) {
    let kind = if failure.is_panic { "panic" } else { "error" };
    let name = failure.name.as_deref().unwrap_or("task");
    let id = failure.task.map_or(String::new(), |id| format!(" {id}"));
    let payload = &*failure.payload;
    let text = match (
        unwind::text(payload),
        payload.downcast_ref(),
        failure.type_name,
    ) {
        (Some(text), ..) => text.to_owned(),
        (None, Some(error), _) => io::Error::to_string(error),
        (None, None, Some(name)) => format!("of type {name}"),
        (None, None, None) => "Box<dyn Any>".to_owned(),
    };
    let group = match failure.group.is_empty() {
        true => String::new(),
        false => format!(" in group {}", failure.group),
    };
    say(&format!(
        "spinney: unobserved {kind} in {name}{id} spawned at {}{group}: {text}",
        failure.location
    ));
    unwind::discard(failure.payload);
}
