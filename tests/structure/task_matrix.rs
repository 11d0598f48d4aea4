//! Every way in which a child can end, times what becomes of its handle and of its group, at every
//! moment of its life.
//!
//! A child is dropped once, in its task, before its group answers; its output is dropped once; each
//! failure goes to one receiver, and to the right one; after the outer group only forgotten things
//! are alive. `model` says what must come of a combination.

mod case;
mod child;
mod model;

use crate::common::polls::{until, with_a_whole_budget};
use crate::matrix::{Answer, Gate, each, noting};
use case::{Case, Fate, Held, Host, Kind, When};
use child::{Handle, Log};
use futures_lite::FutureExt;
use model::Report;
use spinney::{Group, Runtime, shield, try_group};
use std::future::{Future, pending, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Poll;
use std::time::Duration;

pub(crate) type Fault = &'static str;

/// Does to the group what the combination says.
fn act(g: Group<'_, '_, Fault>, outer: Group<'_, '_, Fault>, case: Case, log: &Log) {
    match case.fate {
        Fate::Joined => {}
        Fate::Cancelled => g.cancel("cancel"),
        Fate::Nested | Fate::Shielded => outer.cancel("outer"),
        Fate::Dropped | Fate::Forgotten => log.signal.store(true, SeqCst),
    }
}

/// The body waits. On the only worker it gives way to others, in a shield: the group may be
/// failing. Elsewhere it blocks.
async fn pass(case: Case, gate: &Gate) {
    match case.host {
        Host::InTask => shield(gate.pass()).await,
        _ => gate.block(),
    }
}

/// The body of the group: starts the child, waits for the moment, acts on the handle, then on the
/// group.
async fn body(
    g: Group<'_, '_, Fault>,
    outer: Group<'_, '_, Fault>,
    case: Case,
    log: &Arc<Log>,
) -> Result<(), Fault> {
    if case.when == When::Born {
        act(g, outer, case, log);
    }
    let plugs = case.plugs();
    for _ in 0..plugs {
        let log = Arc::clone(log);
        outer.spawn(async move {
            if log.plugs.fetch_add(1, SeqCst) + 1 == plugs {
                log.plugged.open();
            }
            log.released.block();
        });
    }
    if plugs > 0 {
        log.plugged.block();
    }
    let mut handle = Handle::spawn(g, case, log);
    *log.child.lock().unwrap() = Some(handle.id());
    match case.when {
        When::Born => assert_eq!(
            log.drops.load(SeqCst),
            1,
            "it is dropped before `spawn` returns"
        ),
        When::Unpolled => {}
        When::During => log.entered.block(),
        When::Between => pass(case, &log.parked).await,
        When::After => {
            log.release();
            pass(case, &log.gone).await;
            shield(until(|| handle.is_finished())).await;
        }
    }
    let mut kept = None;
    let mut cancel = None;
    match case.held {
        Held::Kept | Held::Awaited => kept = Some(handle),
        Held::Dropped => drop(handle),
        Held::Polled => {
            let polled = poll_fn(|cx| Poll::Ready(handle.poll(cx))).await;
            if let Poll::Ready(read) = polled {
                log.note_read(read);
            }
            drop(handle);
        }
        Held::Cancelled => drop(handle.cancel()),
        Held::CancelJoined => cancel = Some(handle.cancel()),
    }
    if case.when != When::Born {
        act(g, outer, case, log);
    }
    if !matches!(case.fate, Fate::Dropped | Fate::Forgotten) {
        log.release();
    }
    if let Some(cancel) = cancel {
        if let Some(read) = cancel.await {
            log.note_read(read);
        }
    }
    if case.held == Held::Awaited {
        let mut handle = kept.take().unwrap();
        log.note_read(poll_fn(|cx| handle.poll(cx)).await);
    }
    if !matches!(case.fate, Fate::Joined | Fate::Shielded) {
        pending::<()>().await;
    }
    if case.ends_by_itself() && (case.held == Held::Kept || case.kind == Kind::Service) {
        pass(case, &log.gone).await;
        shield(until(|| kept.as_ref().is_none_or(Handle::is_finished))).await;
    }
    Ok(())
}

/// The owner polls the group.
async fn owner(outer: Group<'_, '_, Fault>, case: Case, log: Arc<Log>) {
    let group = outer.try_group(async |g| body(g, outer, case, &log).await);
    let mut group = Box::pin(AssertUnwindSafe(group).catch_unwind());
    let answer = match case.fate {
        Fate::Joined | Fate::Cancelled | Fate::Nested => Some(group.await),
        Fate::Shielded => Some(shield(group).await),
        Fate::Dropped | Fate::Forgotten => {
            let until_signal = poll_fn(|cx| match group.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending if log.signal.load(SeqCst) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            let answer = until_signal.await;
            if answer.is_none() && case.fate == Fate::Dropped {
                drop(group);
            } else {
                log.forgotten.store(answer.is_none(), SeqCst);
                mem::forget(group);
            }
            log.release();
            if case.needs_outer_cancel() {
                outer.cancel("outer");
            }
            answer
        }
    };
    if let Some(answer) = answer {
        log.note_answer(Answer::of(answer));
    }
}

fn run(case: Case) {
    let builder = Runtime::builder().workers(case.host.workers());
    let (runtime, unseen) = noting(builder.callers_take_part(case.host != Host::InTask));
    let log = Arc::new(Log::default());
    let theirs = Arc::clone(&log);
    let top = try_group(async |outer: Group<'_, '_, Fault>| {
        match case.host {
            Host::InTask => {
                outer.spawn(owner(outer, case, theirs)).await;
            }
            _ => owner(outer, case, theirs).await,
        }
        Ok(())
    });
    let outer = catch_unwind(AssertUnwindSafe(|| match case.host {
        Host::Foreign => {
            let _entered = runtime.enter();
            with_a_whole_budget();
            futures_lite::future::block_on(top)
        }
        _ => runtime.block_on(top),
    }));
    let now = runtime.metrics();
    assert_eq!(
        [now.live_tasks, now.live_groups, now.live_timers],
        [0, log.forgotten.load(SeqCst).into(), 0],
        "tasks, groups and timers that are alive"
    );
    let left = runtime.shutdown(Duration::ZERO);
    assert!(left.is_ok(), "stragglers: {left:?}");
    assert_eq!(log.drops.load(SeqCst), 1, "drops of the child");
    if case.when != When::Born {
        let (child, dropped_in) = (log.child.lock().unwrap(), log.dropped_in.lock().unwrap());
        assert_eq!(
            *child, *dropped_in,
            "the task in which the child was dropped"
        );
    }
    let seen = Report {
        polls: log.polls.load(SeqCst),
        made: log.made.load(SeqCst),
        outputs: log.outputs.load(SeqCst),
        cut: *log.cut.lock().unwrap(),
        read: log.read.lock().unwrap().clone(),
        answer: log.answer.lock().unwrap().clone(),
        outer: Answer::of(outer),
        unseen: unseen.texts(),
    };
    let allowed = model::allowed(case);
    assert!(
        allowed.iter().any(|report| report.agrees(&seen)),
        "saw {seen:?}, allowed {allowed:?}"
    );
}

fn matrix(host: Host) {
    let mut cases = case::cases();
    cases.retain(|case| case.host == host);
    each(cases, run);
}

#[test]
fn a_task_on_the_only_worker_polls_the_group() {
    matrix(Host::InTask);
}

#[test]
fn a_caller_beside_one_worker_polls_the_group() {
    matrix(Host::Caller1);
}

#[test]
fn a_caller_beside_two_workers_polls_the_group() {
    matrix(Host::Caller2);
}

#[test]
fn another_executor_polls_the_group() {
    matrix(Host::Foreign);
}
