//! How groups live together: entering, cancelling, leaving, ending, and the cut of what polls them.
//!
//! `paths` and `inner` are what is around a group and in it; `failures` and `survey` tell of it. `attach` is where it hangs and
//! who enters, `cascade` what comes down, `leave` how it ends; `reaper` cuts members, `admission` lets holders of handles in,
//! `root` is where the tree begins, `service_node` is the parent of services, `typed_node` adds the error type.
//!
//! `hosts` says where groups are polled, `host_end` what becomes of them when that ends, `cut` how it is cut, and
//! `awaited` what of it a blocked caller waits for. `branch` is a part of a poll on another thread, `zero_deadline` holds a
//! deadline back for one poll.

pub(crate) mod admission;
pub(crate) mod attach;
pub(crate) mod awaited;
pub(crate) mod branch;
pub(crate) mod cascade;
pub(crate) mod cut;
pub(crate) mod failures;
pub(crate) mod host_end;
pub(crate) mod hosts;
pub(crate) mod inner;
pub(crate) mod leave;
pub(crate) mod owner;
pub(crate) mod paths;
pub(crate) mod reaper;
pub(crate) mod root;
pub(crate) mod service_node;
pub(crate) mod survey;
pub(crate) mod typed_node;
pub(crate) mod unresolvable;
pub(crate) mod zero_deadline;
