//! Timeouts that do not fire, as every request has one: a timer is set and taken back while 10,000
//! others are live.

use crate::measure::{Sample, Watch};
use crate::workloads::{Must, Run, Scale, Workload, must, run};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

const LIVE: u64 = 10_000;
const SET: u32 = 100_000;
const RUNS: &[Run] = &[
    run("spinney", |peers| peers.in_spinney(churn(spinney::sleep))),
    run("tokio", |peers| peers.in_tokio(churn(tokio::time::sleep))),
    run("async-io", |peers| {
        peers.in_executor(churn(async_io::Timer::after))
    }),
];
const MUST: &[Must] = &[
    must("tokio", Scale::Cpu, 2.0, 2.0),
    must("async-io", Scale::Cpu, 2.0, 2.0),
];

pub(crate) const WORKLOAD: Workload = Workload {
    name: "timers",
    about: "a timer set and taken back, 10,000 live",
    operations: SET,
    runs: RUNS,
    must: MUST,
};

/// Deadlines spread over ten seconds, far enough that none fires, in no order.
fn deadline(i: u64) -> Duration {
    Duration::from_secs(60) + Duration::from_micros(i.wrapping_mul(2_654_435_761) % 10_000_000)
}

async fn churn<S: Future>(sleep: fn(Duration) -> S) -> Sample {
    let mut live: Vec<Pin<Box<S>>> = (0..LIVE).map(|i| Box::pin(sleep(deadline(i)))).collect();
    let mut set = move |cx: &mut Context<'_>| {
        for timer in &mut live {
            assert!(timer.as_mut().poll(cx).is_pending());
        }
        let watch = Watch::start();
        for i in 0..u64::from(SET) {
            assert!(pin!(sleep(deadline(i))).poll(cx).is_pending());
        }
        Poll::Ready(watch.stop())
    };
    poll_fn(move |cx| set(cx)).await
}
