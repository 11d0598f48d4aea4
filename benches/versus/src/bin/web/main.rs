//! A plaintext web server on hyper: the same service on spinney and on tokio, and a bare epoll loop
//! as a floor.
//!
//! ```sh
//! cargo run --release -p versus --bin web                    # five pairs of three seconds
//! cargo run --release -p versus --bin web -- --pairs 3 --seconds 1 --json
//! cargo run --release -p versus --bin web -- --save docs/speed.tsv
//! ```
//!
//! # How to read it
//!
//! Every server is a process of its own with two workers, and so is its load: one thread that keeps
//! 64 connections alive and sends the next request on each when the answer has come. A round runs
//! all servers one after the other, and each round begins with another one. `us/request` is CPU
//! time of the server process for each request, which says more than requests per second: client
//! and server share the machine. `x cpu` and `x rate` compare with spinney within a round: above 1
//! spinney is better; the last lines are medians over the rounds.

mod epoll;
mod load;
mod on_spinney;
mod on_tokio;
mod server;

use clap::{Parser, ValueEnum};
use figures::{Figure, Figures, Scale, Spread, Stamp};
use load::Loaded;
use serde::Serialize;
use server::Child;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// hyper on spinney and on tokio, under the same load.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// How long each server is measured in a round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Connections that are kept alive.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Puts the figures into this file, in the place of those that it has of the same connections.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Serves, until its standard input ends.
    #[arg(long, hide = true)]
    serve: Option<Side>,
    /// Drives a server and reports.
    #[arg(long, hide = true)]
    load: Option<SocketAddr>,
}

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
enum Side {
    Spinney,
    Tokio,
    Epoll,
}

impl Side {
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

const SIDES: [Side; 3] = [Side::Spinney, Side::Tokio, Side::Epoll];

/// One server in one round.
#[derive(Clone, Copy, Debug, Serialize)]
struct Measured {
    side: Side,
    rate: f64,
    p50_us: f64,
    p99_us: f64,
    cpu_us: f64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match (arguments.serve, arguments.load) {
        (Some(side), _) => server::serve(side),
        (None, Some(address)) => load::report(address, arguments.connections, arguments.seconds),
        (None, None) => compare(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "web: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &Arguments) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let stamp = Stamp::now();
    let mut rounds = Vec::new();
    if !arguments.json {
        writeln!(
            out,
            "{:<5} {:<8} {:>12} {:>8} {:>8} {:>11} {:>7} {:>7}",
            "round", "", "requests/s", "p50 us", "p99 us", "us/request", "x rate", "x cpu"
        )?;
    }
    for round in 0..arguments.pairs.max(1) {
        let mut measured = Vec::new();
        for turn in 0..SIDES.len() {
            measured.push(measure(SIDES[(round + turn) % SIDES.len()], arguments)?);
        }
        measured.sort_by_key(|one| SIDES.iter().position(|side| *side == one.side));
        if !arguments.json {
            for one in &measured {
                let (rate, cpu) = ratios(&measured[0], one);
                print(&mut out, &(round + 1).to_string(), one, rate, cpu)?;
            }
        }
        rounds.push(measured);
    }
    if let Some(path) = &arguments.save {
        let allocator = if cfg!(feature = "mimalloc") {
            "mimalloc"
        } else {
            "system"
        };
        let figures = saved(&rounds, arguments.connections, &stamp);
        Figures::save(path, allocator, figures)?;
    }
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &rounds)?;
        return writeln!(out);
    }
    for at in 0..SIDES.len() {
        let column =
            |value: &dyn Fn(&[Measured]) -> f64| median(rounds.iter().map(|round| value(round)));
        let one = Measured {
            side: SIDES[at],
            rate: column(&|round| round[at].rate),
            p50_us: column(&|round| round[at].p50_us),
            p99_us: column(&|round| round[at].p99_us),
            cpu_us: column(&|round| round[at].cpu_us),
        };
        let rate = column(&|round| ratios(&round[0], &round[at]).0);
        let cpu = column(&|round| ratios(&round[0], &round[at]).1);
        print(&mut out, "all", &one, rate, cpu)?;
    }
    Ok(())
}

/// Two cases: what a request takes, where the wall time is that between two answers, and how long
/// its client waits.
fn saved(rounds: &[Vec<Measured>], connections: usize, stamp: &Stamp) -> Vec<Figure> {
    let cost = (
        format!("web_{connections}"),
        format!("a request to hyper, {connections} connections that never pause"),
    );
    let delay = (
        format!("web_{connections}_delay"),
        "how long its client waits for the answer".to_owned(),
    );
    type Value = fn(&Measured) -> f64;
    let costs: [(Scale, Value); 2] = [
        (Scale::Wall, |one| 1e9 / one.rate),
        (Scale::Cpu, |one| one.cpu_us * 1e3),
    ];
    let delays: [(Scale, Value); 2] = [
        (Scale::P50, |one| one.p50_us * 1e3),
        (Scale::P99, |one| one.p99_us * 1e3),
    ];
    let mut figures = Vec::new();
    for ((case, about), pair) in [(&cost, costs), (&delay, delays)] {
        for (at, peer) in SIDES.iter().enumerate().skip(1) {
            for (scale, value) in pair {
                let side = |at: usize| rounds.iter().map(move |round| value(&round[at]));
                let ratios = side(0).zip(side(at)).map(|(ours, theirs)| theirs / ours);
                figures.push(Figure {
                    stamp: stamp.clone(),
                    rounds: rounds.len(),
                    case: case.clone(),
                    about: about.clone(),
                    peer: peer.name(),
                    scale,
                    ours: median(side(0)),
                    theirs: median(side(at)),
                    ratio: Spread::of(ratios),
                });
            }
        }
    }
    figures
}

/// How much better spinney was: by rate, by CPU time.
fn ratios(spinney: &Measured, other: &Measured) -> (f64, f64) {
    (spinney.rate / other.rate, other.cpu_us / spinney.cpu_us)
}

fn print(out: &mut impl Write, round: &str, one: &Measured, rate: f64, cpu: f64) -> io::Result<()> {
    let side = one.side.name();
    writeln!(
        out,
        "{round:<5} {side:<8} {:>12.0} {:>8.0} {:>8.0} {:>11.2} {rate:>7.2} {cpu:>7.2}",
        one.rate, one.p50_us, one.p99_us, one.cpu_us
    )?;
    out.flush()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    Spread::of(values).median
}

/// A warm-up of a fifth of the time, then the measurement.
fn measure(side: Side, arguments: &Arguments) -> io::Result<Measured> {
    let mut server = Child::start(side)?;
    let load = |seconds| Loaded::run(server.address, arguments.connections, seconds);
    load(arguments.seconds / 5.0)?;
    let before = server.cpu()?;
    let loaded = Loaded::run(server.address, arguments.connections, arguments.seconds)?;
    let cpu = server.cpu()? - before;
    Ok(Measured {
        side,
        rate: loaded.requests as f64 / loaded.seconds,
        p50_us: loaded.p50_us,
        p99_us: loaded.p99_us,
        cpu_us: cpu / 1e3 / loaded.requests as f64,
    })
}
