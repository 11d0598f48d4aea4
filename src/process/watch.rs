//! The end of one process, as an event of the driver.
//!
//! On Linux it is watched by a pidfd, a descriptor that becomes readable when the process ends.
//! Where there is none to be had a thread waits instead: on other systems, on kernels before 5.3,
//! in sandboxes that forbid it, and while the process has no descriptor left. That thread only
//! waits, and leaves the process to be reaped.

use crate::driver::sources::Direction;
use crate::net::registered::Registered;
use crate::poll::{budget, frame};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread;
use crate::waiters::{Key, Waiters};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};
#[cfg(target_os = "linux")]
use rustix::process::{PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

/// What a look at a process has found.
pub(crate) enum Found {
    Running,
    /// It has ended. When it was reaped there is its status.
    Ended(WaitIdStatus),
    /// It is no child of this process, or not any more: other code has reaped it.
    Gone,
}

/// A child process and what tells of its end.
pub(crate) struct Watch {
    pid: Pid,
    by: By,
}

enum By {
    Pidfd(Registered<OwnedFd>),
    Thread(Arc<Flag>),
}

#[derive(Default)]
struct Flag {
    up: AtomicBool,
    waiters: Waiters<2>,
}

impl Watch {
    /// Watches a child that was just started.
    ///
    /// # Errors
    ///
    /// There is neither a descriptor nor a thread to be had.
    pub(crate) fn new(pid: Pid) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Ok(pidfd) = by_pidfd(pid) {
            return Ok(Self { pid, by: pidfd });
        }
        let by = by_thread(pid)?;
        Ok(Self { pid, by })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Looks whether it has ended, without reaping it.
    pub(crate) fn look(&self) -> Found {
        self.wait(WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)
    }

    /// Reaps it, if it has ended.
    pub(crate) fn reap(&self) -> Found {
        self.wait(WaitIdOptions::NOHANG)
    }

    fn wait(&self, options: WaitIdOptions) -> Found {
        let id = match &self.by {
            #[cfg(target_os = "linux")]
            By::Pidfd(pidfd) => WaitId::PidFd(std::os::fd::AsFd::as_fd(pidfd.io())),
            _ => WaitId::Pid(self.pid),
        };
        match waitid(id, options | WaitIdOptions::EXITED) {
            Ok(Some(status)) => Found::Ended(status),
            Ok(None) | Err(Errno::INTR) => Found::Running,
            Err(_) => Found::Gone,
        }
    }

    /// Waits for its end, or for other code to reap it. A waiter without a key is the last one.
    pub(crate) fn poll_end(&self, key: Option<&mut Key>, cx: &mut Context<'_>) -> Poll<()> {
        match &self.by {
            By::Pidfd(pidfd) => {
                let look = |_: &OwnedFd| match self.look() {
                    Found::Running => Err(io::ErrorKind::WouldBlock.into()),
                    Found::Ended(_) | Found::Gone => Ok(()),
                };
                pidfd.poll_io(Direction::Read, key, cx, look).map(drop)
            }
            By::Thread(flag) => budget::poll(cx, |cx| {
                match key {
                    Some(key) => flag.waiters.register(key, cx.waker()),
                    None => frame::wake(flag.waiters.add(cx.waker())),
                }
                // Relaxed: the thread that has waited sets it before it passes through the lock of
                // the waiters, and this comes after it.
                if flag.up.load(Ordering::Relaxed) {
                    return Poll::Ready(());
                }
                frame::note_leaf();
                Poll::Pending
            }),
        }
    }

    /// Takes back what [`Watch::poll_end`] has registered.
    pub(crate) fn forget(&self, key: &mut Key) {
        match &self.by {
            By::Pidfd(pidfd) => pidfd.forget(Direction::Read, key),
            By::Thread(flag) => flag.waiters.remove(key),
        }
    }
}

#[cfg(target_os = "linux")]
fn by_pidfd(pid: Pid) -> io::Result<By> {
    // No other process has this number: the child is not reaped before this process waits for it.
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    Registered::new(pidfd, None).map(By::Pidfd)
}

fn by_thread(pid: Pid) -> io::Result<By> {
    let flag = Arc::new(Flag::default());
    let raise = Arc::clone(&flag);
    let thread = thread::Builder::new().name("spinney-wait".to_owned());
    thread.spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        // Relaxed: see `poll_end`.
        raise.up.store(true, Ordering::Relaxed);
        raise.waiters.wake_all();
    })?;
    Ok(By::Thread(flag))
}
