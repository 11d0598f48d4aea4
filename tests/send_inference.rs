//! Futures that start, bound and collect children are `Send` wherever their captures are, with no annotation beyond the
//! error type. The calls of `assert_spawnable` are checks at compile time.

use spinney::{Errors, Group, Restart, Wait, try_group, yield_now};
use std::future::Future;

#[derive(Debug)]
struct MyErr;

fn assert_spawnable<F: Future + Send + 'static>(future: F) -> F {
    future
}

/// A set, places, a generator, restarts and a handshake in one body.
async fn every_kind_of_child(text: &str) -> Result<usize, Errors<MyErr>> {
    try_group(async |g: Group<'_, '_, MyErr>| {
        let owned = g.keep(text.to_string());
        let started = g.start(async |ready| {
            ready.set(owned.len());
            Ok::<(), MyErr>(())
        });
        let mut total = started.await.map_err(|_| MyErr)?;
        let places = g.bounded(2);
        total += places.spawn(async { Ok(owned.len()) }).await.await;
        let mut set = g.set();
        for _ in 0..2 {
            set.spawn(async { Ok(owned.len()) });
        }
        while let Some(result) = set.next().await {
            total += result.map_err(|_| MyErr)?;
        }
        let mut letters = g.stream(async |mut out| {
            for letter in owned.chars() {
                out.send(letter).await;
            }
        });
        while letters.next().await.is_some() {
            total += 1;
        }
        let again = move || async move {
            yield_now().await;
            Ok(owned.len())
        };
        total += g.spawn(Restart::at_most(1).run(g, again)).await;
        total += g.spawn(async { Ok(1) }).cancel().await.unwrap_or(1);
        Ok(total - text.len())
    })
    .await
}

#[test]
fn every_kind_of_child_is_send() {
    let future = assert_spawnable(async {
        let text = String::from("text");
        every_kind_of_child(&text).await
    });
    assert_eq!(future.wait().unwrap(), 21);
}
