//! What a thread has counted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A read-modify-write, also a compare-exchange that fails.
    Rmw,
    /// A fence with `SeqCst`.
    Fence,
    /// A lock that is taken.
    Lock,
    /// A push to, a pop from, or a steal from a deque.
    Deque,
    /// A store, which is an instruction like any other but takes the cache line away from others.
    Store,
}

/// How often each kind was called in each place.
#[derive(Clone, Debug, Default)]
pub struct Counts(BTreeMap<(Kind, &'static str, u32), u64>);

thread_local! {
    /// Between `begin` and `end`.
    static HERE: RefCell<Option<Counts>> = const { RefCell::new(None) };
}

/// This thread begins to count.
pub fn begin() {
    HERE.set(Some(Counts::default()));
}

/// What this thread has counted since it began.
///
/// # Panics
///
/// When it did not begin.
#[must_use]
pub fn end() -> Counts {
    HERE.take().expect("it has begun to count")
}

/// One call.
#[track_caller]
pub(crate) fn count(kind: Kind) {
    let place = Location::caller();
    // A thread that ends counts nothing.
    let _ = HERE.try_with(|here| {
        if let Some(counts) = &mut *here.borrow_mut() {
            *counts
                .0
                .entry((kind, place.file(), place.line()))
                .or_default() += 1;
        }
    });
}

impl Counts {
    /// How many of a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> u64 {
        let all = self.0.iter().filter(|((its, ..), _)| *its == kind);
        all.map(|(_, times)| times).sum()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((kind, file, line), times) in &self.0 {
            let file = file.rsplit("../").next().unwrap_or(file);
            writeln!(f, "{times:>8} {kind:?} {file}:{line}")?;
        }
        Ok(())
    }
}
