//! What things cost, in nanoseconds.

/// Costs of single steps.
#[derive(Clone, Debug)]
pub(crate) struct Costs {
    /// A locked instruction, or a fence, on a line that is at hand.
    pub(crate) locked: u64,
    /// The line from another processor and back.
    pub(crate) transfer: u64,
    /// A task is made: allocation, future, header.
    pub(crate) spawn: u64,
    /// A task is begun and ended, beside its work.
    pub(crate) run: u64,
    /// A look at one deque: a fence and two loads.
    pub(crate) look: u64,
    /// One `spin_loop`.
    pub(crate) spin: u64,
    /// The thread that wakes another one is in the kernel.
    pub(crate) wake_call: u64,
    /// From there to the first instruction of the thread that is woken.
    pub(crate) wake_delay: u64,
    /// A thread goes to sleep.
    pub(crate) sleep_call: u64,
    /// A look at I/O that does not wait.
    pub(crate) epoll: u64,
}

impl Costs {
    /// Measured on two processors of a virtual machine (`docs/scaling.md` says how). Sockets that
    /// are far apart have transfers of two to four times as long.
    pub(crate) const MEASURED: Self = Self {
        locked: 6,
        transfer: 70,
        spawn: 50,
        run: 50,
        look: 6,
        spin: 17,
        wake_call: 1_700,
        wake_delay: 8_000,
        sleep_call: 1_000,
        epoll: 130,
    };

    /// Of a transfer, the part in which the line is on its way.
    pub(crate) fn hand_on(&self) -> u64 {
        self.transfer / 2
    }

    /// Nothing costs anything: what is left is the queue itself.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self {
        locked: 0,
        transfer: 0,
        spawn: 0,
        run: 0,
        look: 0,
        spin: 0,
        wake_call: 0,
        wake_delay: 0,
        sleep_call: 0,
        epoll: 0,
    };
}
