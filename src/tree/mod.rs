//! How groups live together: entering, cancelling, leaving, ending, and the cut of the hosts that
//! poll them.
//!
//! `paths` goes to the groups around a group, and `inner` to the groups and members in it;
//! `failures` notes how it failed, and `survey` describes it. `attach` is where it hangs and how
//! children enter, `cascade` what comes down from above, `leave` how children leave and how it
//! ends; `reaper` cuts members, `admission` lets holders of handles in, `root` is where the tree
//! begins, `service_node` is the parent of services, `typed_node` adds the error type.
//!
//! `hosts` says where groups are polled, `host_end` what becomes of them when their host ends,
//! `cut` how a host is cut, `blocked` how the cut of a task reaches it where it blocks, and
//! `awaited` for which groups a blocked caller waits. `branch` is a part of a poll on another
//! thread, `zero_deadline` holds a deadline back for one poll, `unresolvable` says what becomes of
//! a poller of a future that will never be ready, `joiner` waits for the children of a group that
//! goes on, and `owner` is the side of a group that its future has.

pub(crate) mod admission;
pub(crate) mod attach;
pub(crate) mod awaited;
pub(crate) mod blocked;
pub(crate) mod branch;
pub(crate) mod cascade;
pub(crate) mod cut;
pub(crate) mod failures;
pub(crate) mod host_end;
pub(crate) mod hosts;
pub(crate) mod inner;
pub(crate) mod joiner;
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
