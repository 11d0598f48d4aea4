//! Futures that contain groups are `Send` wherever their captures are, with no annotation beyond the error type.
//!
//! Every call of `assert_spawnable` below is a check at compile time. The shapes in `mod known` are those of
//! rust-lang/rust#138207, #139475 and #154523.

#![expect(
    missing_docs,
    single_use_lifetimes,
    unreachable_pub,
    clippy::ptr_arg,
    clippy::redundant_closure_for_method_calls,
    reason = "the shapes are the point"
)]

use spinney::{Errors, Group, Wait, group, try_group, yield_now};
use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, mpsc},
};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[derive(Debug)]
pub struct MyErr;

fn assert_spawnable<F: Future + Send + 'static>(_: F) {}

/// The body borrows a reference across an await.
async fn borrowed_text(text: &String) -> Result<(), Errors<MyErr>> {
    try_group(async |_: Group<'_, '_, MyErr>| {
        let before = text.len();
        yield_now().await;
        assert_eq!(before, text.len());
        Ok(())
    })
    .await
}

struct Counter {
    n: u32,
}

impl Counter {
    /// The body borrows `&mut self` across awaits, and calls methods of it.
    async fn count(&mut self) -> Result<u32, Errors<MyErr>> {
        try_group(async |g: Group<'_, '_, MyErr>| {
            self.n += 1;
            yield_now().await;
            let child = g.spawn(async {});
            self.bump().await;
            child.await;
            Ok(self.n)
        })
        .await
    }

    async fn bump(&mut self) {
        self.n += 1;
        yield_now().await;
    }
}

trait Service: Send + Sync + 'static {
    fn call(&self, n: u32) -> impl Future<Output = Result<u32, MyErr>> + Send;
}

struct Echo;

impl Service for Echo {
    async fn call(&self, n: u32) -> Result<u32, MyErr> {
        Ok(n)
    }
}

/// A generic service is kept, and called from children.
async fn generic_service<S: Service>(service: S, names: Vec<String>) -> Result<u32, Errors<MyErr>> {
    try_group(async |g: Group<'_, '_, MyErr>| {
        let service = g.keep(service);
        let mut calls = Vec::new();
        for name in &names {
            let n = name.len() as u32;
            calls.push(g.spawn(async move { service.call(n).await }));
        }
        let mut total = 0;
        for call in calls {
            total += call.await;
        }
        Ok(total)
    })
    .await
}

/// Closures, iterators, locks and a channel live across awaits of the body.
async fn captures(
    sender: mpsc::Sender<u32>,
    lock: &Mutex<u32>,
    names: &[String],
) -> Result<(), Errors<MyErr>> {
    let sender = sender.clone();
    try_group(async |_: Group<'_, '_, MyErr>| {
        let send = async || {
            sender.send(1).unwrap();
            yield_now().await;
        };
        send().await;
        for len in names.iter().map(|name| name.len()) {
            yield_now().await;
            *lock.lock().unwrap() += len as u32;
        }
        let long: Vec<&str> = names
            .iter()
            .map(|name| name.as_str())
            .filter(|name| name.len() > 1)
            .collect();
        yield_now().await;
        drop(long);
        Ok(())
    })
    .await
}

/// Three groups deep; each body borrows the frame around it.
async fn nested() -> Result<(), Errors<MyErr>> {
    try_group(async |g: Group<'_, '_, MyErr>| {
        for _ in 0..3 {
            g.spawn(async move {
                let mine = vec![String::new()];
                let result = g
                    .try_group(async |h: Group<'_, '_, MyErr>| {
                        let theirs = &mine;
                        yield_now().await;
                        h.try_group(async |i: Group<'_, '_, MyErr>| {
                            let len = mine.len();
                            yield_now().await;
                            i.spawn(async { Ok(()) }).await;
                            Ok(len + theirs.len())
                        })
                        .await
                        .map_err(Errors::into_first)
                    })
                    .await;
                result.map(drop).map_err(Errors::into_first)
            });
        }
        Ok(())
    })
    .await
}

/// Recursion through a boxed future; each level starts two children.
fn tree<'g, 'p>(g: Group<'g, 'p, MyErr>, depth: u32) -> Boxed<'g, Result<u32, MyErr>> {
    Box::pin(async move {
        if depth == 0 {
            return Ok(1);
        }
        let left = g.spawn(tree(g, depth - 1));
        let right = g.spawn(tree(g, depth - 1));
        Ok(left.await + right.await)
    })
}

/// An `async fn` that takes the group and a borrow that its children share.
async fn lengths<'g>(g: Group<'g, '_, MyErr>, urls: &'g [String]) -> Result<usize, MyErr> {
    let tasks: Vec<_> = urls
        .iter()
        .map(|url| {
            g.spawn(async move {
                yield_now().await;
                Ok(url.len())
            })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await;
    }
    Ok(total)
}

async fn boxed_children(
    futures: Vec<Boxed<'static, Result<u8, MyErr>>>,
    lock: &Mutex<Vec<u8>>,
) -> Result<Vec<u8>, Errors<MyErr>> {
    try_group(async |g| {
        let tasks: Vec<_> = futures.into_iter().map(|f| g.spawn(f)).collect();
        let mut out = Vec::new();
        for task in tasks {
            out.push(task.await);
            lock.lock().unwrap().push(1);
        }
        Ok(out)
    })
    .await
}

/// A set, a bounded set of places, a service and a handshake in one body.
async fn every_kind_of_child(text: &str) -> Result<usize, Errors<MyErr>> {
    try_group(async |g: Group<'_, '_, MyErr>| {
        let owned = g.keep(text.to_string());
        g.service(async move {
            loop {
                yield_now().await;
                assert!(!owned.is_empty());
            }
        });
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
        total += g.spawn(async { Ok(1) }).cancel().await.unwrap_or(1);
        Ok(total - text.len())
    })
    .await
}

mod known {
    use super::*;

    pub async fn captured_async_closure(text: &String) {
        let show = async || assert!(text.is_empty());
        group(async |_| show().await).await;
        group(async |_| assert!(text.is_empty())).await;
    }

    pub async fn captured_sender() {
        let (sender, _receiver) = async_channel::bounded::<()>(12);
        group(async |g| {
            let _ = sender.send(()).await;
            g.spawn(async {}).await;
        })
        .await;
    }

    pub async fn captured_mut_in_a_loop() {
        struct Arena;
        impl Arena {
            fn reset(&mut self) {}
        }
        let mut arena = Arena;
        loop {
            let done = try_group(async |_: Group<'_, '_, ()>| {
                arena.reset();
                yield_now().await;
                Ok(())
            })
            .await;
            if done.is_ok() {
                break;
            }
        }
    }

    pub async fn captured_higher_ranked<F>(measure: F, text: &str) -> usize
    where
        F: Fn(&str) -> usize + Send + Sync + 'static,
    {
        group(async |g| {
            let measure = g.keep(measure);
            let owned = text.to_string();
            g.spawn(async move { Ok(measure(&owned)) }).await + text.len()
        })
        .await
    }
}

/// Generic code that names the output of a group's future as a projection: combinators, retries, tracing.
mod projected {
    use super::*;

    pub async fn plain<F: Future>(future: F) -> F::Output {
        future.await
    }

    pub async fn held<F: Future>(future: F) -> F::Output {
        let output = future.await;
        yield_now().await;
        output
    }

    pub async fn from_children() -> u8 {
        group(async |g| {
            let free = g.spawn(async { Ok(plain(group(async |_| 1)).await) });
            let nested = g.spawn(async move {
                let inner = g.group(async |h| h.spawn(async { Ok(2) }).await);
                Ok(held(inner).await)
            });
            let named = g.spawn(async { Ok(held(group(body)).await) });
            let failing = g.spawn(async move {
                let inner = g.try_group(async |_: Group<'_, '_, MyErr>| Ok(4));
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

    async fn body(g: Group<'_, '_>) -> u8 {
        g.spawn(async { Ok(3) }).await
    }
}

#[test]
fn futures_that_contain_groups_are_send() {
    assert_spawnable(async {
        let text = String::new();
        borrowed_text(&text).await
    });
    assert_spawnable(async { Counter { n: 1 }.count().await });
    assert_spawnable(generic_service(Echo, vec![]));
    assert_spawnable(async {
        let (sender, _receiver) = mpsc::channel();
        let lock = Mutex::new(1);
        let names = vec![String::new()];
        captures(sender, &lock, &names).await
    });
    assert_spawnable(nested());
    assert_spawnable(try_group(async |g| {
        let urls = g.keep(vec![String::new()]);
        let leaves = tree(g, 3).await?;
        let total = g.spawn(lengths(g, urls));
        Ok(leaves as usize + total.await)
    }));
    assert_spawnable(async {
        let lock = Mutex::new(vec![]);
        boxed_children(vec![Box::pin(async { Ok(1) })], &lock).await
    });
    assert_spawnable(async {
        let text = String::from("text");
        every_kind_of_child(&text).await
    });

    assert_spawnable(async {
        let text = String::new();
        known::captured_async_closure(&text).await
    });
    assert_spawnable(known::captured_sender());
    assert_spawnable(known::captured_mut_in_a_loop());
    assert_spawnable(async { known::captured_higher_ranked(|s: &str| s.len(), "abc").await });
    assert_spawnable(projected::from_children());

    // Some of them run, too.
    assert_eq!(projected::from_children().wait(), 21);
    assert_eq!(Counter { n: 1 }.count().wait().unwrap(), 3);
    assert_eq!(try_group(async |g| tree(g, 3).await).wait().unwrap(), 8);
    assert_eq!(every_kind_of_child("text").wait().unwrap(), 13);
    nested().wait().unwrap();
}
