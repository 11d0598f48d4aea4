//! What a simulation comes to.

use crate::lines::Kind;

/// Sums over one run; times are nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) workers: u64,
    pub(crate) end: u64,
    /// Time that tasks computed.
    pub(crate) work: u64,
    /// Tasks that have ended.
    pub(crate) ended: u64,
    pub(crate) wakes: u64,
    pub(crate) sleeps: u64,
    pub(crate) steals: u64,
    /// Rounds of searches.
    pub(crate) rounds: u64,
    /// Jobs that began on another processor than where they were made or ran last.
    pub(crate) moved: u64,
    pub(crate) transfers: u64,
    pub(crate) hottest: Option<(Kind, u64)>,
    pub(crate) hand_on: u64,
    /// From each push to the begin.
    delays: Vec<u64>,
}

impl Figures {
    pub(crate) fn begins(&mut self, delay: u64) {
        self.delays.push(delay);
    }

    pub(crate) fn jobs(&self) -> u64 {
        self.delays.len() as u64
    }

    /// The delay that this share of the jobs did not exceed. The first half does not
    /// count: there the workers wake up, one after the other.
    pub(crate) fn delay(&self, share: f64) -> u64 {
        let mut delays = self.delays[self.delays.len() / 2..].to_vec();
        delays.sort_unstable();
        let at = (share * delays.len() as f64) as usize;
        delays.get(at).or(delays.last()).copied().unwrap_or(0)
    }

    /// The mean delay, of the second half.
    #[cfg(test)]
    pub(crate) fn mean_delay(&self) -> f64 {
        let delays = &self.delays[self.delays.len() / 2..];
        delays.iter().sum::<u64>() as f64 / delays.len() as f64
    }

    #[cfg(test)]
    /// The share of the workers' time in which tasks computed, in percent.
    pub(crate) fn busy(&self) -> f64 {
        100.0 * self.work as f64 / (self.workers * self.end).max(1) as f64
    }

    /// The share of the time in which the hottest line was on its way, in percent.
    pub(crate) fn heat(&self) -> f64 {
        let times = self.hottest.map_or(0, |(_, times)| times);
        100.0 * (times * self.hand_on) as f64 / self.end.max(1) as f64
    }

    /// So many for each job.
    pub(crate) fn each(&self, number: u64) -> f64 {
        number as f64 / self.jobs().max(1) as f64
    }
}
