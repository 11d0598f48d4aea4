//! Signals: the first one drains, the second one forces.

use crate::counters::Stop;
use crate::lines::say;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use spinney::serve::ServerHandle;
use std::sync::OnceLock;
use std::time::Duration;
use std::{io, process, thread};

/// What was under way when the stop began.
pub static STOP: OnceLock<Stop> = OnceLock::new();

/// The first Ctrl-C or SIGTERM says stop, the second says at once. Should even that not help, a third ends the process.
pub fn stop_on_signals(handle: ServerHandle, grace: Duration) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    say(format_args!(
        "stop: Ctrl-C or SIGTERM; once to drain, twice to force"
    ));
    let hear = move || {
        let mut signals = signals.forever();
        signals.next();
        let stop = STOP.get_or_init(|| Stop::now(&handle));
        say(format_args!(
            "stopping: {stop}; waiting up to {grace:?} (a second signal forces)"
        ));
        handle.stop();
        signals.next();
        handle.force();
        process::exit(128 + signals.next().unwrap_or_default());
    };
    let thread = thread::Builder::new().name("signals".to_owned());
    thread.spawn(hear).map(drop)
}
