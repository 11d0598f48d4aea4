//! The programs: a file for each question, with a function for each side.

mod block_on;
mod blocking;
mod cancel;
mod chained;
mod client;
mod closures_and_timer;
mod echo_beside_threads;
mod fairness;
mod fan_in;
mod fib;
mod fork;
mod fork_once;
mod idle;
mod idle_connections;
mod memory;
mod near_limit;
mod one_microsecond;
mod one_shot;
mod ping_pong;
mod quicksort;
mod scopes;
mod skynet;
mod sockets;
mod sockets_and_hogs;
mod spawn;
mod spawn_await;
mod spawn_injected;
mod spawn_unobserved;
mod ten_children;
mod ticks;
mod timers;
mod uts;
mod wake_busy;
mod wake_parked;
mod web;
mod yields;

use crate::measure::{Figures, Length, Sample, cost};
use crate::process;

/// One program, written once for each side.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// What one operation is.
    pub(crate) about: &'static str,
    /// spinney first. A name is that of a library, or that and a way to use it.
    pub(crate) sides: &'static [Side],
    /// It is in the quick run.
    pub(crate) quick: bool,
    /// It is run in the first round only: what is counted does not vary.
    pub(crate) once: bool,
}

/// The program as one side runs it.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    program: Program,
}

#[derive(Debug)]
enum Program {
    /// So many operations, repeated.
    Cost(fn() -> Sample, u32),
    /// Says its figures itself.
    Says(fn(Length) -> Figures),
}

/// A side whose costs are measured: of each of so many operations.
const fn cost_of(name: &'static str, program: fn() -> Sample, operations: u32) -> Side {
    Side {
        name,
        program: Program::Cost(program, operations),
    }
}

/// A side that says its figures.
const fn says(name: &'static str, program: fn(Length) -> Figures) -> Side {
    Side {
        name,
        program: Program::Says(program),
    }
}

impl Workload {
    const fn new(name: &'static str, about: &'static str, sides: &'static [Side]) -> Self {
        Self {
            name,
            about,
            sides,
            quick: false,
            once: false,
        }
    }

    const fn quick(self) -> Self {
        Self {
            quick: true,
            ..self
        }
    }

    const fn once(self) -> Self {
        Self { once: true, ..self }
    }

    pub(crate) fn side(&self, name: &str) -> Option<&Side> {
        self.sides.iter().find(|side| side.name == name)
    }
}

impl Side {
    /// Runs the program in this process.
    pub(crate) fn run(&self, length: Length) -> Figures {
        let mut figures = match self.program {
            Program::Cost(program, operations) => cost(program, operations, length),
            Program::Says(program) => program(length),
        };
        let peak = process::peak();
        figures.entry("rss_bytes".to_owned()).or_insert(peak);
        figures
    }
}

// In the order in which a round runs them.
const ALL: &[&Workload] = &[
    &wake_busy::WORKLOAD,
    &wake_parked::WORKLOAD,
    &sockets_and_hogs::WORKLOAD,
    &echo_beside_threads::WORKLOAD,
    &web::HYPER,
    &web::ECHO,
    &web::HYPER_CLOSE,
    &web::SERVE,
    &web::SERVE_WATCHED,
    &web::HYPER_OF_TOKIO,
    &web::ECHO_OF_TOKIO,
    &web::AXUM_OF_TOKIO,
    &web::PROXY,
    &closures_and_timer::WORKLOAD,
    &near_limit::WORKLOAD,
    &fairness::WORKLOAD,
    &ticks::IDLE,
    &ticks::BESIDE_THREADS,
    &idle::NOTHING,
    &idle::FAR_TIMER,
    &spawn::INSIDE,
    &spawn::OUTSIDE,
    &spawn_unobserved::WORKLOAD,
    &spawn_injected::WORKLOAD,
    &spawn_await::WORKLOAD,
    &chained::WORKLOAD,
    &ten_children::WORKLOAD,
    &fan_in::WORKLOAD,
    &skynet::WORKLOAD,
    &one_microsecond::WORKLOAD,
    &yields::WORKLOAD,
    &ping_pong::ONE,
    &ping_pong::THOUSAND,
    &one_shot::WORKLOAD,
    &timers::WORKLOAD,
    &cancel::WORKLOAD,
    &block_on::READY,
    &block_on::READY_ON_A_WORKER,
    &block_on::SPAWN,
    &blocking::ONE_BY_ONE,
    &blocking::MANY,
    &fib::WORKLOAD,
    &uts::BINARY,
    &uts::GEOMETRIC,
    &quicksort::WORKLOAD,
    &scopes::SMALL,
    &scopes::FLAT,
    &scopes::TREE,
    &scopes::QUEENS,
    &fork_once::WORKLOAD,
    &memory::IDLE_CHILD,
    &memory::IDLE_GROUP,
    &idle_connections::WORKLOAD,
];

pub(crate) fn all() -> impl Iterator<Item = &'static Workload> {
    ALL.iter().copied()
}

pub(crate) fn find(name: &str) -> Option<&'static Workload> {
    all().find(|workload| workload.name == name)
}

/// That of a side: `tokio JoinSet` is a way to use tokio.
pub(crate) fn library(side: &str) -> &str {
    side.split(' ').next().unwrap_or(side)
}
