//! A limit on what runs, changed while it runs: zero pauses, more lets those who wait go on, in the order of asking.

use async_channel::unbounded;
use spinney::{block_on, group};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

/// Whether it waits.
async fn is_pending<F: Future + ?Sized>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[expect(clippy::print_stdout, reason = "an example says what it showed")]
fn main() {
    block_on(group(async |g| {
        let (release, released) = unbounded::<()>();
        let job = |number: u32| {
            let released = released.clone();
            async move {
                let _ = released.recv().await;
                Ok(number)
            }
        };

        let places = g.bounded(2);
        let first = places.spawn(job(1)).await;
        let second = places.spawn(job(2)).await;
        assert_eq!((places.limit(), places.running()), (2, 2));

        // No place: the future comes back, unpolled, and can be given in again.
        let Err(third) = places.try_spawn(job(3)) else {
            panic!("there was no free place")
        };
        places.set_limit(3);
        let Ok(third) = places.try_spawn(third) else {
            panic!("there is one now")
        };
        assert_eq!(places.running(), 3);

        // Zero pauses: what runs is left alone, what asks waits.
        places.set_limit(0);
        for _ in 0..3 {
            release.send(()).await.unwrap();
        }
        assert_eq!((first.await, second.await, third.await), (1, 2, 3));
        assert_eq!(places.running(), 0); // a child has given its place back when it is awaited
        let mut fourth = pin!(places.spawn(job(4)));
        let mut fifth = pin!(places.spawn(job(5)));
        assert!(is_pending(fourth.as_mut()).await && is_pending(fifth.as_mut()).await);

        // One place: it goes to whoever asked first. Nobody overtakes those who wait.
        places.set_limit(1);
        let fourth = fourth.await;
        assert!(is_pending(fifth.as_mut()).await);
        assert!(places.try_spawn(job(6)).is_err());

        // A child that is cut gives its place back, too.
        assert_eq!(fourth.cancel().await, None);
        let fifth = fifth.await;
        release.send(()).await.unwrap();
        assert_eq!(fifth.await, 5);
    }));
    println!("at most two ran, then three, then one; places went out in the order of asking");
}
