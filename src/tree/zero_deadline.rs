//! A deadline of zero grants its group one poll of the body: the node holds the end back until that
//! poll is over, or blocks.
//!
//! A timer of another thread could be faster than that poll. A poll that waits on the stack may
//! never be over, so the thread that is about to wait calls [`blocks`]: the frame that blocks is
//! unwound by the cut.

use crate::group::node::{Node, Slow};
use crate::group::pool::Late;
use crate::poll::frame;

/// Holds back what ends the group.
pub(crate) fn hold_back(node: &Node, end: Late) {
    node.slow.lock().rare().held_back = Some(end);
}

/// The poll is over, and the group is not: ends it, unless that has happened.
pub(crate) fn expire(node: &Node) {
    let take = |slow: &mut Slow| slow.known_mut()?.held_back.take();
    let end = take(&mut node.slow.lock());
    if let Some(end) = end {
        end(node.pool());
    }
}

/// The deadline is not used. Its error stays until the end of the group, like that of any other.
pub(crate) fn keep(node: &Node) {
    if let Some(rare) = node.slow.lock().known_mut() {
        let end = rare.held_back.take().map(|end| Box::new(end) as _);
        rare.kept_open.extend(end);
    }
}

/// This thread is about to wait inside its polls: no granted poll lasts longer than this. The
/// outermost group is ended first.
pub(crate) fn blocks() {
    let known = |slow: &Slow| slow.known().is_some_and(|rare| rare.held_back.is_some());
    let held_back = |node: &Node| known(&node.slow.lock());
    while let Some(node) = frame::outermost_body(held_back) {
        expire(&node);
    }
}
