//! futures-timer: delays of a thread of its own.

use crate::common::process::alone;
use crate::trial::Trial;
use futures_timer::Delay;
use std::time::Duration;

#[test]
fn futures_timer() {
    alone(|| {
        Trial::default().keeps([("futures-timer", 1)]).run(
            || Delay::new(Duration::from_millis(1)),
            |middle| middle.amid(Delay::new(Duration::from_secs(3600))),
        );
    });
}
