//! moka: a cache whose missing values one task makes while others wait for it.

use crate::common::process::alone;
use crate::trial::Trial;
use moka::future::Cache;
use spinney::{Group, Never, group, yield_now};
use std::future::pending;

#[test]
fn moka() {
    alone(|| {
        Trial::default().run(
            || {
                group(async |g: Group<'_, '_, Never>| {
                    let cache = g.keep(Cache::<u32, u32>::new(10));
                    let make = async |value| {
                        yield_now().await;
                        value
                    };
                    let one = g.spawn(async move { Ok(cache.get_with(1, make(10)).await) });
                    let two = g.spawn(async move { Ok(cache.get_with(1, make(20)).await) });
                    let (one, two) = (one.await, two.await);
                    assert!(one == two && [10, 20].contains(&one));
                    cache.run_pending_tasks().await;
                    assert_eq!(cache.entry_count(), 1);
                })
            },
            async |middle| {
                let cache = Cache::<u32, u32>::new(10);
                cache.get_with(1, middle.amid(pending())).await;
            },
        );
    });
}

/// The task that makes a value is cut: one that waits for the value makes it instead.
#[test]
fn a_cut_maker_of_a_value_is_replaced_by_one_that_waits() {
    alone(|| {
        let cache = Cache::<u32, u32>::new(10);
        let value = spinney::block_on(group(async |g: Group<'_, '_, Never>| {
            let cache = g.keep(cache);
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let maker = g.spawn(async move {
                let make = async move {
                    begun.send(()).await.unwrap();
                    pending::<u32>().await
                };
                Ok(cache.get_with(1, make).await)
            });
            has_begun.recv().await.unwrap();
            let waiting = g.spawn(async move { Ok(cache.get_with(1, async { 2 }).await) });
            yield_now().await;
            assert_eq!(maker.cancel().await, None);
            waiting.await
        }));
        assert_eq!(value, 2);
    });
}
