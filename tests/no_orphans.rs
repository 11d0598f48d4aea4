//! No task outlives its group, whatever ends it.

use spinney::{Group, Runtime, block_on, group, scope, shield, try_group, yield_now};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

/// Counts itself as long as it lives.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

fn never(count: &Arc<AtomicUsize>) -> impl Future<Output = ()> + Send + 'static {
    let alive = Alive::new(count);
    async move {
        let _alive = alive;
        pending().await
    }
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

#[test]
fn children_start_siblings_after_the_body_has_ended() {
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
        assert_eq!(result.unwrap_err().into_first(), 7);
        assert_eq!(count.load(SeqCst), 0);
    }
}

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
            poll_fn(|cx| {
                assert!(inner.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            drop(inner);
        }));
        assert_eq!(count.load(SeqCst), 0);
    }
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
        let on_cut = OnDrop(Some(move || release.try_send(()).unwrap()));
        g.spawn(async move {
            let _on_cut = on_cut;
            pending::<()>().await
        });
        Err::<(), _>(1)
    }));
    assert_eq!(result.unwrap_err().into_first(), 1);
    assert_eq!(done.load(SeqCst), 1);
}

struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
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
