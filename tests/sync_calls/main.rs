//! Code that blocks and code that suspends call each other.

#[path = "../common/mod.rs"]
mod common;

mod blocking;
mod colours;
mod coroutines;
mod fork_join;
mod scopes;
