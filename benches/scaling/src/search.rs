//! A worker that has nothing to do, and those that wake it.

use crate::policy::{COMPARES, SEARCH_ROUNDS};
use crate::world::{TaskId, WorkerState, World};

impl World {
    /// After a push to the queue for outsiders: wakes a worker, if none searches and one sleeps.
    pub(crate) fn notify(&mut self, by: usize) {
        if self.hears_nothing(by) {
            self.wake_one(by);
        }
    }

    /// After a push to the own seat.
    pub(crate) fn notify_for(&mut self, me: usize) {
        if self.hears_nothing(me) && (!self.policy.withholds() || self.is_crowded(me)) {
            self.wake_one(me);
        }
    }

    fn hears_nothing(&mut self, by: usize) -> bool {
        if self.policy.is_tokio() {
            self.locked(by, self.shared.word);
        } else {
            self.clock += self.costs.locked;
            self.read(by, self.shared.word);
        }
        self.searching == 0 && !self.sleepers.is_empty()
    }

    fn wake_one(&mut self, by: usize) {
        self.lock(by, self.shared.sleepers);
        let Some(sleeper) = self.sleepers.pop() else {
            return;
        };
        self.searching += 1;
        self.locked(by, self.shared.word);
        if !self.policy.is_tokio() {
            self.locked(by, self.shared.outside[0][2]);
        }
        self.clock += self.costs.wake_call;
        self.figures.wakes += 1;
        self.workers[sleeper].state = WorkerState::Searching(0);
        self.goes_on(sleeper, self.costs.wake_delay);
    }

    fn is_crowded(&self, seat: usize) -> bool {
        let worker = &self.workers[seat];
        worker.waiting() >= self.policy.crowd(worker.job)
    }

    /// Whether there is a job that a worker which is about to sleep must not leave: it looks at each
    /// queue, until it finds one.
    fn is_needed(&mut self, me: usize) -> bool {
        for part in 0..self.shared.outside.len() {
            let [tail, head, _] = self.shared.outside[part];
            self.read(me, head);
            self.read(me, tail);
        }
        !self.injector.is_empty()
            || (0..self.workers.len()).any(|seat| {
                self.look_at(me, seat);
                match self.policy.withholds() {
                    true => self.is_crowded(seat),
                    false => self.workers[seat].waiting() > 0,
                }
            })
    }

    /// Looks at both deques of a seat.
    fn look_at(&mut self, me: usize, seat: usize) {
        self.clock += 2 * self.costs.look;
        if !self.policy.is_tokio() {
            self.read(me, self.workers[seat].seat);
        }
        self.read(me, self.workers[seat].line);
    }

    pub(crate) fn start_search(&mut self, me: usize) {
        self.read(me, self.shared.word);
        if 2 * self.searching >= self.workers.len().max(2) {
            return self.fall_asleep(me, false);
        }
        self.searching += 1;
        self.locked(me, self.shared.word);
        self.workers[me].state = WorkerState::Searching(0);
    }

    /// One round of a search.
    pub(crate) fn search(&mut self, me: usize, round: u32) {
        self.figures.rounds += 1;
        let job = self.workers[me].job;
        let task = match self.steal(me, round) {
            Some(task) => Some(task),
            None => self.take_injected(me, self.policy.batch(job)),
        };
        if let Some(task) = task {
            self.found(me);
            return self.begin(me, task);
        }
        let rounds = if self.policy.is_tokio() {
            1
        } else {
            SEARCH_ROUNDS
        };
        if round + 1 == rounds {
            return self.fall_asleep(me, true);
        }
        self.clock += self.costs.spin << (round / 4).min(5);
        self.workers[me].state = WorkerState::Searching(round + 1);
    }

    /// Stops searching; the last one wakes another.
    fn found(&mut self, me: usize) {
        self.searching -= 1;
        self.locked(me, self.shared.word);
        if self.searching == 0 {
            self.clock += self.costs.locked;
            if self.policy.is_tokio() || self.is_needed(me) {
                self.notify(me);
            }
        }
    }

    fn fall_asleep(&mut self, me: usize, searched: bool) {
        self.lock(me, self.shared.sleepers);
        self.locked(me, self.shared.word);
        self.sleepers.push(me);
        self.searching -= usize::from(searched);
        self.clock += self.costs.locked;
        // tokio's last searcher looks once more, and wakes a worker if it finds something.
        let looks = !self.policy.is_tokio() || (searched && self.searching == 0);
        let needed = looks && self.is_needed(me);
        self.workers[me].state = WorkerState::Asleep;
        if needed && self.policy.is_tokio() {
            return self.wake_one(me);
        }
        if needed {
            self.lock(me, self.shared.sleepers);
            self.locked(me, self.shared.word);
            self.sleepers.retain(|&sleeper| sleeper != me);
            self.searching += 1;
            self.workers[me].state = WorkerState::Searching(0);
            return;
        }
        self.clock += self.costs.sleep_call;
        self.figures.sleeps += 1;
    }

    fn steal(&mut self, me: usize, round: u32) -> Option<TaskId> {
        let all = self.workers.len();
        let start = match self.policy.changes().victim {
            true => self.workers[me].victim,
            false => self.rng.below(all),
        };
        for victim in (0..all).map(|seat| (start + seat) % all) {
            if victim == me {
                continue;
            }
            self.look_at(me, victim);
            if self.policy.withholds() && !self.may_take(me, victim, round) {
                continue;
            }
            if self.workers[victim].waiting() > 0 {
                self.workers[me].victim = victim;
                return self.steal_from(me, victim);
            }
        }
        None
    }

    /// A withheld job is left to a worker that gets on.
    fn may_take(&mut self, me: usize, victim: usize, round: u32) -> bool {
        let begun = self.workers[victim].begun;
        let stands = COMPARES.contains(&round) && {
            let seen = std::mem::replace(&mut self.workers[me].seen[victim], begun);
            seen == begun && round != COMPARES[0]
        };
        stands || self.is_crowded(victim)
    }

    fn steal_from(&mut self, me: usize, victim: usize) -> Option<TaskId> {
        let batch = self.policy.batch(self.workers[me].job);
        let line = self.workers[victim].line;
        let forks = !self.workers[victim].fork.is_empty();
        let queue = match forks {
            true => &mut self.workers[victim].fork,
            false => &mut self.workers[victim].wake,
        };
        let most = if forks && self.policy.withholds() {
            4
        } else {
            batch
        };
        let count = queue.len().div_ceil(2).min(most);
        let mut taken: Vec<_> = queue.drain(..count).collect();
        // Of new children each costs an exchange of its own.
        let exchanges = if forks { count } else { 1 };
        for _ in 0..exchanges {
            self.locked(me, line);
        }
        let first = (!taken.is_empty()).then(|| taken.remove(0));
        let own = &mut self.workers[me];
        match forks {
            true => own.fork.extend(taken),
            false => own.wake.extend(taken),
        }
        self.write(me, self.workers[me].line);
        self.figures.steals += 1;
        first
    }
}
