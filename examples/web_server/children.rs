//! What the children of requests do.

use crate::counters::{CHILDREN, Running};
use crate::errors::Error;
use crate::routes::Request;
use hyper::body::Bytes;
use spinney::{Group, current, shield, sleep};
use std::time::Duration;

/// `n` children that borrow the request, each after `ms`; the sum of what they make of it.
pub async fn fanout<'g>(g: Group<'g, '_, Error>, request: &'g Request) -> Result<Bytes, Error> {
    let n = number(request, "n", 100, 10_000)?;
    let delay = Duration::from_millis(number(request, "ms", 0, 60_000)?);
    let parts: Vec<_> = (0..n)
        .map(|number| g.spawn(part(request, number, delay, CHILDREN.begin())))
        .collect();
    let mut sum = 0;
    for part in parts {
        sum += part.await; // no `?`: a child that fails ends the request
    }
    Ok(format!("{sum}\n").into())
}

async fn part(
    request: &Request,
    number: u64,
    delay: Duration,
    running: Running,
) -> Result<u64, Error> {
    if !delay.is_zero() {
        sleep(delay).await;
    }
    running.finish();
    Ok(number * request.uri().path().len() as u64)
}

pub async fn slow(request: &Request) -> Result<Bytes, Error> {
    let ms = number(request, "ms", 500, 60_000)?;
    sleep(Duration::from_millis(ms)).await;
    Ok(format!("{ms} ms later\n").into())
}

/// Two children fail. The second is still cleaning up, in a shield, when the error of the first ends the request; its
/// error is not lost.
pub async fn fail(g: Group<'_, '_, Error>) -> Result<Bytes, Error> {
    let (shielded, begun) = async_channel::bounded::<()>(1);
    g.spawn_named("cache", async move {
        shield(async {
            drop(shielded);
            current::stopping().await; // until the request ends
        })
        .await;
        Err::<(), _>(Error::Failed("the cache could not be written back"))
    });
    g.spawn_named("database", async move {
        let _ = begun.recv().await;
        Err::<(), _>(Error::Failed("the database does not answer"))
    });
    std::future::pending().await
}

/// The panic of the child resumes in `answer` of routes.rs, which awaits the group, and comes out of the request.
pub async fn panic(g: Group<'_, '_, Error>) -> Result<Bytes, Error> {
    async fn bug() {
        panic!("a child panics, as it was asked to");
    }
    g.spawn(bug()).await;
    Ok(Bytes::new())
}

/// The number that the query gives as `name`, at most `limit`.
pub fn number(request: &Request, name: &str, default: u64, limit: u64) -> Result<u64, Error> {
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.find(|(key, _)| *key == name) else {
        return Ok(default);
    };
    let number = text.parse().ok().filter(|number| *number <= limit);
    number.ok_or_else(|| Error::Query(format!("`{name}` is a number from 0 to {limit}")))
}
