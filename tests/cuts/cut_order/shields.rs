//! A shield that the poll reaches holds a cut off, with all that is waited for in it; one that it
//! does not reach holds nothing.

use super::cut;
use crate::common::polls::{once, until};
use spinney::{Wait, current, group, shield, yield_now};
use std::future::pending;

#[test]
fn a_shield_inside_a_cut_runs_to_its_end_and_groups_in_it_are_not_cancelled() {
    for _ in 0..50 {
        let order = cut(|log| {
            Box::pin(async move {
                shield(async {
                    let total = group(async |g| {
                        let child = g.spawn(async {
                            for _ in 0..20 {
                                yield_now().await;
                            }
                            Ok(1)
                        });
                        log.note("open");
                        assert!(!current::is_cancelled());
                        child.await + g.group(async |h| h.spawn(async { Ok(1) }).await).await
                    });
                    assert_eq!(total.await, 2);
                    until(current::is_cancelled).await;
                    log.note("shield ended");
                })
                .await;
                yield_now().await;
                log.note("never reached");
            })
        });
        assert_eq!(order, ["shield ended", "frame"]);
    }
}

#[test]
fn a_wait_inside_a_shield_is_not_unwound() {
    for _ in 0..30 {
        let order = cut(|log| {
            Box::pin(async move {
                shield(async {
                    let waited = group(async |g| {
                        let child = g.spawn(async {
                            for _ in 0..20 {
                                yield_now().await;
                            }
                            Ok(1)
                        });
                        log.note("open");
                        child.await
                    });
                    assert_eq!(waited.wait(), 1);
                    log.note("waited");
                })
                .await;
                pending::<()>().await
            })
        });
        assert_eq!(order, ["waited", "frame"]);
    }
}

#[test]
fn a_shield_that_the_poll_does_not_reach_holds_nothing() {
    let order = cut(|log| {
        Box::pin(async move {
            let mut held = Box::pin(shield(log.never("in the shield")));
            assert!(once(held.as_mut()).await.is_pending());
            log.note("open");
            pending::<()>().await
        })
    });
    assert_eq!(order, ["in the shield", "frame"]);
}

#[test]
fn a_group_in_a_shield_that_the_poll_does_not_reach_is_joined() {
    for _ in 0..50 {
        let order = cut(|log| {
            Box::pin(async move {
                let mut held = Box::pin(shield(group(async |g| {
                    g.spawn(log.never("child"));
                    pending::<()>().await
                })));
                assert!(once(held.as_mut()).await.is_pending());
                log.note("open");
                pending::<()>().await
            })
        });
        assert_eq!(order, ["child", "frame"]);
    }
}
