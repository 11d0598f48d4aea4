//! The numbers of runtimes in the text format of OpenMetrics, by `prometheus-client`.
//!
//! | metric | labels | as in tokio-metrics |
//! |---|---|---|
//! | `spinney_workers_count` | | `workers_count` |
//! | `spinney_live_tasks_count`, `spinney_live_groups`, `spinney_live_timers` | | `live_tasks_count` |
//! | `spinney_global_queue_depth` | | `global_queue_depth` |
//! | `spinney_num_remote_schedules_total` | | `num_remote_schedules` |
//! | `spinney_stalls_total` and others of [`Metrics`](crate::runtime::Metrics) | | |
//! | `spinney_worker_park_count_total`, `spinney_worker_steal_operations_total`, `spinney_worker_busy_duration_seconds_total`, `spinney_worker_local_queue_depth` | `worker` | the same |
//! | `spinney_worker_jobs_total`, `spinney_worker_searches_total`, `spinney_worker_wakes_total`, `spinney_worker_searching_duration_seconds_total` | `worker` | |
//! | `spinney_poll_time_seconds`, `spinney_schedule_latency_seconds`, of a sample | `le` | `poll_time_histogram` |
//! | `spinney_group_opened_total`, `spinney_group_live`, `spinney_group_failed_total`, `spinney_group_cut_total`, `spinney_group_duration_seconds_total` | `group` | |
//!
//! Each has the label `runtime`, the name that
//! [`thread_name`](crate::RuntimeBuilder::thread_name) gave. The label `worker` is a number, or
//! `others` for spares and callers. [`Statistics`] says what they mean.

mod encode;

use crate::compat::openmetrics::encode::Taken;
use crate::pool::global;
use crate::pool::runtime::Runtime;
use crate::pool::shared::Shared;
use crate::pool::statistics::Statistics;
use crate::sync::{Arc, Weak};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;
use std::error::Error;
use std::fmt;

/// Writes the numbers of one or more runtimes in the text format of OpenMetrics.
///
/// It keeps no runtime: one that is gone is left out.
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, compat::openmetrics::Exporter};
///
/// let runtime = Runtime::builder().workers(1).thread_name("api").build()?;
/// let text = Exporter::new(&runtime).text();
/// assert!(text.contains("\nspinney_worker_jobs_total{runtime=\"api\",worker=\"0\"} "));
/// assert!(text.ends_with("# EOF\n"));
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
///
/// As a part of the metrics of a program:
///
/// ```
/// use prometheus_client::{encoding::text::encode, registry::Registry};
/// use spinney::{Runtime, compat::openmetrics::Exporter};
///
/// let mut registry = Registry::default();
/// let runtime = Runtime::builder().workers(1).build()?;
/// Exporter::new(&runtime).register(&mut registry)?;
///
/// let mut text = String::new();
/// encode(&mut text, &registry)?;
/// assert!(text.contains("spinney_live_tasks_count"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Exporter {
    runtimes: Vec<(String, Weak<Shared>)>,
}

/// Metrics of one name would mean two things.
///
/// # Examples
///
/// ```
/// use spinney::{Runtime, compat::openmetrics::Exporter};
///
/// let runtime = Runtime::builder().workers(1).thread_name("api").build()?;
/// let clash = Exporter::new(&runtime).with(&runtime).unwrap_err();
/// assert_eq!(clash.name(), "api");
/// assert!(clash.to_string().contains("two runtimes have the name `api`"));
/// # Ok::<(), spinney::runtime::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameClash(Clash);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Clash {
    Runtime(String),
    Metric(String),
}

impl NameClash {
    /// The name of the metric or runtime that was there before.
    ///
    /// # Examples
    ///
    /// ```
    /// use prometheus_client::{metrics::gauge::ConstGauge, registry::Registry};
    /// use spinney::{Runtime, compat::openmetrics::Exporter};
    ///
    /// let mut registry = Registry::default();
    /// registry.register("spinney_stalls", "Mine", ConstGauge::new(1_u64));
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// let clash = Exporter::new(&runtime).register(&mut registry).unwrap_err();
    /// assert_eq!(clash.name(), "spinney_stalls");
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.0 {
            Clash::Runtime(name) | Clash::Metric(name) => name,
        }
    }
}

impl fmt::Display for NameClash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Clash::Runtime(name) => write!(
                f,
                "two runtimes have the name `{name}`, by which their metrics are told apart: give one \
                 another by `RuntimeBuilder::thread_name`"
            ),
            Clash::Metric(name) => write!(
                f,
                "the registry has a metric `{name}` already: an exporter is registered once, with all \
                 runtimes, and names that begin with `spinney_` are its own"
            ),
        }
    }
}

impl Error for NameClash {}

impl Exporter {
    /// The numbers of this runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, compat::openmetrics::Exporter};
    ///
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// assert!(Exporter::new(&runtime).text().contains("spinney_workers_count"));
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn new(runtime: &Runtime) -> Self {
        Self::of(runtime.shared())
    }

    /// Those of the runtime of free functions here: that of the worker that asks, or the global
    /// one, which is started if it was not.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, compat::openmetrics::Exporter};
    ///
    /// let runtime = Runtime::builder().workers(1).thread_name("mine").build()?;
    /// let exporter = runtime.block_on(async { Exporter::of_current() });
    /// assert!(exporter.text().contains("runtime=\"mine\""));
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn of_current() -> Self {
        Self::of(&global::runtime())
    }

    fn of(shared: &Arc<Shared>) -> Self {
        Self {
            runtimes: vec![(shared.name.clone(), Arc::downgrade(shared))],
        }
    }

    /// And those of this one.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, compat::openmetrics::Exporter};
    ///
    /// let front = Runtime::builder().workers(1).thread_name("front").build()?;
    /// let back = Runtime::builder().workers(2).thread_name("back").build()?;
    /// let text = Exporter::new(&front).with(&back)?.text();
    /// assert!(text.contains("spinney_workers_count{runtime=\"back\"} 2"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NameClash`] if it has the name of another one, under which the numbers of both would be
    /// written.
    pub fn with(mut self, runtime: &Runtime) -> Result<Self, NameClash> {
        let Self { runtimes } = Self::new(runtime);
        for (name, shared) in runtimes {
            if self.runtimes.iter().any(|(known, _)| *known == name) {
                return Err(NameClash(Clash::Runtime(name)));
            }
            self.runtimes.push((name, shared));
        }
        Ok(self)
    }

    /// Has a registry write the numbers, too. They are taken each time that it is encoded.
    ///
    /// # Examples
    ///
    /// ```
    /// use prometheus_client::registry::Registry;
    /// use spinney::{Runtime, compat::openmetrics::Exporter};
    ///
    /// let mut registry = Registry::default();
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// Exporter::new(&runtime).register(&mut registry)?;
    /// assert!(Exporter::new(&runtime).register(&mut registry).is_err()); // a second time
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NameClash`] if the registry has a metric of one of these names. It cannot know of those
    /// that come later.
    pub fn register(self, registry: &mut Registry) -> Result<(), NameClash> {
        let mut there = String::new();
        // A registry whose own metrics cannot be encoded says so when it is.
        let _ = text::encode(&mut there, registry);
        let ours = self.text();
        let ours: Vec<_> = names(&ours).collect();
        // A registry inside another one puts a prefix in front of each.
        let is_ours = |name: &&str| {
            let mut ours = ours.iter();
            ours.any(|our| {
                name.strip_suffix(our)
                    .is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('_'))
            })
        };
        if let Some(name) = names(&there).find(is_ours) {
            return Err(NameClash(Clash::Metric(name.to_owned())));
        }
        registry.register_collector(Box::new(self));
        Ok(())
    }

    /// All of it, as a body of the content type
    /// `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, compat::openmetrics::Exporter};
    ///
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// assert!(Exporter::new(&runtime).text().starts_with("# HELP spinney_"));
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[must_use]
    pub fn text(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        // A string takes whatever is written.
        let _ = text::encode(&mut text, &registry);
        text
    }
}

/// The names of the metrics in a text.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next())
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.runtimes.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl Collector for Exporter {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let runtimes = self.runtimes.iter().filter_map(|(name, shared)| {
            let shared = shared.upgrade()?;
            Some((&**name, Statistics::of(&shared)))
        });
        Taken {
            runtimes: runtimes.collect(),
            encoder,
        }
        .encode()
    }
}
