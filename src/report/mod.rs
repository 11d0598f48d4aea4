//! Data for people: failures, reasons, errors and dumps, without any knowledge of how groups work.
//!
//! `failure` has numbers and names of tasks, and what goes to the hook; `reason` says who failed and why a group is cut;
//! `errors` are those of one group; `dump` is what is in a tree.

pub(crate) mod dump;
pub(crate) mod errors;
pub(crate) mod failure;
pub(crate) mod reason;
