//! The dimensions of the matrix, and what must come of each combination.

use crate::matrix::{Answer, dimension};
use spinney::current::CancelKind;

dimension! {
    /// The poller of the group: a task on the only worker, a blocked caller beside two workers,
    /// another executor.
    Host { InTask, Caller, Foreign, }
}
dimension! {
    Kind { Spawn, Supervise, Service, }
}
dimension! {
    /// The canceller. `Shutdown`: another thread shuts the runtime down.
    Cause {
        TaskCancel, CancelJoined, GroupCancel, SiblingError, SiblingPanic, BodyError, BodyPanic, Deadline, GraceOver,
        Outer, Dropped, Shutdown,
    }
}
dimension! {
    /// What the victim is doing then. `Busy` and `Ready` are in a poll, which ends pending, or with
    /// a value. `Itself` is the canceller, in its first poll.
    Doing {
        Unpolled, Busy, Ready, Itself, Channel, Sleep, Timeout, Yield, Accept, AwaitTask, Shield, Nested, Wait, Scope,
        Defer, Start, Set, Bounded, Stream, Race,
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) host: Host,
    pub(crate) kind: Kind,
    pub(crate) cause: Cause,
    pub(crate) doing: Doing,
    /// The destructor of the victim panics.
    pub(crate) panics: bool,
}

impl Case {
    pub(crate) fn workers(self) -> usize {
        match self.host {
            Host::InTask => 1,
            _ => 2,
        }
    }

    /// Whether the victim alone is cancelled, by its handle.
    pub(crate) fn alone(self) -> bool {
        matches!(self.cause, Cause::TaskCancel | Cause::CancelJoined)
    }

    /// Whether the tasks that hold the workers, or the victim in its poll, must go on before the
    /// cut can be seen anywhere.
    pub(crate) fn plugs(self) -> usize {
        match (self.doing, self.host) {
            (Doing::Unpolled, Host::Caller | Host::Foreign) => self.workers(),
            _ => 0,
        }
    }

    /// Whether the other worker must be kept awake: one that is held in a poll may have left the
    /// other asleep where no timer wakes it.
    pub(crate) fn needs_a_watch(self) -> bool {
        matches!(self.doing, Doing::Busy | Doing::Ready)
            && matches!(self.cause, Cause::Deadline | Cause::GraceOver)
    }

    /// Whether the victim starts something else that ends with it.
    pub(crate) fn has_inner(self) -> bool {
        use Doing::{Bounded, Nested, Race, Scope, Set, Start, Stream};
        matches!(
            self.doing,
            Nested | Scope | Start | Set | Bounded | Stream | Race
        )
    }

    /// Whether what it started has ended before its frame is dropped.
    pub(crate) fn joins_inner(self) -> bool {
        matches!(self.doing, Doing::Nested | Doing::Scope | Doing::Race)
    }

    /// Whether its cut waits for something that takes its time.
    pub(crate) fn holds(self) -> bool {
        matches!(self.doing, Doing::Shield | Doing::Defer)
    }

    /// Whether the cause is there at the call: then a victim that was not polled before never is.
    pub(crate) fn is_sync(self) -> bool {
        use Cause::{CancelJoined, Dropped, GroupCancel, Outer, TaskCancel};
        let sync = matches!(
            self.cause,
            TaskCancel | CancelJoined | GroupCancel | Outer | Dropped
        );
        // A service is cut when its group gets that far.
        sync && (self.kind != Kind::Service || self.alone())
    }

    fn makes_sense(self) -> bool {
        let Self {
            host,
            cause,
            doing,
            panics,
            ..
        } = self;
        match doing {
            // The only worker cannot both hold the victim and cancel it.
            Doing::Busy => host != Host::InTask,
            // What a destructor throws as the poll returns is no value.
            Doing::Ready => host != Host::InTask && !panics,
            Doing::Itself => {
                use Cause::{Deadline, GraceOver, GroupCancel, Outer, Shutdown};
                matches!(cause, Deadline | GraceOver | GroupCancel | Outer | Shutdown)
            }
            // A destructor that panics while the cut unwinds its frame aborts, like any other.
            Doing::Wait | Doing::Scope => !panics,
            _ => true,
        }
    }
}

/// Every combination that makes sense.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &host in Host::ALL {
        for &kind in Kind::ALL {
            for &cause in Cause::ALL {
                for &doing in Doing::ALL {
                    for panics in [false, true] {
                        cases.push(Case {
                            host,
                            kind,
                            cause,
                            doing,
                            panics,
                        });
                    }
                }
            }
        }
    }
    cases.retain(|case| case.makes_sense());
    cases
}

/// Why a victim is cut by a cause.
pub(crate) fn reason(cause: Cause) -> CancelKind {
    match cause {
        Cause::TaskCancel | Cause::CancelJoined => CancelKind::TaskCancelled,
        Cause::GroupCancel | Cause::Outer => CancelKind::Cancelled,
        Cause::SiblingError => CancelKind::ChildFailed,
        Cause::SiblingPanic => CancelKind::ChildPanicked,
        Cause::BodyError => CancelKind::BodyFailed,
        Cause::BodyPanic => CancelKind::BodyPanicked,
        Cause::Deadline => CancelKind::Deadline,
        Cause::GraceOver => CancelKind::GraceOver,
        Cause::Dropped => CancelKind::Dropped,
        Cause::Shutdown => CancelKind::Shutdown,
    }
}

/// What must come out of the group, of the outer group, and what goes to the hook.
pub(crate) fn answers(case: Case) -> (Answer, Answer, Vec<String>) {
    let error = |text| (Answer::Errors(vec![text]), Some(format!("error {text}")));
    let panic = |text: &str| (Answer::Panic(text.to_owned()), None);
    let (mut answer, outranked) = match case.cause {
        Cause::TaskCancel | Cause::CancelJoined => (Answer::Value, None),
        Cause::GroupCancel => error("cancel"),
        Cause::SiblingError => error("sibling"),
        Cause::BodyError => error("body"),
        Cause::Deadline => error("late"),
        Cause::GraceOver => error("grace"),
        Cause::SiblingPanic => panic("sibling"),
        Cause::BodyPanic => panic("body"),
        Cause::Outer | Cause::Dropped | Cause::Shutdown => (Answer::None, None),
    };
    let mut unseen = Vec::new();
    if case.panics {
        match case.cause {
            Cause::SiblingPanic | Cause::BodyPanic | Cause::Dropped => {
                unseen.push("panic victim".to_owned());
            }
            _ => {
                answer = Answer::Panic("victim".to_owned());
                unseen.extend(outranked);
            }
        }
    }
    let outer = match case.cause {
        Cause::Outer => Answer::Errors(vec!["outer"]),
        Cause::Shutdown => Answer::Panic("shut".to_owned()),
        _ => Answer::Value,
    };
    (answer, outer, unseen)
}
