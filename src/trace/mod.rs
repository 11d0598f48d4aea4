//! Traces: what each thread did for a while, in the JSON that Perfetto and Chrome open.
//!
//! ```
//! use spinney::{block_on, group, trace};
//!
//! let recording = trace::start()?;
//! block_on(group(async |g| {
//!     g.spawn(async {}).await;
//! }));
//! let trace = recording.stop();
//! assert!(trace.to_json().starts_with("{\"displayTimeUnit\":\"ns\""));
//! # Ok::<(), trace::AlreadyRecording>(())
//! ```
//!
//! Open the file in <https://ui.perfetto.dev>, which reads it in the browser, or in
//! `chrome://tracing`:
//!
//! - a track for each thread, with a slice for each poll of a task, and for each sleep of a worker;
//! - arrows from the poll that spawned a task, or woke it, to the poll that came of it;
//! - groups that were opened meanwhile, each inside the one around it.
//!
//! A slice has the name of its task, or the place where that was spawned; its arguments are the
//! number of the task, that place, and the group.
//!
//! All runtimes of the process are recorded. Each thread keeps its last 65,536 events, and counts
//! those before ([`Trace::dropped_events`]). While nothing is recorded no path of a task has an
//! instruction for it. While something is, each push and each poll costs some 100 ns more, and
//! memory for the events. The thread that starts the recording is in it at once, a worker when it
//! looks around, which a busy one does every few jobs, and another thread when it has queued up to
//! 255 tasks.

mod json;

use crate::driver::clock::Clock;
use crate::poll::budget;
use crate::pool::recorder::{self, Event, Recorded};
use crate::pool::timing;
use crate::time::sleep;
use crate::trace::json::Json;
use std::error::Error;
use std::future::poll_fn;
use std::time::{Duration, Instant};
use std::{fmt, io};

/// Records until it is stopped; dropping it throws away what it has.
///
/// # Examples
///
/// ```
/// use spinney::trace;
///
/// let recording = trace::start()?;
/// assert!(trace::start().is_err()); // one at a time
/// drop(recording);
/// assert!(trace::start().is_ok());
/// # Ok::<(), trace::AlreadyRecording>(())
/// ```
#[derive(Debug)]
#[must_use = "it records until it is dropped"]
pub struct Recording {
    began: Instant,
    stopped: bool,
}

/// A trace is recorded in this process already.
///
/// # Examples
///
/// ```
/// let _recording = spinney::trace::start()?;
/// let again = spinney::trace::start().unwrap_err();
/// assert_eq!(again.to_string(), "a trace is being recorded in this process already");
/// # Ok::<(), spinney::trace::AlreadyRecording>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyRecording;

impl fmt::Display for AlreadyRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a trace is being recorded in this process already")
    }
}

impl Error for AlreadyRecording {}

/// Begins to record.
///
/// # Examples
///
/// ```
/// let recording = spinney::trace::start()?;
/// assert_eq!(recording.stop().dropped_events(), 0);
/// # Ok::<(), spinney::trace::AlreadyRecording>(())
/// ```
///
/// # Errors
///
/// [`AlreadyRecording`] if there is a [`Recording`] in this process.
pub fn start() -> Result<Recording, AlreadyRecording> {
    if !recorder::begin() {
        return Err(AlreadyRecording);
    }
    timing::hurry();
    Ok(Recording {
        began: Clock::System.now(),
        stopped: false,
    })
}

/// Records for this long.
///
/// # Examples
///
/// ```
/// use spinney::{block_on, trace};
/// use std::{env, fs, time::Duration};
///
/// let trace = block_on(trace::record(Duration::from_millis(1)))?;
/// let file = env::temp_dir().join(format!("spinney-{}.json", std::process::id()));
/// fs::write(&file, trace.to_json())?; // for ui.perfetto.dev
/// # fs::remove_file(file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`AlreadyRecording`] if there is a [`Recording`] in this process.
///
/// # Cancellation
///
/// Dropping the future ends the recording, and throws it away.
pub async fn record(duration: Duration) -> Result<Trace, AlreadyRecording> {
    // It may be refused at once.
    poll_fn(budget::spend).await;
    let recording = start()?;
    sleep(duration).await;
    Ok(recording.stop())
}

impl Recording {
    /// Ends the recording.
    ///
    /// # Examples
    ///
    /// ```
    /// let trace = spinney::trace::start()?.stop();
    /// assert_eq!(trace.events(), 0);
    /// # Ok::<(), spinney::trace::AlreadyRecording>(())
    /// ```
    #[must_use]
    pub fn stop(mut self) -> Trace {
        self.stopped = true;
        Trace {
            began: self.began,
            ended: Clock::System.now(),
            threads: recorder::end(),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.stopped {
            drop(recorder::end());
        }
    }
}

/// What was recorded.
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, group, trace, yield_now};
///
/// let runtime = Runtime::builder().workers(1).build()?;
/// let recording = trace::start()?;
/// runtime.block_on(group(async |g| {
///     g.spawn_named("spinner", async {
///         for _ in 0..1000 {
///             yield_now().await;
///         }
///     });
/// }));
/// let trace = recording.stop();
/// assert!(trace.events() > 1000 && trace.to_json().contains("\"name\":\"spinner\""));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Trace {
    began: Instant,
    ended: Instant,
    threads: Vec<Recorded>,
}

impl Trace {
    /// How many events there are.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(spinney::trace::start()?.stop().events(), 0);
    /// # Ok::<(), spinney::trace::AlreadyRecording>(())
    /// ```
    #[must_use]
    pub fn events(&self) -> usize {
        self.threads.iter().map(|thread| thread.events.len()).sum()
    }

    /// How many events came before those, and had no room.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(spinney::trace::start()?.stop().dropped_events(), 0);
    /// # Ok::<(), spinney::trace::AlreadyRecording>(())
    /// ```
    #[must_use]
    pub fn dropped_events(&self) -> u64 {
        self.threads.iter().map(|thread| thread.dropped).sum()
    }

    /// The trace in the JSON of Chrome's "Trace Event Format", which Perfetto opens.
    ///
    /// # Examples
    ///
    /// ```
    /// let json = spinney::trace::start()?.stop().to_json();
    /// assert!(json.contains("\"dropped_events\":0"));
    /// # Ok::<(), spinney::trace::AlreadyRecording>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = Json::new(self.began);
        for (number, thread) in self.threads.iter().enumerate() {
            json.thread(number + 1, &thread.name);
        }
        for (number, thread) in self.threads.iter().enumerate() {
            json.slices(number + 1, &thread.events, self.ended);
        }
        let mut all: Vec<(usize, &Event)> = Vec::with_capacity(self.events());
        for (number, thread) in self.threads.iter().enumerate() {
            all.extend(thread.events.iter().map(|event| (number + 1, event)));
        }
        all.sort_by_key(|(_, event)| event.at);
        json.arrows(&all);
        json.groups(&all, self.ended);
        json.end(self.dropped_events())
    }

    /// Writes [`to_json`](Trace::to_json).
    ///
    /// # Examples
    ///
    /// ```
    /// let mut bytes = Vec::new();
    /// spinney::trace::start()?.stop().write_json(&mut bytes)?;
    /// assert_eq!(bytes.last(), Some(&b'}'));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the writer.
    ///
    /// # Blocking
    ///
    /// As the writer does.
    pub fn write_json(&self, mut to: impl io::Write) -> io::Result<()> {
        to.write_all(self.to_json().as_bytes())
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("threads", &self.threads.len())
            .field("events", &self.events())
            .field("dropped_events", &self.dropped_events())
            .finish()
    }
}
