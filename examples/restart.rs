//! A child that is started again when it fails, with pauses that double. Each failure that was retried is reported.

use spinney::time::ManualClock;
use spinney::{Errors, Group, Restart, Runtime, try_group, yield_now};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a link that comes up at the attempt of that number, if it may be started so often. When each attempt began.
fn link(
    runtime: &Runtime,
    clock: &ManualClock,
    comes_up: usize,
    restarts: usize,
) -> Result<Vec<Instant>, Errors<&'static str>> {
    let ours = clock.clone();
    runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
        let starts = g.keep(Mutex::new(Vec::new()));
        // Called for each attempt; a new future each time.
        let attempt = move || {
            let mut starts = starts.lock().unwrap();
            starts.push(ours.now());
            let number = starts.len();
            async move {
                match number {
                    _ if number == comes_up => Ok(()),
                    2 => panic!("a bug"),
                    _ => Err("no route"),
                }
            }
        };
        let policy = Restart::at_most(restarts).backoff(SECOND);
        let child = g.spawn_named("link", policy.run(g, attempt));
        while !child.is_finished() {
            clock.advance(SECOND / 10);
            yield_now().await;
        }
        child.await; // never returns if the last attempt has failed
        Ok(starts.lock().unwrap().clone())
    }))
}

#[expect(clippy::print_stdout, reason = "an example says what it showed")]
fn main() {
    std::panic::set_hook(Box::new(|_| {})); // the panics below are part of the story

    // The hook gets what nobody else does. Time is what the clock shows: an hour of pauses takes none.
    let (report, reports) = mpsc::channel();
    let clock = ManualClock::new();
    let builder = Runtime::builder().workers(1).clock(&clock);
    let builder = builder.on_unobserved(move |failure| {
        assert_eq!(failure.name.as_deref(), Some("link"));
        let text = *failure.payload.downcast::<&str>().unwrap();
        report.send((failure.is_panic, text)).unwrap();
    });
    let runtime = builder.build().unwrap();
    let reported = || reports.try_iter().collect::<Vec<_>>();

    // It comes up at the fourth attempt.
    let starts = link(&runtime, &clock, 4, 5).unwrap();
    assert_eq!(starts.len(), 4);
    for (number, pair) in starts.windows(2).enumerate() {
        assert!(
            pair[1] - pair[0] >= SECOND * (1 << number),
            "1, 2, 4 seconds"
        );
    }
    assert_eq!(
        reported(),
        [(false, "no route"), (true, "a bug"), (false, "no route")]
    );

    // It never comes up: the last failure is the group's, the others were reported.
    let errors = link(&runtime, &clock, usize::MAX, 2).unwrap_err();
    assert_eq!((*errors.first(), errors.len()), ("no route", 1));
    assert_eq!(errors.entries().next().unwrap().name, Some("link"));
    assert_eq!(reported(), [(false, "no route"), (true, "a bug")]);
    println!(
        "up at attempt {}, after pauses of 1, 2 and 4 s that took no time: the clock was moved",
        starts.len()
    );
}
