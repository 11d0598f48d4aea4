//! Options of a runtime, and their bounds. What is built of them is in `runtime`.

use crate::driver::clock::{Clock, ManualClock};
use crate::pool::hooks::Hooks;
use crate::report::failure::Unobserved;
use std::error::Error;
use std::fmt;
use std::io;

/// More workers than this are refused: at about 16,000 threads a Linux process of default limits
/// aborts.
pub(crate) const MAX_WORKERS: usize = 1024;

/// Options of a [`Runtime`](crate::Runtime).
#[must_use = "a builder does nothing until it builds"]
pub struct RuntimeBuilder {
    pub(crate) workers: usize,
    pub(crate) thread_name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) max_blocking: usize,
    pub(crate) callers_take_part: bool,
    pub(crate) clock: Clock,
    pub(super) hooks: Hooks,
}

impl RuntimeBuilder {
    pub(crate) fn new() -> Self {
        Self {
            workers: num_cpus::get().clamp(1, MAX_WORKERS),
            thread_name: "spinney".to_owned(),
            stack_size: None,
            max_blocking: 512,
            callers_take_part: true,
            clock: Clock::System,
            hooks: Hooks::default(),
        }
    }

    /// How many worker threads: 1 to 1,024. Default: the processors that this process may use.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// The name of the runtime, and of its threads, to which a number is added. No NUL bytes.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self
    }

    /// The stack of each thread in bytes; not zero. Default: that of `std::thread`.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// How many threads blocking closures may use at once: at least 1. Default: 512.
    ///
    /// One whose closure waits for async code does not count meanwhile.
    pub fn max_blocking(mut self, threads: usize) -> Self {
        self.max_blocking = threads;
        self
    }

    /// Whether a thread that is blocked in `block_on` runs children of its own body. Default: yes.
    pub fn callers_take_part(mut self, yes: bool) -> Self {
        self.callers_take_part = yes;
        self
    }

    /// The clock of timers and deadlines. Default: the system's.
    ///
    /// The grace of [`Runtime::shutdown`](crate::Runtime::shutdown) is real time all the same.
    pub fn clock(mut self, clock: &ManualClock) -> Self {
        self.clock = Clock::Manual(clock.clone());
        self
    }

    /// Called with every failure that has no receiver. Default: one line to stderr.
    ///
    /// A hook that panics is switched off for this runtime, and stderr says so.
    pub fn on_unobserved(mut self, hook: impl Fn(Unobserved) + Send + Sync + 'static) -> Self {
        self.hooks.set_unobserved(hook);
        self
    }

    /// Called on each thread, of workers and of blocking closures, before its first job.
    pub fn on_thread_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.set_start(hook);
        self
    }

    /// Called on each thread, of workers and of blocking closures, after its last job.
    pub fn on_thread_stop(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.set_stop(hook);
        self
    }

    /// Whether every option is within its bounds.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        let bad = |field, bound| Err(BuildError(Kind::OutOfBounds { field, bound }));
        if self.workers == 0 || self.workers > MAX_WORKERS {
            return bad("workers", "1 to 1024");
        }
        if self.stack_size == Some(0) {
            return bad("stack_size", "at least 1 byte");
        }
        if self.max_blocking == 0 {
            return bad("max_blocking", "at least 1");
        }
        if self.thread_name.contains('\0') {
            return bad("thread_name", "no NUL byte");
        }
        Ok(())
    }
}

impl fmt::Debug for RuntimeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeBuilder")
            .field("workers", &self.workers)
            .field("thread_name", &self.thread_name)
            .field("stack_size", &self.stack_size)
            .field("max_blocking", &self.max_blocking)
            .field("callers_take_part", &self.callers_take_part)
            .finish_non_exhaustive()
    }
}

/// Why a runtime could not be built.
#[derive(Debug)]
pub struct BuildError(pub(crate) Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    OutOfBounds {
        field: &'static str,
        bound: &'static str,
    },
    Driver(io::Error),
    Thread(io::Error),
}

impl BuildError {
    /// The option that was refused, if it was one.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        match self.0 {
            Kind::OutOfBounds { field, .. } => Some(field),
            Kind::Driver(_) | Kind::Thread(_) => None,
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::OutOfBounds { field, bound } => write!(f, "`{field}` is out of bounds: {bound}"),
            Kind::Driver(_) => f.write_str("the driver could not be set up"),
            Kind::Thread(_) => f.write_str("a worker thread could not be started"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::OutOfBounds { .. } => None,
            Kind::Driver(error) | Kind::Thread(error) => Some(error),
        }
    }
}
