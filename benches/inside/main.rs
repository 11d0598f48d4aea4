//! What single operations cost on spinney, in this process and by criterion: `cargo bench`, or
//! `cargo bench -- join`.
//!
//! These are for changes of spinney: criterion remembers the last run and says what has become
//! slower. They are no comparison with other runtimes; that is `benches/versus`, which interleaves
//! the sides.

mod calls;
mod cancel;
mod dumps;
mod groups;
mod joins;
mod spawns;
mod timers;
mod yields;

use criterion::Criterion;
use std::time::Duration;

/// Short, so that all of them take about a minute; `--measurement-time 5` for one that matters.
fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
}

fn main() {
    let mut c = short().configure_from_args();
    spawns::all(&mut c);
    groups::all(&mut c);
    yields::all(&mut c);
    cancel::all(&mut c);
    joins::all(&mut c);
    timers::all(&mut c);
    calls::all(&mut c);
    dumps::all(&mut c);
    c.final_summary();
}
