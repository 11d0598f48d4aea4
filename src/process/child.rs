//! The handle of a process that runs.

use crate::process::running::Running;
use crate::process::streams::{ChildStderr, ChildStdin, ChildStdout};
use crate::signal::Signal;
use crate::sync::Arc;
use futures_io::AsyncRead;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Output};
use std::task::Poll;

/// Bytes that are read at a time into an output that is collected.
const PIECE: usize = 8 * 1024;

/// A process that belongs to a group: [`Command::spawn`](crate::process::Command::spawn).
///
/// Dropped while the process runs, as by a cut of the task that has it, it asks the process to end,
/// unless [`kill_on_cut`](crate::process::Command::kill_on_cut) was turned off. Its group asks it
/// to end, too, when body and children have ended. Either way the group ends after the process.
///
/// # Examples
///
/// ```
/// use spinney::process::Command;
/// use spinney::{Wait, group};
///
/// let status = group(async |g| {
///     let mut sleep = Command::new("sleep").arg("1000").spawn(g)?;
///     sleep.kill()?;
///     sleep.wait().await
/// })
/// .wait()?;
/// assert_eq!(status.code(), None); // a signal has ended it
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a process is asked to end when its handle is dropped"]
pub struct Child {
    /// Its standard input, if that is piped.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if that is piped.
    pub stdout: Option<ChildStdout>,
    /// Its standard error, if that is piped.
    pub stderr: Option<ChildStderr>,
    running: Arc<Running>,
}

impl Child {
    pub(crate) fn new(child: &mut std::process::Child, running: Arc<Running>) -> Self {
        Self {
            stdin: child.stdin.take().map(Into::into),
            stdout: child.stdout.take().map(Into::into),
            stderr: child.stderr.take().map(Into::into),
            running,
        }
    }

    /// The number of the process, and of its process group, unless it shares that of its parent.
    ///
    /// Once the process has been reaped the number may be that of another one.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::{Command, Stdio};
    /// use spinney::{Wait, group};
    ///
    /// let (id, output) = group(async |g| {
    ///     let mut command = Command::new("sh");
    ///     command.args(["-c", "echo $$"]).stdout(Stdio::piped());
    ///     let mut shell = command.spawn(g)?;
    ///     Ok::<_, std::io::Error>((shell.id(), shell.output().await?))
    /// })
    /// .wait()?;
    /// assert_eq!(output.stdout, format!("{id}\n").into_bytes());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running
            .watch
            .pid()
            .as_raw_nonzero()
            .get()
            .unsigned_abs()
    }

    /// Waits for the end of the process. Its standard input is closed first, or it might wait for
    /// more.
    ///
    /// What it writes to pipes has to be read meanwhile, or it may wait for that:
    /// [`output`](Child::output) does both.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::Command;
    /// use spinney::{Wait, group};
    ///
    /// let code = group(async |g| {
    ///     let mut shell = Command::new("sh").args(["-c", "exit 3"]).spawn(g)?;
    ///     let status = shell.wait().await?;
    ///     assert_eq!(shell.wait().await?, status); // it stays
    ///     Ok::<_, std::io::Error>(status.code())
    /// })
    /// .wait()?;
    /// assert_eq!(code, Some(3));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Other code in this program has reaped the process and taken its status, as `wait(-1)` and
    /// some handlers of `SIGCHLD` do, or the program ignores `SIGCHLD`. The error's source is
    /// `ECHILD`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing; it is the handle that ends the process.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.running.reaped().await
    }

    /// The status of the process, if it has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::Command;
    /// use spinney::{Wait, group};
    ///
    /// group(async |g| {
    ///     let mut sleep = Command::new("sleep").arg("1000").spawn(g)?;
    ///     assert_eq!(sleep.try_wait()?, None);
    ///     sleep.kill()?;
    ///     let status = sleep.wait().await?;
    ///     assert_eq!(sleep.try_wait()?, Some(status));
    ///     Ok::<_, std::io::Error>(())
    /// })
    /// .wait()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`wait`](Child::wait).
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.running.try_reap()
    }

    /// Waits for the end of the process and of its output, and collects the latter, as far as it is
    /// piped. Its standard input is closed first.
    ///
    /// A process that has left the process group, and has inherited the output, holds its end up.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::{Command, Stdio};
    /// use spinney::{Wait, group};
    ///
    /// let output = group(async |g| {
    ///     Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn(g)?.output().await
    /// })
    /// .wait()?;
    /// assert_eq!(output.stdout, b"hello\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`wait`](Child::wait), and those of the system.
    ///
    /// # Cancellation
    ///
    /// What was collected is lost; it is the handle that ends the process.
    pub async fn output(&mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let (stdout, stderr) = both(collect(stdout), collect(stderr)).await;
        Ok(Output {
            status: self.running.reaped().await?,
            stdout: stdout?,
            stderr: stderr?,
        })
    }

    /// Sends a signal to the process, and to its process group unless it shares that of its parent.
    /// To one that has ended none is sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::Command;
    /// use spinney::signal::Signal;
    /// use spinney::{Wait, group};
    /// use std::os::unix::process::ExitStatusExt;
    ///
    /// let status = group(async |g| {
    ///     let mut sleep = Command::new("sleep").arg("1000").spawn(g)?;
    ///     sleep.signal(Signal::USR1)?;
    ///     sleep.wait().await
    /// })
    /// .wait()?;
    /// assert_eq!(status.signal(), Some(Signal::USR1.as_raw()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, such as `EPERM` for a process of another user.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        self.running.signal(signal)
    }

    /// Kills the process, and its process group, as [`signal`](Child::signal) with `SIGKILL` does.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::Command;
    /// use spinney::{Wait, group};
    ///
    /// group(async |g| {
    ///     let mut sleep = Command::new("sleep").arg("1000").spawn(g)?;
    ///     sleep.kill()?;
    ///     sleep.wait().await
    /// })
    /// .wait()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`signal`](Child::signal).
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// Lets the process go: neither a cut nor the end of its group ends it from now on, and its
    /// number is returned.
    ///
    /// It leaves no zombie: as long as this program runs, the runtime reaps it when it ends. Until
    /// then a runtime that was shut down keeps a thread for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::Command;
    /// use spinney::{Wait, group};
    ///
    /// let id = group(async |g| {
    ///     let daemon = Command::new("true").spawn(g)?;
    ///     Ok::<_, std::io::Error>(daemon.detach())
    /// })
    /// .wait()?;
    /// assert_ne!(id, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn detach(self) -> u32 {
        self.running.detach();
        self.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.running.let_go();
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// All that comes out of a pipe, if there is one.
async fn collect(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    let Some(mut pipe) = pipe else {
        return Ok(bytes);
    };
    loop {
        if bytes.len() - length < PIECE {
            bytes.resize((2 * bytes.len()).max(PIECE), 0);
        }
        let room = &mut bytes[length..];
        match poll_fn(|cx| Pin::new(&mut pipe).poll_read(cx, room)).await? {
            0 => break,
            count => length += count,
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The outputs of two futures, which are polled by turns.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    poll_fn(move |cx| {
        if of_a.is_none() {
            if let Poll::Ready(output) = a.as_mut().poll(cx) {
                of_a = Some(output);
            }
        }
        if of_b.is_none() {
            if let Poll::Ready(output) = b.as_mut().poll(cx) {
                of_b = Some(output);
            }
        }
        match (of_a.take(), of_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (of_a, of_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
