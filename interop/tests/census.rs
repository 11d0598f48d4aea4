//! What a process has: its threads, descriptors and child processes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Write, stderr};
use std::thread;

/// How many threads there are of each name, descriptors of each kind, and child processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    threads: BTreeMap<String, usize>,
    descriptors: BTreeMap<String, usize>,
    processes: usize,
}

impl Census {
    /// Counts. The threads of spinney itself stay out: they come and go as its own tests say.
    pub(crate) fn take() -> Self {
        let mut census = Self::default();
        for entry in fs::read_dir("/proc/self/task").unwrap() {
            // It may have ended meanwhile.
            let path = entry.unwrap().path();
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            let name = name
                .trim_end()
                .trim_end_matches(|c: char| c.is_ascii_digit());
            let children = fs::read_to_string(path.join("children")).unwrap_or_default();
            census.processes += children.split_whitespace().count();
            if !name.is_empty() && !name.starts_with("spinney") {
                *census.threads.entry(name.to_owned()).or_default() += 1;
            }
        }
        for entry in fs::read_dir("/proc/self/fd").unwrap() {
            let Ok(target) = fs::read_link(entry.unwrap().path()) else {
                continue;
            };
            let target = target.display().to_string();
            // The descriptor by which this folder is read.
            if !target.ends_with("/fd") {
                // A socket has the number of its inode.
                let kind = target.split(":[").next().unwrap_or(&target).to_owned();
                *census.descriptors.entry(kind).or_default() += 1;
            }
        }
        census
    }

    /// The least of many: what is about to end has a chance to.
    pub(crate) fn least() -> Self {
        let mut least = Self::take();
        for _ in 0..1000 {
            thread::yield_now();
            let now = Self::take();
            least.threads = minimum(&least.threads, &now.threads);
            least.descriptors = minimum(&least.descriptors, &now.descriptors);
            least.processes = least.processes.min(now.processes);
        }
        least
    }

    /// What this one has more of than `before`, a line each.
    pub(crate) fn beyond(&self, before: &Self) -> Vec<String> {
        let threads = more(&self.threads, &before.threads, "thread");
        let descriptors = more(&self.descriptors, &before.descriptors, "descriptor");
        let processes = (self.processes > before.processes).then(|| {
            format!(
                "{} processes instead of {}",
                self.processes, before.processes
            )
        });
        threads.chain(descriptors).chain(processes).collect()
    }

    /// The descriptors alone.
    pub(crate) fn descriptors(&self) -> Self {
        Self {
            descriptors: self.descriptors.clone(),
            ..Self::default()
        }
    }

    /// The threads of names that were not there before.
    pub(crate) fn threads_beyond(&self, before: &Self) -> impl Iterator<Item = (&str, usize)> {
        let new = self.threads.iter();
        let new = new.filter(|(name, _)| !before.threads.contains_key(*name));
        new.map(|(name, count)| (name.as_str(), *count))
    }

    /// All but the threads of some names.
    fn without(mut self, threads: impl Fn(&str) -> bool) -> Self {
        self.threads.retain(|name, _| !threads(name));
        self
    }
}

fn minimum(
    one: &BTreeMap<String, usize>,
    other: &BTreeMap<String, usize>,
) -> BTreeMap<String, usize> {
    let both = one.iter().filter_map(|(name, count)| {
        let least = other.get(name)?.min(count);
        Some((name.clone(), *least))
    });
    both.collect()
}

fn more(
    now: &BTreeMap<String, usize>,
    before: &BTreeMap<String, usize>,
    what: &'static str,
) -> impl Iterator<Item = String> {
    now.iter().filter_map(move |(name, count)| {
        let had = before.get(name).copied().unwrap_or(0);
        (*count > had).then(|| format!("{what} {name}: {count} instead of {had}"))
    })
}

/// Waits until the process has no more than before, but for threads of some names.
pub(crate) fn wait_for(before: &Census, kept: impl Fn(&str) -> bool) {
    wait_while(|| Census::take().without(&kept).beyond(before));
}

/// Waits until it has no more threads, but for those of some names.
pub(crate) fn wait_for_threads(before: &Census, kept: impl Fn(&str) -> bool) {
    wait_while(|| {
        let now = Census::take().without(&kept);
        more(&now.threads, &before.threads, "thread").collect()
    });
}

/// Waits until it has no more descriptors.
pub(crate) fn wait_for_descriptors(before: &Census) {
    wait_while(|| Census::take().descriptors().beyond(before));
}

/// Waits until nothing is left. If that takes long stderr has what is, for the report of a test
/// that hangs.
fn wait_while(left: impl Fn() -> Vec<String>) {
    let mut looks = 0_u32;
    loop {
        let left = left();
        if left.is_empty() {
            return;
        }
        looks += 1;
        if looks == 1000 {
            let _ = writeln!(stderr(), "still there: {}", left.join(", "));
        }
        thread::yield_now();
    }
}
