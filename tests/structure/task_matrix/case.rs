//! The dimensions of the matrix, and the combinations that make sense.

use crate::matrix::dimension;

dimension! {
    /// The poller of the group: a task on the only worker, a blocked caller beside one worker or
    /// two, another executor.
    Host { InTask, Caller1, Caller2, Foreign, }
}
dimension! {
    Kind { Spawn, Supervise, Service, }
}
dimension! {
    /// In which poll the child ends.
    Ends { First, Second, Never, }
}
dimension! {
    Gives { Value, Error, Panic, }
}
dimension! {
    /// What becomes of the handle, at the moment. `Polled`: once, and dropped.
    Held { Kept, Dropped, Polled, Awaited, Cancelled, CancelJoined, }
}
dimension! {
    /// The moment, in the life of the child. `Born`: the group was cancelled before the spawn.
    When { Born, Unpolled, During, Between, After, }
}
dimension! {
    /// What becomes of the group at the moment, after the handle. `Shielded` and `Nested`: the
    /// outer group is cancelled.
    Fate { Joined, Cancelled, Dropped, Forgotten, Shielded, Nested, }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) host: Host,
    pub(crate) kind: Kind,
    pub(crate) ends: Ends,
    pub(crate) gives: Gives,
    pub(crate) drop_panics: bool,
    pub(crate) output_panics: bool,
    pub(crate) held: Held,
    pub(crate) when: When,
    pub(crate) fate: Fate,
}

impl Host {
    pub(crate) fn workers(self) -> usize {
        match self {
            Self::InTask | Self::Caller1 => 1,
            Self::Caller2 | Self::Foreign => 2,
        }
    }
}

impl Ends {
    /// The poll in which it ends.
    pub(crate) fn polls(self) -> usize {
        match self {
            Self::First => 1,
            Self::Second => 2,
            Self::Never => usize::MAX,
        }
    }
}

impl Case {
    /// How many workers are held so that the child is not polled before the moment. On the one
    /// worker that polls the group, nothing else runs anyway.
    pub(crate) fn plugs(self) -> usize {
        match (self.when, self.host) {
            (When::Unpolled, Host::Caller1 | Host::Caller2 | Host::Foreign) => self.host.workers(),
            _ => 0,
        }
    }

    pub(crate) fn cut_by_group(self) -> bool {
        matches!(self.fate, Fate::Cancelled | Fate::Dropped | Fate::Nested)
    }

    pub(crate) fn cut_by_handle(self) -> bool {
        matches!(self.held, Held::Cancelled | Held::CancelJoined)
    }

    /// Whether nothing cuts it, and it ends.
    pub(crate) fn ends_by_itself(self) -> bool {
        self.ends != Ends::Never && (self.when == When::After || !self.cut_by_handle())
    }

    /// A child that never ends, in a group that will not be ended.
    pub(crate) fn needs_outer_cancel(self) -> bool {
        self.fate == Fate::Forgotten && self.ends == Ends::Never && !self.cut_by_handle()
    }

    fn makes_sense(self) -> bool {
        let Self { ends, when, .. } = self;
        let alike = (ends == Ends::Never || when == When::Born)
            && (self.gives != Gives::Value || self.output_panics);
        let reached = match when {
            When::Born => {
                ends == Ends::Never && matches!(self.fate, Fate::Cancelled | Fate::Nested)
            }
            When::Unpolled => true,
            When::During => self.host != Host::InTask,
            When::Between => ends != Ends::First,
            When::After => ends != Ends::Never,
        };
        let service_is_cut = self.kind == Kind::Service && self.held != Held::Awaited;
        let over = ends != Ends::Never
            || self.cut_by_group()
            || self.cut_by_handle()
            || service_is_cut
            || self.fate == Fate::Forgotten;
        !alike && reached && over && !(self.output_panics && self.gives != Gives::Value)
    }
}

/// Every combination that makes sense.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &host in Host::ALL {
        for &kind in Kind::ALL {
            for &ends in Ends::ALL {
                for &gives in Gives::ALL {
                    for panics in 0..4 {
                        for &held in Held::ALL {
                            for &when in When::ALL {
                                for &fate in Fate::ALL {
                                    cases.push(Case {
                                        host,
                                        kind,
                                        ends,
                                        gives,
                                        drop_panics: panics & 1 != 0,
                                        output_panics: panics & 2 != 0,
                                        held,
                                        when,
                                        fate,
                                    });
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    cases.retain(|case| case.makes_sense());
    cases
}
