//! What is compared: how work is queued, found and announced.

/// When a push to the own seat wakes a worker, if none searches and one sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Each time.
    Always,
    /// When more jobs wait there than the worker runs in 16 us, or 16 of them. Searchers leave the
    /// others alone, unless the seat has begun no job for a while; behind that stands the sentinel,
    /// which looks each millisecond.
    Crowded,
}

/// What could be done otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Workers count the members of a group in parts of their own.
    pub(crate) counts: bool,
    /// The queue for outsiders, and what is counted there, is in eight parts.
    pub(crate) injector: bool,
    /// A thief begins at the seat where it found something last.
    pub(crate) victim: bool,
    /// What thieves read of a seat is on no line that its owner writes to at each pop, and what
    /// each worker reads before a job is on no line that searchers write to.
    pub(crate) apart: bool,
    /// A thief takes half of a deque and 32 jobs at most, however long they take.
    pub(crate) batch: bool,
}

/// A scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// This one: new children newest first, woken tasks in order, a search of 34 rounds, a join
    /// word for each group.
    Spinney(Wake, Changes),
    /// tokio's: a slot for the newest task, which is not stolen; one queue in order, of 256; half
    /// of a queue is stolen; a search of one round; a list of all tasks in shards.
    Tokio,
}

/// The three that the tables show.
pub(crate) const ALL: [Policy; 3] = [
    Policy::Spinney(Wake::Always, Changes::NONE),
    Policy::Spinney(Wake::Crowded, Changes::NONE),
    Policy::Tokio,
];

/// Rounds of a search, with pauses that double: `pool/worker.rs`.
pub(crate) const SEARCH_ROUNDS: u32 = 34;
/// In these rounds a searcher compares how many jobs a seat has begun: `pool/worker.rs`.
pub(crate) const COMPARES: [u32; 3] = [16, 24, 32];
/// New children of one job that go to the fork deque at most: `pool/seats.rs`.
pub(crate) const SPILL: usize = 64;
/// tokio's local queue.
pub(crate) const RING: usize = 256;
/// Polls of the slot, one after the other: tokio's.
pub(crate) const SLOT_STREAK: u32 = 3;
/// Parts of the queue for outsiders, where it has parts.
pub(crate) const PARTS: usize = 8;
/// Between two looks of the sentinel, in nanoseconds.
pub(crate) const TICK: u64 = 1_000_000;

impl Changes {
    pub(crate) const NONE: Self = Self {
        counts: false,
        injector: false,
        victim: false,
        apart: false,
        batch: false,
    };

    /// Each alone, and all together, with their names.
    pub(crate) const EACH: [(&str, Self); 7] = [
        ("as it is", Self::NONE),
        (
            "counts in parts",
            Self {
                counts: true,
                ..Self::NONE
            },
        ),
        (
            "injector in parts",
            Self {
                injector: true,
                ..Self::NONE
            },
        ),
        (
            "last victim first",
            Self {
                victim: true,
                ..Self::NONE
            },
        ),
        (
            "lines apart",
            Self {
                apart: true,
                ..Self::NONE
            },
        ),
        (
            "batches of half",
            Self {
                batch: true,
                ..Self::NONE
            },
        ),
        (
            "all five",
            Self {
                counts: true,
                injector: true,
                victim: true,
                apart: true,
                batch: true,
            },
        ),
    ];
}

impl Policy {
    pub(crate) fn changes(self) -> Changes {
        match self {
            Self::Spinney(_, changes) => changes,
            Self::Tokio => Changes::NONE,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spinney(Wake::Always, _) => "always",
            Self::Spinney(Wake::Crowded, _) => "crowded",
            Self::Tokio => "tokio",
        }
    }

    pub(crate) fn is_tokio(self) -> bool {
        self == Self::Tokio
    }

    pub(crate) fn withholds(self) -> bool {
        matches!(self, Self::Spinney(Wake::Crowded, _))
    }

    /// Jobs between two looks at the queue for outsiders, for jobs that take so many nanoseconds.
    pub(crate) fn outside_every(self, job: u64) -> u64 {
        match self {
            Self::Spinney(Wake::Always, _) => 8,
            Self::Spinney(Wake::Crowded, _) => 4,
            // Aims at 200 us, within these bounds.
            Self::Tokio => (200_000 / job.max(1)).clamp(2, 127),
        }
    }

    /// Jobs between two looks at time and I/O.
    pub(crate) fn drive_every(self, job: u64) -> u64 {
        match self {
            Self::Spinney(..) => (64_000 / job.max(1)).clamp(1, 1024),
            Self::Tokio => 61,
        }
    }

    /// Jobs that a thief takes along at most.
    pub(crate) fn batch(self, job: u64) -> usize {
        match self {
            Self::Spinney(_, Changes { batch: true, .. }) => 32,
            Self::Spinney(..) => (self.drive_every(job) / 8).clamp(1, 32) as usize,
            Self::Tokio => RING / 2,
        }
    }

    /// So many jobs on a seat are too many for its worker.
    pub(crate) fn crowd(self, job: u64) -> usize {
        (self.drive_every(job) / 4).clamp(1, 16) as usize
    }
}
