//! A hang is a failure.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Runs `test` on a thread of its own, and turns a hang into a failure. The limit is no measure of
/// speed: it is a hundred times what the slowest test needs.
pub(crate) fn without_hanging<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, ended) = mpsc::channel();
    let runner = thread::spawn(move || {
        let _ = sender.send(catch_unwind(AssertUnwindSafe(test)));
    });
    match ended.recv_timeout(Duration::from_secs(100)) {
        Ok(Ok(value)) => {
            runner.join().unwrap();
            value
        }
        Ok(Err(payload)) => resume_unwind(payload),
        Err(_) => panic!("it hangs"),
    }
}
