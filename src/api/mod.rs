//! The public interface, in three drawers: `here` is about the place where code runs, `group` is
//! what a group is to its user, and `child` are its children. Imports go from `child` to `group`,
//! and from there to `here`.

pub(crate) mod child;
pub(crate) mod group;
pub(crate) mod here;
