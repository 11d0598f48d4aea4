//! The node whose children are the services of a group (`group::services`).

use crate::group::node::{NodeRef, SERVING, Services};

/// The services of a group, none yet. `node` was opened under the group, shielded, and has no child
/// yet.
pub(crate) fn begin(node: NodeRef) -> Services {
    node.set_flags(SERVING);
    node.word.watch_each();
    node.slow.lock().ending.become_services();
    Services::none(node)
}
