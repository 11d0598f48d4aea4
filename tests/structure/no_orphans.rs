//! No task outlives its group, whatever ends it.

use crate::common::drops::{Alive, never, on_drop};
use crate::common::hangs::without_hanging;
use crate::common::polls::{once, poll_alone};
use spinney::{Group, Runtime, block_on, current, group, scope, shield, try_group, yield_now};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

/// Values of children come out with the body's, also that of a child that was spawned late.
#[test]
fn values_of_children_leave_their_group() {
    without_hanging(|| {
        let both = block_on(group(async |g| {
            let early = g.spawn(async {
                yield_now().await;
                Ok(1)
            });
            let early = early.await;
            // Spawned after the body has waited.
            let late = g.spawn(async { Ok(2) });
            [early, late.await]
        }));
        assert_eq!(both, [1, 2]);
    });
}

/// A group without children needs one poll.
#[test]
fn a_group_without_children_returns_at_once() {
    assert_eq!(poll_alone(pin!(group(async |_| 5))), Poll::Ready(5));
    let fails = pin!(try_group(async |_: Group<'_, '_, u8>| Err::<(), _>(6)));
    let Poll::Ready(Err(errors)) = poll_alone(fails) else {
        panic!("it is ready")
    };
    assert_eq!(errors.into_first(), 6);
    assert_eq!(scope(|_| 7), 7);
}

#[test]
fn every_child_runs_once_and_is_joined() {
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..20 {
        ran.store(0, SeqCst);
        block_on(group(async |g| {
            for _ in 0..5_000 {
                let ran = Arc::clone(&ran);
                g.spawn(async move {
                    yield_now().await;
                    ran.fetch_add(1, SeqCst);
                });
            }
        }));
        assert_eq!(ran.load(SeqCst), 5_000);
    }
}

/// The body has ended, and its children start siblings, and those again.
#[test]
fn children_start_siblings_after_the_body_has_ended() {
    without_hanging(|| {
        let (in_body, body_has_ended) = async_channel::bounded::<()>(1);
        let born = block_on(group(async move |g| {
            let _in_body = in_body;
            let born = g.keep(Arc::new(AtomicUsize::new(0)));
            g.spawn(async move {
                body_has_ended.recv().await.unwrap_err();
                for _ in 0..10 {
                    g.spawn(async move {
                        yield_now().await;
                        for _ in 0..10 {
                            g.spawn(async move {
                                yield_now().await;
                                born.fetch_add(1, SeqCst);
                            });
                        }
                    });
                }
            });
            Arc::clone(born)
        }));
        assert_eq!(born.load(SeqCst), 100);
        assert_eq!(Arc::strong_count(&born), 1);
    });
}

/// A child that starts its own successor is joined to the last of the chain.
#[test]
fn a_child_that_starts_itself_again_is_joined_to_the_last() {
    fn chain<'s>(g: Group<'s, '_>, ran: &'s AtomicUsize, left: usize) {
        g.spawn(async move {
            ran.fetch_add(1, SeqCst);
            if left > 0 {
                chain(g, ran, left - 1);
            }
        });
    }
    let ran = block_on(group(async |g| {
        let ran = g.keep(Arc::new(AtomicUsize::new(0)));
        chain(g, ran, 999);
        Arc::clone(ran)
    }));
    assert_eq!(ran.load(SeqCst), 1_000);
}

/// Each child starts two more, until another child fails.
#[test]
fn a_hydra_is_stopped_and_joined() {
    type Heads = (AtomicUsize, async_channel::Sender<()>);
    fn hydra<'s>(g: Group<'s, '_, u8>, heads: &'s Heads, alive: &Arc<AtomicUsize>) {
        let (here, alive) = (Alive::new(alive), Arc::clone(alive));
        g.spawn(async move {
            let _here = here;
            yield_now().await;
            if heads.0.fetch_add(1, SeqCst) == 500 {
                heads.1.close();
            }
            hydra(g, heads, &alive);
            hydra(g, heads, &alive);
            pending::<()>().await
        });
    }
    without_hanging(|| {
        let alive = Arc::new(AtomicUsize::new(0));
        for _ in 0..20 {
            let result = block_on(try_group(async |g: Group<'_, '_, u8>| {
                let (grown, has_grown) = async_channel::bounded::<()>(1);
                let heads = g.keep((AtomicUsize::new(0), grown));
                g.spawn(async move {
                    has_grown.recv().await.unwrap_err();
                    Err::<(), _>(1)
                });
                hydra(g, heads, &alive);
                pending::<Result<(), u8>>().await
            }));
            let errors = result.unwrap_err();
            assert_eq!((*errors.first(), errors.len()), (1, 1));
            assert_eq!(alive.load(SeqCst), 0);
        }
    });
}

/// Children that children spawn, a quarter of a million of them, are all counted.
#[test]
fn a_quarter_of_a_million_are_counted() {
    without_hanging(|| {
        let ran = block_on(group(async |g| {
            let ran = g.keep(Arc::new(AtomicUsize::new(0)));
            for _ in 0..256 {
                g.spawn(async move {
                    for _ in 0..1024 {
                        g.spawn(async move {
                            ran.fetch_add(1, SeqCst);
                        });
                    }
                });
            }
            Arc::clone(ran)
        }));
        assert_eq!(ran.load(SeqCst), 256 * 1024);
    });
}

/// A failure cuts siblings and body, and comes out when all are joined; there is exactly that
/// error.
#[test]
fn a_failure_joins_everyone_before_it_comes_out() {
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..200 {
        let result = block_on(try_group(async |g: Group<'_, '_, u8>| {
            for _ in 0..20 {
                g.spawn(never(&count));
            }
            g.spawn(async {
                yield_now().await;
                Err::<(), _>(7)
            });
            pending::<Result<(), u8>>().await
        }));
        let errors = result.unwrap_err();
        assert_eq!((errors.len(), errors.omitted()), (1, 0));
        assert_eq!(errors.into_first(), 7);
        assert_eq!(count.load(SeqCst), 0);
    }
}

/// The children of a group whose future is dropped early are joined by the group around it.
#[test]
fn an_early_drop_is_joined_by_the_enclosing_group() {
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..200 {
        block_on(group(async |_| {
            let mut inner = Box::pin(group(async |h| {
                for _ in 0..20 {
                    h.spawn(never(&count));
                }
                pending::<()>().await
            }));
            assert!(once(inner.as_mut()).await.is_pending());
            drop(inner);
        }));
        assert_eq!(count.load(SeqCst), 0);
    }
}

/// After the drop nothing new of the inner group starts.
#[test]
fn a_group_that_was_dropped_starts_nothing_more() {
    without_hanging(|| {
        let started = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicBool::new(false));
        block_on(group(async |_| {
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let (started, asked) = (Arc::clone(&started), Arc::clone(&asked));
            let mut inner = Box::pin(group(async move |h| {
                h.spawn(shield(async move {
                    begun.send(()).await.unwrap();
                    current::stopping().await;
                    h.spawn(async move { started.store(true, SeqCst) });
                    h.group(async |i| i.spawn(async { Ok(()) }).await).await;
                    asked.store(true, SeqCst);
                }));
                pending::<()>().await
            }));
            assert!(once(inner.as_mut()).await.is_pending());
            has_begun.recv().await.unwrap();
            drop(inner);
        }));
        // The shield could open a group of its own, and the outer group has joined it.
        assert!(asked.load(SeqCst) && !started.load(SeqCst));
    });
}

#[test]
fn a_forgotten_group_hangs_nobody() {
    block_on(group(async |g| {
        g.spawn(async {
            let mut inner = Box::pin(group(async |_| pending::<()>().await));
            poll_fn(|cx| {
                let _ = inner.as_mut().poll(cx);
                Poll::Ready(())
            })
            .await;
            std::mem::forget(inner);
        });
    }));
}

#[test]
fn a_scope_joins_children_that_borrow_the_stack() {
    let mut numbers = vec![0_usize; 1_000];
    for round in 1..=20 {
        scope(|s| {
            for number in &mut numbers {
                s.spawn(async move {
                    yield_now().await;
                    *number += 1;
                });
            }
        });
        assert!(numbers.iter().all(|&number| number == round));
    }
}

#[test]
fn spawning_into_a_cancelled_group_drops_the_future_unpolled() {
    let count = Arc::new(AtomicUsize::new(0));
    let result = block_on(try_group(async |g: Group<'_, '_, u8>| {
        g.cancel(1);
        let alive = Alive::new(&count);
        g.spawn(async move {
            let _alive = alive;
            unreachable!("never polled")
        });
        assert_eq!(count.load(SeqCst), 0);
        Ok(())
    }));
    assert_eq!(result.unwrap_err().into_first(), 1);
}

#[test]
fn two_groups_in_one_task_and_one_in_futures_unordered_are_joined_by_a_cut() {
    use futures_lite::future::zip;
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let opened = AtomicUsize::new(0);
        let inner = || {
            group(async |h| {
                h.spawn(never(&count));
                opened.fetch_add(1, SeqCst);
                pending::<()>().await
            })
        };
        let mut both = pin!(group(async |_| {
            zip(inner(), inner()).await;
        }));
        block_on(poll_fn(|cx| {
            let polled = both.as_mut().poll(cx);
            assert!(polled.is_pending());
            if opened.load(SeqCst) == 2 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
    }
    block_on(group(async |_| {}));
}

#[test]
fn a_shield_is_not_cut_and_the_cut_lands_after_it() {
    let done = Arc::new(AtomicUsize::new(0));
    let (inside, entered) = async_channel::bounded::<()>(1);
    let (release, released) = async_channel::bounded::<()>(1);
    let result = block_on(try_group(async |g: Group<'_, '_, u8>| {
        let done = Arc::clone(&done);
        let (inside, released) = (inside.clone(), released.clone());
        g.spawn(async move {
            shield(async {
                inside.send(()).await.unwrap();
                released.recv().await.unwrap();
                done.fetch_add(1, SeqCst);
            })
            .await;
            pending::<()>().await;
            done.fetch_add(100, SeqCst);
        });
        entered.recv().await.unwrap();
        let release = release.clone();
        // Released by a sibling's destructor: only the cut runs it.
        let on_cut = on_drop(move || release.try_send(()).unwrap());
        g.spawn(async move {
            let _on_cut = on_cut;
            pending::<()>().await
        });
        Err::<(), _>(1)
    }));
    assert_eq!(result.unwrap_err().into_first(), 1);
    assert_eq!(done.load(SeqCst), 1);
}

#[test]
fn counters_return_to_zero() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    runtime.block_on(group(async |g| {
        for _ in 0..10_000 {
            let ran = Arc::clone(&ran);
            g.spawn(async move {
                ran.fetch_add(1, SeqCst);
            });
        }
    }));
    assert_eq!(ran.load(SeqCst), 10_000);
    assert!(runtime.metrics().jobs >= 10_000);
    runtime.shutdown(std::time::Duration::ZERO).unwrap();
}
