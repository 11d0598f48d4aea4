//! 400 children that compute for 10 ms each, on two workers; beside them a task sleeps for 5 ms, again and again, and a
//! connection is served: how late is the latest of the sleeps and answers?

use crate::measure::{Delays, Figures, Length};
use crate::sides;
use crate::workloads::sockets::{self, compute, futures, tokios};
use crate::workloads::{Workload, client, says};
use spinney::{Group, group};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const CLOSURES: usize = 400;
const CLOSURE: Duration = Duration::from_millis(10);
const SLEEP: Duration = Duration::from_millis(5);

pub(crate) const WORKLOAD: Workload = Workload::new(
    "closures_and_timer",
    "lateness of a 5 ms sleep and of an answer beside 400 closures of 10 ms",
    &[
        says("spinney", spinney),
        says("tokio", tokio),
        says("smol", smol),
    ],
)
.quick();

type Over = Arc<AtomicBool>;

/// How late each sleep ended.
async fn sleeps<S: Future>(over: Over, sleep: fn(Duration) -> S) -> Delays {
    let mut late = Delays::new();
    while !over.load(Ordering::Relaxed) {
        let due = Instant::now() + SLEEP;
        sleep(SLEEP).await;
        late.add(due.elapsed());
    }
    late
}

/// Runs the side on this thread, and a client on another; the figures are those of both.
fn measured(side: impl FnOnce(TcpStream, Over) -> Delays) -> Figures {
    let (client, server) = sockets::pair();
    let over = Over::default();
    thread::scope(|s| {
        let until = Arc::clone(&over);
        let answers = s.spawn(move || client::run(client, SLEEP, || until.load(Ordering::Relaxed)));
        let mut late = side(server, over);
        late.add_all(&answers.join().expect("no panic"));
        late.figures()
    })
}

fn spinney(length: Length) -> Figures {
    measured(|server, over| {
        sides::in_spinney(group(async move |g: Group<'_, 'static>| {
            g.spawn(async move { futures::echo(sockets::in_spinney(server)).await });
            let until = Arc::clone(&over);
            let late = g.spawn(async move { Ok(sleeps(until, spinney::sleep).await) });
            spinney::sleep(SLEEP).await;
            let closures: Vec<_> = (0..length.times(CLOSURES))
                .map(|_| g.compute(|| compute(CLOSURE)))
                .collect();
            for closure in closures {
                closure.await;
            }
            over.store(true, Ordering::Relaxed);
            late.await
        }))
    })
}

fn tokio(length: Length) -> Figures {
    measured(|server, over| {
        sides::in_tokio(async move {
            tokio::spawn(async move { tokios::echo(sockets::in_tokio(server)).await });
            let late = tokio::spawn(sleeps(Arc::clone(&over), tokio::time::sleep));
            tokio::time::sleep(SLEEP).await;
            let closures: Vec<_> = (0..length.times(CLOSURES))
                .map(|_| tokio::spawn(async { compute(CLOSURE) }))
                .collect();
            for closure in closures {
                closure.await.expect("no panic");
            }
            over.store(true, Ordering::Relaxed);
            late.await.expect("no panic")
        })
    })
}

fn smol(length: Length) -> Figures {
    let executor = sides::smol();
    measured(|server, over| {
        sides::in_smol(async move {
            let echo = async move { futures::echo(sockets::in_smol(server)).await };
            executor.spawn(echo).detach();
            let late = executor.spawn(sleeps(Arc::clone(&over), async_io::Timer::after));
            async_io::Timer::after(SLEEP).await;
            let closures: Vec<_> = (0..length.times(CLOSURES))
                .map(|_| executor.spawn(async { compute(CLOSURE) }))
                .collect();
            for closure in closures {
                closure.await;
            }
            over.store(true, Ordering::Relaxed);
            late.await
        })
    })
}
