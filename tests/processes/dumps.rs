//! Dumps on a signal, also from a program all of whose workers are stuck.

use crate::common::process::{alone, entries};
use crate::common::runtimes::noting;
use rustix::process::{Signal as Raw, getpid, kill_process};
use spinney::dump::Dump;
use spinney::signal::{DumpOn, Signal, Signals, dump_on};
use spinney::{GroupBuilder, Runtime, Wait};
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, mpsc};

/// Sends a signal to this process, to whichever thread.
fn send(signal: Raw) {
    kill_process(getpid(), signal).unwrap();
}

/// Has dumps of the runtime of this thread sent.
fn sent(signal: Signal) -> (DumpOn, mpsc::Receiver<Dump>) {
    let (tell, told) = mpsc::channel();
    let dumps = dump_on(signal, move |dump| tell.send(dump).unwrap()).unwrap();
    (dumps, told)
}

/// No spare stands in for them: there is no thread left that could run a task.
#[test]
fn a_program_whose_workers_are_all_stuck_is_dumped() {
    alone(|| {
        let builder = Runtime::builder().workers(2).callers_take_part(false);
        let (runtime, _) = noting(builder.max_spares(0));
        let entered = runtime.enter();
        let (_dumps, told) = sent(Signal::USR1);
        let (stuck, is_stuck) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        std::thread::scope(|threads| {
            let group = GroupBuilder::<()>::new().name("server").run(async |g| {
                g.spawn_named("waits", std::future::pending::<()>());
                for _ in 0..2 {
                    let (stuck, released) = (stuck.clone(), Arc::clone(&released));
                    g.spawn_named("stuck", async move {
                        stuck.send(()).unwrap();
                        let _ = released.lock().unwrap().recv();
                    });
                }
                g.stopping().await;
                g.cancel(());
                Ok(())
            });
            let runtime = &runtime;
            threads.spawn(move || runtime.block_on(group));
            is_stuck.recv().unwrap();
            is_stuck.recv().unwrap();
            send(Raw::USR1);
            let text = told.recv().unwrap().to_string();
            assert_eq!(text.matches("running: stuck #").count(), 2, "{text}");
            assert!(text.contains("group server at "), "{text}");
            drop(release);
            // It was not the only one.
            send(Raw::USR1);
            assert!(told.recv().is_ok());
            let _ = runtime.shutdown(std::time::Duration::from_secs(60));
        });
        drop(entered);
    });
}

#[test]
fn after_the_drop_no_dump_is_told_and_no_descriptor_is_left() {
    alone(|| {
        let (runtime, _) = noting(Runtime::builder().workers(1));
        let entered = runtime.enter();
        runtime.block_on(async {}); // what is started once is there
        let mut others = Signals::new([Signal::USR1]).unwrap();
        let open = entries("/proc/self/fd");
        let (dumps, told) = sent(Signal::USR1);
        send(Raw::USR1);
        assert!(told.recv().is_ok());
        drop(dumps);
        // The thread had one of them.
        assert_eq!(entries("/proc/self/fd"), open);
        send(Raw::USR1);
        for _ in 0..2 {
            assert_eq!(others.next().wait(), Signal::USR1);
        }
        assert!(told.recv().is_err(), "the sender has gone");
        drop(entered);
    });
}

#[test]
fn a_runtime_that_has_ended_is_not_dumped_and_not_kept() {
    alone(|| {
        let (runtime, _) = noting(Runtime::builder().workers(1));
        let entered = runtime.enter();
        let (dumps, told) = sent(Signal::USR1);
        drop(entered);
        drop(runtime);
        send(Raw::USR1);
        drop(dumps);
        // Whichever came first: there is nothing in it.
        assert!(told.iter().all(|dump| dump.groups().is_empty()));
    });
}

#[test]
fn what_panics_when_it_is_told_is_told_again() {
    alone(|| {
        let (tell, told) = mpsc::channel();
        let dumps = dump_on(Signal::USR1, move |_| {
            tell.send(()).unwrap();
            panic!("on purpose");
        });
        let _dumps = dumps.unwrap();
        for _ in 0..2 {
            send(Raw::USR1);
            told.recv().unwrap();
        }
    });
}

#[test]
fn what_is_told_may_end_it() {
    alone(|| {
        let kept = Arc::new(Mutex::new(None::<DumpOn>));
        let theirs = Arc::clone(&kept);
        let (tell, told) = mpsc::channel();
        let dumps = dump_on(Signal::USR1, move |_| {
            theirs.lock().unwrap().take();
            tell.send(()).unwrap();
        });
        *kept.lock().unwrap() = Some(dumps.unwrap());
        send(Raw::USR1);
        told.recv().unwrap();
        assert!(told.recv().is_err(), "the thread has ended");
    });
}

#[test]
fn a_signal_that_cannot_be_heard_is_an_error() {
    alone(|| {
        let error = dump_on(Signal::KILL, drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "SIGKILL cannot be heard");
    });
}
