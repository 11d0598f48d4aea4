//! Another program whose two threads spin, for what is measured beside it.

use std::hint::spin_loop;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::{env, process, thread};

/// As many as each side has workers.
const THREADS: usize = 2;

/// The process; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Busy(Child);

impl Busy {
    /// Starts it, and returns when its threads spin.
    pub(crate) fn start() -> Self {
        let mut command = Command::new(env::current_exe().expect("this program"));
        let command = command.arg("busy");
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program runs again");
        let mut started = child.stdout.take().expect("piped");
        started.read_exact(&mut [0]).expect("it has started");
        Self(child)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The whole of that program.
pub(crate) fn spin() -> io::Result<()> {
    for _ in 0..THREADS {
        thread::spawn(|| {
            loop {
                spin_loop();
            }
        });
    }
    io::Write::write_all(&mut io::stdout(), b"\n")?;
    io::Write::flush(&mut io::stdout())?;
    io::stdin().read_to_end(&mut Vec::new())?;
    process::exit(0);
}
