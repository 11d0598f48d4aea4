//! The other way round: groups on other people's executors. Their children run on our workers, the
//! body where its future is polled.

use crate::census::{Census, wait_for};
use crate::common::drops::never;
use crate::common::hangs::without_hanging;
use crate::common::polls::wait_until;
use crate::common::process::alone;
use crate::served::{echo, served};
use futures::executor::{LocalPool, ThreadPool};
use futures::task::{LocalSpawnExt, SpawnExt};
use futures_lite::future::or;
use spinney::net::TcpStream;
use spinney::time::sleep;
use spinney::{Group, Never, Wait, group};
use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// What an executor is given, and runs to its end.
type Guest = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A group with children, a timer, a socket and a group inside.
async fn whole() {
    let sum = group(async |g: Group<'_, '_, Never>| {
        let numbers = g.keep(vec![40, 1]);
        let tasks = [0, 1].map(|at| {
            g.spawn(async move {
                sleep(Duration::from_millis(1)).await;
                Ok(numbers[at])
            })
        });
        let inner = g.group(async |h| {
            sleep(Duration::from_millis(1)).await;
            h.spawn(async { Ok(1) }).await
        });
        let mut sum = inner.await;
        for task in tasks {
            sum += task.await;
        }
        sum
    });
    assert_eq!(sum.await, 42);
    served(echo, async |address| {
        let stream = TcpStream::connect_addr(address).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hello");
    })
    .await;
}

/// A group that is dropped while it is open, in its middle.
async fn dropped(alive: Arc<AtomicUsize>) {
    let (begun, has_begun) = async_channel::bounded::<()>(1);
    let open = group(async move |g: Group<'_, '_, Never>| {
        g.spawn(never(&alive));
        g.spawn(async move { begun.send(()).await.unwrap() });
        pending::<()>().await;
    });
    or(open, async { has_begun.recv().await.unwrap() }).await;
}

/// Has an executor run a group, wait for one in `.wait()`, and drop one in its middle. Then nothing
/// is left, but the threads that it keeps.
fn on(run: impl Fn(Guest)) {
    let alive = Arc::new(AtomicUsize::new(0));
    let round = || {
        run(Box::pin(whole()));
        run(Box::pin(async { whole().wait() }));
        run(Box::pin(dropped(Arc::clone(&alive))));
        wait_until(|| alive.load(SeqCst) == 0);
    };
    round();
    let before = Census::take();
    for _ in 0..3 {
        round();
        wait_for(&before, |_| false);
    }
}

#[test]
fn tokio_current_thread() {
    alone(|| {
        let tokio = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        on(|guest| tokio.block_on(guest));
        // And spawned.
        on(|guest| tokio.block_on(async { tokio::spawn(guest).await.unwrap() }));
    });
}

#[test]
fn tokio_multi_thread() {
    alone(|| {
        let tokio = tokio::runtime::Builder::new_multi_thread();
        let tokio = { tokio }.worker_threads(2).build().unwrap();
        on(|guest| tokio.block_on(guest));
        on(|guest| tokio.block_on(async { tokio::spawn(guest).await.unwrap() }));
    });
}

#[test]
fn tokio_local_set() {
    alone(|| {
        let tokio = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let set = tokio::task::LocalSet::new();
        on(|guest| {
            set.block_on(&tokio, async {
                tokio::task::spawn_local(guest).await.unwrap();
            });
        });
    });
}

/// tokio's paused clock jumps ahead when tokio has nothing to do, whatever our workers do meanwhile.
#[test]
fn tokio_start_paused() {
    alone(|| {
        let mut tokio = tokio::runtime::Builder::new_current_thread();
        let tokio = tokio.enable_time().start_paused(true).build().unwrap();
        on(|guest| tokio.block_on(guest));
        tokio.block_on(async {
            let hour = Duration::from_secs(3600);
            assert!(tokio::time::timeout(hour, whole()).await.is_err());
        });
    });
}

#[test]
fn smol() {
    alone(|| {
        on(smol::block_on);
        on(|guest| smol::block_on(smol::spawn(guest)));
        let local = smol::LocalExecutor::new();
        on(|guest| smol::block_on(local.run(local.spawn(guest))));
    });
}

#[test]
fn pollster() {
    alone(|| on(pollster::block_on));
}

#[test]
fn futures_block_on_and_thread_pool() {
    alone(|| {
        on(futures::executor::block_on);
        let mut pool = ThreadPool::builder();
        let pool = pool.pool_size(2).create().unwrap();
        on(|guest| {
            let spawned = pool.spawn_with_handle(guest).unwrap();
            futures::executor::block_on(spawned);
        });
    });
}

/// A loop that polls what is ready and goes on with its frame, as a game does.
#[test]
fn futures_local_pool_frame_by_frame() {
    alone(|| {
        on(|guest| {
            let mut pool = LocalPool::new();
            let ended = Rc::new(Cell::new(false));
            let end = Rc::clone(&ended);
            let task = async move {
                guest.await;
                end.set(true);
            };
            pool.spawner().spawn_local(task).unwrap();
            while !ended.get() {
                pool.run_until_stalled();
                thread::yield_now();
            }
        });
    });
}

#[embassy_executor::task(pool_size = 16)]
async fn embassy_task(guest: Guest, ended: &'static AtomicBool) {
    guest.await;
    ended.store(true, SeqCst);
}

#[test]
fn embassy_executor() {
    alone(|| {
        on(|guest| {
            // An executor of its kind lives as long as the process; a task of it wakes it last.
            let ended: &'static AtomicBool = Box::leak(Box::default());
            without_hanging(move || {
                let executor = Box::leak(Box::new(embassy_executor::Executor::new()));
                let start = |spawner: embassy_executor::Spawner| {
                    spawner.spawn(embassy_task(guest, ended).unwrap());
                };
                executor.run_until(start, || ended.load(SeqCst));
            });
        });
    });
}

#[test]
fn actix_rt() {
    alone(|| {
        on(|guest| actix_rt::System::new().block_on(guest));
        on(|guest| {
            actix_rt::System::new().block_on(async {
                let arbiter = actix_rt::Arbiter::new();
                let (done, is_done) = async_channel::bounded(1);
                arbiter.spawn(async move {
                    guest.await;
                    done.send(()).await.unwrap();
                });
                is_done.recv().await.unwrap();
                arbiter.stop();
                arbiter.join().unwrap();
            });
        });
    });
}

#[test]
fn compio() {
    alone(|| {
        on(|guest| compio::runtime::Runtime::new().unwrap().block_on(guest));
        on(|guest| {
            compio::runtime::Runtime::new().unwrap().block_on(async {
                compio::runtime::spawn(guest).await.unwrap();
            });
        });
    });
}

/// With its feature `sync`: without it its wakers do not cross threads, as its documentation says.
#[test]
fn monoio() {
    alone(|| {
        on(|guest| {
            let monoio = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new();
            { monoio }.build().unwrap().block_on(guest);
        });
    });
}
