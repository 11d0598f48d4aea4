//! A process that was started: what its handle and its keeper share.
//!
//! A number of a process, or of a process group, is good for as long as the process is not reaped.
//! So the number is used under the lock under which it is reaped, and by nothing else.
//!
//! In a process that was forked from this one, a copy of it stands for no child: nothing is
//! signalled there.

use crate::net::address::failed;
use crate::poll::{budget, frame};
use crate::process::watch::{Found, Watch};
use crate::signal::Signal;
use crate::sync::Mutex;
use crate::waiters::{Key, Waiters};
use rustix::io::Errno;
use rustix::process::{
    WaitId, WaitIdOptions, WaitIdStatus, kill_process, kill_process_group, test_kill_process_group,
    waitid,
};
use std::future::poll_fn;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::task::Poll;
use std::time::Duration;

/// How a process is to end when its handle goes away, or its group ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// The signal that asks it to end.
    pub(crate) signal: Signal,
    /// The time that it has after that.
    pub(crate) grace: Duration,
    /// Whether it is to end at all; else it is let go.
    pub(crate) kill_on_cut: bool,
    /// Whether it leads a process group, which ends with it.
    pub(crate) leads: bool,
}

/// A process that was started.
pub(crate) struct Running {
    pub(crate) watch: Watch,
    pub(crate) ending: Ending,
    /// The process that has started it.
    parent: u32,
    state: Mutex<State>,
    changed: Waiters,
}

#[derive(Default)]
struct State {
    /// Once it was reaped: its status, unless other code has it.
    end: Option<Option<ExitStatus>>,
    /// It was asked to end.
    asked: bool,
    /// It was let go: it is reaped and no more.
    detached: bool,
}

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    Ended,
    Asked,
    Detached,
}

impl Running {
    pub(crate) fn new(watch: Watch, ending: Ending) -> Self {
        Self {
            watch,
            ending,
            parent: std::process::id(),
            state: Mutex::default(),
            changed: Waiters::new(),
        }
    }

    /// The handle goes away, or the group ends.
    pub(crate) fn let_go(&self) {
        match self.ending.kill_on_cut {
            true => self.ask_to_end(),
            false => self.detach(),
        }
    }

    /// Asks it to end, and has its keeper see to it that it does.
    pub(crate) fn ask_to_end(&self) {
        if self.is_elsewhere() {
            return;
        }
        let mut state = self.state.lock();
        if state.end.is_none() && !state.asked && !state.detached {
            state.asked = true;
            self.ask(&mut state);
        }
        drop(state);
        self.changed.wake_all();
    }

    /// Lets it go on when its group has ended.
    pub(crate) fn detach(&self) {
        if self.is_elsewhere() {
            return;
        }
        self.state.lock().detached = true;
        self.changed.wake_all();
    }

    /// Sends a signal to it, and to its process group if it leads one.
    ///
    /// # Errors
    ///
    /// Those of the system. None if it has ended.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.is_elsewhere() {
            return Err(io::Error::other("it is a child of another process"));
        }
        let mut state = self.state.lock();
        let sent = self.send(&mut state, signal);
        drop(state);
        // It may have been found to be gone.
        self.changed.wake_all();
        sent
    }

    /// Sends a signal; before it is reaped, which a look makes sure of.
    fn send(&self, state: &mut State, signal: Signal) -> io::Result<()> {
        if state.end.is_some() {
            return Ok(());
        }
        if let Found::Gone = self.watch.look() {
            state.end = Some(None);
            return Ok(());
        }
        let pid = self.watch.pid();
        match self.ending.leads {
            true => kill_process_group(pid, signal.inner())?,
            false => kill_process(pid, signal.inner())?,
        }
        Ok(())
    }

    /// Asks it, and its process group, to end. One that is stopped heeds the signal when it goes
    /// on. An error says that it has ended, which its keeper sees.
    fn ask(&self, state: &mut State) {
        for signal in [self.ending.signal, Signal::CONT] {
            let _ = self.send(state, signal);
        }
    }

    /// Reaps it, if it has ended. The rest of its process group is asked to end before.
    ///
    /// # Errors
    ///
    /// Other code has reaped it.
    pub(crate) fn try_reap(&self) -> io::Result<Option<ExitStatus>> {
        let mut state = self.state.lock();
        if state.end.is_none() {
            match self.watch.look() {
                Found::Running => return Ok(None),
                Found::Gone => state.end = Some(None),
                Found::Ended(_) => {
                    if !state.asked && !state.detached && self.ending.leads {
                        self.ask(&mut state);
                    }
                    state.end = match self.watch.reap() {
                        Found::Ended(status) => Some(Some(exit_status(&status))),
                        Found::Running | Found::Gone => Some(None),
                    };
                }
            }
        }
        let end = state.end.flatten();
        drop(state);
        self.changed.wake_all();
        end.map(Some).ok_or_else(|| self.lost())
    }

    /// Whether there are processes left in its process group, when it was reaped itself. What was
    /// let go with it is none of ours.
    ///
    /// The number may be that of a later process group then, if the kernel has used up all its
    /// numbers since the last look: it hands them out in turn, and looks are 100 ms apart at most.
    pub(crate) fn has_rest(&self) -> bool {
        let state = self.state.lock();
        let is_reaped = matches!(state.end, Some(Some(_))) && !state.detached;
        drop(state);
        if !self.ending.leads || !is_reaped {
            return false;
        }
        if adopts() {
            // Those that it has left behind are children of this process now, and no other code
            // knows them.
            let group = WaitId::Pgid(Some(self.watch.pid()));
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            while let Ok(Some(_)) = waitid(group.clone(), options) {}
        }
        test_kill_process_group(self.watch.pid()) != Err(Errno::SRCH)
    }

    /// Kills what is left of its process group, right after [`Running::has_rest`].
    pub(crate) fn kill_rest(&self) {
        let _ = kill_process_group(self.watch.pid(), Signal::KILL.inner());
    }

    /// Waits until it has been reaped.
    pub(crate) async fn reaped(&self) -> io::Result<ExitStatus> {
        let mut place = Place::new(&self.changed);
        poll_fn(|cx| {
            budget::poll(cx, |cx| {
                self.changed.register(&mut place.key, cx.waker());
                match self.state.lock().end {
                    Some(end) => Poll::Ready(end.ok_or_else(|| self.lost())),
                    None => {
                        frame::note_leaf();
                        Poll::Pending
                    }
                }
            })
        })
        .await
    }

    /// Waits for the first event, and reaps it if that is its end. With `asked` that is no event.
    pub(crate) async fn first(&self, asked: bool) -> First {
        let mut place = Place::new(&self.changed);
        let mut watched = Watched {
            watch: &self.watch,
            key: Key::default(),
        };
        poll_fn(|cx| {
            self.changed.register(&mut place.key, cx.waker());
            let state = self.state.lock();
            let (end, ask, detached) = (state.end, state.asked, state.detached);
            drop(state);
            if end.is_some() {
                return Poll::Ready(First::Ended);
            }
            if detached {
                return Poll::Ready(First::Detached);
            }
            if ask && !asked {
                return Poll::Ready(First::Asked);
            }
            match self.watch.poll_end(Some(&mut watched.key), cx) {
                // An error is its end, too.
                Poll::Ready(()) => match self.try_reap() {
                    Ok(None) => {
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                    Ok(Some(_)) | Err(_) => Poll::Ready(First::Ended),
                },
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    fn is_elsewhere(&self) -> bool {
        self.parent != std::process::id()
    }

    fn lost(&self) -> io::Error {
        let pid = self.watch.pid().as_raw_nonzero();
        let text = format!("process {pid} was reaped by other code, which has its status");
        failed(Errno::CHILD.into(), text)
    }
}

/// A place in a list of waiters, given up with the future that has it.
struct Place<'a> {
    list: &'a Waiters,
    key: Key,
}

impl<'a> Place<'a> {
    fn new(list: &'a Waiters) -> Self {
        let key = Key::default();
        Self { list, key }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.list.remove(&mut self.key);
    }
}

/// The same at the watch.
struct Watched<'a> {
    watch: &'a Watch,
    key: Key,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.watch.forget(&mut self.key);
    }
}

/// Whether processes that have lost their parent may become children of this one: it is the first
/// one of a container, or has asked for them.
fn adopts() -> bool {
    #[cfg(target_os = "linux")]
    if let Ok(Some(_)) = rustix::process::child_subreaper() {
        return true;
    }
    std::process::id() == 1
}

/// The status in the form of `waitpid`, which the standard library takes.
fn exit_status(status: &WaitIdStatus) -> ExitStatus {
    const CORE: i32 = 0x80;
    let raw = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => (code & 0xff) << 8,
        (None, Some(signal)) if status.dumped() => signal | CORE,
        (None, signal) => signal.unwrap_or_default(),
    };
    ExitStatus::from_raw(raw)
}
