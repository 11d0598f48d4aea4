//! rayon: its jobs inside our tasks, and our groups inside its jobs.

use crate::common::process::alone;
use crate::trial::Trial;
use futures::channel::oneshot;
use rayon::ThreadPool;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use spinney::{Group, Never, Wait, group, yield_now};
use std::sync::mpsc;
use std::thread;

/// The sum of numbers that children of a group have made.
async fn total(numbers: [u32; 2]) -> u32 {
    group(async |g: Group<'_, '_, Never>| {
        let tasks = numbers.map(|number| {
            g.spawn(async move {
                yield_now().await;
                Ok(number)
            })
        });
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    })
    .await
}

#[test]
fn rayon() {
    alone(|| {
        // The pool of the process would be named like the thread that uses it first.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2);
        let pool = pool.thread_name(|_| "rayon".to_owned()).build().unwrap();
        let pool: &ThreadPool = Box::leak(Box::new(pool));
        pool.broadcast(|_| ()); // both are there
        Trial::default().keeps([]).run(
            || async move {
                // Inside: the worker is blocked meanwhile.
                let sum: u32 = pool.install(|| (0..1000_u32).into_par_iter().sum());
                assert_eq!(sum, 499_500);
                // Beside: an ordinary future.
                let (say, said) = oneshot::channel();
                pool.spawn(move || say.send(6 * 7).unwrap());
                assert_eq!(said.await, Ok(42));
                // Outside: each job waits for a group.
                let sums = pool.install(|| {
                    let jobs = (0..8).into_par_iter();
                    jobs.map(|number| total([number, 1]).wait()).sum::<u32>()
                });
                assert_eq!(sums, 28 + 8);
            },
            |middle| async move {
                // The job ends when the task that waits for it is gone.
                let (say, said) = oneshot::channel::<()>();
                pool.spawn(move || {
                    while !say.is_canceled() {
                        thread::yield_now();
                    }
                });
                middle.amid(said).await.unwrap();
            },
        );
    });
}

/// What escapes: rayon's jobs run on after a cut.
#[test]
fn a_job_of_rayon_outlives_the_cut_of_its_task() {
    alone(|| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
        let pool = pool.build().unwrap();
        let (go_on, may_go_on) = mpsc::channel();
        let (done, is_done) = mpsc::channel();
        spinney::block_on(group(async |g| {
            let (begun, has_begun) = async_channel::bounded(1);
            let (say, said) = oneshot::channel();
            pool.spawn(move || {
                begun.send_blocking(()).unwrap();
                may_go_on.recv().unwrap();
                done.send(say.send(()).is_err()).unwrap();
            });
            let task = g.spawn(async { said.await.unwrap() });
            has_begun.recv().await.unwrap();
            task.cancel().await;
        }));
        go_on.send(()).unwrap();
        assert!(is_done.recv().unwrap());
    });
}
