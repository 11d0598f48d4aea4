//! Running models: each in a child process, because loom aborts on a deadlock, and once for each
//! mutant.

use crate::sync::{alive, spurious, thread, time};
use std::collections::BTreeSet;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A model that does not end within this is stuck: the slowest takes seconds.
const WATCHDOG: Duration = Duration::from_secs(120);

/// A model says by this that a compare-exchange has failed spuriously.
const FAILED: &str = "spurious failure: ";

/// Explores a model with at most three preemptions: every bug that was seeded so far needed at most
/// two.
pub fn explore(model: impl Fn() + Send + Sync + 'static) {
    explore_with(3, model);
}

/// Explores a model with at most so many preemptions.
pub fn explore_with(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = std::env::var("PREEMPTIONS").map_or(preemptions, |text| text.parse().unwrap());
    builder.preemption_bound = Some(preemptions.min(bound));
    builder.max_branches = 10_000;
    let executions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executions);
    let checked = catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            count.fetch_add(1, Relaxed);
            alive::begin();
            spurious::begin();
            thread::begin();
            time::begin();
            let before = alive::live();
            model();
            assert_eq!(alive::live(), before, "a model leaks nothing");
        });
    }));
    if std::env::var_os("COUNT").is_some() {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        println!("{name}: {} executions", executions.load(Relaxed));
    }
    for site in spurious::sites() {
        println!("{FAILED}{site}");
    }
    if let Err(payload) = checked {
        if std::env::var_os("MUTANT").is_some() {
            // A mutant needs to fail once.
            std::process::exit(101);
        }
        resume_unwind(payload);
    }
}

/// How a run of a model ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Passed,
    Failed,
    Stuck,
}

/// Runs the tests of this binary that belong to models, in a child process.
///
/// With a mutant, they run with one preemption first, which nearly every mutant dies of, and in a
/// small part of the time; only what survives that meets the models as they are.
pub fn models(binary: &Path, mutant: Option<(&str, &str)>) -> End {
    let Some((site, to)) = mutant else {
        return run(binary, &[]).0;
    };
    let (site, to) = (("MUTANT", site), ("MUTANT_TO", to));
    match run(binary, &[site, to, ("PREEMPTIONS", "1")]).0 {
        End::Passed => run(binary, &[site, to]).0,
        died => died,
    }
}

/// As [`models`], in this environment; how it ended, and the sites that failed spuriously.
fn run(binary: &Path, environment: &[(&str, &str)]) -> (End, BTreeSet<String>) {
    let mut command = Command::new(binary);
    command.args(["model_", "--test-threads=2", "--nocapture"]);
    for name in [
        "MUTANT",
        "MUTANT_TO",
        "SPURIOUS",
        "SPURIOUS_NTH",
        "PREEMPTIONS",
    ] {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the test binary starts");
    let mut stdout = child.stdout.take().expect("piped");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        // Tests that run at the same time share their lines.
        let sites = text.lines().filter_map(|line| line.split(FAILED).nth(1));
        sites.map(str::to_owned).collect()
    });
    let started = Instant::now();
    let end = loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            break if status.success() {
                End::Passed
            } else {
                End::Failed
            };
        }
        if started.elapsed() > WATCHDOG {
            let _ = child.kill();
            let _ = child.wait();
            break End::Stuck;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    (end, reader.join().expect("a reader does not panic"))
}

/// The sites of a source file that a mutant can weaken, as `file:line:column`, and the orderings to
/// which each can be weakened.
///
/// A site is a call of an atomic method, or of `fence`, whose arguments name an ordering that is
/// not `Relaxed`; or a question (`decided`), which is answered without looking.
pub fn sites(file: &str, text: &str) -> Vec<(String, &'static [&'static str])> {
    const METHODS: [&str; 12] = [
        "decided(",
        ".load(",
        ".store(",
        ".swap(",
        ".compare_exchange(",
        ".compare_exchange_weak(",
        ".fetch_add(",
        ".fetch_sub(",
        ".fetch_or(",
        ".fetch_and(",
        ".fetch_xor(",
        "fence(",
    ];
    let mut found = Vec::new();
    let mut offset = 0;
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for method in METHODS {
            for (at, _) in code.match_indices(method) {
                if method == "fence("
                    && (code.contains("fn fence")
                        || code[..at].ends_with(|c: char| c.is_alphanumeric()))
                {
                    continue;
                }
                if method == "decided(" {
                    let site = format!("{file}:{}:{}", number + 1, at + 1);
                    found.push((site, &["true", "false"] as &[_]));
                    continue;
                }
                let arguments = arguments(&text[offset + at + method.len()..]);
                let strong = ["Acquire", "Release", "AcqRel", "SeqCst"];
                if strong
                    .iter()
                    .any(|order| arguments.contains(&format!("Ordering::{order}")))
                {
                    // `Location::caller` of a method call is the method's name.
                    let column = at + 1 + usize::from(method.starts_with('.'));
                    let to: &[_] = match arguments.contains("Ordering::AcqRel") {
                        true => &["Relaxed", "Acquire", "Release"],
                        false => &["Relaxed"],
                    };
                    found.push((format!("{file}:{}:{column}", number + 1), to));
                }
            }
        }
        offset += line.len() + 1;
    }
    found
}

/// The weak compare-exchanges of a source file.
fn weak_sites(file: &str) -> Vec<String> {
    const WEAK: &str = ".compare_exchange_weak(";
    let mut found = Vec::new();
    for (number, line) in source(file).lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (at, _) in code.match_indices(WEAK) {
            found.push(format!("{file}:{}:{}", number + 1, at + 2));
        }
    }
    found
}

fn source(file: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../");
    std::fs::read_to_string(format!("{root}{file}")).expect("the source is there")
}

/// The text up to the closing parenthesis, without comments.
fn arguments(text: &str) -> String {
    let mut depth = 1;
    let mut taken = String::new();
    for line in text.lines() {
        for c in line.split("//").next().unwrap_or_default().chars() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return taken;
            }
            taken.push(c);
        }
    }
    taken
}

/// Runs this binary's models once with each mutant of `files`, and compares the survivors with the
/// listed ones, each of which has a reason.
///
/// Without a mutant the models are tests of this binary themselves; here they show with one
/// preemption that a child process can pass.
pub fn mutants(files: &[&str], survivors: &[(&str, &str)]) {
    let binary = std::env::current_exe().expect("this test has a path");
    assert_eq!(
        run(&binary, &[("PREEMPTIONS", "1")]).0,
        End::Passed,
        "the models pass without a mutant"
    );
    let mut count = 0;
    let mut survived = Vec::new();
    for file in files {
        let text = source(file);
        for (site, all) in sites(file, &text) {
            for to in all {
                count += 1;
                let started = Instant::now();
                let end = models(&binary, Some((&site, to)));
                if std::env::var_os("COUNT").is_some() {
                    println!("{site} -> {to}: {end:?} in {:.1?}", started.elapsed());
                }
                if end != End::Failed {
                    let line: usize = site
                        .rsplit(':')
                        .nth(1)
                        .and_then(|line| line.parse().ok())
                        .expect("a line");
                    survived.push(format!(
                        "{file}: {} -> {to}",
                        text.lines().nth(line - 1).expect("a line").trim()
                    ));
                }
            }
        }
    }
    assert!(count > 0, "no site was found");
    let unlisted: Vec<_> = survived
        .iter()
        .filter(|site| !survivors.iter().any(|(listed, _)| listed == site))
        .collect();
    assert!(
        unlisted.is_empty(),
        "of {count} mutants these survive and are not listed: {unlisted:#?}"
    );
    for (listed, reason) in survivors {
        assert!(
            survived.iter().any(|site| site == listed),
            "listed ({reason}), but does not survive: {listed}"
        );
    }
}

/// Calls of one site in one execution that may fail spuriously, one at a time.
const CALLS: u32 = 64;

/// Runs this binary's models with every call of every weak compare-exchange of `files` failing
/// spuriously, one call at a time; with all sites at once, each call and its repetition by turns;
/// and with guesses that may be stale. The models pass.
pub fn spurious_failures(files: &[&str]) {
    let binary = std::env::current_exe().expect("this test has a path");
    let mut red = Vec::new();
    for site in files.iter().flat_map(|file| weak_sites(file)) {
        for nth in 1..=CALLS {
            let nth_text = nth.to_string();
            let environment = [("SPURIOUS", &*site), ("SPURIOUS_NTH", &*nth_text)];
            let (end, failed) = run(&binary, &environment);
            if end != End::Passed {
                red.push(format!("{site}, call {nth}: {end:?}"));
            } else if failed.is_empty() {
                assert!(nth > 1, "no model comes to {site}");
                break;
            }
        }
    }
    assert!(red.is_empty(), "with a spurious failure at {red:#?}");
    all_at_once(&binary, files, "3");
}

/// As [`spurious_failures`], for models of files that are built upon `files`, which have thorough
/// models of their own: all sites at once only, and one preemption.
pub fn spurious_failures_below(files: &[&str]) {
    let binary = std::env::current_exe().expect("this test has a path");
    all_at_once(&binary, files, "1");
}

fn all_at_once(binary: &Path, files: &[&str], preemptions: &str) {
    let bound = ("PREEMPTIONS", preemptions);
    let (end, _) = run(binary, &[("SPURIOUS", "guess"), bound]);
    assert_eq!(end, End::Passed, "with guesses that may be stale");
    let sites: Vec<_> = files.iter().flat_map(|file| weak_sites(file)).collect();
    if sites.is_empty() {
        return;
    }
    let (end, failed) = run(binary, &[("SPURIOUS", "each"), bound]);
    if end != End::Passed {
        let alone = |site: &&String| {
            let first = [("SPURIOUS", &***site), ("SPURIOUS_NTH", "1"), bound];
            run(binary, &first).0 != End::Passed
        };
        let red: Vec<_> = sites.iter().filter(alone).collect();
        panic!(
            "{end:?} when weak compare-exchanges fail; also when the first call fails of {red:#?}"
        );
    }
    assert!(!failed.is_empty(), "no model comes to any of {sites:#?}");
}
