//! Timeouts that do not fire, as every request has one: what does it cost to set a timer and take it back while 10,000
//! others are live?

use crate::measure::{Sample, Watch};
use crate::sides::{in_smol, in_spinney, in_tokio};
use crate::workloads::{Side, Workload, cost_of};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

const LIVE: u64 = 10_000;
const SET: u32 = 100_000;
const SIDES: &[Side] = &[
    cost_of("spinney", || in_spinney(churn(spinney::sleep)), SET),
    cost_of("tokio", || in_tokio(churn(tokio::time::sleep)), SET),
    cost_of("smol", || in_smol(churn(async_io::Timer::after)), SET),
];

pub(crate) const WORKLOAD: Workload =
    Workload::new("timers", "a timer set and taken back, 10,000 live", SIDES).quick();

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
