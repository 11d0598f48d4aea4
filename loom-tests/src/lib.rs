//! The loom twin of `src/sync`: the same names, watched by the model checker.
//!
//! Models include the *real* sources by `#[path]` and put this module in the place of
//! `crate::sync`. Atomics and `fence` are newtypes whose methods know the place of their call, so
//! that the environment variable `MUTANT=file:line:column` can weaken one site to `Relaxed` (a
//! fence: to nothing); with `MUTANT_TO`, an `AcqRel` to one of its halves. A test demands that some
//! model fails for each.
//!
//! Every atomic, mutex and cell of the twin says when it is dropped: the model checker then demands
//! that all accesses come before, and any use afterwards fails. So a model needs no payload of its
//! own to see that memory is freed too early. For that, memory is given back late: see `late`.

mod engine;
mod late;
pub mod run;
pub mod sync;

#[doc(hidden)]
pub mod __private {
    pub use loom::thread::LocalKey;
}
