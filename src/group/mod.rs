//! Groups: what tasks belong to, free of any knowledge of tasks.

pub(crate) mod frame;
pub(crate) mod report;
pub(crate) mod spawn;
