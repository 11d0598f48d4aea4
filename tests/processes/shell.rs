//! Shells as the processes of tests. One with a trap loops over short commands, as it looks at its
//! signals between two of them. Each says a line when it is ready, and whatever lives of it
//! holds its output open, which the test reads to the end: then all of it is dead.

use futures_lite::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, test_kill_process, waitid};
use spinney::Group;
use spinney::process::{Child, ChildStdout, Command, Stdio};

/// Says that it is ready, and sleeps for longer than any test.
pub(crate) const SLEEPS: &str = "echo ready; exec sleep 1000";

/// The same, and does not heed a request to end.
pub(crate) const IGNORES: &str = "trap '' TERM; echo ready; exec sleep 1000";

/// A command that runs a script, with its output piped. What a shell has to say of killed jobs is
/// not heard.
pub(crate) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// What a shell says.
pub(crate) struct Said(BufReader<ChildStdout>);

impl Said {
    pub(crate) fn of(child: &mut Child) -> Self {
        Self(BufReader::new(child.stdout.take().unwrap()))
    }

    /// The next line.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    /// All that is left: every process that has it is dead then.
    pub(crate) async fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).await.unwrap();
        rest
    }
}

/// A shell that runs this script, and has said that it is ready.
pub(crate) async fn started<E: Send + 'static>(
    g: Group<'_, '_, E>,
    command: &mut Command,
) -> (Child, Said) {
    let mut child = command.spawn(g).unwrap();
    let mut said = Said::of(&mut child);
    assert_eq!(said.line().await, "ready");
    (child, said)
}

/// The number of a process for the system.
pub(crate) fn pid(id: u32) -> Pid {
    Pid::from_raw(id.try_into().unwrap()).unwrap()
}

/// Whether a child of this process has been reaped.
pub(crate) fn is_reaped(id: u32) -> bool {
    test_kill_process(pid(id)) == Err(Errno::SRCH)
}

/// Whether this process has no child, not even a dead one.
pub(crate) fn has_no_children() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::All, options), Err(Errno::CHILD))
}
