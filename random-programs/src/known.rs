//! Programs that once failed, shrunk, each with what was wrong; and some that chance seldom makes.

mod endings;

use crate::program::{Frame, GroupProgram, How, Nest, Op, Program, Site, Step, Use};

fn steps(ops: Vec<Op>) -> Vec<Step> {
    ops.into_iter().map(|op| Step { id: 0, op }).collect()
}

fn frame(ops: Vec<Op>) -> Frame {
    Frame {
        id: 0,
        steps: steps(ops),
        parting: None,
    }
}

fn nest(free: bool, how: How, ops: Vec<Op>) -> Op {
    let group = GroupProgram {
        id: 0,
        deadline: None,
        body: frame(ops),
    };
    Op::Nest(Box::new(Nest {
        group,
        free,
        how,
        passes_on: false,
        mover: 0,
    }))
}

fn spawn(used: Use, ops: Vec<Op>) -> Op {
    Op::Spawn(frame(ops), used)
}

fn closure(site: Site, used: Use, ops: Vec<Op>) -> Op {
    Op::Closure(site, frame(ops), used)
}

/// Each with its story.
#[must_use]
pub fn programs() -> Vec<(&'static str, Program)> {
    let mut programs = earlier();
    programs.extend(endings::programs());
    programs
}

fn earlier() -> Vec<(&'static str, Program)> {
    let alone = |body| Program::new(1, false, 1, body);
    let spread = |body| Program::new(3, true, 1, body);
    let one_thread = |body| Program {
        max_blocking: 1,
        ..Program::finite(2, false, 1, body)
    };
    let blocking = |used, ops| closure(Site::Blocking, used, ops);
    let computing = |used, ops| closure(Site::Compute, used, ops);
    vec![
        (
            "the deadline of a builder was armed after the first poll of the body, which blocked for ever",
            alone(vec![nest(false, How::Wait, vec![Op::Stopping])]),
        ),
        (
            "a cancel did not reach a group without children whose parent had ended, in which somebody was blocked",
            alone(vec![nest(
                true,
                How::Escape,
                vec![Op::Yield(1), nest(false, How::Wait, vec![Op::Pend])],
            )]),
        ),
        (
            "a group that left its ended parent inside a cleanup must not be cut by the next one outwards",
            alone(vec![
                Op::Defer(frame(vec![nest(true, How::Escape, vec![Op::Yield(1)])])),
                Op::Fail,
            ]),
        ),
        (
            "a child fails between the last poll of its cut owner and the look after it",
            spread(vec![
                spawn(Use::Leave, vec![Op::Yield(2), Op::Fail]),
                nest(
                    true,
                    How::Await,
                    vec![spawn(Use::Leave, vec![Op::Yield(2), Op::Fail]), Op::Pend],
                ),
            ]),
        ),
        (
            "a task that is cut alone did not unwind where it blocked: here a service",
            alone(vec![
                Op::Service(frame(vec![nest(false, How::Wait, vec![Op::Pend])])),
                spawn(Use::Leave, vec![Op::Yield(1), Op::Fail]),
            ]),
        ),
        (
            "the same, by its handle, in the body of a group",
            alone(vec![
                spawn(
                    Use::Join,
                    vec![nest(
                        true,
                        How::Await,
                        vec![nest(false, How::Wait, vec![Op::Pend])],
                    )],
                ),
                Op::Sleep(2),
            ]),
        ),
        (
            "a cancel did not end the services of a group whose future nobody polled: forgotten, deep",
            alone(vec![nest(
                true,
                How::Forget(1),
                vec![nest(
                    false,
                    How::Await,
                    vec![Op::Service(frame(vec![Op::Pend])), Op::Pend],
                )],
            )]),
        ),
        (
            "the same for a future on its way out of the group in which it was polled",
            alone(vec![nest(
                true,
                How::Escape,
                vec![Op::Service(frame(vec![Op::Pend])), Op::Yield(1)],
            )]),
        ),
        (
            "a group that a service forgot, with a service of its own, kept the group around them open",
            alone(vec![Op::Service(frame(vec![nest(
                true,
                How::Forget(1),
                vec![
                    Op::Service(frame(vec![Op::Pend])),
                    spawn(Use::Leave, vec![Op::Pend]),
                    Op::Yield(3),
                ],
            )]))]),
        ),
        (
            "more errors than are kept whole",
            spread((0..40).map(|_| spawn(Use::Leave, vec![Op::Fail])).collect()),
        ),
        (
            "a worker that blocks is replaced by a spare, which leaves when it is back, and time goes on",
            alone(vec![
                spawn(
                    Use::Late,
                    vec![nest(true, How::Wait, vec![Op::Sleep(3)]), Op::Sleep(3)],
                ),
                spawn(
                    Use::Late,
                    vec![nest(true, How::Wait, vec![Op::Sleep(1)]), Op::Sleep(5)],
                ),
            ]),
        ),
        (
            "a body, its child and its service panic together",
            spread(vec![nest(
                false,
                How::Await,
                vec![
                    Op::Service(frame(vec![Op::Panic])),
                    spawn(Use::Leave, vec![Op::Panic]),
                    Op::Yield(1),
                    Op::Panic,
                ],
            )]),
        ),
        (
            "a forgotten body has polled a group inside another one: both may be alive",
            alone(vec![nest(
                false,
                How::Forget(1),
                vec![nest(true, How::Escape, vec![spawn(Use::Leave, vec![])])],
            )]),
        ),
        (
            "a forgotten body holds a race that did not begin, as the budget of the poll was spent",
            Program {
                operations_per_poll: 2,
                ..alone(vec![nest(
                    true,
                    How::Forget(1),
                    vec![Op::Race(vec![frame(vec![]), frame(vec![Op::Fail])])],
                )])
            },
        ),
        (
            "closures that wait for closures, and one thread for all",
            one_thread(vec![
                blocking(
                    Use::Late,
                    vec![blocking(
                        Use::Await,
                        vec![blocking(Use::Await, vec![Op::Keep])],
                    )],
                ),
                blocking(Use::Late, vec![computing(Use::Await, vec![Op::Sleep(1)])]),
            ]),
        ),
        (
            "closures in line are cut: by their handles, and with their group",
            one_thread(vec![
                blocking(Use::Leave, vec![Op::Busy(40), Op::Pend]),
                blocking(Use::Cancel, vec![Op::Keep]),
                blocking(Use::Join, vec![Op::Busy(40)]),
                blocking(Use::Late, vec![Op::Yield(1), Op::Fail]),
                blocking(Use::Leave, vec![Op::Keep]),
            ]),
        ),
        (
            "both halves panic, in a service, and a cleanup forks",
            spread(vec![nest(
                true,
                How::Await,
                vec![
                    Op::Defer(frame(vec![Op::Join(
                        frame(vec![spawn(Use::Join, vec![Op::Yield(1)]), Op::Yield(2)]),
                        frame(vec![Op::Sleep(1)]),
                    )])),
                    Op::Service(frame(vec![Op::Join(
                        frame(vec![Op::Yield(1), Op::Panic]),
                        frame(vec![Op::Panic]),
                    )])),
                    Op::Yield(3),
                ],
            )]),
        ),
        (
            "a half that was cut, and one that fails afterwards",
            spread(vec![spawn(
                Use::Join,
                vec![
                    Op::Yield(1),
                    Op::Join(frame(vec![Op::Pend]), frame(vec![Op::Busy(9), Op::Fail])),
                ],
            )]),
        ),
        (
            "halves in halves, in a shield, while the group is cancelled",
            spread(vec![Op::Shield(steps(vec![Op::Join(
                frame(vec![Op::Join(
                    frame(vec![Op::Sleep(1), computing(Use::Late, vec![Op::Yield(2)])]),
                    frame(vec![Op::Yield(3), Op::Keep]),
                )]),
                frame(vec![Op::Cancel, Op::Yield(3)]),
            )]))]),
        ),
        (
            "a forgotten group whose child runs on",
            spread(vec![nest(
                true,
                How::Forget(1),
                vec![
                    Op::Keep,
                    spawn(Use::Leave, vec![Op::Sleep(2), Op::Fail]),
                    Op::Pend,
                ],
            )]),
        ),
    ]
}
