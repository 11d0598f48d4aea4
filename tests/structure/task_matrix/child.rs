//! The child with its script, its output and its handle, and the log of one run.

use super::Fault;
use super::case::{Case, Gives, Kind, When};
use crate::common::panics::text;
use crate::matrix::{Answer, Gate, throw};
use spinney::current::CancelKind;
use spinney::dump::TaskId;
use spinney::{Failure, Group, Supervised, Task, current};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// What a run notes.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) polls: AtomicUsize,
    pub(crate) drops: AtomicUsize,
    pub(crate) made: AtomicUsize,
    pub(crate) outputs: AtomicUsize,
    /// The child is in its first poll.
    pub(crate) entered: Gate,
    /// The child may go on, and so may the tasks that hold the workers.
    pub(crate) released: Gate,
    pub(crate) waker: Mutex<Option<Waker>>,
    pub(crate) parked: Gate,
    pub(crate) plugs: AtomicUsize,
    pub(crate) plugged: Gate,
    /// The child was dropped.
    pub(crate) gone: Gate,
    /// The group's future is to be dropped or forgotten.
    pub(crate) signal: AtomicBool,
    /// It was forgotten.
    pub(crate) forgotten: AtomicBool,
    pub(crate) child: Mutex<Option<TaskId>>,
    pub(crate) dropped_in: Mutex<Option<TaskId>>,
    pub(crate) cut: Mutex<Option<CancelKind>>,
    pub(crate) read: Mutex<Option<String>>,
    pub(crate) answer: Mutex<Answer>,
}

impl Log {
    /// The child pends: the later one of the child and the releaser wakes it.
    fn park(&self, waker: &Waker) {
        let mut slot = self.waker.lock().unwrap();
        let first = slot.replace(waker.clone()).is_none();
        self.parked.open();
        if first && self.released.is_open() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn release(&self) {
        // The waker stays here until the runtime has gone.
        let slot = self.waker.lock().unwrap();
        if !self.released.is_open() {
            self.released.open();
            if let Some(waker) = &*slot {
                waker.wake_by_ref();
            }
        }
    }

    pub(crate) fn note_read(&self, what: Result<Output, String>) {
        let (text, output) = match what {
            Ok(output) => ("value".to_owned(), Some(output)),
            Err(text) => (text, None),
        };
        *self.read.lock().unwrap() = Some(text);
        drop(output);
    }

    /// The group has answered: nothing of the child is left.
    pub(crate) fn note_answer(&self, answer: Answer) {
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

pub(crate) struct Output(Arc<Log>, bool);

impl Drop for Output {
    fn drop(&mut self) {
        self.0.outputs.fetch_add(1, SeqCst);
        if self.1 {
            throw("output");
        }
    }
}

pub(crate) struct Child(Arc<Log>, Case);

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
pub(crate) type Joining<'s> =
    Pin<Box<dyn Future<Output = Option<Result<Output, String>>> + Send + 's>>;

pub(crate) enum Handle<'s> {
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
    pub(crate) fn spawn(g: Group<'s, '_, Fault>, case: Case, log: &Arc<Log>) -> Self {
        let child = Child(Arc::clone(log), case);
        match case.kind {
            Kind::Spawn => Self::Task(g.spawn(child)),
            Kind::Service => Self::Task(g.service(child)),
            Kind::Supervise => Self::Supervised(g.supervise(child)),
        }
    }

    pub(crate) fn id(&self) -> TaskId {
        match self {
            Self::Task(task) => task.id(),
            Self::Supervised(task) => task.id(),
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        match self {
            Self::Task(task) => task.is_finished(),
            Self::Supervised(task) => task.is_finished(),
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Output, String>> {
        match self {
            Self::Task(task) => Pin::new(task).poll(cx).map(Ok),
            Self::Supervised(task) => Pin::new(task).poll(cx).map(said),
        }
    }

    /// Acts at the call.
    pub(crate) fn cancel(self) -> Joining<'s> {
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
