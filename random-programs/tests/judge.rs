//! What the judge takes for wrong, and what it must not.

use random_programs::check::check;
use random_programs::model::Facts;
use random_programs::program::{Frame, Id, Op, Program};
use random_programs::record::Event;

/// A body with two services, and their frames.
fn two_services() -> (Program, [Id; 2]) {
    let service = || {
        Op::Service(Frame {
            id: 0,
            steps: Vec::new(),
            parting: None,
        })
    };
    let program = Program::new(1, false, 1, vec![service(), service()]);
    let frames = program.root.body.steps.iter().map(|step| match &step.op {
        Op::Service(frame) => frame.id,
        other => panic!("a service was replaced by {other:?}"),
    });
    let frames: Vec<_> = frames.collect();
    (program, frames.try_into().expect("two services"))
}

fn is_wrong(spawned: bool) -> bool {
    let (program, [older, newer]) = two_services();
    let body = program.root.body.id;
    let mut events = vec![
        Event::Made(body),
        Event::Polled(body, None),
        Event::Made(older),
        Event::Spawned(older),
        Event::Polled(older, None),
        Event::Made(newer),
    ];
    events.extend(spawned.then_some(Event::Spawned(newer)));
    events.push(Event::Dropped(older));
    let wrong = check(&Facts::of(&program), &events);
    let text = format!("service {older} was cut before the newer [{newer}]");
    wrong.contains(&text)
}

#[test]
fn services_are_cut_newest_first() {
    assert!(is_wrong(true));
}

/// The thread that cuts them does not know one whose future was made, and which is not registered yet.
#[test]
fn a_service_whose_spawn_has_not_come_back_may_be_cut_after_older_ones() {
    assert!(!is_wrong(false));
}
