//! Every way in which a child can end, times what becomes of its handle and of its group, at every moment of its life.
//!
//! A child is dropped once, in its task, before its group answers; its output is dropped once; each failure goes to one
//! receiver, and to the right one. `model` says what must come of a combination.

#[path = "support/matrix.rs"]
mod matrix;
#[path = "task_matrix/model.rs"]
mod model;

use futures_lite::FutureExt;
use matrix::{Answer, Gate, each, noting, text, throw, until};
use model::{Case, Fate, Gives, Held, Host, Kind, Report, When};
use spinney::{
    CancelKind, Failure, Group, Runtime, Supervised, Task, TaskId, current, shield, try_group,
};
use std::future::{Future, pending, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

type Fault = &'static str;

/// What is known of one run.
#[derive(Default)]
struct Log {
    polls: AtomicUsize,
    drops: AtomicUsize,
    made: AtomicUsize,
    outputs: AtomicUsize,
    /// The child is in its first poll.
    entered: Gate,
    /// The child may go on, and so may those who hold the workers.
    released: Gate,
    waker: Mutex<Option<Waker>>,
    parked: Gate,
    plugs: AtomicUsize,
    plugged: Gate,
    /// The child was dropped.
    gone: Gate,
    /// The group's future is to be dropped or forgotten.
    signal: AtomicBool,
    child: Mutex<Option<TaskId>>,
    dropped_in: Mutex<Option<TaskId>>,
    cut: Mutex<Option<CancelKind>>,
    read: Mutex<Option<String>>,
    answer: Mutex<Answer>,
}

impl Log {
    /// The child pends: whoever comes second wakes it.
    fn park(&self, waker: &Waker) {
        let mut slot = self.waker.lock().unwrap();
        let first = slot.replace(waker.clone()).is_none();
        self.parked.open();
        if first && self.released.is_open() {
            waker.wake_by_ref();
        }
    }

    fn release(&self) {
        // The waker stays here until the runtime has gone.
        let slot = self.waker.lock().unwrap();
        if !self.released.is_open() {
            self.released.open();
            if let Some(waker) = &*slot {
                waker.wake_by_ref();
            }
        }
    }

    fn note_read(&self, what: Result<Output, String>) {
        let (text, output) = match what {
            Ok(output) => ("value".to_owned(), Some(output)),
            Err(text) => (text, None),
        };
        *self.read.lock().unwrap() = Some(text);
        drop(output);
    }

    /// The group has answered: nothing of the child is left.
    fn note_answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
        assert_eq!(
            self.drops.load(SeqCst),
            1,
            "the group answered before its child was dropped"
        );
        assert_eq!(
            self.outputs.load(SeqCst),
            self.made.load(SeqCst),
            "outputs when the group answered"
        );
    }
}

struct Output(Arc<Log>, bool);

impl Drop for Output {
    fn drop(&mut self) {
        self.0.outputs.fetch_add(1, SeqCst);
        if self.1 {
            throw("output");
        }
    }
}

struct Child(Arc<Log>, Case);

impl Future for Child {
    type Output = Result<Output, Fault>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self(log, case) = &*self;
        let polls = log.polls.fetch_add(1, SeqCst) + 1;
        if case.when == When::During && polls == 1 {
            log.entered.open();
            log.released.block();
        }
        if polls < case.ends.polls() {
            log.park(cx.waker());
            return Poll::Pending;
        }
        match case.gives {
            Gives::Value => {
                log.made.fetch_add(1, SeqCst);
                Poll::Ready(Ok(Output(Arc::clone(log), case.output_panics)))
            }
            Gives::Error => Poll::Ready(Err("child")),
            Gives::Panic => throw("child"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Self(log, case) = self;
        *log.dropped_in.lock().unwrap() = current::task_id();
        *log.cut.lock().unwrap() = current::cancel_reason().map(|reason| reason.kind());
        log.drops.fetch_add(1, SeqCst);
        log.gone.open();
        if case.drop_panics {
            throw("future");
        }
    }
}

/// The join of a child that was cancelled.
type Joining<'s> = Pin<Box<dyn Future<Output = Option<Result<Output, String>>> + Send + 's>>;

enum Handle<'s> {
    Task(Task<'s, Output>),
    Supervised(Supervised<'s, Output, Fault>),
}

fn said(result: Result<Output, Failure<Fault>>) -> Result<Output, String> {
    result.map_err(|failure| match failure {
        Failure::Error(error) => format!("error {error}"),
        Failure::Panic(payload) => format!("panic {}", text(&*payload)),
    })
}

impl<'s> Handle<'s> {
    fn spawn(g: Group<'s, '_, Fault>, case: Case, log: &Arc<Log>) -> Self {
        let child = Child(Arc::clone(log), case);
        match case.kind {
            Kind::Spawn => Self::Task(g.spawn(child)),
            Kind::Service => Self::Task(g.service(child)),
            Kind::Supervise => Self::Supervised(g.supervise(child)),
        }
    }

    fn id(&self) -> TaskId {
        match self {
            Self::Task(task) => task.id(),
            Self::Supervised(task) => task.id(),
        }
    }

    fn is_finished(&self) -> bool {
        match self {
            Self::Task(task) => task.is_finished(),
            Self::Supervised(task) => task.is_finished(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Output, String>> {
        match self {
            Self::Task(task) => Pin::new(task).poll(cx).map(Ok),
            Self::Supervised(task) => Pin::new(task).poll(cx).map(said),
        }
    }

    /// Acts at the call.
    fn cancel(self) -> Joining<'s> {
        match self {
            Self::Task(task) => {
                let cancel = task.cancel();
                Box::pin(async { cancel.await.map(Ok) })
            }
            Self::Supervised(task) => {
                let cancel = task.cancel();
                Box::pin(async { cancel.await.map(said) })
            }
        }
    }
}

/// What is done to the group at the moment.
fn act(g: Group<'_, '_, Fault>, outer: Group<'_, '_, Fault>, case: Case, log: &Log) {
    match case.fate {
        Fate::Joined => {}
        Fate::Cancelled => g.cancel("cancel"),
        Fate::Nested | Fate::Shielded => outer.cancel("outer"),
        Fate::Dropped | Fate::Forgotten => log.signal.store(true, SeqCst),
    }
}

/// The body waits. On the only worker it gives way to others, in a shield: the group may be failing. Elsewhere it blocks.
async fn pass(case: Case, gate: &Gate) {
    match case.host {
        Host::InTask => shield(gate.pass()).await,
        _ => gate.block(),
    }
}

/// The body of the group: starts the child, waits for the moment, acts on the handle, then on the group.
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

/// Whoever polls the group.
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
            futures_lite::future::block_on(top)
        }
        _ => runtime.block_on(top),
    }));
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
    let mut cases = model::cases();
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
