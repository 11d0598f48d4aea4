//! Which runtime and which seat this thread belongs to.
