//! Runs programs one after the other: seeds, a watchdog, shrinking, and what is printed about a failure.

use crate::check::{check, left_over};
use crate::generate::programs;
use crate::interpret;
use crate::model::Facts;
use crate::program::Program;
use crate::record::{Event, TICK, To, World};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use spinney::{Runtime, group};
use std::fmt::Write as _;
use std::future::pending;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A program takes milliseconds. Who is not back after this hangs; nothing else here depends on real time.
pub const HANGS: Duration = Duration::from_secs(60);

/// How long a candidate may take while a hang is being shrunk: each that hangs costs this, and its threads.
const HANGS_AGAIN: Duration = Duration::from_secs(3);

/// No candidate is tried after so long.
const SHRINKS: Duration = Duration::from_secs(60);

/// Candidates that are tried while shrinking, and how often each is run: failures depend on the scheduler.
const CANDIDATES: usize = 400;
const TRIES: usize = 30;

/// Runs a program and judges it; the error says what is wrong. Its threads have that name, which is said if the process dies.
///
/// # Errors
///
/// What was violated, and everything that happened.
///
/// # Panics
///
/// If no thread can be started.
pub fn judge(name: &str, program: &Program, limit: Duration) -> Result<(), Failure> {
    let world = Arc::new(World::of(program));
    let (sender, over) = mpsc::channel();
    let runner = {
        let (name, program, world) = (name.to_owned(), program.clone(), Arc::clone(&world));
        let runner = thread::Builder::new().name(name.clone());
        let runner = runner.spawn(move || {
            let run = catch_unwind(AssertUnwindSafe(|| run(&name, &program, &world)));
            let _ = sender.send(run.map_err(|_| "the harness panicked".to_owned()));
        });
        runner.expect("a thread")
    };
    let ran = over.recv_timeout(limit);
    let events = world.events();
    let hangs = ran.is_err();
    let mut wrong = match ran {
        Err(_) if matches!(events.last(), Some(Event::ShutDown(_))) => {
            vec!["the runtime is not freed".to_owned()]
        }
        Err(_) if events.contains(&Event::Over) => {
            vec!["errors, or deadlines, are left over".to_owned()]
        }
        Err(_) => vec!["it hangs".to_owned()],
        Ok(Err(text)) => vec![text],
        Ok(Ok(())) => {
            let _ = runner.join();
            check(&Facts::of(program), &events)
        }
    };
    if hangs {
        wrong.extend(left_over(&Facts::of(program), &events));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Failure {
            wrong,
            events,
            hangs,
        }),
    }
}

/// What is wrong with a run.
#[derive(Debug)]
pub struct Failure {
    /// Each violation.
    pub wrong: Vec<String>,
    /// What happened.
    pub events: Vec<Event>,
    /// It did not end.
    pub hangs: bool,
}

fn run(name: &str, program: &Program, world: &Arc<World>) {
    let hook = Arc::clone(world);
    let runtime = Runtime::builder()
        .thread_name(name)
        .workers(program.workers)
        .max_blocking(program.max_blocking)
        .operations_per_poll(program.operations_per_poll)
        .callers_take_part(program.callers_take_part)
        .clock(world.clock())
        .on_unobserved(move |failure| hook.unobserved(failure))
        .build()
        .expect("a runtime");
    let stop = Arc::new(AtomicBool::new(false));
    let clock = {
        let (world, stop, jump) = (Arc::clone(world), Arc::clone(&stop), program.jump);
        thread::spawn(move || {
            while !stop.load(SeqCst) {
                world.clock().advance(TICK * jump);
                // Any pace is right. This one lets some work be done between two ticks.
                thread::park_timeout(Duration::from_micros(20));
            }
        })
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(interpret::root(world, &program.root))
    }));
    match result {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => drop(fault),
        Err(payload) => world.received(payload, To::Caller),
    }
    world.note(Event::Over);
    stop.store(true, SeqCst);
    clock.thread().unpark();
    let _ = clock.join();
    // At once: whoever learns that something has ended does not find it alive.
    let now = runtime.metrics();
    world.note(Event::Alive(
        now.live_tasks,
        now.live_groups,
        now.live_timers,
    ));
    let now = runtime.block_on(group(async |g| {
        g.service(pending::<Result<(), _>>());
        runtime.metrics()
    }));
    world.note(Event::AliveAfter(now.live_tasks, now.live_groups));
    for (group, handle) in world.take_handles() {
        let refused = handle.spawn(async {}).is_err();
        world.note(Event::LastKnock(group, refused));
    }
    // A forgotten future keeps its group for ever, and that keeps the rest.
    let forgotten = |event: &Event| matches!(event, Event::Forgotten(_));
    let forgotten = world.events().iter().any(forgotten);
    // Time stands still: a deadline of a group that has ended must go without being due. One that is due just now may be
    // in the hands of a worker.
    while !forgotten && world.faults() > 0 {
        thread::yield_now();
    }
    let stragglers = runtime.shutdown(Duration::ZERO).err();
    world.note(Event::ShutDown(
        stragglers.map(|stragglers| format!("{stragglers:?}")),
    ));
    drop(runtime);
    // Spare threads leave a moment later.
    while !forgotten && Arc::strong_count(world) > HARNESS {
        thread::yield_now();
    }
    world.note(Event::Freed);
}

/// Who has the world but the runtime: the runner and its watchdog.
const HARNESS: usize = 2;

/// The program of a seed.
type Tree = Box<dyn ValueTree<Value = Program>>;

/// Grows the program of a seed.
fn grow(seed: u64, workers: Option<usize>) -> Tree {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let programs = programs().prop_map(move |program| Program {
        workers: workers.unwrap_or(program.workers),
        ..program
    });
    let tree = programs.new_tree(&mut runner).expect("nothing is filtered");
    Box::new(tree)
}

/// Runs the program of a seed, on so many workers if that is given; on a failure shrinks it and returns all that there is to say.
///
/// # Errors
///
/// The report.
pub fn try_seed(
    name: &str,
    seed: u64,
    workers: Option<usize>,
    limit: Duration,
) -> Result<(), String> {
    let mut tree = grow(seed, workers);
    let program = tree.current();
    let Err(failure) = judge(name, &program, limit) else {
        return Ok(());
    };
    let mut report =
        format!("program of seed {seed:#x} fails; replay: SPINNEY_PROGRAM_SEED={seed:#x}\n");
    tell(&mut report, &program, &failure);
    // Not captured, and now: the process may die of a smaller one.
    let _ = writeln!(io::stderr(), "{report}\n\nshrinking ..");
    match shrink(&mut *tree, failure.hangs) {
        Some((program, failure)) => {
            report.push_str("\n\nshrunk:\n");
            tell(&mut report, &program, &failure);
        }
        None => report.push_str("\n\n(not shrunk: it does not fail again soon)"),
    }
    Err(report)
}

/// The report of a failure.
#[must_use]
pub fn report(program: &Program, failure: &Failure) -> String {
    let mut text = String::new();
    tell(&mut text, program, failure);
    text
}

fn tell(report: &mut String, program: &Program, failure: &Failure) {
    let _ = write!(report, "{program}");
    for wrong in &failure.wrong {
        let _ = write!(report, "\nWRONG: {wrong}");
    }
    for event in &failure.events {
        let _ = write!(report, "\n    {event:?}");
    }
}

/// The smallest program found that still fails.
fn shrink(tree: &mut dyn ValueTree<Value = Program>, hangs: bool) -> Option<(Program, Failure)> {
    let (limit, candidates) = match hangs {
        true => (HANGS_AGAIN, CANDIDATES / 4),
        false => (HANGS, CANDIDATES),
    };
    let fails =
        |program: &Program| (0..TRIES).find_map(|_| judge("shrinking", program, limit).err());
    let mut smallest = None;
    let mut more = true;
    let since = Instant::now();
    for _ in 0..candidates {
        if !more || since.elapsed() > SHRINKS {
            break;
        }
        let program = tree.current();
        more = match fails(&program) {
            Some(failure) => {
                smallest = Some((program, failure));
                tree.simplify()
            }
            None if smallest.is_none() => return None,
            None => tree.complicate(),
        };
    }
    smallest
}
