//! The queue of closures that block, and the count of the threads for them: grown on demand up to a
//! limit, gone when idle. The threads themselves are in `blocking_threads`.
//!
//! # Protocol
//!
//! All under one lock. *While there is work in the queue and a thread may be had, a thread is
//! coming for it*: an idle one that was called, or a new one. A thread that arrives takes the first
//! piece of work and, if there is more, sees to it that the next one comes before it begins. Busy
//! threads look at the queue when they are done. So a burst wakes one thread after the other, each
//! while the one before works, and not all at once.
//!
//! A thread whose closure waits in turn (`.wait()`, a scope) does not count against the limit
//! meanwhile: what it waits for may be in the queue. So closures that wait for closures do not
//! deadlock, however low the limit, as long as no more of them wait than there may be spares: a
//! bound there must be, or a crowd of closures that wait for one event takes a thread each.
//!
//! If the only way to get a thread fails, workers do what is in the queue.
//!
//! What is given up leaves the queue at once, with its memory, however long the queue is: a child
//! that is cut by its [`Place`], a call of our own by its key.

use crate::job::{Place, Ticket};
use crate::keyed_queue::{Key, KeyedQueue};
use crate::sync::Arc;
use crate::sync::bed::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How long an idle thread waits for work before it ends: a thread costs about 20 us to start, and
/// a few pages of stack to keep. tokio keeps them for as long.
const LINGER: Duration = Duration::from_secs(10);

/// What the threads do.
pub(crate) enum Work {
    /// A child of a group.
    Child(Ticket),
    /// A call of our own. It is dropped uncalled if no thread can be had, if the runtime has ended,
    /// or if its caller gives it up.
    Call(Box<dyn FnOnce() + Send>),
}

/// The work, and the threads.
#[derive(Default)]
pub(super) struct Queue {
    work: KeyedQueue<Work>,
    threads: usize,
    /// Where the threads sleep that were not called. The last one is called first, so that those
    /// which a burst has left behind have nothing to do, and end.
    idle: Vec<Arc<Condvar>>,
    /// Threads that were called or started and have not looked at the queue yet.
    coming: usize,
    /// Threads whose closure waits.
    waiting: usize,
    closed: bool,
    /// Threads that have not come to their last line yet.
    alive: usize,
    /// Those of them that are in a call of our own.
    in_calls: usize,
}

/// What is to be done so that a thread comes for what is in the queue.
#[must_use]
pub(super) enum Call {
    /// Nothing: one comes, or busy ones look when they are done.
    Settled,
    /// To start a thread, which is counted already. It calls [`Blocking::serve`] and then
    /// [`Blocking::leave`]; if it cannot be had, the caller calls [`Blocking::give_up`].
    Start,
    /// To call [`Blocking::give_up`] at once: the runtime has ended.
    GiveUp,
}

/// The queue of one runtime.
pub(crate) struct Blocking {
    limit: usize,
    /// Threads that wait, and do not count against the limit, at most.
    max_waiting: usize,
    queue: Mutex<Queue>,
    /// Told when there is one thread less to wait for after the end.
    ended: Condvar,
}

impl Blocking {
    pub(crate) fn new(limit: usize, max_waiting: usize) -> Self {
        Self {
            limit,
            // A closure that waits for one closure gets on in any case.
            max_waiting: max_waiting.max(1),
            queue: Mutex::new(Queue::default()),
            ended: Condvar::new(),
        }
    }

    /// Adds a child; the caller goes on with [`Blocking::call`]. The ticket of one that was cut
    /// already comes back.
    pub(super) fn push_child(&self, ticket: Ticket) -> Result<MutexGuard<'_, Queue>, Ticket> {
        let mut queue = self.queue.lock();
        if !ticket.place().enter(queue.work.next_key()) {
            return Err(ticket);
        }
        queue.work.push(Work::Child(ticket));
        Ok(queue)
    }

    /// Adds a call of our own, and gives its key; the caller goes on with [`Blocking::call`].
    pub(super) fn push_call(&self, call: Box<dyn FnOnce() + Send>) -> (MutexGuard<'_, Queue>, Key) {
        let mut queue = self.queue.lock();
        let key = queue.work.push(Work::Call(call));
        (queue, key)
    }

    /// Takes work out before its turn; none if it has begun. The caller holds no lock when it drops
    /// it.
    pub(crate) fn take_out(&self, key: Key) -> Option<Work> {
        self.queue.lock().work.remove(key)
    }

    /// As [`Blocking::take_out`], for a child that is cut; one that is on its way will not come.
    pub(crate) fn leave_line(&self, place: &Place) -> Option<Work> {
        let mut queue = self.queue.lock();
        let key = place.leave()?;
        queue.work.remove(key)
    }

    /// Sees to it that a thread comes for what is in the queue.
    pub(super) fn call(
        &self,
        mut queue: MutexGuard<'_, Queue>,
        is_elsewhere: impl FnOnce() -> bool,
    ) -> Call {
        if queue.work.is_empty() || queue.coming > 0 {
            return Call::Settled;
        }
        // In a process that was forked from that of the runtime no thread comes: those that are
        // idle are not there, and the caller that waits for the work is told so before it sleeps.
        if is_elsewhere() {
            return Call::Settled;
        }
        if let Some(bed) = queue.idle.pop() {
            queue.coming += 1;
            drop(queue);
            bed.notify_one();
            return Call::Settled;
        }
        let busy = queue.threads - queue.waiting.min(self.max_waiting);
        if busy >= self.limit {
            return Call::Settled;
        }
        queue.coming += 1;
        queue.threads += 1;
        queue.alive += 1;
        match queue.closed {
            true => Call::GiveUp,
            false => Call::Start,
        }
    }

    /// The thread that was counted as coming does not come. What no other thread will do.
    pub(super) fn give_up(&self) -> KeyedQueue<Work> {
        let mut queue = self.queue.lock();
        queue.coming -= 1;
        queue.threads -= 1;
        self.has_left(&mut queue);
        if queue.threads > queue.waiting {
            return KeyedQueue::default(); // a busy thread looks when it is done
        }
        queue.work.take()
    }

    /// What a thread does until it was idle for too long, or the runtime has ended. `call` is
    /// [`Blocking::call`], with what follows from it.
    pub(super) fn serve(&self, call: impl Fn(MutexGuard<'_, Queue>), mut run: impl FnMut(Work)) {
        let bed = Arc::new(Condvar::new());
        let place = |queue: &Queue| queue.idle.iter().rposition(|idle| Arc::ptr_eq(idle, &bed));
        let mut queue = self.queue.lock();
        queue.coming -= 1;
        loop {
            while let Some(work) = queue.work.pop() {
                let is_call = matches!(work, Work::Call(_));
                if is_call {
                    self.enters_call(&mut queue);
                }
                call(queue);
                run(work);
                queue = self.queue.lock();
                if is_call {
                    queue.in_calls -= 1;
                }
            }
            queue.idle.push(Arc::clone(&bed));
            while place(&queue).is_some() && !queue.closed {
                if bed.wait_for(&mut queue, LINGER) {
                    break;
                }
            }
            if let Some(at) = place(&queue) {
                queue.idle.remove(at);
                queue.threads -= 1;
                return;
            }
            queue.coming -= 1;
        }
    }

    /// A thread waits for others: it does not count against the limit from now on. The caller goes
    /// on with [`Blocking::call`].
    pub(super) fn begin_wait(&self) -> MutexGuard<'_, Queue> {
        let mut queue = self.queue.lock();
        queue.waiting += 1;
        queue
    }

    /// That wait is over.
    pub(super) fn end_wait(&self) {
        self.queue.lock().waiting -= 1;
    }

    /// Ends idle threads, and busy ones after their work.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        for bed in &queue.idle {
            bed.notify_one();
        }
    }

    /// After the end: waits for the threads to leave. No child is left by then; a call of our own
    /// may take its time, and is not waited for.
    pub(crate) fn join(&self) {
        let mut queue = self.queue.lock();
        while queue.alive > queue.in_calls {
            self.ended.wait(&mut queue);
        }
    }

    /// The last line of a thread.
    pub(super) fn leave(&self) {
        self.has_left(&mut self.queue.lock());
    }

    fn has_left(&self, queue: &mut Queue) {
        queue.alive -= 1;
        self.tell(queue);
    }

    /// As far as `join` goes this thread has left.
    fn enters_call(&self, queue: &mut Queue) {
        queue.in_calls += 1;
        self.tell(queue);
    }

    fn tell(&self, queue: &Queue) {
        if queue.closed {
            self.ended.notify_all();
        }
    }
}
