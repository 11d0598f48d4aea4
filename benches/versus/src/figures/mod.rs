//! Dated figures in a file of tab-separated lines: `versus` and `web` write it, `plot` draws it.
//!
//! The head of the file says on which machine; a line is one figure of one case beside one peer. A
//! case that is measured again replaces its lines, and the others stay with their own dates.

mod spread;

pub use spread::Spread;

use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io, thread};

const COLUMNS: &str =
    "date\tcommit\tload\trounds\tcase\tpeer\tscale\tours\ttheirs\tratio\tlow\thigh\tabout";

/// What is measured: nanoseconds, but for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Scale {
    /// Time on the clock, for each operation.
    Wall,
    /// Time of all processors, for each operation.
    Cpu,
    /// The median of the delays of a run.
    P50,
    /// The delay that one in a hundred exceeds.
    P99,
    /// Memory.
    Bytes,
}

impl Scale {
    const ALL: [Self; 5] = [Self::Wall, Self::Cpu, Self::P50, Self::P99, Self::Bytes];

    /// As tables say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Bytes => "bytes",
        }
    }
}

/// One figure of one case beside one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// When it was measured, and what.
    pub stamp: Stamp,
    /// Rounds that count.
    pub rounds: usize,
    /// The program that both sides ran.
    pub case: String,
    /// What one operation is.
    pub about: String,
    /// The other side.
    pub peer: String,
    /// What `ours` and `theirs` are.
    pub scale: Scale,
    /// spinney's median.
    pub ours: f64,
    /// The peer's median.
    pub theirs: f64,
    /// How many times as much as spinney the peer took, within a round.
    pub ratio: Spread,
}

/// When, what, and in which company.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamp {
    /// The day.
    pub date: String,
    /// The commit that was built.
    pub commit: String,
    /// How many threads wanted a processor before the first round: those of others.
    pub load: f64,
}

impl Stamp {
    /// That of a measurement that begins now.
    #[must_use]
    pub fn now() -> Self {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            date: said("date", &["-u", "+%F"]),
            commit: said("git", &["describe", "--always", "--dirty"]),
            load: load.split(' ').next().map_or(f64::NAN, number),
        }
    }
}

/// The file.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Where they were measured.
    pub machine: String,
    /// All of them, in the order in which they were first measured.
    pub all: Vec<Figure>,
}

impl Figures {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is none of ours.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let mut lines = text.lines();
        let machine = lines.next().and_then(|line| line.strip_prefix("# "));
        let columns = lines.next();
        let figures: Option<Vec<_>> = lines.map(figure).collect();
        match (machine, columns, figures) {
            (Some(machine), Some(COLUMNS), Some(all)) => Ok(Self {
                machine: machine.to_owned(),
                all,
            }),
            _ => Err(io::Error::other("it has no figures, or other columns")),
        }
    }

    /// Puts these figures into the file, in the place of those that it has of the same cases.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written, or its figures are those of another machine: these do
    /// not compare.
    pub fn save(path: &Path, allocator: &str, new: Vec<Figure>) -> io::Result<()> {
        let machine = machine(allocator);
        let mut all = match Self::read(path) {
            Ok(old) if old.machine == machine => old.all,
            Ok(old) => {
                let error = format!(
                    "its figures are of another machine, delete it first\n  {}\n  {machine}",
                    old.machine
                );
                return Err(io::Error::other(error));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let place = |all: &[Figure], case: &str| all.iter().position(|old| old.case == case);
        let mut at = all.len();
        for (index, figure) in new.iter().enumerate() {
            if place(&new[..index], &figure.case).is_none() {
                at = place(&all, &figure.case).unwrap_or(all.len());
                all.retain(|old| old.case != figure.case);
            }
            all.insert(at, figure.clone());
            at += 1;
        }
        let mut text = format!("# {machine}\n{COLUMNS}\n");
        for figure in &all {
            let _ = writeln!(text, "{}", line(figure));
        }
        fs::write(path, text)
    }
}

fn line(figure: &Figure) -> String {
    let Stamp { date, commit, load } = &figure.stamp;
    let Spread { low, median, high } = figure.ratio;
    let (rounds, case, peer, about) = (figure.rounds, &figure.case, &figure.peer, &figure.about);
    let (scale, ours, theirs) = (figure.scale.name(), figure.ours, figure.theirs);
    format!(
        "{date}\t{commit}\t{load:.1}\t{rounds}\t{case}\t{peer}\t{scale}\t{ours:.1}\t{theirs:.1}\t\
         {median:.3}\t{low:.3}\t{high:.3}\t{about}"
    )
}

fn figure(line: &str) -> Option<Figure> {
    let parts: Vec<&str> = line.split('\t').collect();
    let [
        date,
        commit,
        load,
        rounds,
        case,
        peer,
        scale,
        ours,
        theirs,
        median,
        low,
        high,
        about,
    ] = parts[..]
    else {
        return None;
    };
    Some(Figure {
        stamp: Stamp {
            date: date.to_owned(),
            commit: commit.to_owned(),
            load: number(load),
        },
        rounds: rounds.parse().ok()?,
        case: case.to_owned(),
        about: about.to_owned(),
        peer: peer.to_owned(),
        scale: Scale::ALL.into_iter().find(|one| one.name() == scale)?,
        ours: number(ours),
        theirs: number(theirs),
        ratio: Spread {
            low: number(low),
            median: number(median),
            high: number(high),
        },
    })
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

/// What figures have to have in common: processors, kernel, compiler, allocator.
fn machine(allocator: &str) -> String {
    let processors = thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // Run by cargo, that is the compiler that has built this.
    let compiler = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let compiler = said(&compiler, &["--version"]);
    let compiler = compiler.split(' ').nth(1).unwrap_or("unknown");
    format!(
        "{processors} processors ({}), Linux {}, Rust {compiler}, {allocator} allocator",
        model.unwrap_or("unknown"),
        kernel.trim()
    )
}

/// What a program says, or `unknown`.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}
