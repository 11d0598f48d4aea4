//! Generic code that names the output of a group's future as a projection (combinators, retries,
//! tracing) is `Send`, too.
//!
//! The shapes without a projection are in `tests/ui/accept/send_inference.rs`.

use spinney::{Group, Wait, group, yield_now};
use std::future::Future;

fn assert_spawnable<F: Future + Send + 'static>(_: F) {}

async fn plain<F: Future>(future: F) -> F::Output {
    future.await
}

async fn held<F: Future>(future: F) -> F::Output {
    let output = future.await;
    yield_now().await;
    output
}

async fn body(g: Group<'_, '_>) -> u8 {
    g.spawn(async { Ok(3) }).await
}

async fn from_children() -> u8 {
    group(async |g| {
        let free = g.spawn(async { Ok(plain(group(async |_| 1)).await) });
        let nested = g.spawn(async move {
            let inner = g.group(async |h| h.spawn(async { Ok(2) }).await);
            Ok(held(inner).await)
        });
        let named = g.spawn(async { Ok(held(group(body)).await) });
        let failing = g.spawn(async move {
            let inner = g.try_group(async |_: Group<'_, '_, String>| Ok(4));
            Ok(held(inner).await.unwrap_or(0))
        });
        // `Zip` has a field of that type.
        let zipped = g.spawn(async {
            let (left, right) = (group(async |_| 5), group(async |_| 6));
            let (left, right) = futures_lite::future::zip(left, right).await;
            Ok(left + right)
        });
        free.await + nested.await + named.await + failing.await + zipped.await
    })
    .await
}

#[test]
fn futures_that_name_the_output_of_a_group_are_send() {
    assert_spawnable(from_children());
    assert_eq!(from_children().wait(), 21);
}
