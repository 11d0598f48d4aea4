//! Data for people: failures, reasons, errors and dumps, without any knowledge of how groups work.
//!
//! `failure` has numbers and names of tasks, and the failures that go to the hook; `reason` says
//! which task or body failed and why a group is cut; `errors` are those of one group; `histogram`
//! counts durations by their length; `stall` is a task that does not return; `dump` has the groups
//! and tasks of a tree, and `waits_for` says what a task waits for; `tried` is an error of the
//! system that names the attempt.

pub(crate) mod dump;
pub(crate) mod errors;
pub(crate) mod failure;
pub(crate) mod histogram;
pub(crate) mod reason;
pub(crate) mod stall;
pub(crate) mod tried;
pub(crate) mod waits_for;
