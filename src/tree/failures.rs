//! How a group notes failures, and the reason why it is being cut.

use crate::group::node::{Node, SERVING, SHIELDED, Slow};
use crate::report::reason::{CancelKind, CancelReason, Origin, Reason};
use crate::tree::paths::path;
use crate::unwind::Payload;

impl Node {
    /// Notes why this node is about to be cancelled; the first reason stays.
    pub(crate) fn note_reason(&self, kind: CancelKind, origin: Origin) {
        let mut slow = self.slow.lock();
        if !self.is_cancelled() {
            let first = || Reason { kind, origin };
            slow.rare().reason.get_or_insert_with(first);
        }
    }

    /// Notes that this node is about to be cancelled with its owner, unless the cut comes down from
    /// the parent, which knows why: the cascade may not have come here yet.
    pub(crate) fn note_owner_cut(&self) {
        if self.with_parent(Self::is_cancelled) != Some(true) {
            self.note_reason(CancelKind::OwnerCut, self.origin());
        }
    }

    /// Why this node, or one around it, is being cut.
    pub(crate) fn cancel_reason(&self) -> Option<CancelReason> {
        let mut at = self.to_ref();
        while !at.is_cancelled() {
            // No cut comes down through a shield. Services are shielded until their group cuts
            // them.
            if at.flags() & (SHIELDED | SERVING) == SHIELDED {
                return None;
            }
            at = at.parent()?;
        }
        let mut chain = Vec::new();
        loop {
            chain.push(path(&at));
            let own = |slow: &Slow| slow.known()?.reason.clone();
            let own = own(&at.slow.lock());
            if let Some(reason) = own {
                return Some(CancelReason { reason, chain });
            }
            match at.parent() {
                Some(parent) if parent.is_cancelled() => at = parent,
                _ => break,
            }
        }
        let reason = Reason {
            kind: CancelKind::OwnerCut,
            origin: at.origin(),
        };
        Some(CancelReason { reason, chain })
    }

    /// Records a panic. The first payload is kept for the owner, later ones go to the hook.
    pub(crate) fn record_panic(&self, payload: Payload, origin: Origin) {
        let second = self.slow.lock().ending.panic(payload);
        if let Some(payload) = second {
            self.report_panic(payload, origin);
        }
    }

    /// Counts a task of this group that was unwound where it blocked, because it (`marked`) or the
    /// group was cut. Elsewhere the payload of a cut is an ordinary panic.
    #[cold]
    pub(crate) fn count_unwound(&self, marked: bool) {
        if marked || self.receiver().is_cancelled() {
            self.pool().count_cut();
        }
    }

    /// Hands a panic of this group, which has no receiver, to the hook.
    pub(crate) fn report_panic(&self, payload: Payload, origin: Origin) {
        let group = path(self);
        self.pool().unobserved(origin.lost_panic(payload, group));
    }

    /// Hands an error of this group, which has no receiver, to the hook.
    pub(crate) fn report_error<E: Send + 'static>(&self, error: E, origin: Origin) {
        let group = path(self);
        self.pool().unobserved(origin.lost_error(error, group));
    }

    /// The origin of a failure of the body.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            task: None,
            name: self.name().cloned(),
            location: self.location,
        }
    }
}
