//! A task sends a question to another one, with a one-shot channel of its own for the answer, and waits for it: what does a
//! question cost?

use crate::measure::{Sample, timed};
use crate::sides::{self, in_forte, in_smol, in_spinney, in_tokio};
use crate::workloads::{Side, Workload, cost_of};
use async_channel::{Receiver, Sender, bounded};
use futures_channel::oneshot;
use spinney::group;

const QUESTIONS: u32 = 50_000;
const SIDES: &[Side] = &[
    cost_of("spinney", spinney, QUESTIONS),
    cost_of("tokio", tokio, QUESTIONS),
    cost_of("smol", smol, QUESTIONS),
    cost_of("forte", forte, QUESTIONS),
];

pub(crate) const WORKLOAD: Workload = Workload::new(
    "one_shot",
    "a question to another task, its answer through a one-shot channel",
    SIDES,
);

type Question = (u32, oneshot::Sender<u32>);

async fn ask(to: Sender<Question>) {
    for number in 0..QUESTIONS {
        let (answer, answered) = oneshot::channel();
        to.send((number, answer)).await.expect("open");
        assert_eq!(answered.await, Ok(number + 1));
    }
}

async fn answer(questions: Receiver<Question>) {
    while let Ok((number, answer)) = questions.recv().await {
        answer.send(number + 1).expect("open");
    }
}

fn spinney() -> Sample {
    timed(|| {
        in_spinney(group(async |g| {
            let (to, questions) = bounded(1);
            g.spawn(ask(to));
            g.spawn(answer(questions));
        }));
    })
}

fn tokio() -> Sample {
    timed(|| {
        in_tokio(async {
            let (to, questions) = bounded(1);
            let tasks = [tokio::spawn(ask(to)), tokio::spawn(answer(questions))];
            for task in tasks {
                task.await.expect("no panic");
            }
        });
    })
}

fn smol() -> Sample {
    let executor = sides::smol();
    timed(|| {
        in_smol(async {
            let (to, questions) = bounded(1);
            for task in [executor.spawn(ask(to)), executor.spawn(answer(questions))] {
                task.await;
            }
        });
    })
}

fn forte() -> Sample {
    timed(|| {
        in_forte(async {
            let (to, questions) = bounded(1);
            for task in [forte::spawn(ask(to)), forte::spawn(answer(questions))] {
                task.await;
            }
        });
    })
}
