//! What is to be run, and how it is started.

use crate::api::group::futures::group;
use crate::api::group::handle::Group;
use crate::net::address::failed;
use crate::process::child::Child;
use crate::process::keeper::keep_in;
use crate::process::running::{Ending, Running};
use crate::process::watch::Watch;
use crate::signal::Signal;
use crate::sync::Arc;
use rustix::process::Pid;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::panic::Location;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

/// The time that a process has to end after it was asked to: as long as trio gives it.
const GRACE: Duration = Duration::from_secs(5);

/// A program with its arguments, and how its process is to end.
///
/// It is one of the standard library: [`as_std_mut`](Command::as_std_mut) leads to what is not
/// repeated here.
///
/// # Examples
///
/// ```
/// use spinney::Wait;
/// use spinney::process::Command;
///
/// let output = Command::new("echo").arg("hello").output().wait()?;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Command {
    command: std::process::Command,
    has: Streams,
    ending: Ending,
}

/// Which streams of the process were set.
#[derive(Default)]
struct Streams {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Command {
    /// A program, by its path, or by its name in `PATH`.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::Command;
    ///
    /// assert!(Command::new("true").status().wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let command = std::process::Command::new(program);
        let ending = Ending {
            signal: Signal::TERM,
            grace: GRACE,
            kill_on_cut: true,
            leads: true,
        };
        Self {
            command,
            has: Streams::default(),
            ending,
        }
    }

    /// Adds an argument.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::Command;
    ///
    /// let output = Command::new("echo").arg("a b").arg("c").output().wait()?;
    /// assert_eq!(output.stdout, b"a b c\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::Command;
    ///
    /// let output = Command::new("echo").args(["a", "b"]).output().wait()?;
    /// assert_eq!(output.stdout, b"a b\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn args(&mut self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> &mut Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of the environment, which is that of this program otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::Command;
    ///
    /// let mut shell = Command::new("sh");
    /// shell.args(["-c", "echo $NAME"]).env("NAME", "value");
    /// assert_eq!(shell.output().wait()?.stdout, b"value\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable out of the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::Command;
    ///
    /// let mut shell = Command::new("sh");
    /// shell.args(["-c", "echo ${NAME-none}"]).env("NAME", "value").env_remove("NAME");
    /// assert_eq!(shell.output().wait()?.stdout, b"none\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.command.env_remove(name);
        self
    }

    /// Takes all variables out of the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::Command;
    ///
    /// let output = Command::new("/usr/bin/env").env_clear().output().wait()?;
    /// assert!(output.stdout.is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn env_clear(&mut self) -> &mut Self {
        self.command.env_clear();
        self
    }

    /// Sets the directory in which the process begins.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::Command;
    ///
    /// let output = Command::new("pwd").current_dir("/").output().wait()?;
    /// assert_eq!(output.stdout, b"/\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.command.current_dir(directory);
        self
    }

    /// Sets its standard input, which is empty otherwise, unless the process shares the process
    /// group of this program.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::Command;
    /// use std::fs::File;
    ///
    /// let mut cat = Command::new("cat");
    /// let output = cat.stdin(File::open("/dev/null")?).output().wait()?;
    /// assert!(output.stdout.is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stdin(&mut self, input: impl Into<Stdio>) -> &mut Self {
        self.command.stdin(input);
        self.has.stdin = true;
        self
    }

    /// Sets its standard output, which is that of this program otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::{Command, Stdio};
    ///
    /// assert!(Command::new("ls").stdout(Stdio::null()).status().wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stdout(&mut self, output: impl Into<Stdio>) -> &mut Self {
        self.command.stdout(output);
        self.has.stdout = true;
        self
    }

    /// Sets its standard error, which is that of this program otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::{Command, Stdio};
    ///
    /// let mut ls = Command::new("ls");
    /// ls.arg("/no/file").stderr(Stdio::null());
    /// assert!(!ls.status().wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stderr(&mut self, output: impl Into<Stdio>) -> &mut Self {
        self.command.stderr(output);
        self.has.stderr = true;
        self
    }

    /// Sets the signal that asks the process to end: `SIGTERM` if it is not set.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::{Command, Signal};
    ///
    /// let mut server = Command::new("postgres");
    /// server.stop_signal(Signal::INT); // a fast end
    /// ```
    pub fn stop_signal(&mut self, signal: Signal) -> &mut Self {
        self.ending.signal = signal;
        self
    }

    /// Sets the time that the process has to end after it was asked to, before it is killed: 5 s if
    /// it is not set. Zero kills it at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::Command;
    /// use std::time::Duration;
    ///
    /// let mut server = Command::new("postgres");
    /// server.grace(Duration::from_secs(30));
    /// ```
    pub fn grace(&mut self, grace: Duration) -> &mut Self {
        self.ending.grace = grace;
        self
    }

    /// Whether the process is ended when its [`Child`] is dropped, as by a cut, or when its group
    /// ends: it is, if this is not turned off.
    ///
    /// Without that it is let go then, as by [`Child::detach`]: it outlives its group, which does
    /// not wait for it, and may outlive this program.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::Command;
    /// use spinney::{Wait, group};
    ///
    /// group(async |g| {
    ///     let mut command = Command::new("sh");
    ///     command.args(["-c", "exit"]).kill_on_cut(false);
    ///     drop(command.spawn(g)?); // it goes on
    ///     Ok::<_, std::io::Error>(())
    /// })
    /// .wait()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kill_on_cut(&mut self, kill: bool) -> &mut Self {
        self.ending.kill_on_cut = kill;
        self
    }

    /// Leaves the process in the process group of this program: for programs that talk with a
    /// person at a terminal.
    ///
    /// Then Ctrl-C reaches both, standard input is that of this program, and signals go to the
    /// process alone, not to those that it has started: they may outlive it.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::Command;
    ///
    /// let mut editor = Command::new("vi");
    /// editor.arg("notes").share_process_group();
    /// ```
    pub fn share_process_group(&mut self) -> &mut Self {
        self.ending.leads = false;
        self
    }

    /// The command of the standard library that this one is.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::Command;
    ///
    /// assert_eq!(Command::new("ls").as_std().get_program(), "ls");
    /// ```
    #[must_use]
    pub fn as_std(&self) -> &std::process::Command {
        &self.command
    }

    /// The command of the standard library that this one is, for what is not repeated here. Its
    /// process group is set when it is started, and its standard input, unless
    /// [`stdin`](Command::stdin) was called.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::Command;
    /// use std::os::unix::process::CommandExt;
    ///
    /// let mut shell = Command::new("sh");
    /// shell.as_std_mut().arg0("name");
    /// let output = shell.args(["-c", "echo $0"]).output().wait()?;
    /// assert_eq!(output.stdout, b"name\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.command
    }

    /// Starts the process in a group, which ends after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::process::Command;
    /// use spinney::{Wait, group};
    ///
    /// let status = group(async |g| {
    ///     let mut shell = Command::new("sh").args(["-c", "exit 3"]).spawn(g)?;
    ///     shell.wait().await
    /// })
    /// .wait()?;
    /// assert_eq!(status.code(), Some(3));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system: there is no such program, it may not be run, there is no descriptor or
    /// no process left. The text names the program, and the directory in which it was to begin; the
    /// error's source is that of the system.
    ///
    /// In a group that is being cancelled none is started.
    ///
    /// # Blocking
    ///
    /// For as long as the system needs to start it, which is a millisecond or so.
    #[track_caller]
    pub fn spawn<E: Send + 'static>(&mut self, group: Group<'_, '_, E>) -> io::Result<Child> {
        let location = Location::caller();
        if group.node().is_cancelled() {
            return Err(self.failed(io::Error::other("the group is being cancelled")));
        }
        self.prepare();
        let mut child = self.command.spawn().map_err(|error| self.failed(error))?;
        let watch = pid(&child).and_then(Watch::new);
        let watch = watch.map_err(|error| {
            // It has hardly begun. It cannot be seen to its end, so that is now.
            let _ = child.kill();
            let _ = child.wait();
            self.failed(error)
        })?;
        let running = Arc::new(Running::new(watch, self.ending));
        let name = format!("process {} ({})", child.id(), self.program());
        let handle = Child::new(&mut child, Arc::clone(&running));
        keep_in(group, &running, name, location);
        Ok(handle)
    }

    /// Runs the process to its end.
    ///
    /// It belongs to a group of its own, around it alone.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::Command;
    ///
    /// assert!(Command::new("true").status().wait()?.success());
    /// assert!(!Command::new("false").status().wait()?.success());
    /// let missing = Command::new("no-such-program").status().wait().unwrap_err();
    /// assert!(missing.to_string().contains("no-such-program"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`spawn`](Command::spawn) and [`Child::wait`].
    ///
    /// # Cancellation
    ///
    /// The process is asked to end; whatever encloses the future joins it.
    pub async fn status(&mut self) -> io::Result<ExitStatus> {
        group(async |g| self.spawn(g)?.wait().await).await
    }

    /// Runs the process to its end, and collects what it writes to its standard output and error,
    /// unless they were set otherwise.
    ///
    /// It belongs to a group of its own, around it alone.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::Wait;
    /// use spinney::process::Command;
    ///
    /// let mut shell = Command::new("sh");
    /// shell.args(["-c", "echo out; echo err >&2"]);
    /// let output = shell.output().wait()?;
    /// assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`spawn`](Command::spawn) and [`Child::output`].
    ///
    /// # Cancellation
    ///
    /// The process is asked to end; whatever encloses the future joins it.
    pub async fn output(&mut self) -> io::Result<Output> {
        if !self.has.stdout {
            self.command.stdout(Stdio::piped());
        }
        if !self.has.stderr {
            self.command.stderr(Stdio::piped());
        }
        group(async |g| self.spawn(g)?.output().await).await
    }

    /// What holds for every process that this starts.
    fn prepare(&mut self) {
        if self.ending.leads {
            self.command.process_group(0);
            if !self.has.stdin {
                self.command.stdin(Stdio::null());
            }
        }
    }

    fn program(&self) -> String {
        self.command.get_program().to_string_lossy().into_owned()
    }

    fn failed(&self, error: io::Error) -> io::Error {
        let program = self.command.get_program();
        match self.command.get_current_dir() {
            Some(dir) => failed(error, format_args!("cannot start {program:?} in {dir:?}")),
            None => failed(error, format_args!("cannot start {program:?}")),
        }
    }
}

/// The number of a child that was just started.
fn pid(child: &std::process::Child) -> io::Result<Pid> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::other("a process without a number"))
}

impl From<std::process::Command> for Command {
    /// Takes a command of the standard library over, with its three streams as they are.
    fn from(command: std::process::Command) -> Self {
        Self {
            command,
            has: Streams {
                stdin: true,
                stdout: true,
                stderr: true,
            },
            ..Self::new("")
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.command.fmt(f)
    }
}
