//! Threads for calls that block: grown on demand up to a limit, gone when idle.
//!
//! So far the resolver of names uses them. A thread is started when work comes in and nobody is idle, up to the
//! runtime's `max_blocking`; beyond that work waits in line. A thread that has been idle for [`LINGER`] ends.
//!
//! # Protocol
//!
//! All under one lock: work is pushed, and one idle thread is notified or a new one counted; a thread counts itself
//! idle while it waits. So work in the line has somebody who will come for it: an idle thread that was notified, a busy
//! one that looks at the line when it is done, or a new one. If a new thread cannot be had and there is no other, the
//! work goes back to the caller.

use crate::sync::thread::Builder;
use crate::sync::{Arc, Condvar, Mutex};
use crate::unwind;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// How long an idle thread waits for work before it ends: a thread costs about 20 us to start, and a few pages of stack
/// to keep. tokio keeps them for as long.
const LINGER: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

struct Line {
    work: VecDeque<Work>,
    threads: usize,
    idle: usize,
    closed: bool,
}

/// The threads for blocking calls of one runtime.
pub(crate) struct Blocking {
    name: String,
    limit: usize,
    line: Mutex<Line>,
    more: Condvar,
}

impl Blocking {
    pub(crate) fn new(runtime: &str, limit: usize) -> Self {
        Self {
            name: format!("{runtime}-blocking"),
            limit,
            line: Mutex::new(Line {
                work: VecDeque::new(),
                threads: 0,
                idle: 0,
                closed: false,
            }),
            more: Condvar::new(),
        }
    }

    /// Has `work` called on one of the threads. A panic in it is contained.
    ///
    /// # Errors
    ///
    /// If no thread can be had, or the runtime has ended; then `work` was dropped uncalled.
    pub(crate) fn run(self: &Arc<Self>, work: Work) -> io::Result<()> {
        let mut line = self.line.lock();
        if line.closed {
            return Err(io::Error::other("the runtime was shut down"));
        }
        line.work.push_back(work);
        if line.idle >= line.work.len() {
            self.more.notify_one();
            return Ok(());
        }
        if line.threads == self.limit {
            return Ok(());
        }
        line.threads += 1;
        drop(line);
        let this = Arc::clone(self);
        let started = Builder::new()
            .name(self.name.clone())
            .spawn(move || this.serve());
        let Err(error) = started else { return Ok(()) };
        let mut line = self.line.lock();
        line.threads -= 1;
        if line.threads > 0 {
            return Ok(());
        }
        let stranded = std::mem::take(&mut line.work);
        drop(line);
        drop(stranded);
        Err(error)
    }

    fn serve(&self) {
        let mut line = self.line.lock();
        loop {
            if let Some(work) = line.work.pop_front() {
                drop(line);
                if let Err(payload) = unwind::catch(work) {
                    unwind::discard(payload);
                }
                line = self.line.lock();
                continue;
            }
            line.idle += 1;
            let lonely = !line.closed && self.more.wait_for(&mut line, LINGER).timed_out();
            line.idle -= 1;
            if (lonely || line.closed) && line.work.is_empty() {
                line.threads -= 1;
                return;
            }
        }
    }

    /// Ends idle threads, and busy ones after their work. It does not wait: nothing can cut a call that blocks.
    pub(crate) fn close(&self) {
        self.line.lock().closed = true;
        self.more.notify_all();
    }
}
