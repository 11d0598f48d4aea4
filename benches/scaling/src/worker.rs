//! A worker that is busy: what it runs, and where it takes the next job from.

use crate::lines;
use crate::load::Step;
use crate::policy::{RING, SLOT_STREAK, SPILL};
use crate::world::{Group, TaskId, TaskState, WorkerState, World};

impl World {
    /// The next step of a worker.
    pub(crate) fn step(&mut self, me: usize) {
        match self.workers[me].state {
            WorkerState::Running(task) => self.run_step(me, task),
            WorkerState::Looking => self.look(me),
            WorkerState::Searching(round) => self.search(me, round),
            WorkerState::Asleep => unreachable!("a sleeper is woken first"),
        }
        if self.workers[me].state != WorkerState::Asleep {
            self.goes_on(me, 0);
        }
    }

    /// The next step of a task.
    fn run_step(&mut self, me: usize, task: TaskId) {
        let Some(&step) = self.tasks[task].steps.as_slice().first() else {
            return self.complete(me, task);
        };
        let done = match step {
            Step::Work(time) => {
                self.clock += time;
                self.figures.work += time;
                true
            }
            Step::Spawn(kind) => {
                let group = self.own_group(task);
                let child = self.spawn(me, kind, group, self.clock);
                self.push_new(me, child);
                true
            }
            Step::Join => match self.tasks[task].own {
                Some(group) if self.groups[group].left > 0 => {
                    self.groups[group].waiter = Some(task);
                    false
                }
                _ => true,
            },
            Step::Send(other) => {
                self.clock += self.costs.locked;
                if self.tasks[other].home != me {
                    self.clock += self.costs.transfer;
                }
                self.tasks[other].messages += 1;
                if self.tasks[other].state == TaskState::Idle {
                    self.push_woken(me, other);
                }
                true
            }
            Step::Receive => match self.tasks[task].messages.checked_sub(1) {
                Some(left) => {
                    self.tasks[task].messages = left;
                    true
                }
                None => false,
            },
        };
        if done {
            self.tasks[task].steps.next();
        } else {
            self.tasks[task].state = TaskState::Idle;
            self.end_job(me);
        }
    }

    fn own_group(&mut self, task: TaskId) -> usize {
        if let Some(group) = self.tasks[task].own {
            return group;
        }
        let line = self.lines.add(lines::Kind::Group);
        self.groups.push(Group {
            line,
            left: 0,
            waiter: None,
        });
        let group = self.groups.len() - 1;
        self.tasks[task].own = Some(group);
        group
    }

    fn complete(&mut self, me: usize, task: TaskId) {
        let group = self.tasks[task].group;
        self.count(me, group);
        self.tasks[task].state = TaskState::Ended;
        self.tasks[task].steps = Vec::new().into_iter();
        self.groups[group].left -= 1;
        self.figures.ended += 1;
        if self.groups[group].left == 0 {
            if let Some(waiter) = self.groups[group].waiter.take() {
                self.push_woken(me, waiter);
            }
        }
        self.end_job(me);
    }

    fn end_job(&mut self, me: usize) {
        let worker = &mut self.workers[me];
        worker.job = (7 * worker.job + (self.clock - worker.begun_at)) / 8;
        worker.state = WorkerState::Looking;
    }

    pub(crate) fn begin(&mut self, me: usize, task: TaskId) {
        self.workers[me].begun_at = self.clock;
        self.clock += self.costs.run;
        if self.tasks[task].home != me {
            // Header, future, and what it was called with.
            self.clock += 3 * self.costs.transfer;
            self.tasks[task].home = me;
            self.figures.moved += 1;
        }
        self.figures
            .begins(self.clock - self.tasks[task].queued_at.min(self.clock));
        self.tasks[task].state = TaskState::Running;
        self.workers[me].begun += 1;
        self.workers[me].state = WorkerState::Running(task);
    }

    fn push_new(&mut self, me: usize, task: TaskId) {
        if self.policy.is_tokio() {
            return self.push_to_slot(me, task);
        }
        let worker = &mut self.workers[me];
        let (base, most) = match self.policy.withholds() {
            true => (worker.base, 1024),
            false => (0, SPILL),
        };
        match worker.fork.len() < most.min(base + SPILL) {
            true => worker.fork.push_back(task),
            false => worker.wake.push_back(task),
        }
        self.write(me, self.workers[me].line);
        self.notify_for(me);
    }

    fn push_woken(&mut self, me: usize, task: TaskId) {
        self.tasks[task].state = TaskState::Queued;
        self.tasks[task].queued_at = self.clock;
        if self.policy.is_tokio() {
            return self.push_to_slot(me, task);
        }
        self.workers[me].wake.push_back(task);
        self.write(me, self.workers[me].line);
        self.notify_for(me);
    }

    /// Into the slot; what was there goes to the queue, and is announced.
    fn push_to_slot(&mut self, me: usize, task: TaskId) {
        let Some(older) = self.workers[me].slot.replace(task) else {
            return;
        };
        if self.workers[me].wake.len() >= RING {
            self.lock(me, self.shared.outside[0][0]);
            let half = self.workers[me].wake.split_off(RING / 2);
            self.injector.extend(half);
            self.injector.push_back(older);
        } else {
            self.workers[me].wake.push_back(older);
            self.write(me, self.workers[me].line);
        }
        self.notify(me);
    }

    /// Takes the next job, or begins to search.
    fn look(&mut self, me: usize) {
        let (begun, job) = (self.workers[me].begun, self.workers[me].job);
        if !self.policy.is_tokio() && !self.policy.changes().apart {
            // Whether the sentinel has beaten, which is on that line.
            self.read(me, self.shared.word);
        }
        if begun - self.workers[me].driven >= self.policy.drive_every(job) {
            self.drive(me);
        }
        let every = self.policy.outside_every(job);
        if begun % every == every - 1 {
            if let Some(task) = self.take_injected(me, 1) {
                return self.begin(me, task);
            }
        }
        if let Some(task) = self.pop(me) {
            return self.begin(me, task);
        }
        let batch = self.policy.batch(job);
        if let Some(task) = self.take_injected(me, batch) {
            if !self.policy.is_tokio() && self.workers[me].waiting() > 0 {
                self.notify_for(me);
            }
            return self.begin(me, task);
        }
        if !self.policy.is_tokio() {
            self.drive(me);
        }
        self.start_search(me);
    }

    fn drive(&mut self, me: usize) {
        self.workers[me].driven = self.workers[me].begun;
        self.clock += self.costs.epoll;
        // Taken and given back; ours has three locks beside it.
        let locks = if self.policy.is_tokio() { 1 } else { 4 };
        for _ in 0..locks {
            self.lock(me, self.shared.driver);
        }
    }

    fn pop(&mut self, me: usize) -> Option<TaskId> {
        let line = self.workers[me].line;
        let worker = &mut self.workers[me];
        if self.policy.is_tokio() {
            if worker.streak < SLOT_STREAK && worker.slot.is_some() {
                worker.streak += 1;
                return worker.slot.take();
            }
            worker.streak = 0;
            // The slot's turn is over: it goes to the end of the queue.
            let late = worker.slot.take();
            worker.wake.extend(late);
            let task = worker.wake.pop_front()?;
            self.locked(me, line);
            return Some(task);
        }
        let task = match worker.begun % 8 {
            0 => worker.fork.pop_back().or_else(|| worker.wake.pop_front()),
            _ => worker.wake.pop_front().or_else(|| worker.fork.pop_back()),
        }?;
        worker.base = worker.fork.len();
        if !self.policy.changes().apart {
            // The base is on that line.
            self.write(me, self.workers[me].seat);
        }
        self.locked(me, line);
        Some(task)
    }

    /// Takes jobs from the queue for outsiders to the own seat, and returns one.
    pub(crate) fn take_injected(&mut self, me: usize, batch: usize) -> Option<TaskId> {
        let part = self.rng.below(self.shared.outside.len());
        let [tail, head, _] = self.shared.outside[part];
        self.read(me, head);
        self.read(me, tail);
        if self.injector.is_empty() {
            return None;
        }
        let there = self.injector.len();
        let count = match self.policy.is_tokio() {
            true => {
                self.lock(me, tail);
                (there / self.workers.len() + 1).min(RING / 2)
            }
            false => {
                self.locked(me, head);
                there.div_ceil(2)
            }
        };
        let mut taken = self.injector.drain(..count.min(batch).min(there));
        let first = taken.next();
        self.workers[me].wake.extend(taken);
        first
    }
}
