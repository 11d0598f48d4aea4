//! Time: sleeping, deadlines on any future, and ticks.
