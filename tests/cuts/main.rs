//! A cut comes from above, for a reason, in order, and to nothing that it is not meant for.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/matrix.rs"]
mod matrix;

mod cancel_matrix;
mod cancel_once;
mod cancellation;
mod cut_order;
mod cut_while_blocked;
mod deadlines;
mod granted_poll;
mod shield;
mod waits_in_destructors;
