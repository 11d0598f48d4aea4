//! A server process: says where it listens, and, for each line of its input, how much CPU time it
//! has used.

use crate::{Side, epoll, on_spinney, on_tokio};
use rustix::time::{ClockId, clock_gettime};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::{env, process, thread};

/// What every request is answered with.
pub(crate) const BODY: &str = "Hello, World!";

/// Serves until the standard input ends.
pub(crate) fn serve(side: Side) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", listener.local_addr()?)?;
    thread::spawn(move || match side {
        Side::Spinney => on_spinney::serve(listener),
        Side::Tokio => on_tokio::serve(listener),
        Side::Epoll => epoll::serve(listener),
    });
    for _ in io::stdin().lock().lines() {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        writeln!(out, "{}", used.tv_sec * 1_000_000_000 + used.tv_nsec)?;
    }
    process::exit(0);
}

/// The process as its parent sees it.
pub(crate) struct Child {
    pub(crate) address: SocketAddr,
    process: process::Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Child {
    pub(crate) fn start(side: Side) -> io::Result<Self> {
        let mut process = Command::new(env::current_exe()?)
            .args(["--serve", &side.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ask = process.stdin.take();
        let answers = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut answers = BufReader::new(answers);
        Ok(Self {
            address: line(&mut answers)?,
            process,
            ask,
            answers,
        })
    }

    /// The CPU time that it has used, in nanoseconds.
    pub(crate) fn cpu(&mut self) -> io::Result<f64> {
        let ask = self.ask.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(ask)?;
        line(&mut self.answers)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.ask = None;
        let _ = self.process.wait();
    }
}

fn line<T: std::str::FromStr>(answers: &mut impl BufRead) -> io::Result<T> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    let value = line.trim().parse();
    value.map_err(|_| io::Error::other("the server said something else"))
}
