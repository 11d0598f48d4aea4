//! The same programs on spinney and on its peers: tokio, async-executor with async-io (`smol`), forte, rayon, chili, and a
//! bare epoll loop.
//!
//! ```sh
//! cargo versus run --out docs/performance/system.jsonl --replace   # everything, under the system's allocator
//! cargo versus-mimalloc run --out docs/performance/mimalloc.jsonl --replace
//! cargo versus run --quick                # in three minutes
//! cargo versus run --only wake --sides spinney,tokio --rounds 9
//! cargo versus counts                     # adds instructions to the first file, which need no quiet machine
//! cargo versus table                      # the targets, and whether they are met
//! cargo versus table --write docs/performance.md
//! cargo versus table --all --write docs/performance/figures.md
//! cargo versus plot                       # pictures into docs/performance
//! ```
//!
//! # How to read it
//!
//! Each program on each side is a process of its own in each round, and in a round all sides run one after the other. A
//! ratio is ours / theirs of one round, where both met the same noise, and the median is taken over the rounds: a ratio of
//! two medians would compare quiet moments of one side with busy ones of the other. CPU time is that of all threads of the
//! process: it says what an operation costs also where a second worker makes it no faster, and changes little when others
//! use the machine. Allocators change the ratios by a factor of two, so both are measured.

mod busy;
mod counts;
mod line;
mod measure;
mod plot;
mod process;
mod results;
mod rounds;
mod sides;
mod table;
mod targets;
mod web;
mod workloads;

use clap::{Parser, Subcommand};
use measure::Length;
use rounds::Run;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The results that are published, one file for each allocator.
const FILES: [&str; 2] = [
    "docs/performance/system.jsonl",
    "docs/performance/mimalloc.jsonl",
];

/// spinney beside its peers.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the programs, each on each side, each in a process of its own.
    Run(Run),
    /// Adds the instructions of a few operations, counted by valgrind.
    Counts(counts::Counts),
    /// The targets, whether they are met, and all figures, as Markdown.
    Table(table::Tables),
    /// Pictures of the targets.
    Plot(plot::Pictures),
    /// Says what each program does, and its sides.
    List,
    /// Runs one program on one side in this process and prints its figures: also for profilers.
    One {
        workload: String,
        side: String,
        #[arg(long)]
        quick: bool,
    },
    /// Drives a server.
    #[command(hide = true)]
    Load {
        address: SocketAddr,
        kind: web::Kind,
        seconds: f64,
    },
    /// Sends back what comes until its input ends.
    #[command(hide = true)]
    Echo,
    /// Keeps idle connections to a server until its input ends.
    #[command(hide = true)]
    Hold {
        address: SocketAddr,
        connections: u32,
    },
    /// Reads what a server says of itself, once a second, until its input ends.
    #[command(hide = true)]
    Watch { address: SocketAddr },
    /// Spins until its input ends.
    #[command(hide = true)]
    Busy,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(run) => run.run().map(drop),
        Command::Counts(counts) => counts.run(),
        Command::Table(tables) => tables.run(),
        Command::Plot(pictures) => pictures.run(),
        Command::List => list(),
        Command::One {
            workload,
            side,
            quick,
        } => one(&workload, &side, Length { quick }),
        Command::Load {
            address,
            kind,
            seconds,
        } => web::load::report(address, kind, seconds),
        Command::Echo => web::proxy::echo(),
        Command::Hold {
            address,
            connections,
        } => web::parties::hold(address, connections),
        Command::Watch { address } => web::parties::watch(address),
        Command::Busy => busy::spin(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads any more: that is no failure of the measurement.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "versus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for workload in workloads::all() {
        let sides: Vec<_> = workload.sides.iter().map(|side| side.name).collect();
        let (name, about) = (workload.name, workload.about);
        writeln!(out, "{name:<22} {about} ({})", sides.join(", "))?;
    }
    Ok(())
}

fn one(workload: &str, side: &str, length: Length) -> io::Result<()> {
    let found = workloads::find(workload).and_then(|workload| workload.side(side));
    let side = found.ok_or_else(|| io::Error::other("no such program, or no such side"))?;
    let figures = side.run(length);
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &figures)?;
    writeln!(out)?;
    out.flush()?;
    // The threads of the runtimes, and what waits on them for ever, end with the process.
    std::process::exit(0);
}
