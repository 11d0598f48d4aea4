//! tower's layers that need no runtime: limits, load shedding, retries, and a buffer whose worker is a
//! service.

use crate::common::process::alone;
use crate::trial::{Middle, Trial};
use futures_lite::future::{Boxed, zip};
use spinney::{Group, Never, group, yield_now};
use std::future::{Ready, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tower::buffer::Buffer;
use tower::limit::ConcurrencyLimit;
use tower::load_shed::LoadShed;
use tower::retry::{Policy, Retry};
use tower::{BoxError, Service, ServiceExt, service_fn};

/// Squares a number, but not the first time for an odd one.
#[derive(Clone, Default)]
struct Square {
    calls: Arc<AtomicU32>,
    middle: Option<Middle>,
}

impl Square {
    fn service(
        self,
    ) -> impl Service<u32, Response = u32, Error = BoxError, Future = Answer> + Clone {
        service_fn(move |number: u32| -> Answer {
            let Self { calls, middle } = self.clone();
            Box::pin(async move {
                if let Some(middle) = middle {
                    middle.amid(pending::<()>()).await;
                }
                yield_now().await;
                if number % 2 == 1 && calls.fetch_add(1, SeqCst) == 0 {
                    return Err("the first time".into());
                }
                Ok(number * number)
            })
        })
    }
}

type Answer = Boxed<Result<u32, BoxError>>;

#[derive(Clone)]
struct Once;

impl Policy<u32, u32, BoxError> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u32, answer: &mut Result<u32, BoxError>) -> Option<Ready<()>> {
        answer.is_err().then(|| ready(()))
    }

    fn clone_request(&mut self, number: &u32) -> Option<u32> {
        Some(*number)
    }
}

/// A stack of layers, and a buffer in front, whose worker is a service of the group.
async fn calls(square: Square) {
    group(async |g: Group<'_, '_, Never>| {
        let stack = Retry::new(Once, ConcurrencyLimit::new(square.service(), 2));
        let (buffer, worker) = Buffer::pair(stack, 8);
        g.service(worker);
        let tasks: Vec<_> = (0..8_u32)
            .map(|number| {
                let mut service = LoadShed::new(buffer.clone());
                g.spawn(async move {
                    let ready = service.ready().await.unwrap();
                    Ok(ready.call(number).await.unwrap())
                })
            })
            .collect();
        for (number, task) in (0..).zip(tasks) {
            assert_eq!(task.await, number * number);
        }
    })
    .await;
}

#[test]
fn tower() {
    alone(|| {
        Trial::default().run(
            || calls(Square::default()),
            |middle| {
                calls(Square {
                    middle: Some(middle),
                    ..Square::default()
                })
            },
        );
    });
}

/// A limit counts a call that was cut as ended.
#[test]
fn a_cut_gives_back_a_place_of_a_concurrency_limit() {
    alone(|| {
        spinney::block_on(group(async |g: Group<'_, '_, Never>| {
            let (middle, reached) = Middle::new();
            let service = service_fn(move |number: u32| {
                let middle = middle.clone();
                async move {
                    match number {
                        0 => middle.amid(pending()).await,
                        _ => Ok::<_, BoxError>(number),
                    }
                }
            });
            let limit = ConcurrencyLimit::new(service, 1);
            let first = limit.clone();
            let stuck = g.spawn(async move { Ok(first.oneshot(0).await.is_ok()) });
            reached.recv().await.unwrap();
            let next = g.spawn(async move { Ok(limit.oneshot(1).await.unwrap()) });
            let (cut, next) = zip(stuck.cancel(), next).await;
            assert_eq!((cut, next), (None, 1));
        }));
    });
}
