//! The values of task-locals around a piece of code: a persistent list, shared by all tasks and
//! scopes that took a snapshot of it.
//!
//! A task owns the list that its spawner saw; a frame points to the list that goes for the code
//! polled in it. Nothing is allocated while no task-local is set.

use crate::sync::Arc;
use crate::unwind;
use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;

/// What a task-local can hold.
pub(crate) type Value = Arc<dyn Any + Send + Sync>;

struct Entry {
    /// The address of the static that is the key.
    key: usize,
    value: Value,
    next: Locals,
}

/// A list of task-locals and their values, the innermost first.
#[derive(Clone, Default)]
pub(crate) struct Locals(Option<Arc<Entry>>);

impl Locals {
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// This list with a value in front, in place of an older one of the same key. So a list is
    /// never longer than there are keys, also if children of children set a value again and again.
    pub(crate) fn and(self, key: usize, value: Value) -> Self {
        let next = match self.get(key) {
            Some(_) => self.without(key),
            None => self,
        };
        Self(Some(Arc::new(Entry { key, value, next })))
    }

    /// A list without the value of this key, which it has.
    fn without(&self, key: usize) -> Self {
        let mut before = Vec::new();
        let mut at = self;
        let mut rest = Self::none();
        while let Some(entry) = &at.0 {
            if entry.key == key {
                rest = entry.next.clone();
                break;
            }
            before.push(entry);
            at = &entry.next;
        }
        before.into_iter().rev().fold(rest, |next, entry| {
            Self(Some(Arc::new(Entry {
                key: entry.key,
                value: Arc::clone(&entry.value),
                next,
            })))
        })
    }

    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn get(&self, key: usize) -> Option<&Value> {
        let mut at = self;
        while let Some(entry) = &at.0 {
            if entry.key == key {
                return Some(&entry.value);
            }
            at = &entry.next;
        }
        None
    }

    /// Whether this is the same list, and not one with the same values.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Drop for Locals {
    #[inline]
    fn drop(&mut self) {
        if let Some(first) = self.0.take() {
            drop_list(first);
        }
    }
}

/// A loop, because lists may be long; and each value is dropped, also if the destructor of another
/// one panics.
#[cold]
fn drop_list(first: Arc<Entry>) {
    let mut at = Some(first);
    let mut thrown = None;
    while let Some(entry) = at.and_then(Arc::into_inner) {
        let Entry {
            value, next: rest, ..
        } = entry;
        if let Err(payload) = unwind::drop_quietly(value) {
            match thrown {
                None => thrown = Some(payload),
                Some(_) => unwind::discard(payload),
            }
        }
        at = std::mem::ManuallyDrop::new(rest).0.take();
    }
    match thrown {
        Some(payload) if !crate::sync::thread::panicking() => resume_unwind(payload),
        Some(payload) => unwind::discard(payload),
        None => {}
    }
}

impl fmt::Debug for Locals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut keys = Vec::new();
        let mut at = self;
        while let Some(entry) = &at.0 {
            keys.push(entry.key);
            at = &entry.next;
        }
        f.debug_tuple("Locals").field(&keys).finish()
    }
}
