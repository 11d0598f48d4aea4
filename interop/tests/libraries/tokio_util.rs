//! tokio-util: tokens and trackers, without a runtime of tokio's. How a token is tied to a group:
//! `tests/other_crates/cancellation_token.rs`.

use crate::common::process::alone;
use crate::trial::Trial;
use spinney::{Group, Never, group, yield_now};
use std::future::pending;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[test]
fn tokio_util() {
    alone(|| {
        Trial::default().run(
            || {
                group(async |g: Group<'_, '_, Never>| {
                    let (token, tracker) = (CancellationToken::new(), TaskTracker::new());
                    for _ in 0..10 {
                        let token = token.child_token();
                        g.spawn(tracker.track_future(async move {
                            let ended = token.run_until_cancelled(pending::<()>()).await;
                            assert_eq!(ended, None);
                        }));
                    }
                    yield_now().await;
                    assert_eq!(tracker.len(), 10);
                    tracker.close();
                    token.cancel();
                    tracker.wait().await;
                    assert!(tracker.is_empty());
                })
            },
            |middle| {
                group(async move |g: Group<'_, '_, Never>| {
                    let (token, tracker) = (CancellationToken::new(), TaskTracker::new());
                    let tracked = tracker.track_future(async move { token.cancelled().await });
                    g.spawn(tracked);
                    tracker.close();
                    middle.amid(tracker.wait()).await;
                })
            },
        );
    });
}

/// A tracker counts down when a cut drops what it tracks.
#[test]
fn a_tracker_hears_of_a_cut() {
    alone(|| {
        spinney::block_on(group(async |g| {
            let tracker = TaskTracker::new();
            tracker.close();
            let task = g.spawn(tracker.track_future(pending::<()>()));
            assert_eq!(tracker.len(), 1);
            let cut = task.cancel();
            tracker.wait().await;
            cut.await;
        }));
    });
}
