//! The loom twin of `src/sync`: the same names, watched by the model checker.
//!
//! Models include the *real* sources by `#[path]` and put this module in the place of `crate::sync`. Atomics and `fence`
//! are newtypes whose methods know their caller, so that the environment variable `MUTANT=file:line:column` can weaken
//! one site to `Relaxed` (a fence: to nothing). A test demands that some model fails for each site.

pub mod run;
pub mod sync;
