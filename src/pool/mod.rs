//! The pool.

pub(crate) mod context;
