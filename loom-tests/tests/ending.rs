//! Models of `src/group/ending.rs` and `src/tree/{leave,cut}.rs` as they are, with the tasks and
//! the closer of `src/task`: a group ends once, after all that was registered, whichever comes
//! last: body, children, services, defers, early drop, cut.
//!
//! The state machine holds no orderings: it rests on its lock, and on the questions that are asked
//! under it. Each of its questions stands in `decided`, and the models fail where one is answered
//! without looking.

use loom_tests::run::mutants;
use loom_tests::sync;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};
use sync::cell::Racy;
use sync::{Arc, thread};

loom_tests::groups!();
loom_tests::tasks!();

#[path = "support/children.rs"]
mod children;
mod support;

#[path = "ending/cuts.rs"]
mod cuts;
#[path = "ending/joins.rs"]
mod joins;
#[path = "ending/services.rs"]
mod services;

use children::{Plain, Stage, TABLE};
use group::node::{Node, Opening};
use spans::GroupSpan;
use support::{Kept, Owner, Sleeper, read};
use task::cell::Birth;
use task::spawn;
use tree::leave::leave;
use tree::typed_node::Typed;

fn count(counter: &Racy) {
    counter.set(counter.get() + 1);
}

fn birth() -> Birth {
    Birth {
        location: Location::caller(),
        extension: None,
    }
}

/// A future that does something at its first poll, and is over then or never.
struct Once<F> {
    act: Option<F>,
    over: bool,
}

impl<F: FnOnce() + Unpin> Future for Once<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if let Some(act) = self.act.take() {
            act();
        }
        match self.over {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

/// The parts of the groups here: each says when it is over, and reads the value that the group
/// keeps.
#[derive(Clone, Copy)]
struct Parts {
    node: NonNull<Node>,
    kept: NonNull<Kept>,
}

// SAFETY: they point to objects whose accesses the model checker watches.
unsafe impl Send for Parts {}

impl Parts {
    fn of(stage: &Stage) -> Self {
        Self {
            node: stage.owner.node.as_ptr(),
            kept: stage.kept,
        }
    }

    fn node(&self) -> &Node {
        // SAFETY: the node is alive: only parts that the group counts, and its owner, call this.
        unsafe { self.node.as_ref() }
    }

    /// A cleanup that counts.
    fn defer(self, ran: &Arc<Racy>) {
        let ran = Arc::clone(ran);
        let act = Some(move || {
            let parts = self;
            read(parts.kept);
            count(&ran);
        });
        let defer = Box::pin(Watched(Once { act, over: true }));
        self.node()
            .slow
            .lock()
            .ending
            .defer(&self.node().word, defer);
    }

    /// A service: it runs until it is cut, and counts then.
    fn serve(self, ended: &Arc<Racy>) {
        self.serve_until(|| {}, ended);
    }

    /// As `serve`, for a service that looks at something first. It is started as the interface
    /// does; the first of two that come at once has come already.
    fn serve_until(self, look: impl FnOnce() + Unpin, ended: &Arc<Racy>) {
        let node = self.node();
        let known = node.slow.lock().ending.services().cloned();
        let home = known.unwrap_or_else(|| {
            let opening = Opening {
                name: None,
                location: Location::caller(),
                shielded: true,
                unattached: false,
                span: GroupSpan::none(),
            };
            // SAFETY: (1): the table is that of `Typed<u32>`. (2): its members are tasks.
            let services = unsafe { Typed::<u32>::open(&TABLE, node.to_ref(), opening) };
            let services = tree::service_node::begin(services.into_untyped());
            let home = services.node.clone();
            let slower = node.slow.lock().ending.set_services(&node.word, services);
            assert!(slower.is_none(), "the first one");
            home
        });
        let ended = Arc::clone(ended);
        let service = Watched(Until(Some(move || {
            let parts = self;
            read(parts.kept);
            look();
            count(&ended);
        })));
        // SAFETY: (1): the node is alive, and of the one error type. (2): the service owns its
        // values, and points to the group that ends after it.
        let handle = unsafe { spawn::spawn::<_, Plain>(&home, service, birth()) };
        let serving = handle.serving().expect("it was started");
        let over = node.slow.lock().ending.push_service(serving);
        assert!(over.is_empty());
        if node.is_cancelled() {
            handle.cancel();
        }
    }

    /// A child on a thread of its own, for which the caller has entered: it does something, leaves,
    /// and runs the queued jobs.
    fn leaver(
        self,
        pool: &Arc<support::TestPool>,
        act: impl FnOnce(Self) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let pool = Arc::clone(pool);
        thread::spawn(move || {
            let parts = self;
            act(parts);
            // SAFETY: (1): the count for which the caller has entered is given up. (2): the node is
            // not used afterwards.
            unsafe { leave(parts.node) };
            pool.run_all();
        })
    }

    /// A child that does something in its one poll.
    fn child(self, act: impl FnOnce() + Unpin) {
        let act = Some(act);
        let child = Watched(Once { act, over: true });
        // SAFETY: (1): the node is alive, and of the one error type. (2): the child owns its
        // values, and points to the group that ends after it.
        drop(unsafe { spawn::spawn::<_, Plain>(self.node(), child, birth()) });
    }
}

/// Any future of a model.
struct Watched<F>(F);

// SAFETY: it may be sent: the model checker watches the objects that it touches.
unsafe impl<F> Send for Watched<F> {}

impl<F: Future<Output = ()> + Unpin> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// Pends for ever, and says when it is dropped.
struct Until<F: FnOnce() + Unpin>(Option<F>);

impl<F: FnOnce() + Unpin> Future for Until<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl<F: FnOnce() + Unpin> Drop for Until<F> {
    fn drop(&mut self) {
        if let Some(over) = self.0.take() {
            over();
        }
    }
}

/// Joins as the owner's task would, which also runs the queued jobs.
fn join(owner: &mut Owner, pool: &Arc<support::TestPool>, sleeper: &Arc<Sleeper>) {
    let waker = Waker::from(Arc::clone(sleeper));
    while owner.poll_end(&waker).is_pending() {
        pool.run_all();
        sleeper.park();
    }
}

#[test]
fn spurious_failures() {
    loom_tests::run::spurious_failures_below(&["src/group/word.rs", "src/task/state.rs"]);
}

#[test]
fn mutants_die() {
    mutants(
        &["src/group/ending.rs", "src/tree/leave.rs"],
        &[
            (
                "src/group/ending.rs: let told = decided(self.closer == Closer::OfGroup || left <= self.not_work()); -> true",
                "a closer that is told too often looks again",
            ),
            (
                "src/group/ending.rs: let waits = decided(self.wants_closer() && left == self.served()); -> true",
                "a host that is woken too often announces itself again",
            ),
            (
                "src/group/ending.rs: if decided(self.wants_closer()) || !word.close() { -> true",
                "an owner that does not close the word at once joins, and closes it then",
            ),
            (
                "src/group/ending.rs: if !waits || decided(self.has_work(word)) { -> false",
                "a joiner that is told too often asks again",
            ),
        ],
    );
}
