//! Cache lines: which processors have a copy, and what an access costs.
//!
//! A processor that alone has a line writes to it at no further cost, one that has a copy reads it.
//! Everything else is a *transfer*. A line that goes from one processor to another to be written,
//! or from its last writer to the first reader, is handed on, which takes half of a transfer, the
//! other half being the request; and it is handed on to one at a time, so those who want it wait in
//! a queue. That queue is what limits a line that all write. More readers get their copies at once.

use crate::costs::Costs;
use std::collections::VecDeque;

/// What a line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The counts of searching and sleeping workers.
    Word,
    /// The list of sleepers, with its lock.
    Sleepers,
    /// The queue for outsiders, at the end of those who push.
    InjectorTail,
    /// The same, at the end of those who take.
    InjectorHead,
    /// Counters of threads without a seat.
    Counters,
    /// The count of references to the runtime.
    References,
    /// The driver's role and its locks.
    Driver,
    /// The ends of a seat's deques.
    Deque,
    /// Where thieves find a seat's deques; its owner writes to the same line at each pop.
    Seat,
    /// The join word of a group.
    Group,
    /// One part of tokio's list of all tasks.
    Shard,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Word => "word",
            Self::Sleepers => "sleepers",
            Self::InjectorTail => "injector's tail",
            Self::InjectorHead => "injector's head",
            Self::Counters => "counters",
            Self::References => "references",
            Self::Driver => "driver",
            Self::Deque => "deque",
            Self::Seat => "seat",
            Self::Group => "group",
            Self::Shard => "shard",
        }
    }
}

/// Processors that can be told apart: 128 workers, and threads outside.
const PROCESSORS: usize = 192;

/// The name of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line(usize);

struct State {
    kind: Kind,
    /// A bit for each processor that has a copy.
    copies: [u64; PROCESSORS / 64],
    /// Whether the processor with the only copy has written to it.
    written: bool,
    /// When it is on its way: each time for as long as it takes to hand it on. Threads ask for times
    /// that lie ahead of their event, and not in order.
    taken: VecDeque<u64>,
    /// When the last copy from its writer was there.
    read_at: u64,
    handed_on: u64,
    transfers: u64,
}

/// All lines.
pub(crate) struct Lines {
    lines: Vec<State>,
    /// The time of the event: no thread asks for an earlier one.
    pub(crate) now: u64,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self {
            lines: Vec::new(),
            now: 0,
        }
    }

    pub(crate) fn add(&mut self, kind: Kind) -> Line {
        self.lines.push(State {
            kind,
            copies: [0; PROCESSORS / 64],
            written: false,
            taken: VecDeque::new(),
            read_at: 0,
            handed_on: 0,
            transfers: 0,
        });
        Line(self.lines.len() - 1)
    }

    /// Waits for a copy; how long.
    pub(crate) fn read(&mut self, costs: &Costs, by: usize, line: Line, at: u64) -> u64 {
        let state = &mut self.lines[line.0];
        let (word, bit) = (by / 64, 1 << (by % 64));
        if state.copies[word] & bit != 0 {
            return 0;
        }
        state.copies[word] |= bit;
        if std::mem::take(&mut state.written) {
            let waited = state.hand_on(costs, at, self.now);
            state.read_at = at + waited;
            return waited;
        }
        state.transfers += 1;
        state.read_at.max(at + costs.transfer) - at
    }

    /// Waits for the line alone; how long.
    pub(crate) fn write(&mut self, costs: &Costs, by: usize, line: Line, at: u64) -> u64 {
        let state = &mut self.lines[line.0];
        let mut alone = [0; PROCESSORS / 64];
        alone[by / 64] = 1 << (by % 64);
        if state.copies == alone {
            state.written = true;
            return 0;
        }
        state.copies = alone;
        state.written = true;
        state.hand_on(costs, at, self.now)
    }

    /// Transfers of all lines.
    pub(crate) fn transfers(&self) -> u64 {
        self.lines.iter().map(|state| state.transfers).sum()
    }

    /// The line that was handed on most often, and how often.
    pub(crate) fn hottest(&self) -> Option<(Kind, u64)> {
        let hottest = self.lines.iter().max_by_key(|state| state.handed_on)?;
        Some((hottest.kind, hottest.handed_on))
    }
}

impl State {
    /// Waits until the line is free for as long as it takes to hand it on.
    fn hand_on(&mut self, costs: &Costs, at: u64, now: u64) -> u64 {
        let takes = costs.hand_on();
        while self
            .taken
            .front()
            .is_some_and(|&begin| begin + takes <= now)
        {
            self.taken.pop_front();
        }
        let mut begin = at + costs.transfer - takes;
        let mut place = self.taken.len();
        for (index, &other) in self.taken.iter().enumerate() {
            if begin + takes <= other {
                place = index;
                break;
            }
            begin = begin.max(other + takes);
        }
        self.taken.insert(place, begin);
        self.handed_on += 1;
        self.transfers += 1;
        begin + takes - at
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Lines};
    use crate::costs::Costs;

    #[test]
    fn a_line_is_handed_on_to_one_at_a_time() {
        let costs = Costs::MEASURED;
        let (one, half) = (costs.transfer, costs.hand_on());
        let mut lines = Lines::new();
        let line = lines.add(Kind::Group);
        assert_eq!(lines.write(&costs, 0, line, 1000), one);
        assert_eq!(lines.write(&costs, 0, line, 2000), 0);
        // Three at once: each waits for those before it.
        assert_eq!(lines.write(&costs, 1, line, 3000), one);
        assert_eq!(lines.write(&costs, 2, line, 3000), one + half);
        assert_eq!(lines.read(&costs, 3, line, 3000), one + 2 * half);
        // This one gets its copy together with the reader before.
        assert_eq!(lines.read(&costs, 4, line, 3000), one + 2 * half);
        assert_eq!(lines.read(&costs, 3, line, 9000), 0);
        assert_eq!(lines.read(&costs, 5, line, 9000), one);
        // Readers have copies, so the writer has to ask again.
        assert_eq!(lines.write(&costs, 2, line, 9500), one);
        assert_eq!(lines.hottest(), Some((Kind::Group, 5)));
        assert_eq!(lines.transfers(), 7);
        // A thread that asks for a time before all of these does not wait for them.
        assert_eq!(lines.write(&costs, 7, line, 2000), one);
    }
}
