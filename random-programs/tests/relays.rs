//! A long relay of groups costs the memory of one, and its last group is dropped on a stack of the usual size.

use spinney::{Group, Runtime, group, yield_now};
use std::fs;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

type Next = Pin<Box<dyn Future<Output = ()> + Send>>;
type Slot = Arc<Mutex<Option<Next>>>;

const GENERATIONS: usize = 100_000;

/// Opens the next one, polls it once, hands it out, and ends.
fn generation(slot: Slot) -> Next {
    Box::pin(group(async move |_: Group<'_, '_>| {
        yield_now().await;
        let mut next = generation(Arc::clone(&slot));
        poll_fn(|cx| {
            assert!(next.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        *slot.lock().unwrap() = Some(next);
    }))
}

/// Resident memory in KiB, where the system says it.
fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4)
}

#[test]
fn a_long_relay_keeps_nothing_of_the_groups_before() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.block_on(async {
        let slot = Slot::default();
        let mut current = generation(Arc::clone(&slot));
        let before = resident();
        for _ in 0..GENERATIONS {
            current.await;
            current = slot.lock().unwrap().take().unwrap();
        }
        assert_eq!(runtime.metrics().live_groups, 1);
        if let (Some(before), Some(after)) = (before, resident()) {
            let more = after.saturating_sub(before);
            assert!(more < 10_000, "{more} KiB more");
        }
        drop(current);
    });
    assert_eq!(runtime.metrics().live_groups, 0);
}
