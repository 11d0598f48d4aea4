//! What enters a group is joined or refused, nothing in between; what leaves it leaves nothing behind.

mod common_b;
mod support;

use common_b::{on_drop, workers};
use spinney::{group, yield_now};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use support::without_hanging;

/// Case 9: when body and children have ended, strangers are refused, and their future comes back; who belongs to the
/// group is not, and is joined.
#[test]
fn a_group_that_is_ending_refuses_strangers_and_joins_its_own() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let joined = Arc::new(AtomicBool::new(false));
        let ours = Arc::clone(&joined);
        runtime.block_on(group(async move |g| {
            let handle = g.handle();
            let strange = handle.clone();
            g.service(async move {
                let _end = on_drop(move || assert!(strange.spawn(async {}).is_err()));
                pending::<()>().await
            });
            g.defer(async move {
                let captured = Arc::new(());
                let held = Arc::clone(&captured);
                let refused = handle.spawn(async move { drop(held) });
                assert_eq!(Arc::strong_count(&captured), 2);
                drop(refused.unwrap_err());
                assert_eq!(Arc::strong_count(&captured), 1);
                g.spawn(async move {
                    yield_now().await;
                    ours.store(true, SeqCst);
                });
            });
            g.spawn(yield_now());
        }));
        assert!(joined.load(SeqCst));
        assert!(seen.texts().is_empty());
    });
}
