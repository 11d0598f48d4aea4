//! No task outlives its group, and what a group holds ends in its order.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/matrix.rs"]
mod matrix;

mod attach;
mod endings;
mod forgotten;
mod joined;
mod lent;
mod no_orphans;
mod random_trees;
mod services;
mod stops;
mod task_matrix;
