//! How the scheduler would do on more processors than there are at hand: a simulation of how work
//! is announced, found and counted, for 4 to 128 workers, beside tokio's way.
//!
//! It knows queues, wake-ups, searches, and cache lines that go from processor to processor one
//! transfer at a time. It does not know memory bandwidth, sockets, a kernel that gives processors
//! to others, nor what tasks do to each other's caches. `docs/scaling.md` has its tables and says
//! what follows from them: `cargo run --release -p scaling`, or with a seed after `--`.

mod costs;
mod figures;
mod lines;
mod load;
mod policy;
mod rng;
mod search;
#[cfg(test)]
mod tests;
mod worker;
mod world;

use costs::Costs;
use figures::Figures;
use load::Load;
use policy::{Changes, Policy, Wake};
use std::io::{self, Write};
use world::World;

/// The programs, with names that say what they are.
fn loads(workers: usize) -> Vec<(&'static str, Load)> {
    let arrivals = |percent| Load::Arrivals {
        percent,
        jobs: 4_000 * workers.max(16) as u32,
        mean: 10_000,
    };
    vec![
        (
            "one task spawns 40,000 of 1 us",
            Load::FanOut {
                children: 40_000,
                work: 1_000,
            },
        ),
        (
            "one task spawns 40,000 of 10 us",
            Load::FanOut {
                children: 40_000,
                work: 10_000,
            },
        ),
        (
            "a tree of 111,111 tasks, leaves of 1 us",
            Load::Tree {
                depth: 5,
                work: 1_000,
            },
        ),
        (
            "one pair plays ping-pong",
            Load::PingPong {
                pairs: 1,
                turns: 10_000,
            },
        ),
        (
            "as many pairs as workers play ping-pong",
            Load::PingPong {
                pairs: workers,
                turns: 500,
            },
        ),
        ("jobs of 10 us from outside, at 30 %", arrivals(30)),
        ("jobs of 10 us from outside, at 60 %", arrivals(60)),
        ("jobs of 10 us from outside, at 90 %", arrivals(90)),
    ]
}

/// The figures of one number of workers, side by side.
fn cells(runs: &[Figures], show: impl Fn(&Figures) -> String) -> String {
    let shown: Vec<_> = runs.iter().map(show).collect();
    shown.join(" / ")
}

fn runs(at: usize, workers: usize, policies: &[Policy], seed: u64) -> Vec<Figures> {
    let load = loads(workers)[at].1;
    let run = |&policy| World::new(policy, Costs::MEASURED, workers, load, seed).run();
    policies.iter().map(run).collect()
}

fn hottest(run: &Figures) -> String {
    let name = run.hottest.map_or("-", |(kind, _)| kind.name());
    format!("{name} {:.0}", run.heat())
}

/// One program with each policy.
fn policies(out: &mut impl Write, at: usize, seed: u64) -> io::Result<()> {
    let names = policy::ALL.map(Policy::name).join(" / ");
    writeln!(out, "\n**{}** ({names})\n", loads(1)[at].0)?;
    let head = "workers | ms | delay p50, us | delay p99, us | wakes | steals | transfers \
                | hottest line, % of the time";
    writeln!(
        out,
        "| {head} |\n|{}",
        "---|".repeat(head.split('|').count())
    )?;
    for workers in [2, 4, 8, 16, 32, 64, 128] {
        let runs = runs(at, workers, &policy::ALL, seed);
        writeln!(
            out,
            "| {workers} | {} | {} | {} | {} | {} | {} | {} |",
            cells(&runs, |run| format!("{:.1}", run.end as f64 / 1e6)),
            cells(&runs, |run| format!("{:.1}", run.delay(0.5) as f64 / 1e3)),
            cells(&runs, |run| format!("{:.0}", run.delay(0.99) as f64 / 1e3)),
            cells(&runs, |run| format!("{:.3}", run.each(run.wakes))),
            cells(&runs, |run| format!("{:.3}", run.each(run.steals))),
            cells(&runs, |run| format!("{:.1}", run.each(run.transfers))),
            cells(&runs, hottest),
        )?;
    }
    Ok(())
}

/// One program with each change.
fn changes(out: &mut impl Write, at: usize, seed: u64) -> io::Result<()> {
    for workers in [16, 64, 128] {
        let changed = Changes::EACH.map(|(_, changes)| Policy::Spinney(Wake::Crowded, changes));
        let runs = runs(at, workers, &changed, seed);
        let shown = runs.iter().map(|run| {
            let (ms, delay) = (run.end as f64 / 1e6, run.delay(0.99) as f64 / 1e3);
            format!("{ms:.1} ms, {delay:.0} us, {}", hottest(run))
        });
        let cells = shown.collect::<Vec<_>>().join(" | ");
        writeln!(out, "| {} | {workers} | {cells} |", loads(1)[at].0)?;
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(1);
    let mut out = io::stdout().lock();
    let number = loads(1).len();
    for at in 0..number {
        policies(&mut out, at, seed)?;
    }
    let names = Changes::EACH.map(|(name, _)| name).join(" | ");
    writeln!(
        out,
        "\n**What could be done otherwise** (crowded: ms, delay p99, hottest line)\n"
    )?;
    writeln!(
        out,
        "| program | workers | {names} |\n|{}",
        "---|".repeat(2 + Changes::EACH.len())
    )?;
    // Where they make a difference.
    for at in [0, 1, 2, number - 1] {
        changes(&mut out, at, seed)?;
    }
    Ok(())
}
