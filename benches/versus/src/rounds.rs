//! Rounds: each program on each side, one after the other, each in a process of its own; each round begins with another
//! side.

use crate::line::{Line, rounded};
use crate::measure::Figures;
use crate::workloads::{self, Side, Workload};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// A process that takes longer is ended, and its side has no figures in this round.
const LIMIT: Duration = Duration::from_secs(60);

/// What a run does.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Rounds: each is one process for each program and side.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The programs that say most, for a shorter time, in two rounds: three minutes.
    #[arg(long)]
    quick: bool,
    /// Programs whose names contain one of these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Sides whose names contain one of these.
    #[arg(long, value_delimiter = ',')]
    sides: Vec<String>,
    /// A line of JSON for each process is added to this file.
    #[arg(long)]
    out: Option<PathBuf>,
    /// A file that exists is replaced.
    #[arg(long, requires = "out")]
    replace: bool,
}

const ALLOCATOR: &str = if cfg!(feature = "mimalloc") {
    "mimalloc"
} else {
    "system"
};

impl Run {
    pub(crate) fn run(&self) -> io::Result<Vec<Line>> {
        if let (Some(out), true) = (&self.out, self.replace) {
            fs::write(out, "")?;
        }
        let commit = commit();
        let rounds = if self.quick { 2 } else { self.rounds };
        let machine = machine();
        let mut lines = Vec::new();
        let begin = Instant::now();
        for round in 0..rounds {
            for workload in self.workloads(round) {
                let sides: Vec<_> = workload
                    .sides
                    .iter()
                    .filter(|side| contains(&self.sides, side.name))
                    .collect();
                for turn in 0..sides.len() {
                    let side = sides[(round + turn) % sides.len()];
                    let (figures, failed) = match self.process(workload, side) {
                        Ok(figures) => (figures, None),
                        Err(error) => (Figures::new(), Some(error.to_string())),
                    };
                    let line = Line {
                        workload: workload.name.to_owned(),
                        side: side.name.to_owned(),
                        round,
                        figures,
                        date: now(),
                        commit: commit.clone(),
                        allocator: ALLOCATOR.to_owned(),
                        machine: machine.clone(),
                        quick: self.quick,
                        failed,
                    };
                    if let Some(out) = &self.out {
                        line.append(out)?;
                    }
                    progress(begin.elapsed(), round, rounds, &line)?;
                    lines.push(line);
                }
            }
        }
        Ok(lines)
    }

    fn workloads(&self, round: usize) -> impl Iterator<Item = &'static Workload> {
        workloads::all().filter(move |workload| {
            contains(&self.only, workload.name)
                && (workload.quick || !self.quick)
                && (round == 0 || !workload.once)
        })
    }

    /// Runs one program on one side in a process.
    fn process(&self, workload: &Workload, side: &Side) -> io::Result<Figures> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["one", workload.name, side.name]);
        if self.quick {
            command.arg("--quick");
        }
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if begin.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                let seconds = LIMIT.as_secs();
                return Err(io::Error::other(format!("not over after {seconds} s")));
            }
            thread::sleep(Duration::from_millis(5));
        };
        let (mut text, mut error) = (String::new(), String::new());
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut text)?;
        }
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_string(&mut error)?;
        }
        if !status.success() {
            let first = error.trim().lines().last().unwrap_or("no message");
            return Err(io::Error::other(format!("{status}: {first}")));
        }
        let figures: Figures = serde_json::from_str(&text)?;
        let figures = figures.into_iter();
        Ok(figures
            .map(|(name, value)| (name, rounded(value)))
            .collect())
    }
}

fn contains(parts: &[String], name: &str) -> bool {
    parts.is_empty() || parts.iter().any(|part| name.contains(part.as_str()))
}

fn progress(time: Duration, round: usize, rounds: usize, line: &Line) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let seconds = time.as_secs();
    write!(
        out,
        "{seconds:>4} s  round {}/{rounds}  {:<22} {:<14}",
        round + 1,
        line.workload,
        line.side
    )?;
    for (name, value) in &line.figures {
        write!(out, " {name} {value}")?;
    }
    if let Some(failed) = &line.failed {
        write!(out, " failed: {failed}")?;
    }
    writeln!(out)?;
    out.flush()
}

/// What results have to have in common.
pub(crate) fn machine() -> String {
    let processors = thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel
        .trim()
        .split('-')
        .next()
        .unwrap_or("unknown")
        .to_owned();
    // Run by cargo, that is the compiler that has built this.
    let compiler = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let compiler = said(&compiler, &["--version"]);
    let compiler = compiler.split(' ').nth(1).unwrap_or("unknown");
    let model = model.unwrap_or("unknown");
    format!("{processors} processors ({model}), Linux {kernel}, Rust {compiler}")
}

/// What was built.
pub(crate) fn commit() -> String {
    said("git", &["describe", "--always", "--dirty"])
}

/// The time, in UTC.
pub(crate) fn now() -> String {
    said("date", &["-u", "+%FT%TZ"])
}

/// What a program says, or `unknown`.
fn said(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}
