//! State of the process, of which there is one: files that have a model hold none of their own.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// Parts of a table of the process that is spread by addresses. 64 keeps two random addresses
/// apart in 98% of cases, at 64 cache lines in all.
pub(crate) const STRIPES: usize = 64;

#[repr(align(64))]
struct Stripe(Mutex<()>);

static LOCKS: [Stripe; STRIPES] = [const { Stripe(Mutex::new(())) }; STRIPES];

/// The stripe of an address. Different addresses may share one.
pub(crate) fn stripe_of(address: usize) -> usize {
    // Fibonacci hashing: the upper bits of the product depend on all bits of the address.
    let hash = address.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (usize::BITS - 6);
    hash % STRIPES
}

/// Takes the lock of an address. Different addresses may share a lock: a thread holds one at a
/// time.
pub(crate) fn lock_of(address: usize) -> MutexGuard<'static, ()> {
    LOCKS[stripe_of(address)].0.lock()
}

/// A number, from one on, that no other call gives.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Relaxed: only uniqueness matters, which any RMW gives.
    NEXT.fetch_add(1, Ordering::Relaxed)
}
