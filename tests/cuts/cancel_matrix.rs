//! Every way in which a cut can come, times what it meets.
//!
//! The victim is dropped once, in its task, with the right reason, what it started before it, and
//! all of that before its group answers. No other task is disturbed, the failure goes to its one
//! receiver, and nothing is alive afterwards.

mod model;
mod numbers;
mod victim;
mod world;

use crate::common::polls::until;
use crate::matrix::{Answer, each, noting, throw};
use futures_lite::FutureExt;
use model::{Case, Cause, Doing, Host, Kind};
use spinney::time::ManualClock;
use spinney::{Group, Runtime, try_group, yield_now};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Poll;
use std::thread;
use std::time::Duration;
use victim::{Handle, act, victim};
use world::World;

pub(crate) type Fault = &'static str;

const SECOND: Duration = Duration::from_secs(1);

/// The body: starts every child, waits until the victim has arrived, and lets the cause come.
async fn body<'o>(
    g: Group<'_, 'o, Fault>,
    outer: Group<'o, '_, Fault>,
    world: &Arc<World>,
) -> Result<(), Fault> {
    let case = world.case;
    match case.cause {
        Cause::Deadline => g.deadline(SECOND, "late"),
        Cause::GraceOver => g.stop_within(SECOND, "grace"),
        _ => {}
    }
    let witness = {
        let local = world.local("witness");
        g.spawn(async move {
            local.0.calm.pass().await;
            Ok(5)
        })
    };
    let world_of = || Arc::clone(world);
    let theirs = world_of();
    g.spawn(async move {
        theirs.fail.pass().await;
        match theirs.case.cause {
            Cause::SiblingError => Err("sibling"),
            Cause::SiblingPanic => throw("sibling"),
            _ => Ok(()),
        }
    });
    let helper = (case.doing == Doing::AwaitTask).then(|| {
        let theirs = world_of();
        g.spawn(async move { theirs.calm.pass().await })
    });
    let plugs = case.plugs();
    for _ in 0..plugs {
        let theirs = world_of();
        outer.spawn(async move {
            if theirs.plugs.fetch_add(1, SeqCst) + 1 == plugs {
                theirs.plugged.open();
            }
            theirs.go.block();
        });
    }
    if plugs > 0 {
        world.plugged.block();
    }
    let future = victim(world.local("victim"), g, outer, helper);
    let handle = match case.kind {
        Kind::Spawn => Handle::Task(g.spawn(future)),
        Kind::Service => Handle::Task(g.service(future)),
        Kind::Supervise => Handle::Supervised(g.supervise(future)),
    };
    *world.victim.lock().unwrap() = Some(handle.id());
    if case.doing != Doing::Unpolled {
        world.arrived.pass().await;
    }
    if case.alone() {
        let cancelling = handle.cancel();
        world.acted.open();
        if case.cause == Cause::CancelJoined {
            *world.joined.lock().unwrap() = Some(cancelling.await);
        } else {
            drop(cancelling);
        }
        // The tasks that are left are none the worse for it.
        world.calm.open();
        world.fail.open();
        assert_eq!(witness.await, 5);
        return Ok(());
    }
    let _handle = handle;
    if case.doing != Doing::Itself {
        act(world, g, outer);
    }
    match case.cause {
        Cause::BodyError => Err("body"),
        Cause::BodyPanic => throw("body"),
        _ => pending().await,
    }
}

/// The owner polls the group.
async fn owner(outer: Group<'_, '_, Fault>, world: Arc<World>) {
    let group = outer.try_group(async |g| body(g, outer, &world).await);
    let mut group = Box::pin(AssertUnwindSafe(group).catch_unwind());
    let answer = if world.case.cause == Cause::Dropped {
        poll_fn(|cx| {
            assert!(group.as_mut().poll(cx).is_pending());
            match world.signal.load(SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        drop(group);
        world.acted.open();
        return;
    } else {
        group.await
    };
    *world.answer.lock().unwrap() = Answer::of(answer);
    for who in ["victim", "witness"] {
        assert_eq!(
            world.of(who).len(),
            1,
            "the group answered before its {who} was dropped"
        );
    }
}

/// Runs all of it on this thread; what comes out of the outer group.
fn top(world: &Arc<World>) -> Answer {
    let case = world.case;
    let top = try_group(async |outer: Group<'_, '_, Fault>| {
        let theirs = Arc::clone(world);
        let bystander = outer.spawn(async move {
            if theirs.case.needs_a_watch() {
                until(|| theirs.seen.is_open()).await;
            }
            theirs.hold.pass().await;
            yield_now().await;
            Ok(7)
        });
        let owner = owner(outer, Arc::clone(world));
        match case.host {
            Host::InTask => outer.spawn(owner).await,
            _ => owner.await,
        }
        assert_eq!(bystander.await, 7);
        Ok(())
    });
    Answer::of(catch_unwind(AssertUnwindSafe(|| match case.host {
        Host::Foreign => {
            let _entered = world.runtime.enter();
            futures_lite::future::block_on(top)
        }
        _ => world.runtime.block_on(top),
    })))
}

/// Shuts down until nothing is left: on a busy machine the first attempt may lose patience.
fn shut_down(runtime: &Runtime) {
    for _ in 0..50 {
        if runtime.shutdown(Duration::ZERO).is_ok() {
            return;
        }
    }
    panic!("stragglers: {:?}", runtime.shutdown(Duration::ZERO));
}

fn run(case: Case) {
    let clock = ManualClock::new();
    let builder = Runtime::builder().workers(case.workers());
    let builder = builder.callers_take_part(case.host != Host::InTask);
    let (runtime, unseen) = noting(match case.cause {
        Cause::Deadline | Cause::GraceOver => builder.clock(&clock),
        _ => builder,
    });
    let world = Arc::new(World::new(case, runtime, clock));
    let outer = thread::scope(|threads| {
        let top = threads.spawn(|| top(&world));
        world.acted.block();
        if case.cause == Cause::Shutdown && case.doing != Doing::Itself {
            threads.spawn(|| shut_down(&world.runtime));
        }
        if case.plugs() > 0 {
            world.go.open();
        }
        if !case.alone() {
            // The witness was cut, so the cut has come to the group, and maybe to the victim.
            world.seen.block();
        }
        if case.holds() {
            assert!(world.of("victim").is_empty(), "the cut did not wait");
        }
        world.go.open();
        world.hold.open();
        top.join().unwrap()
    });
    let now = world.runtime.metrics();
    assert_eq!(
        [now.live_tasks, now.live_groups, now.live_timers],
        [0, 0, 0],
        "tasks, groups and timers that are alive"
    );
    shut_down(&world.runtime);
    check(case, &world, outer, unseen.texts());
}

fn check(case: Case, world: &World, outer: Answer, unseen: Vec<String>) {
    let drops = world.drops.lock().unwrap().clone();
    let of = |who| {
        drops
            .iter()
            .filter(|drop| drop.who == who)
            .collect::<Vec<_>>()
    };
    let victims = of("victim");
    assert_eq!(victims.len(), 1, "drops of the victim: {drops:?}");
    assert_eq!(of("witness").len(), 1, "drops of the witness: {drops:?}");
    assert_eq!(
        victims[0].task,
        *world.victim.lock().unwrap(),
        "the task that dropped it"
    );
    let reason = model::reason(case.cause);
    let done = case.doing == Doing::Ready;
    if !done {
        assert_eq!(victims[0].reason, Some(reason), "the reason");
    }
    if case.doing == Doing::Unpolled && case.is_sync() {
        assert!(!world.polled.load(SeqCst), "it was polled");
    }
    let has_inner = case.has_inner();
    assert_eq!(of("inner").len(), usize::from(has_inner), "{drops:?}");
    if case.joins_inner() {
        let at = |who| drops.iter().position(|drop| drop.who == who);
        assert!(at("inner") < at("victim"), "the order of {drops:?}");
    }
    assert_eq!(
        world.deferred.load(SeqCst),
        case.holds(),
        "what holds the cut was done"
    );
    assert_eq!(world.outputs.load(SeqCst), usize::from(done), "outputs");
    if case.cause == Cause::CancelJoined && !case.panics {
        assert_eq!(
            *world.joined.lock().unwrap(),
            Some(done),
            "what the cancel gave"
        );
    }
    let (answer, outer_answer, hook) = model::answers(case);
    assert_eq!(
        *world.answer.lock().unwrap(),
        answer,
        "the answer of the group"
    );
    match (outer, outer_answer) {
        (Answer::Panic(text), Answer::Panic(part)) => assert!(text.contains(&part), "{text}"),
        (outer, expected) => assert_eq!(outer, expected, "the answer of the outer group"),
    }
    assert_eq!(unseen, hook, "what the hook was given");
}

fn matrix(host: Host) {
    let mut cases = model::cases();
    cases.retain(|case| case.host == host);
    each(cases, run);
}

#[test]
fn a_task_on_the_only_worker_polls_the_group() {
    matrix(Host::InTask);
}

#[test]
fn a_caller_beside_two_workers_polls_the_group() {
    matrix(Host::Caller);
}

#[test]
fn another_executor_polls_the_group() {
    matrix(Host::Foreign);
}

#[test]
fn a_cut_reaches_those_before_it_and_those_after_it() {
    each(numbers::cases(), numbers::run);
}
