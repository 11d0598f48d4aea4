//! So many children before a cut, and so many after it: all of them end with it, and none that came
//! after is ever polled.

use super::Fault;
use crate::matrix::{Answer, Gate, dimension, noting};
use futures_lite::FutureExt;
use spinney::time::ManualClock;
use spinney::{Group, GroupHandle, Runtime, shield, sleep, try_group, yield_now};
use std::future::{Future, pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

/// Children on each side are fewer than this.
const NUMBERS: usize = 16;

const SECOND: Duration = Duration::from_secs(1);

dimension! {
    /// Where the cut comes from. `Handles`: each child is cancelled by its own.
    Cause { ChildError, Handles, Parent, Deadline, Dropped, }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    cause: Cause,
    before: usize,
    after: usize,
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &cause in Cause::ALL {
        for before in 0..NUMBERS {
            for after in 0..NUMBERS {
                cases.push(Case {
                    cause,
                    before,
                    after,
                });
            }
        }
    }
    cases
}

#[derive(Default)]
struct World {
    clock: ManualClock,
    /// One for each child that is there.
    before: Arc<()>,
    after: Arc<()>,
    /// Polls of the children that came after the cut.
    polls: AtomicUsize,
    dropped: Gate,
    handle: Mutex<Option<GroupHandle<Fault>>>,
    answer: Mutex<Answer>,
}

/// Children in turn: in a channel, for some time, and busy.
async fn waits(number: usize, alive: Arc<()>) {
    match number % 3 {
        0 => pending().await,
        1 => sleep(Duration::MAX).await,
        _ => loop {
            yield_now().await;
        },
    }
    drop(alive);
}

fn late(world: &Arc<World>) -> impl Future<Output = ()> + Send + use<> {
    let (world, alive) = (Arc::clone(world), Arc::clone(&world.after));
    async move {
        world.polls.fetch_add(1, SeqCst);
        drop(alive);
    }
}

async fn body<'o>(
    g: Group<'_, 'o, Fault>,
    outer: Group<'o, '_, Fault>,
    case: Case,
    world: &Arc<World>,
) -> Result<(), Fault> {
    if case.cause == Cause::Deadline {
        g.deadline(SECOND, "late");
    }
    let mut tasks = Vec::new();
    for number in 0..case.before {
        tasks.push(g.spawn(waits(number, Arc::clone(&world.before))));
    }
    match case.cause {
        Cause::ChildError => drop(g.spawn(async { Err::<(), _>("child") })),
        Cause::Handles => {
            for task in tasks {
                assert!(task.cancel().await.is_none(), "it was not cut");
            }
        }
        Cause::Parent => outer.cancel("outer"),
        Cause::Deadline => world.clock.advance(2 * SECOND),
        Cause::Dropped => {
            *world.handle.lock().unwrap() = Some(g.handle());
            world.dropped.open();
            pending().await
        }
    }
    if case.cause == Cause::Handles {
        for _ in 0..case.after {
            g.spawn(late(world)).await;
        }
        return Ok(());
    }
    shield(g.stopping()).await;
    for _ in 0..case.after {
        g.spawn(late(world));
        let alive = Arc::strong_count(&world.after) - 1;
        assert_eq!(alive, 0, "it is dropped before `spawn` returns");
    }
    pending().await
}

async fn owner(outer: Group<'_, '_, Fault>, case: Case, world: &Arc<World>) {
    let group = outer.try_group(async |g| body(g, outer, case, world).await);
    let mut group = Box::pin(AssertUnwindSafe(group).catch_unwind());
    if case.cause != Cause::Dropped {
        *world.answer.lock().unwrap() = Answer::of(group.await);
        let alive = Arc::strong_count(&world.before) - 1;
        assert_eq!(
            alive, 0,
            "the group answered before its children were dropped"
        );
        return;
    }
    poll_fn(|cx| match group.as_mut().poll(cx) {
        Poll::Pending if world.dropped.is_open() => Poll::Ready(()),
        polled => polled.map(|_| unreachable!("it never answers")),
    })
    .await;
    drop(group);
    let handle = world.handle.lock().unwrap().take().unwrap();
    for _ in 0..case.after {
        // The group may have ended: then the future comes back.
        let _ = handle.spawn(late(world));
        let alive = Arc::strong_count(&world.after) - 1;
        assert_eq!(alive, 0, "it is dropped, or comes back");
    }
}

pub(crate) fn run(case: Case) {
    let world = Arc::new(World::default());
    let workers = 1 + (case.before + case.after) % 2;
    let builder = Runtime::builder().workers(workers).clock(&world.clock);
    let (runtime, unseen) = noting(builder);
    let outer = runtime.block_on(try_group(async |outer: Group<'_, '_, Fault>| {
        owner(outer, case, &world).await;
        Ok(())
    }));
    assert_eq!(
        runtime
            .shutdown(Duration::ZERO)
            .map_err(|left| left.to_string()),
        Ok(())
    );
    let alive = Arc::strong_count(&world.before) + Arc::strong_count(&world.after) - 2;
    assert_eq!(alive, 0, "children that are left");
    let (answer, outer_answer, polls) = match case.cause {
        Cause::ChildError => (Answer::Errors(vec!["child"]), Answer::Value, 0),
        Cause::Handles => (Answer::Value, Answer::Value, case.after),
        Cause::Parent => (Answer::None, Answer::Errors(vec!["outer"]), 0),
        Cause::Deadline => (Answer::Errors(vec!["late"]), Answer::Value, 0),
        Cause::Dropped => (Answer::None, Answer::Value, 0),
    };
    assert_eq!(
        *world.answer.lock().unwrap(),
        answer,
        "the answer of the group"
    );
    assert_eq!(
        Answer::of(Ok(outer)),
        outer_answer,
        "the answer of the outer group"
    );
    assert_eq!(world.polls.load(SeqCst), polls, "polls after the cut");
    assert!(unseen.texts().is_empty(), "{:?}", unseen.texts());
}
