//! Threads for closures that block: grown on demand up to a limit, gone when idle.
//!
//! # Protocol
//!
//! All under one lock. *While there is work in the line and a thread may be had, somebody is coming for it*: an idle
//! thread that was called, or a new one. Who arrives takes the first piece of work and, if there is more, sees to it that
//! the next one comes before it begins. Busy threads look at the line when they are done. So a burst wakes one thread
//! after the other, each while the one before works, and not all at once.
//!
//! A thread whose closure waits in turn (`.wait()`, a scope) does not count against the limit meanwhile: what it waits for
//! may be in the line. So closures that wait for closures do not deadlock, however low the limit.
//!
//! If the only way to get a thread fails, workers do what is in the line.

use crate::job::Ticket;
use crate::pool::context::Place;
use crate::pool::shared::Shared;
use crate::sync::Arc;
use crate::sync::bed::{Condvar, Mutex, MutexGuard};
use crate::unwind;
use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

/// How long an idle thread waits for work before it ends: a thread costs about 20 us to start, and a few pages of stack
/// to keep. tokio keeps them for as long.
const LINGER: Duration = Duration::from_secs(10);

/// What the threads do.
pub(crate) enum Work {
    /// A child of a group.
    Child(Ticket),
    /// A call of our own. It is dropped uncalled if no thread can be had, or the runtime has ended.
    Call(Box<dyn FnOnce() + Send>),
}

#[derive(Default)]
struct Line {
    work: VecDeque<Work>,
    /// What is over is taken out when the line is so long.
    sweep_at: usize,
    threads: usize,
    /// Threads that sleep and were not called.
    idle: usize,
    /// Calls to sleepers that no one has answered yet.
    calls: usize,
    /// Threads that were called or started and have not looked at the line yet.
    coming: usize,
    /// Threads whose closure waits.
    waiting: usize,
    closed: bool,
    /// Threads that have not come to their last line yet.
    alive: usize,
    /// Those of them that are in a call of our own.
    in_calls: usize,
}

/// Work in line below which no search for what is over is worth its while.
const FEW: usize = 64;

impl Line {
    /// Takes out children that were cut in line, when the line has become twice as long as it was after the last time: if
    /// all threads are stuck, what gave up waiting must not pile up.
    fn sweep(&mut self) -> VecDeque<Work> {
        if self.work.len() < self.sweep_at.max(FEW) {
            return VecDeque::new();
        }
        let is_over = |work: &Work| matches!(work, Work::Child(ticket) if ticket.is_over());
        let (over, left) = mem::take(&mut self.work).into_iter().partition(is_over);
        self.work = left;
        self.sweep_at = 2 * self.work.len();
        over
    }
}

/// The threads for blocking closures of one runtime.
pub(crate) struct Blocking {
    limit: usize,
    line: Mutex<Line>,
    called: Condvar,
    /// Told when there is one thread less to wait for after the end.
    ended: Condvar,
}

impl Blocking {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Mutex::new(Line::default()),
            called: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    /// Has `work` done by one of the threads of this runtime.
    pub(crate) fn push(&self, shared: &Arc<Shared>, work: Work) {
        let mut line = self.line.lock();
        line.work.push_back(work);
        let over = line.sweep();
        self.call(shared, line);
        for work in over {
            run(work);
        }
    }

    /// Sees to it that somebody comes for what is in the line.
    fn call(&self, shared: &Arc<Shared>, mut line: MutexGuard<'_, Line>) {
        if line.work.is_empty() || line.coming > 0 {
            return;
        }
        // In a process that was forked from that of the runtime nobody comes: those who are idle in
        // the line are not there, and whoever waits for the work is told so before it sleeps.
        if shared.is_elsewhere() {
            return;
        }
        if line.idle > 0 {
            line.idle -= 1;
            line.calls += 1;
            line.coming += 1;
            drop(line);
            self.called.notify_one();
            return;
        }
        let busy = line.threads - line.waiting;
        if busy >= self.limit {
            return;
        }
        line.coming += 1;
        line.threads += 1;
        line.alive += 1;
        let refused = line.closed;
        drop(line);
        if !refused && start(shared) {
            return;
        }
        let mut line = self.line.lock();
        line.coming -= 1;
        line.threads -= 1;
        self.has_left(&mut line);
        if line.threads > line.waiting {
            return; // a busy thread looks when it is done
        }
        let stranded = mem::take(&mut line.work);
        drop(line);
        for work in stranded {
            strand(shared, work);
        }
    }

    fn serve(&self, shared: &Arc<Shared>, place: &Place) {
        let mut line = self.line.lock();
        line.coming -= 1;
        loop {
            while let Some(work) = line.work.pop_front() {
                let call = matches!(work, Work::Call(_));
                if call {
                    self.enters_call(&mut line);
                }
                self.call(shared, line);
                run(work);
                place.leave_seat();
                line = self.line.lock();
                if call {
                    line.in_calls -= 1;
                }
            }
            line.idle += 1;
            while line.calls == 0 && !line.closed {
                if self.called.wait_for(&mut line, LINGER) {
                    break;
                }
            }
            if line.calls == 0 {
                line.idle -= 1;
                line.threads -= 1;
                return;
            }
            line.calls -= 1;
            line.coming -= 1;
        }
    }

    /// The thread of this place waits for others: it does not count against the limit from now on. False if it did not
    /// before.
    pub(crate) fn begin_wait(place: &Place) -> bool {
        if place.waits.replace(true) {
            return false;
        }
        let blocking = &place.shared.blocking;
        let mut line = blocking.line.lock();
        line.waiting += 1;
        blocking.call(&place.shared, line);
        true
    }

    /// The wait that `begin_wait` began is over.
    pub(crate) fn end_wait(place: &Place) {
        place.waits.set(false);
        place.shared.blocking.line.lock().waiting -= 1;
    }

    /// Ends idle threads, and busy ones after their work.
    pub(crate) fn close(&self) {
        self.line.lock().closed = true;
        self.called.notify_all();
    }

    /// After the end: waits for the threads to leave. No child is left by then; a call of our own may take its time, and is
    /// not waited for.
    pub(crate) fn join(&self) {
        let mut line = self.line.lock();
        while line.alive > line.in_calls {
            self.ended.wait(&mut line);
        }
    }

    /// The last line of a thread.
    fn leave(&self) {
        self.has_left(&mut self.line.lock());
    }

    fn has_left(&self, line: &mut Line) {
        line.alive -= 1;
        self.tell(line);
    }

    /// As far as `join` goes this thread has left.
    fn enters_call(&self, line: &mut Line) {
        line.in_calls += 1;
        self.tell(line);
    }

    fn tell(&self, line: &Line) {
        if line.closed {
            self.ended.notify_all();
        }
    }
}

fn run(work: Work) {
    match work {
        Work::Child(ticket) => {
            if let Some(job) = ticket.redeem() {
                job.run();
            }
        }
        Work::Call(call) => {
            if let Err(payload) = unwind::catch(call) {
                unwind::discard(payload);
            }
        }
    }
}

fn start(shared: &Arc<Shared>) -> bool {
    let theirs = Arc::clone(shared);
    let started = shared.thread("blocking").spawn(move || {
        let place = Place::blocking(Arc::clone(&theirs));
        place.occupy(|| {
            theirs.hooks.thread_started();
            theirs.blocking.serve(&theirs, &place);
            // It does not count any more.
            place.waits.set(true);
            theirs.hooks.thread_stops();
            place.leave_seat();
        });
        theirs.blocking.leave();
    });
    started.is_ok()
}

/// No thread can be had: a worker runs the child, though it may block there.
#[cold]
fn strand(shared: &Arc<Shared>, work: Work) {
    match work {
        Work::Child(ticket) => {
            if let Some(job) = ticket.redeem() {
                shared.counters.last_resorts.bump_shared();
                shared.inject(job);
            }
        }
        Work::Call(call) => drop(call),
    }
}
