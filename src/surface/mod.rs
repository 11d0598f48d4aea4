//! The owner's side of a group without its types: `owner` polls, joins and ends it; `dead` is what
//! becomes of a poller of something that will never be ready.

pub(crate) mod dead;
pub(crate) mod owner;
