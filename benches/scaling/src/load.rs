//! What is run: tasks as lists of steps.

use crate::rng::Rng;

/// A step of a task.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Computes for so many nanoseconds.
    Work(u64),
    /// Spawns a child into its group.
    Spawn(Kind),
    /// Waits until all of its children have ended.
    Join,
    /// Sends a message to a task, which is woken if it waits for one.
    Send(usize),
    /// Waits for a message.
    Receive,
}

/// What a task does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Computes for so many nanoseconds.
    Job(u64),
    /// Spawns so many of those, and joins them.
    FanOut { children: u32, work: u64 },
    /// A node of a tree with ten branches: spawns the nodes below it, and joins them.
    Node { depth: u32, work: u64 },
    /// One of two that play with each other: whom it plays with, how often, and whether it begins.
    Player {
        other: usize,
        turns: u32,
        begins: bool,
    },
}

impl Kind {
    pub(crate) fn steps(self) -> Vec<Step> {
        match self {
            Self::Job(work) => vec![Step::Work(work)],
            Self::FanOut { children, work } => {
                let spawn = (0..children).map(|_| Step::Spawn(Self::Job(work)));
                spawn.chain([Step::Join]).collect()
            }
            Self::Node { depth, work } => match depth.checked_sub(1) {
                None => vec![Step::Work(work)],
                Some(depth) => {
                    let spawn = (0..10).map(|_| Step::Spawn(Self::Node { depth, work }));
                    spawn.chain([Step::Join]).collect()
                }
            },
            Self::Player {
                other,
                turns,
                begins,
            } => {
                let turn = [Step::Receive, Step::Work(200), Step::Send(other)];
                let skipped = usize::from(begins);
                let turns = (0..turns).flat_map(|_| turn);
                turns.skip(skipped).collect()
            }
        }
    }
}

/// A program.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// One task spawns all.
    FanOut { children: u32, work: u64 },
    /// A tree of tasks, ten below each.
    Tree { depth: u32, work: u64 },
    /// Pairs that hand a message to and fro.
    PingPong { pairs: usize, turns: u32 },
    /// Jobs that come from outside at chance, and keep the workers busy to so many percent. They
    /// take so long in the mean.
    Arrivals { percent: u32, jobs: u32, mean: u64 },
}

impl Load {
    /// What is there at the beginning.
    pub(crate) fn first(self) -> Vec<Kind> {
        match self {
            Self::FanOut { children, work } => vec![Kind::FanOut { children, work }],
            Self::Tree { depth, work } => vec![Kind::Node { depth, work }],
            Self::PingPong { pairs, turns } => {
                let player = |id: usize| Kind::Player {
                    other: id ^ 1,
                    turns,
                    begins: id % 2 == 0,
                };
                (0..2 * pairs).map(player).collect()
            }
            Self::Arrivals { .. } => Vec::new(),
        }
    }

    /// When a thread outside has its next job: after so many nanoseconds, and what it is.
    pub(crate) fn next(self, workers: usize, threads: usize, rng: &mut Rng) -> (u64, Kind) {
        let Self::Arrivals { percent, mean, .. } = self else {
            unreachable!("only arrivals go on");
        };
        let each = mean as f64 * 100.0 / f64::from(percent) / workers as f64;
        let after = rng.exponential(each * threads as f64);
        (after, Kind::Job(rng.exponential(mean as f64)))
    }

    /// Jobs that come from outside later on.
    pub(crate) fn later(self) -> u32 {
        match self {
            Self::Arrivals { jobs, .. } => jobs,
            _ => 0,
        }
    }
}
