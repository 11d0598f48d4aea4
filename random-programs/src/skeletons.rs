//! Strategies for what chance alone would seldom put together: futures of groups that are kept, early drops raced against
//! children, last acts raced against the return of a body.

use crate::generate::{to_frame, to_steps};
use crate::program::{
    Act, Bad, End, Frame, GroupProgram, How, Nest, Op, Parting, Use, Waits, What,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;

/// A group's future that the frame keeps while it goes on.
pub(crate) fn kept(op: &BoxedStrategy<Op>) -> impl Strategy<Value = Op> + use<> {
    let body = vec(holds(op), 0..4);
    let nests =
        (any::<bool>(), 0..3_u8, body, any::<bool>()).prop_map(|(free, polls, mut body, waits)| {
            body.extend(waits.then_some(Op::Pend));
            nest(free, How::Keep(polls), body)
        });
    let after = vec(
        prop_oneof![3 => shelf(), 1 => op.clone(), 1 => pauses()],
        0..4,
    );
    let block = (vec(nests, 1..3), after, any::<bool>())
        .prop_map(|(mut steps, after, waits)| {
            steps.extend(after);
            steps.extend(waits.then_some(Op::Pend));
            Op::Block(to_steps(steps))
        })
        .boxed();
    // In a task that is cut alone a little later, or together with its group, or not at all.
    prop_oneof![
        2 => block.clone(),
        1 => (block.clone(), 0..6_u8).prop_map(|(block, after)| {
            Op::Spawn(to_frame(vec![block]), Use::Later(after))
        }),
        1 => (block, any::<bool>(), defers(), 0..4_u8).prop_map(|(block, free, defers, after)| {
            // The same with a group around it.
            let mut body = defers;
            body.push(block);
            let inner = nest(free, How::Await, body);
            Op::Spawn(to_frame(vec![inner]), Use::Later(after))
        }),
    ]
}

/// What makes it hard to end a group that is not polled.
fn holds(op: &BoxedStrategy<Op>) -> impl Strategy<Value = Op> + use<> {
    let shielded = (0..6_u8)
        .prop_map(|ticks| {
            let shield = Op::Shield(to_steps(vec![Op::Sleep(ticks)]));
            Op::Spawn(to_frame(vec![shield]), Use::Leave)
        })
        .boxed();
    let fails = (0..3_u8)
        .prop_map(|yields| Op::Spawn(to_frame(vec![Op::Yield(yields), Op::Fail]), Use::Leave));
    let inner = (
        shielded.clone(),
        any::<bool>(),
        prop_oneof![Just(How::Await), Just(How::Keep(1))],
    )
        .prop_map(|(child, free, how)| nest(free, how, vec![child, Op::Pend]));
    prop_oneof![
        2 => defers().prop_map(|steps| Op::Block(to_steps(steps))),
        1 => Just(Op::Service(to_frame(vec![Op::Pend]))),
        1 => fails,
        1 => shielded,
        1 => inner,
        2 => op.clone(),
    ]
}

fn defers() -> impl Strategy<Value = Vec<Op>> {
    vec(
        (0..2_u8).prop_map(|yields| Op::Defer(to_frame(vec![Op::Yield(yields)]))),
        0..2,
    )
}

fn pauses() -> impl Strategy<Value = Op> {
    prop_oneof![(1..4_u8).prop_map(Op::Yield), (0..6_u8).prop_map(Op::Sleep)]
}

/// Something is done with a future on the shelf.
fn shelf() -> impl Strategy<Value = Op> {
    let what = prop_oneof![
        2 => Just(What::Poll),
        2 => Just(What::Await),
        1 => Just(What::Wait),
        2 => (0..6_u8).prop_map(What::Timeout),
        2 => Just(What::Drop),
        1 => Just(What::Forget),
        2 => Just(What::Move),
        2 => Just(What::Late),
        2 => (0..3_u8, any::<u8>()).prop_map(|(polls, spins)| What::Thread(polls, spins)),
    ];
    (0..3_u8, what).prop_map(|(which, what)| Op::Shelf(which, what))
}

/// Early drops of groups whose children do something in that moment, several times: each is a short moment.
pub(crate) fn early_drops(op: &BoxedStrategy<Op>) -> impl Strategy<Value = Op> + use<> {
    vec(early_drop(op), 1..9).prop_map(|duels| Op::Block(to_steps(duels)))
}

fn early_drop(op: &BoxedStrategy<Op>) -> impl Strategy<Value = Op> + use<> {
    let child = (op.clone(), any::<u8>()).prop_map(|(act, spins)| {
        let steps = vec![Op::UntilCut, Op::Spin(spins), act];
        Op::Spawn(to_frame(steps), Use::Leave)
    });
    let racer = (any::<u8>(), acts(5, 3)).prop_map(|(spins, act)| Op::Racer(true, spins, act));
    let before = prop_oneof![
        3 => Just(Vec::new()),
        1 => defers(),
        1 => Just(vec![Op::Service(to_frame(vec![Op::Pend]))]),
        3 => Just(vec![Op::Keep]),
    ];
    let children = few(prop_oneof![3 => racer, 1 => child]);
    let duel = (
        any::<bool>(),
        before,
        children,
        any::<u8>(),
        proptest::bool::weighted(0.2),
    );
    duel.prop_map(|(free, before, children, spins, abroad)| {
        let body = before.into_iter().chain(children).chain([Op::Pend]);
        let drop = match abroad {
            true => What::Thread(0, spins),
            false => What::Drop,
        };
        Op::Block(to_steps(vec![
            nest(free, How::Keep(1), body.collect()),
            Op::Meet,
            Op::Spin(spins),
            Op::Shelf(0, drop),
        ]))
    })
}

/// Children whose last act it is to give the group a first service, or a cleanup, while its body returns.
pub(crate) fn last_acts(op: &BoxedStrategy<Op>) -> impl Strategy<Value = Op> + use<> {
    vec(last_act(op), 1..9).prop_map(|duels| Op::Block(to_steps(duels)))
}

fn last_act(op: &BoxedStrategy<Op>) -> impl Strategy<Value = Op> + use<> {
    let child = (op.clone(), 0..50_u8).prop_map(|(act, spins)| {
        let steps = vec![Op::Here, Op::Spin(spins), act];
        Op::Spawn(to_frame(steps), Use::Leave)
    });
    let racer = (0..50_u8, acts(2, 7)).prop_map(|(spins, act)| Op::Racer(false, spins, act));
    let how = prop_oneof![4 => Just(How::Await), 1 => Just(How::Wait), 1 => Just(How::Once)];
    let children = few(prop_oneof![5 => racer, 1 => child]);
    (any::<bool>(), how, children, 0..70_u8).prop_map(|(free, how, children, spins)| {
        let body = children.into_iter().chain([Op::Meet, Op::Spin(spins)]);
        nest(free, how, body.collect())
    })
}

/// A body of many such moments, and of nothing else.
pub(crate) fn duels() -> impl Strategy<Value = Vec<Op>> {
    let nothing = Just(Op::Yield(1)).boxed();
    prop_oneof![
        vec(early_drop(&nothing), 8..24),
        vec(last_act(&nothing), 8..24),
    ]
}

/// One most of the time: what somebody else does later hides much.
fn few(op: impl Strategy<Value = Op> + 'static) -> impl Strategy<Value = Vec<Op>> {
    let op = op.boxed();
    prop_oneof![3 => vec(op.clone(), 1), 1 => vec(op, 2..4)]
}

fn acts(defers: u32, services: u32) -> impl Strategy<Value = Act> {
    prop_oneof![
        defers => (0..2_u8).prop_map(|yields| Act::Defer(to_frame(vec![Op::Yield(yields)]))),
        services => Just(Act::Service(to_frame(vec![Op::Pend]))),
        1 => (0..2_u8).prop_map(|yields| Act::Spawn(to_frame(vec![Op::Yield(yields)]))),
        1 => Just(Act::Fail),
    ]
}

/// Uses of handles, above all of groups that have left their parents.
pub(crate) fn knocks(frame: &BoxedStrategy<Frame>) -> impl Strategy<Value = Op> + use<> {
    let knock = (any::<u8>(), frame.clone()).prop_map(|(group, frame)| Op::Knock(group, 0, frame));
    let newest = frame
        .clone()
        .prop_map(|frame| Op::Knock(0, 0, frame))
        .boxed();
    // From inside, when the group in which it was polled first has ended.
    let escapes = (1..4_u8, newest.clone(), any::<bool>()).prop_map(|(yields, knock, waits)| {
        let body = [Op::Yield(yields), knock]
            .into_iter()
            .chain(waits.then_some(Op::Pend));
        nest(true, How::Escape, body.collect())
    });
    // From outside, when the group around it has ended.
    let forgotten = (newest, any::<bool>(), 1..3_u8).prop_map(|(knock, free, polls)| {
        let inner = nest(free, How::Forget(polls), vec![Op::Pend]);
        Op::Block(to_steps(vec![nest(free, How::Await, vec![inner]), knock]))
    });
    prop_oneof![2 => knock, 1 => escapes, 1 => forgotten]
}

pub(crate) fn relays() -> impl Strategy<Value = Op> {
    let times = prop_oneof![60 => 3..40_u16, 1 => Just(30_000)];
    let end = prop_oneof![Just(End::Await), Just(End::Drop), Just(End::Forget)];
    (times, end).prop_map(|(times, end)| Op::Relay(times, end))
}

pub(crate) fn bads() -> impl Strategy<Value = Bad> {
    prop_oneof![
        Just(Bad::Clone),
        Just(Bad::Wake),
        Just(Bad::WakeByRef),
        Just(Bad::Drop),
    ]
}

pub(crate) fn partings() -> impl Strategy<Value = Parting> {
    let what = prop_oneof![
        2 => Just(Waits::Yield),
        1 => (0..3_u8).prop_map(Waits::Sleep),
        1 => Just(Waits::Group),
    ];
    what.prop_map(|what| Parting { id: 0, what })
}

/// A frame that panics in its destructor, in the middle of something quiet.
pub(crate) fn bombed() -> impl Strategy<Value = Frame> {
    let quiet = prop_oneof![pauses(), Just(Op::Pend), Just(Op::UntilCut)].boxed();
    (vec(quiet.clone(), 0..2), vec(quiet, 0..3)).prop_map(|(mut steps, after)| {
        steps.push(Op::Bomb);
        steps.extend(after);
        to_frame(steps)
    })
}

fn nest(free: bool, how: How, ops: Vec<Op>) -> Op {
    Op::Nest(Box::new(Nest {
        group: GroupProgram {
            id: 0,
            deadline: None,
            body: to_frame(ops),
        },
        free,
        how,
        passes_on: false,
        mover: 0,
    }))
}
