//! The state of a simulation, and its events in the order of time.
//!
//! Each event is one step of one thread: what it changes is changed when the event begins, and what
//! it costs delays the next step of the same thread. Each worker has a processor for itself.

use crate::costs::Costs;
use crate::figures::Figures;
use crate::lines::{Kind as Lines_, Line, Lines};
use crate::load::{Kind, Load, Step};
use crate::policy::{PARTS, Policy, TICK};
use crate::rng::Rng;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A task by its number.
pub(crate) type TaskId = usize;

/// Whose step comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Worker(usize),
    /// A thread outside pushes its next job.
    Outsider(usize),
    Sentinel,
}

/// What a task waits for, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskState {
    Queued,
    Running,
    Idle,
    Ended,
}

pub(crate) struct Task {
    pub(crate) steps: std::vec::IntoIter<Step>,
    pub(crate) state: TaskState,
    /// The group that it belongs to.
    pub(crate) group: usize,
    /// The group of its children.
    pub(crate) own: Option<usize>,
    pub(crate) messages: u32,
    /// On whose processor its memory is.
    pub(crate) home: usize,
    pub(crate) queued_at: u64,
}

pub(crate) struct Group {
    pub(crate) line: Line,
    /// Members that have not ended.
    pub(crate) left: usize,
    pub(crate) waiter: Option<TaskId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerState {
    /// About to look for its next job.
    Looking,
    Running(TaskId),
    /// In this round of a search.
    Searching(u32),
    Asleep,
}

pub(crate) struct Worker {
    pub(crate) state: WorkerState,
    /// New children: the newest is the last.
    pub(crate) fork: VecDeque<TaskId>,
    /// Woken tasks in order; with tokio's policy all.
    pub(crate) wake: VecDeque<TaskId>,
    /// tokio's slot for the newest task, and how often it was used without a break.
    pub(crate) slot: Option<TaskId>,
    pub(crate) streak: u32,
    pub(crate) line: Line,
    pub(crate) seat: Line,
    /// Jobs that were in `fork` when the last one was taken.
    pub(crate) base: usize,
    pub(crate) begun: u64,
    pub(crate) begun_at: u64,
    pub(crate) driven: u64,
    /// What a job takes, as far as this worker knows.
    pub(crate) job: u64,
    /// The seat from which it took jobs last.
    pub(crate) victim: usize,
    /// How many jobs the others had begun when it compared last.
    pub(crate) seen: Vec<u64>,
}

impl Worker {
    pub(crate) fn waiting(&self) -> usize {
        self.fork.len() + self.wake.len()
    }
}

/// Lines that there are once.
pub(crate) struct Shared {
    pub(crate) word: Line,
    pub(crate) sleepers: Line,
    /// The queue for outsiders, by parts: tail, head, counters.
    pub(crate) outside: Vec<[Line; 3]>,
    pub(crate) driver: Line,
    pub(crate) references: Line,
    pub(crate) shards: Vec<Line>,
}

pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) costs: Costs,
    load: Load,
    pub(crate) rng: Rng,
    /// The clock of the thread whose step it is.
    pub(crate) clock: u64,
    sequence: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    pub(crate) lines: Lines,
    pub(crate) shared: Shared,
    pub(crate) injector: VecDeque<TaskId>,
    pub(crate) searching: usize,
    pub(crate) sleepers: Vec<usize>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) groups: Vec<Group>,
    pub(crate) workers: Vec<Worker>,
    /// The next job of each thread outside: when it is due, and what it is.
    due: Vec<(u64, Kind)>,
    later: u32,
    seen: Vec<u64>,
    pub(crate) figures: Figures,
}

impl World {
    pub(crate) fn new(policy: Policy, costs: Costs, workers: usize, load: Load, seed: u64) -> Self {
        let mut lines = Lines::new();
        let mut add = |kind| lines.add(kind);
        let shared = Shared {
            word: add(Lines_::Word),
            sleepers: add(Lines_::Sleepers),
            outside: (0..if policy.changes().injector { PARTS } else { 1 })
                .map(|_| {
                    [Lines_::InjectorTail, Lines_::InjectorHead, Lines_::Counters].map(&mut add)
                })
                .collect(),
            driver: add(Lines_::Driver),
            references: add(Lines_::References),
            // Four for each worker, up to a power of two.
            shards: (0..(4 * workers).next_power_of_two())
                .map(|_| add(Lines_::Shard))
                .collect(),
        };
        let outside = Group {
            line: add(Lines_::Group),
            left: 0,
            waiter: None,
        };
        let worker = |[line, seat]: [Line; 2]| Worker {
            state: WorkerState::Asleep,
            fork: VecDeque::new(),
            wake: VecDeque::new(),
            slot: None,
            streak: 0,
            line,
            seat,
            base: 0,
            begun: 0,
            begun_at: 0,
            driven: 0,
            job: 1_000,
            victim: 0,
            seen: vec![u64::MAX; workers],
        };
        let seat = |_| [Lines_::Deque, Lines_::Seat].map(&mut add);
        let seats: Vec<_> = (0..workers).map(seat).collect();
        Self {
            policy,
            costs,
            load,
            rng: Rng::new(seed),
            clock: 0,
            sequence: 0,
            events: BinaryHeap::new(),
            lines,
            shared,
            injector: VecDeque::new(),
            searching: 0,
            sleepers: (0..workers).collect(),
            tasks: Vec::new(),
            groups: vec![outside],
            workers: seats.into_iter().map(worker).collect(),
            due: Vec::new(),
            later: load.later(),
            seen: vec![0; workers],
            figures: Figures::default(),
        }
    }

    /// Runs all of it.
    pub(crate) fn run(mut self) -> Figures {
        for kind in self.load.first() {
            self.push_outside(0, kind, 0);
        }
        if self.later > 0 {
            // As many as are no bottleneck by themselves.
            let threads = (self.workers.len() / 4).max(1);
            for thread in 0..threads {
                let first = self.load.next(self.workers.len(), threads, &mut self.rng);
                self.due.push(first);
                self.schedule(first.0, Event::Outsider(thread));
            }
        }
        if self.policy.withholds() {
            self.schedule(TICK, Event::Sentinel);
        }
        while self.groups[0].left > 0 || self.later > 0 {
            let next = self.events.pop();
            let Reverse((at, _, event)) = next.expect("a job waits and no thread sees to it");
            self.clock = at;
            self.lines.now = at;
            match event {
                Event::Worker(worker) => self.step(worker),
                Event::Outsider(thread) => self.arrive(thread),
                Event::Sentinel => self.tick(),
            }
        }
        self.figures.workers = self.workers.len() as u64;
        self.figures.end = self.clock;
        self.figures.transfers = self.lines.transfers();
        self.figures.hottest = self.lines.hottest();
        self.figures.hand_on = self.costs.hand_on();
        self.figures
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, event)));
    }

    /// The worker's next step comes after so many nanoseconds.
    pub(crate) fn goes_on(&mut self, worker: usize, after: u64) {
        self.schedule(self.clock + after, Event::Worker(worker));
    }

    /// A locked instruction.
    pub(crate) fn locked(&mut self, by: usize, line: Line) {
        self.clock += self.costs.locked;
        self.write(by, line);
    }

    /// A store that is waited for.
    pub(crate) fn write(&mut self, by: usize, line: Line) {
        self.clock += self.lines.write(&self.costs, by, line, self.clock);
    }

    pub(crate) fn read(&mut self, by: usize, line: Line) {
        self.clock += self.lines.read(&self.costs, by, line, self.clock);
    }

    /// A lock that is taken and given back.
    pub(crate) fn lock(&mut self, by: usize, line: Line) {
        self.locked(by, line);
        self.clock += self.costs.locked;
    }

    /// Counts a task in or out: in its group, or in tokio's list of tasks.
    pub(crate) fn count(&mut self, by: usize, group: usize) {
        match self.policy.is_tokio() {
            true => {
                let shard = self.rng.below(self.shared.shards.len());
                self.lock(by, self.shared.shards[shard]);
                // Each task has a reference to its runtime.
                self.locked(by, self.shared.references);
            }
            // In a part that no other thread writes to.
            false if self.policy.changes().counts && by < self.workers.len() => {
                self.clock += self.costs.locked;
            }
            false => self.locked(by, self.groups[group].line),
        }
    }

    /// A new task of a group.
    pub(crate) fn spawn(&mut self, by: usize, kind: Kind, group: usize, queued_at: u64) -> TaskId {
        self.clock += self.costs.spawn;
        self.count(by, group);
        self.groups[group].left += 1;
        self.tasks.push(Task {
            steps: kind.steps().into_iter(),
            state: TaskState::Queued,
            group,
            own: None,
            messages: 0,
            home: by,
            queued_at,
        });
        self.tasks.len() - 1
    }

    fn arrive(&mut self, thread: usize) {
        if self.later == 0 {
            return;
        }
        let (due, kind) = self.due[thread];
        self.push_outside(thread, kind, due);
        self.later -= 1;
        let threads = self.due.len();
        let (after, kind) = self.load.next(self.workers.len(), threads, &mut self.rng);
        self.due[thread] = (due + after, kind);
        let at = self.clock.max(due + after);
        self.schedule(at, Event::Outsider(thread));
    }

    /// A thread outside spawns.
    fn push_outside(&mut self, thread: usize, kind: Kind, due: u64) {
        let by = self.workers.len() + thread;
        let task = self.spawn(by, kind, 0, due);
        let [tail, _, counters] = self.shared.outside[thread % self.shared.outside.len()];
        if self.policy.is_tokio() {
            self.lock(by, tail);
        } else {
            // It keeps the runtime until the push is over.
            self.locked(by, self.shared.references);
            self.locked(by, counters);
            self.locked(by, tail);
            self.locked(by, counters);
        }
        self.injector.push_back(task);
        self.notify(by);
        if !self.policy.is_tokio() {
            self.locked(by, self.shared.references);
        }
    }

    /// The sentinel looks for a seat that stands still.
    fn tick(&mut self) {
        let mut stands = false;
        for (worker, seen) in self.workers.iter().zip(&mut self.seen) {
            let stood = std::mem::replace(seen, worker.begun) == worker.begun;
            stands |= stood && worker.waiting() > 0;
        }
        self.schedule(self.clock + TICK, Event::Sentinel);
        if stands {
            let by = self.workers.len() + self.due.len();
            self.notify(by);
        }
    }
}
