//! What every library is put through: it works in a child, in a body and in `.wait()`, and is cut
//! in the middle in each of them; then the process has what it had before.

use crate::census::{Census, wait_for, wait_for_threads};
use crate::common::polls::wait_until;
use crate::common::runtimes::noting;
use async_channel::{Receiver, Sender, bounded};
use futures_lite::future::or;
use spinney::runtime::Tokio;
use spinney::{Group, Runtime, Wait, group, try_group};
use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;

/// Said by a round trip that has come to its middle, where it stays.
#[derive(Clone, Debug)]
pub(crate) struct Middle(Sender<()>);

impl Middle {
    /// With the receiver of what it says.
    pub(crate) fn new() -> (Self, Receiver<()>) {
        let (sender, receiver) = bounded(1);
        (Self(sender), receiver)
    }

    /// Awaits what does not end, and says so once it is suspended: the cut comes there.
    pub(crate) async fn amid<F: Future>(self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let poll = future.as_mut().poll(cx);
            assert!(poll.is_pending(), "it has ended");
            let _ = self.0.try_send(());
            poll
        })
        .await
    }
}

/// Awaits what a peer in a sibling child does not answer, and says so. When that is cut first a poll
/// of ours may be under way, and see that the peer is gone: that is not an end.
pub(crate) async fn unanswered(call: impl Future) {
    call.await;
    pending().await
}

/// How many times all is done after the first time, in which a library may start its threads.
const ROUNDS: usize = 3;

/// What is known of a library.
#[derive(Default)]
pub(crate) struct Trial {
    keeps: BTreeMap<&'static str, usize>,
    later: bool,
    tokio: bool,
}

impl Trial {
    /// The threads that the library keeps for the life of the process: their names without numbers,
    /// and how many there are at most. Threads of all these names are there in the end, and no
    /// others.
    pub(crate) fn keeps<const N: usize>(mut self, threads: [(&'static str, usize); N]) -> Self {
        self.keeps = BTreeMap::from(threads);
        self
    }

    /// Threads of the library close its descriptors: soon after the end of a group.
    pub(crate) fn closes_later(mut self) -> Self {
        self.later = true;
        self
    }

    /// It is tokio's: the runtime has one of tokio's beside it. Tasks that the library spawned there
    /// end soon after the group, and so their descriptors are closed.
    pub(crate) fn with_tokio(mut self) -> Self {
        self.tokio = true;
        self.closes_later()
    }

    /// It runs on smol, whose reactor and executor keep a thread each. Tasks that it spawned there end
    /// soon after the group.
    pub(crate) fn with_smol(self) -> Self {
        self.keeps([("async-io", 1), ("smol-", 1)]).closes_later()
    }

    /// Does a round trip in each place, and cuts `stuck` in each when it is in its middle.
    pub(crate) fn run<T, S>(self, trip: impl Fn() -> T, stuck: impl Fn(Middle) -> S)
    where
        T: Future<Output = ()> + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let start = Census::take();
        let mut builder = Runtime::builder().workers(2);
        if self.tokio {
            builder = builder.tokio(Tokio::Parked);
        }
        let (runtime, seen) = noting(builder);
        let round = || {
            trips(&runtime, &trip);
            cuts(&runtime, &stuck);
        };
        round();
        let before = if self.later {
            Census::least()
        } else {
            Census::take()
        };
        for _ in 0..ROUNDS {
            round();
            if !self.later {
                let left = Census::take().descriptors().beyond(&before);
                assert!(left.is_empty(), "left behind: {}", left.join(", "));
            }
            wait_for(&before, |thread| self.keeps.contains_key(thread));
            wait_until(|| runtime.metrics().live_tokio_tasks == 0);
            let now = runtime.metrics();
            assert_eq!(
                (now.live_tasks, now.live_groups, now.live_timers),
                (0, 0, 0)
            );
        }
        drop(runtime);
        assert_eq!(seen.texts(), [""; 0]);
        // What the library does not keep has ended, or is ending.
        wait_for_threads(&start, |thread| self.keeps.contains_key(thread));
        let end = Census::take();
        let kept: BTreeMap<_, _> = end.threads_beyond(&start).collect();
        let few = kept.iter().all(|(name, count)| *count <= self.keeps[name]);
        assert!(few && kept.len() == self.keeps.len(), "{kept:?}");
    }
}

fn trips<T>(runtime: &Runtime, trip: &impl Fn() -> T)
where
    T: Future<Output = ()> + Send + 'static,
{
    let child = trip();
    runtime.block_on(group(async |g| g.spawn(child).await));
    runtime.block_on(group(async |_| trip().await));
    let blocking = trip();
    runtime.block_on(group(async |g| {
        g.spawn(async { blocking.wait() }).await;
    }));
    let entered = runtime.enter();
    trip().wait();
    drop(entered);
}

fn cuts<S>(runtime: &Runtime, stuck: &impl Fn(Middle) -> S)
where
    S: Future<Output = ()> + Send + 'static,
{
    // A child, and one that blocks its worker.
    for waits in [false, true] {
        let (middle, reached) = Middle::new();
        let stuck = stuck(middle);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            if waits {
                g.spawn(async { stuck.wait() });
            } else {
                g.spawn(stuck);
            }
            reached.recv().await.unwrap();
            Err::<(), _>("cut")
        }));
        assert_eq!(result.unwrap_err().into_first(), "cut");
    }
    // One alone.
    let (said, reached) = Middle::new();
    let alone = stuck(said);
    runtime.block_on(group(async |g| {
        let task = g.spawn(alone);
        reached.recv().await.unwrap();
        assert!(task.cancel().await.is_none());
    }));
    // A body.
    let (said, reached) = Middle::new();
    let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
        g.spawn(async move {
            reached.recv().await.unwrap();
            Err::<(), _>("cut")
        });
        stuck(said).await;
        Ok(())
    }));
    assert_eq!(result.unwrap_err().into_first(), "cut");
    // A future that loses a race.
    let (said, reached) = Middle::new();
    runtime.block_on(group(async |_| {
        let reached = async { reached.recv().await.unwrap() };
        or(stuck(said), reached).await;
    }));
}
