//! Endings of groups: early, unpolled, late, and in destructors.

use super::{closure, frame, nest, spawn, steps};
use crate::program::{Act, Bad, End, Frame, How, Op, Parting, Program, Site, Use, Waits, What};

/// Twelve moments with spins of different lengths on either side.
fn duels(duel: impl Fn(u8) -> Vec<Op>) -> Vec<Op> {
    (0..12_u8)
        .flat_map(|n| duel(n.wrapping_mul(37) % 64))
        .collect()
}

fn parting(what: Waits) -> Option<Parting> {
    Some(Parting { id: 0, what })
}

/// A group whose body has such a capture.
fn nest_parting(parting: Option<Parting>, ops: Vec<Op>) -> Op {
    let mut nest = nest(false, How::Await, ops);
    if let Op::Nest(nest) = &mut nest {
        nest.group.body.parting = parting;
    }
    nest
}

/// A child that is not cut for so many ticks.
fn shielded(ticks: u8) -> Op {
    spawn(Use::Leave, vec![Op::Shield(steps(vec![Op::Sleep(ticks)]))])
}

pub(super) fn programs() -> Vec<(&'static str, Program)> {
    let alone = |body| Program::new(1, false, 1, body);
    let spread = |body| Program::new(3, true, 1, body);
    let cleanup = || Op::Defer(frame(vec![]));
    vec![
        (
            "a child registers a cleanup while the future of its group is dropped",
            Program::finite(
                1,
                false,
                1,
                duels(|n| {
                    let racer = Op::Racer(true, n * 4, Act::Defer(frame(vec![])));
                    vec![
                        nest(true, How::Keep(1), vec![Op::Keep, racer, Op::Pend]),
                        Op::Meet,
                        Op::Spin(n),
                        Op::Shelf(0, What::Drop),
                    ]
                }),
            ),
        ),
        (
            "a child starts the first service while the body returns",
            Program::finite(
                1,
                false,
                1,
                duels(|n| {
                    let racer = Op::Racer(false, n, Act::Service(frame(vec![Op::Pend])));
                    vec![nest(
                        true,
                        How::Await,
                        vec![racer, Op::Meet, Op::Spin(63 - n)],
                    )]
                }),
            ),
        ),
        (
            "a group that failed is kept in the body of one that has a cleanup, and the task is cut",
            spread(vec![spawn(
                Use::Later(2),
                vec![nest(
                    true,
                    How::Await,
                    vec![
                        cleanup(),
                        nest(
                            false,
                            How::Keep(1),
                            vec![spawn(Use::Leave, vec![Op::Fail]), Op::Pend],
                        ),
                        Op::Pend,
                    ],
                )],
            )]),
        ),
        (
            "a group is polled when the cut comes, and not afterwards",
            spread(vec![spawn(
                Use::Later(2),
                vec![
                    nest(
                        true,
                        How::Keep(0),
                        vec![
                            cleanup(),
                            nest(
                                false,
                                How::Await,
                                vec![
                                    spawn(Use::Leave, vec![Op::Shield(steps(vec![Op::Sleep(9)]))]),
                                    Op::Pend,
                                ],
                            ),
                        ],
                    ),
                    Op::Shelf(0, What::Timeout(5)),
                    Op::Pend,
                ],
            )]),
        ),
        (
            "a group was polled in one task and waits in another one when the cut comes",
            Program::new(
                1,
                true,
                1,
                vec![
                    Op::Service(frame(vec![Op::Fail])),
                    nest(false, How::Keep(1), vec![shielded(1)]),
                    nest(false, How::Keep(0), vec![shielded(4), Op::Pend]),
                    Op::Shelf(0, What::Move),
                    Op::Shelf(0, What::Late),
                    Op::Pend,
                ],
            ),
        ),
        (
            "a kept group that is polled first in a shield blocks in its body, where no cut comes",
            alone(vec![
                nest(
                    false,
                    How::Keep(0),
                    vec![Op::Join(frame(vec![Op::Stopping]), frame(vec![]))],
                ),
                Op::Shelf(0, What::Late),
                Op::Sleep(4),
            ]),
        ),
        (
            "each group opens the next one, and the last one is dropped",
            Program::finite(1, false, 1, vec![Op::Relay(20_000, End::Drop)]),
        ),
        (
            "the handle of a forgotten group is used when the group around it has ended",
            alone(vec![
                nest(
                    false,
                    How::Await,
                    vec![nest(true, How::Forget(1), vec![Op::Pend])],
                ),
                Op::Knock(0, 0, frame(vec![])),
            ]),
        ),
        (
            "the same where what was around it is a race, which has no body that could be seen to go",
            alone(vec![
                Op::Race(vec![frame(vec![nest(
                    true,
                    How::Forget(1),
                    vec![Op::Pend],
                )])]),
                Op::Knock(0, 0, frame(vec![])),
            ]),
        ),
        (
            "the same from inside a group that lives on, outside the one in which it was polled first",
            alone(vec![nest(
                true,
                How::Escape,
                vec![Op::Yield(3), Op::Knock(0, 0, frame(vec![]))],
            )]),
        ),
        (
            "a foreign waker panics in its destructor when another one takes its place",
            alone(vec![Op::Foreign(
                Bad::Drop,
                steps(vec![Op::Sleep(1), spawn(Use::Await, vec![Op::Yield(2)])]),
            )]),
        ),
        (
            "a wait in a destructor of a child that is cut, or was born cancelled",
            spread(vec![
                Op::Spawn(
                    Frame {
                        parting: parting(Waits::Group),
                        ..frame(vec![Op::Pend])
                    },
                    Use::Later(1),
                ),
                Op::Cancel,
                Op::Spawn(
                    Frame {
                        parting: parting(Waits::Sleep(1)),
                        ..frame(vec![])
                    },
                    Use::Leave,
                ),
            ]),
        ),
        (
            "a cut drops a body whose destructor opens a group, and the values of its own group go last",
            spread(vec![nest_parting(
                parting(Waits::Group),
                vec![Op::Keep, spawn(Use::Await, vec![Op::Pend])],
            )]),
        ),
        (
            "a destructor shields its wait, in a cut, when a poll with one operation has refused some",
            Program {
                operations_per_poll: 1,
                ..spread(vec![
                    Op::Cancel,
                    Op::Shield(steps(vec![Op::Relay(19, End::Await)])),
                    Op::Join(
                        Frame {
                            parting: parting(Waits::Yield),
                            ..frame(vec![])
                        },
                        frame(vec![]),
                    ),
                ])
            },
        ),
        (
            "a cut unwinds a wait, and the destructor of what was waited for panics",
            spread(vec![closure(
                Site::Compute,
                Use::Later(1),
                vec![Op::Bomb, Op::Pend],
            )]),
        ),
    ]
}
