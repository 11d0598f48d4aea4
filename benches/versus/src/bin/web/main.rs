//! A plaintext web server on hyper: the same service on spinney and on tokio, and a bare epoll loop as a floor.
//!
//! ```sh
//! cargo run --release -p versus --bin web                    # five pairs of three seconds
//! cargo run --release -p versus --bin web -- --pairs 3 --seconds 1 --json
//! ```
//!
//! # How to read it
//!
//! Every server is a process of its own with two workers, and so is its load: one thread that keeps 64 connections
//! alive and sends the next request on each when the answer has come. A round runs all servers one after the other,
//! and each round begins with another one. `us/request` is CPU time of the server process for each request, which says
//! more than requests per second: client and server share the machine. `x cpu` and `x rate` compare with spinney within
//! a round: above 1 spinney is better; the last lines are medians over the rounds.

mod epoll;
mod load;
mod on_spinney;
mod on_tokio;
mod server;

use clap::{Parser, ValueEnum};
use load::Loaded;
use serde::Serialize;
use server::Child;
use std::io::{self, Write};
use std::net::SocketAddr;
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

/// How much better spinney was: by rate, by CPU time.
fn ratios(spinney: &Measured, other: &Measured) -> (f64, f64) {
    (spinney.rate / other.rate, other.cpu_us / spinney.cpu_us)
}

fn print(out: &mut impl Write, round: &str, one: &Measured, rate: f64, cpu: f64) -> io::Result<()> {
    let side = format!("{:?}", one.side).to_lowercase();
    writeln!(
        out,
        "{round:<5} {side:<8} {:>12.0} {:>8.0} {:>8.0} {:>11.2} {rate:>7.2} {cpu:>7.2}",
        one.rate, one.p50_us, one.p99_us, one.cpu_us
    )?;
    out.flush()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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
