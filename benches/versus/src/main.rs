//! The same programs on spinney, on tokio, on async-executor and on rayon, in one process.
//!
//! ```sh
//! cargo run --release -p versus                              # everything, under the system's allocator
//! cargo run --release -p versus --features mimalloc          # the same under mimalloc
//! cargo run --release -p versus -- --only skynet --rounds 21
//! cargo run --release -p versus -- --json
//! cargo run --release -p versus -- --save docs/speed.tsv     # for `--bin plot`
//! ```
//!
//! # How to read it
//!
//! Every side has two workers and runs each program once in every round, the rounds start with
//! another side each, and the first round only warms up. `wall` and `cpu` are medians in
//! nanoseconds for one operation; CPU time is that of all threads of the process. `x wall` and `x
//! cpu` say how many times as much as spinney a side took: the median of the ratios of the rounds,
//! so above 1 spinney is faster. Delays have `p50` and `p99` of a run instead. `must` is the target
//! of the project, `ok` or `MISS`; it is held against wall time where the question is a delay, else
//! against CPU time, which is robust on a busy machine.
//!
//! Allocators change the ratios by a factor of two, so both are to be published. Memory is measured
//! in a process for each side. Numbers of different machines, and of different days, do not
//! compare; ratios do.

mod measure;
mod memory;
mod peers;
mod table;
mod workloads;

use clap::Parser;
use figures::{Figures, Scale, Stamp};
use memory::Probe;
use peers::Peers;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// spinney and its peers, interleaved.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds that count; one more warms up.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Workloads whose names contain one of these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// spinney only: for profilers.
    #[arg(long)]
    alone: bool,
    /// JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Puts the figures into this file, in the place of those that it has of the same cases.
    #[arg(long, conflicts_with = "alone")]
    save: Option<PathBuf>,
    /// Answers one question about memory, and nothing else.
    #[arg(long, num_args = 2, hide = true)]
    probe: Vec<String>,
}

/// All that was measured.
#[derive(Debug, Serialize)]
struct Report {
    allocator: &'static str,
    rounds: usize,
    workloads: Vec<table::Measured>,
    memory: Vec<memory::Answer>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads any more: that is no failure of the measurement.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "versus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if let [name, peer] = &arguments.probe[..] {
        let bytes = Probe::answer(name, peer).ok_or(io::ErrorKind::InvalidInput)?;
        writeln!(out, "{bytes}")?;
        out.flush()?;
        // The idle children of the probe never end.
        std::process::exit(0);
    }
    let wanted = |name: &str| {
        arguments.only.is_empty() || arguments.only.iter().any(|part| name.contains(part))
    };
    let mut report = Report {
        allocator: if cfg!(feature = "mimalloc") {
            "mimalloc"
        } else {
            "system"
        },
        rounds: arguments.rounds.max(1),
        workloads: Vec::new(),
        memory: Vec::new(),
    };
    if !arguments.json {
        writeln!(
            out,
            "allocator: {}, {} rounds",
            report.allocator, report.rounds
        )?;
    }
    let stamp = Stamp::now();
    let peers = Peers::start();
    let costs = workloads::COSTS.iter();
    let costs = costs.map(|workload| (workload, [Scale::Wall, Scale::Cpu]));
    let delays = workloads::DELAYS.iter();
    let delays = delays.map(|workload| (workload, [Scale::P50, Scale::P99]));
    for (workload, scales) in costs
        .chain(delays)
        .filter(|(workload, _)| wanted(workload.name))
    {
        let sides = if arguments.alone {
            &workload.runs[..1]
        } else {
            workload.runs
        };
        let measured = table::Measured {
            workload: workload.name,
            about: workload.about,
            scales,
            rows: measure::rounds(workload, scales, sides, &peers, report.rounds),
        };
        if !arguments.json {
            measured.print(&mut out)?;
        }
        report.workloads.push(measured);
    }
    let probes = memory::ALL.iter().filter(|_| !arguments.alone);
    for probe in probes.filter(|probe| wanted(probe.name)) {
        report.memory.push(probe.ask());
    }
    if let Some(path) = &arguments.save {
        let workloads = report.workloads.iter();
        let mut new: Vec<_> = workloads
            .flat_map(|measured| measured.figures(&stamp, report.rounds))
            .collect();
        new.extend(table::memory_figures(&report.memory, &stamp));
        Figures::save(path, report.allocator, new)?;
    }
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)
    } else {
        table::print_memory(&report.memory, &mut out)
    }
}
