//! The runtime that a thread uses when none is named: the one of its context, else the global one,
//! which is started on first use.

use crate::driver::clock::Clock;
use crate::driver::driver::Driver;
use crate::pool::config::RuntimeBuilder;
use crate::pool::runtime::Runtime;
use crate::pool::shared::Shared;
use crate::pool::thread_ctx::{self, ThreadCtx};
use crate::sync::{Arc, OnceLock};
use std::time::Instant;

static GLOBAL: OnceLock<Runtime> = OnceLock::new();

impl Runtime {
    /// Makes this runtime the global one, which free functions use on threads that have no other.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Runtime;
    ///
    /// let runtime = Runtime::builder().workers(1).thread_name("forest").build()?;
    /// runtime.install_global().unwrap();
    /// assert_eq!(spinney::block_on(async { 1 + 1 }), 2); // in the forest
    /// let second = Runtime::builder().workers(1).build()?;
    /// assert!(second.install_global().is_err());
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Gives the runtime back if a global one was installed, or started by its first use.
    pub fn install_global(self) -> Result<(), Self> {
        GLOBAL.set(self)
    }
}

/// The runtime of this thread: the one entered last, else that of its worker or `block_on`, else
/// the global one. What was entered before a worker or `block_on` began does not count inside: a
/// child must not depend on which thread runs it.
pub(crate) fn runtime() -> Arc<Shared> {
    thread_ctx::runtime_here().unwrap_or_else(|| Arc::clone(global().shared()))
}

/// Calls `f` with [`runtime`], which is borrowed where that is possible.
#[inline]
pub(crate) fn with_runtime<R>(f: impl FnOnce(&Arc<Shared>) -> R) -> R {
    thread_ctx::of_free_functions(|ctx| {
        let entered;
        let shared = match ctx {
            Some(ctx) => ctx.shared,
            None if thread_ctx::is_bare() => global().shared(),
            None => {
                entered = runtime();
                &entered
            }
        };
        f(shared)
    })
}

/// The driver of this thread's runtime.
pub(crate) fn driver() -> Arc<Driver> {
    with_driver(|driver, _| Arc::clone(driver))
}

/// Calls `f` with the driver of this thread's runtime, and with the seat from which its timers are
/// set. In its context no count of references is touched.
pub(crate) fn with_driver<R>(f: impl FnOnce(&Arc<Driver>, usize) -> R) -> R {
    let here = thread_ctx::of_free_functions(|ctx| match ctx {
        Some(ctx) => Ok(f(&ctx.shared.driver, ctx.timer_seat())),
        None => Err(f),
    });
    here.unwrap_or_else(|f| match thread_ctx::runtime_here() {
        Some(shared) => f(&shared.driver, shared.workers),
        None => {
            let shared = global().shared();
            f(&shared.driver, shared.workers)
        }
    })
}

/// Whether an instant was over when a worker of this thread's runtime looked at the clock last. It
/// is not known outside the context of one.
pub(crate) fn was_over(at: Instant) -> Option<bool> {
    thread_ctx::of_free_functions(|ctx| ctx.map(|ctx| ctx.shared.driver.was_over(at)))
}

/// Now, as a worker of this thread's runtime has seen it last; outside the context of one as
/// [`now`].
#[cfg(feature = "serve")]
pub(crate) fn lately() -> Instant {
    let here = |ctx: Option<&ThreadCtx<'_>>| ctx.map(|ctx| ctx.shared.driver.lately());
    thread_ctx::of_free_functions(here).unwrap_or_else(now)
}

/// Now, on the clock of this thread's runtime. It starts none: the global one goes by the system's
/// clock unless one was installed.
pub(crate) fn now() -> Instant {
    let here = |ctx: Option<&ThreadCtx<'_>>| ctx.map(|ctx| ctx.shared.driver.now());
    if let Some(now) = thread_ctx::of_free_functions(here) {
        return now;
    }
    match (thread_ctx::runtime_here(), GLOBAL.get()) {
        (Some(shared), _) => shared.driver.now(),
        (None, Some(global)) => global.shared().driver.now(),
        (None, None) => Clock::System.now(),
    }
}

fn global() -> &'static Runtime {
    GLOBAL.get_or_init(|| {
        RuntimeBuilder::new()
            .build()
            .expect("the global runtime could not be started")
    })
}
