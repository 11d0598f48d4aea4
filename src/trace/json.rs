//! The JSON of Chrome's "Trace Event Format".
//!
//! Source: Google's document of that name (2016). Slices are complete events (`X`); arrows are flow
//! events, of which the end is bound to the slice around it (`s`, and `f` with `bp`); groups are
//! nestable asynchronous events (`b`, `e`). Those of one id nest in one another, so each id is a
//! lane: a group is in that of its parent, if it is the only one there, else in one of its own.

use crate::job::Described;
use crate::pool::recorder::{Event, What};
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::time::Instant;

/// A text that grows.
pub(super) struct Json {
    text: String,
    began: Instant,
    is_first: bool,
}

/// A string in quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Nanoseconds as microseconds, which the format has.
struct Micros(u128);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A slice that has begun.
enum Slice<'a> {
    Poll(&'a Described),
    Sleep,
}

impl Json {
    pub(super) fn new(began: Instant) -> Self {
        Self {
            text: "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[".to_owned(),
            began,
            is_first: true,
        }
    }

    fn since(&self, at: Instant) -> Micros {
        Micros(at.saturating_duration_since(self.began).as_nanos())
    }

    /// Adds one event with these fields.
    fn add(&mut self, fields: fmt::Arguments<'_>) {
        let separator = if self.is_first { "\n{" } else { ",\n{" };
        self.is_first = false;
        // A string takes whatever is written.
        let _ = write!(self.text, "{separator}{fields},\"pid\":1}}");
    }

    /// Names the track of a thread.
    pub(super) fn thread(&mut self, number: usize, name: &str) {
        let name = Quoted(name);
        self.add(format_args!(
            "\"ph\":\"M\",\"name\":\"thread_name\",\"tid\":{number},\"args\":{{\"name\":{name}}}"
        ));
    }

    /// The polls and sleeps of a thread. Those that had not ended end with the recording; of those
    /// that began before the oldest event nothing is known.
    pub(super) fn slices(&mut self, thread: usize, events: &[Event], ended: Instant) {
        let mut begun: Vec<(Instant, Slice<'_>)> = Vec::new();
        for event in events {
            match &event.what {
                What::Begins(task) => begun.push((event.at, Slice::Poll(task))),
                What::Parks => begun.push((event.at, Slice::Sleep)),
                What::Ends | What::Unparks => {
                    if let Some((from, slice)) = begun.pop() {
                        self.slice(thread, from, event.at, &slice);
                    }
                }
                What::Queued { .. } | What::Opens { .. } | What::Closes { .. } => {}
            }
        }
        while let Some((from, slice)) = begun.pop() {
            self.slice(thread, from, ended, &slice);
        }
    }

    fn slice(&mut self, thread: usize, from: Instant, to: Instant, slice: &Slice<'_>) {
        let (ts, dur) = (
            self.since(from),
            Micros(to.saturating_duration_since(from).as_nanos()),
        );
        let when =
            format_args!("\"ph\":\"X\",\"tid\":{thread},\"ts\":{ts},\"dur\":{dur}").to_string();
        match slice {
            Slice::Sleep => self.add(format_args!("{when},\"cat\":\"sleep\",\"name\":\"asleep\"")),
            Slice::Poll(task) => {
                let place = task.location.to_string();
                let name = Quoted(task.name.as_deref().unwrap_or(&place));
                let (number, place) = (task.id, Quoted(&place));
                let group = Quoted(task.group.as_deref().unwrap_or_default());
                self.add(format_args!(
                    "{when},\"cat\":\"poll\",\"name\":{name},\"args\":{{\"task\":{number},\
                     \"spawned\":{place},\"group\":{group}}}"
                ));
            }
        }
    }

    /// From each push of a task to the poll that came of it. The events are in order.
    pub(super) fn arrows(&mut self, all: &[(usize, &Event)]) {
        let mut queued = HashMap::new();
        let mut number = 0_u64;
        for (thread, event) in all {
            match &event.what {
                What::Queued { task, is_new } => {
                    queued.insert(*task, (*thread, event.at, *is_new));
                }
                What::Begins(task) => {
                    let Some((from, at, is_new)) = queued.remove(&task.id) else {
                        continue;
                    };
                    number += 1;
                    let name = if is_new { "spawn" } else { "wake" };
                    let what = format!("\"cat\":\"{name}\",\"name\":\"{name}\",\"id\":{number}");
                    let (start, end) = (self.since(at), self.since(event.at));
                    self.add(format_args!(
                        "\"ph\":\"s\",{what},\"tid\":{from},\"ts\":{start}"
                    ));
                    self.add(format_args!(
                        "\"ph\":\"f\",\"bp\":\"e\",{what},\"tid\":{thread},\"ts\":{end}"
                    ));
                }
                _ => {}
            }
        }
    }

    /// The groups. The events are in order.
    pub(super) fn groups(&mut self, all: &[(usize, &Event)], ended: Instant) {
        let mut lanes: Vec<Vec<usize>> = Vec::new();
        let mut free: Vec<usize> = Vec::new();
        let mut open: HashMap<usize, usize> = HashMap::new();
        for (_, event) in all {
            match &event.what {
                What::Opens {
                    group,
                    parent,
                    label,
                } => {
                    let above = open.get(parent).copied();
                    let above = above.filter(|lane| lanes[*lane].last() == Some(parent));
                    let lane = above.or_else(|| free.pop()).unwrap_or_else(|| {
                        lanes.push(Vec::new());
                        lanes.len() - 1
                    });
                    lanes[lane].push(*group);
                    open.insert(*group, lane);
                    let (ts, name) = (self.since(event.at), Quoted(label));
                    self.add(format_args!(
                        "\"ph\":\"b\",\"cat\":\"group\",\"id\":{lane},\"name\":{name},\"tid\":0,\"ts\":{ts}"
                    ));
                }
                What::Closes { group } => {
                    let Some(lane) = open.remove(group) else {
                        continue;
                    };
                    lanes[lane].retain(|other| other != group);
                    if lanes[lane].is_empty() {
                        free.push(lane);
                    }
                    self.close(lane, event.at);
                }
                _ => {}
            }
        }
        for (lane, groups) in lanes.iter().enumerate() {
            groups.iter().for_each(|_| self.close(lane, ended));
        }
    }

    fn close(&mut self, lane: usize, at: Instant) {
        let ts = self.since(at);
        self.add(format_args!(
            "\"ph\":\"e\",\"cat\":\"group\",\"id\":{lane},\"name\":\"\",\"tid\":0,\"ts\":{ts}"
        ));
    }

    pub(super) fn end(mut self, dropped: u64) -> String {
        // A string takes whatever is written.
        let _ = write!(
            self.text,
            "\n],\"otherData\":{{\"dropped_events\":{dropped}}}}}"
        );
        self.text
    }
}
