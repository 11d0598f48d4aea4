//! Strategies for programs. Numbers and repairs come from [`Program::new`], so shrinking keeps programs well-formed.

use crate::numbers::{MANY, WHOLE};
use crate::program::{Frame, GroupProgram, How, Nest, Op, Program, Site, Step, Use};
use crate::skeletons::{
    bads, bombed, duels, early_drops, kept, knocks, last_acts, partings, relays,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Programs of up to some forty steps.
pub fn programs() -> impl Strategy<Value = Program> {
    let runtime = (
        1..=3_usize,
        prop_oneof![2 => Just(MANY), 2 => Just(1), 1 => 2..=3_usize],
        proptest::bool::weighted(0.4),
        any::<bool>(),
        prop_oneof![3 => Just(1_u32), 1 => 2..9_u32],
        // Where each operation may be the last of its poll, each is one that a cut can reach.
        prop_oneof![2 => Just(WHOLE), 1 => Just(1), 1 => Just(2)],
    );
    (runtime, prop_oneof![3 => vec(ops(), 1..6), 1 => duels()]).prop_map(
        |((workers, max_blocking, finite, callers, jump, operations_per_poll), body)| Program {
            max_blocking,
            operations_per_poll,
            ..match finite {
                true => Program::finite(workers, callers, jump, body),
                false => Program::new(workers, callers, jump, body),
            }
        },
    )
}

fn ops() -> impl Strategy<Value = Op> {
    leaves().prop_recursive(4, 40, 5, |op| {
        let frame = vec(op.clone(), 0..4).prop_map(to_frame);
        let frame = (frame, proptest::option::weighted(0.06, partings()));
        let frame = frame.prop_map(|(frame, parting)| Frame { parting, ..frame }).boxed();
        let child = prop_oneof![12 => frame.clone(), 1 => bombed()].boxed();
        let op = op.boxed();
        let skeletons = prop_oneof![
            4 => kept(&op),
            2 => early_drops(&op),
            2 => last_acts(&op),
            1 => relays(),
            1 => knocks(&frame),
        ];
        let steps = vec(op, 0..4).prop_map(to_steps).boxed();
        let frames = vec(frame.clone(), 1..4).boxed();
        prop_oneof![
            8 => skeletons,
            2 => (bads(), steps.clone()).prop_map(|(bad, steps)| Op::Foreign(bad, steps)),
            6 => (child.clone(), uses()).prop_map(|(frame, used)| Op::Spawn(frame, used)),
            3 => (child.clone(), uses()).prop_map(|(frame, used)| Op::Supervise(frame, used)),
            3 => (sites(), child, uses()).prop_map(|(site, frame, used)| Op::Closure(site, frame, used)),
            3 => (frame.clone(), frame.clone()).prop_map(|(first, second)| Op::Join(first, second)),
            // Closures that wait for closures, which may be behind them in line.
            1 => (sites(), frame.clone(), uses()).prop_map(|(site, frame, used)| {
                let inner = Op::Closure(Site::Blocking, frame, Use::Await);
                Op::Closure(site, to_frame(vec![inner]), used)
            }),
            2 => frame.clone().prop_map(Op::Service),
            // What ends groups in a hurry: children that fail a little later.
            2 => (0..4_u8).prop_map(|yields| Op::Spawn(to_frame(vec![Op::Yield(yields), Op::Fail]), Use::Leave)),
            2 => (frame.clone(), any::<bool>(), any::<u8>()).prop_map(start),
            1 => (frames.clone(), 0..4_u8).prop_map(|(frames, reads)| Op::Set(frames, reads)),
            1 => frames.prop_map(Op::Race),
            1 => frame.clone().prop_map(Op::Post),
            2 => frame.clone().prop_map(Op::Defer),
            6 => (frame, any::<bool>(), hows(), any::<bool>(), proptest::option::weighted(0.2, 0..6_u8)).prop_map(nest),
            1 => steps.clone().prop_map(Op::Shield),
            1 => (0..6_u8, steps).prop_map(|(after, steps)| Op::Timeout(after, steps)),
        ]
    })
}

fn leaves() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (1..4_u8).prop_map(Op::Yield),
        1 => (1..9_u8).prop_map(Op::Busy),
        // Two ticks of the sentinel, and more.
        1 => (3..9_u8).prop_map(Op::Stall),
        3 => (0..5_u8).prop_map(Op::Sleep),
        2 => Just(Op::Fail),
        1 => Just(Op::Panic),
        2 => Just(Op::Pend),
        1 => Just(Op::Cancel),
        1 => (0..6_u8).prop_map(Op::Deadline),
        1 => Just(Op::Stop),
        1 => (0..4_u8).prop_map(Op::StopWithin),
        1 => Just(Op::Stopping),
        3 => Just(Op::Keep),
        1 => partings().prop_map(Op::KeepParting),
    ]
}

fn uses() -> impl Strategy<Value = Use> {
    prop_oneof![
        3 => Just(Use::Leave),
        2 => Just(Use::Await),
        2 => Just(Use::Late),
        1 => Just(Use::Cancel),
        1 => Just(Use::Join),
        1 => (0..6_u8).prop_map(Use::Later),
    ]
}

fn sites() -> impl Strategy<Value = Site> {
    prop_oneof![2 => Just(Site::Blocking), 1 => Just(Site::Compute)]
}

fn hows() -> impl Strategy<Value = How> {
    prop_oneof![
        6 => Just(How::Await),
        1 => Just(How::Shielded),
        1 => Just(How::Wait),
        1 => (0..5_u8).prop_map(How::Timeout),
        1 => Just(How::Once),
        2 => (0..4_u8).prop_map(How::Drop),
        1 => (0..4_u8).prop_map(How::Forget),
        2 => (0..2_u8).prop_map(How::Move),
        1 => Just(How::Half),
        1 => (0..3_u8).prop_map(How::Keep),
        1 => Just(How::Escape),
    ]
}

pub(crate) fn to_steps(ops: Vec<Op>) -> Vec<Step> {
    ops.into_iter().map(|op| Step { id: 0, op }).collect()
}

pub(crate) fn to_frame(ops: Vec<Op>) -> Frame {
    Frame {
        id: 0,
        steps: to_steps(ops),
        parting: None,
    }
}

/// A start whose child says at a random place that it is ready, or does not.
fn start((mut frame, awaited, place): (Frame, bool, u8)) -> Op {
    let place = usize::from(place) % (frame.steps.len() + 2);
    if place <= frame.steps.len() {
        frame.steps.insert(
            place,
            Step {
                id: 0,
                op: Op::Ready,
            },
        );
    }
    Op::Start(frame, awaited)
}

fn nest((body, free, how, passes_on, deadline): (Frame, bool, How, bool, Option<u8>)) -> Op {
    let group = GroupProgram {
        id: 0,
        deadline,
        body,
    };
    Op::Nest(Box::new(Nest {
        group,
        free,
        how,
        passes_on,
        mover: 0,
    }))
}
