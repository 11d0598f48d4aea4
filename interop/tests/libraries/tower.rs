//! tower's layers: those that need no runtime, and those that need timers and tasks of tokio's.

use crate::common::process::alone;
use crate::trial::{Middle, Trial};
use futures_lite::future::{Boxed, zip};
use spinney::{Group, Never, group, yield_now};
use std::future::{Ready, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;
use tower::buffer::Buffer;
use tower::hedge::{self, Hedge};
use tower::limit::rate::Rate;
use tower::limit::{ConcurrencyLimit, RateLimit};
use tower::load_shed::LoadShed;
use tower::retry::{Policy, Retry};
use tower::timeout::Timeout;
use tower::timeout::error::Elapsed;
use tower::util::BoxService;
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

impl hedge::Policy<u32> for Once {
    fn clone_request(&self, number: &u32) -> Option<u32> {
        Some(*number)
    }

    fn can_retry(&self, _: &u32) -> bool {
        true
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

/// The layers that need tokio: a buffer whose worker it spawns, limits of time and rate, and a second
/// call for one that is late.
async fn calls_with_tokio(square: Square) {
    group(async |g: Group<'_, '_, Never>| {
        let hour = Duration::from_secs(3600);
        let timely = Timeout::new(square.service(), hour);
        let buffer = Buffer::new(RateLimit::new(timely, Rate::new(100, hour)), 8);
        let retry = Retry::new(Once, buffer);
        let mut hedge = BoxService::new(Hedge::new(retry, Once, 1, 0.9, hour));
        g.spawn(async move {
            for number in 0..4_u32 {
                let answer = hedge.ready().await.unwrap().call(number).await;
                assert_eq!(answer.unwrap(), number * number);
            }
        })
        .await;
        let mut late = Timeout::new(service_fn(|()| pending::<Result<(), BoxError>>()), MOMENT);
        let error = late.ready().await.unwrap().call(()).await.unwrap_err();
        assert!(error.is::<Elapsed>());
    })
    .await;
}

const MOMENT: Duration = Duration::from_millis(1);

#[test]
fn tower_with_tokio() {
    alone(|| {
        Trial::default().with_tokio().run(
            || calls_with_tokio(Square::default()),
            |middle| {
                calls_with_tokio(Square {
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
