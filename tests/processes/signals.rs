//! Listeners for signals: none is lost, each listener hears each, and others are called, too.

#![expect(
    unsafe_code,
    reason = "signals to one thread, a handler and a fork by hand"
)]

use crate::common::polls::once;
use crate::common::process::{alone, entries};
use crate::common::runtimes::workers;
use spinney::signal::{Signal, Signals, ctrl_c, terminate};
use spinney::{Group, Runtime, block_on, group, try_group};
use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::{io, thread};

/// Sends a signal to this thread, whose handlers have run when this returns.
fn raise(signal: Signal) {
    // SAFETY: the tests have set a handler for it.
    let raised = unsafe { libc::raise(signal.as_raw()) };
    assert_eq!(raised, 0);
}

/// Whether nothing is ready.
async fn is_silent(signals: &mut Signals) -> bool {
    once(pin!(signals.next())).await.is_pending()
}

#[test]
fn what_comes_between_two_polls_is_counted() {
    alone(|| {
        block_on(async {
            let mut signals = Signals::new([Signal::USR1, Signal::USR2]).unwrap();
            assert!(is_silent(&mut signals).await);
            for _ in 0..3 {
                raise(Signal::USR1);
            }
            raise(Signal::USR2);
            let mut heard = Vec::new();
            for _ in 0..4 {
                heard.push(signals.next().await);
            }
            // Each kind has its turn.
            let (one, two) = (Signal::USR1, Signal::USR2);
            assert_eq!(heard, [one, two, one, one]);
            assert!(is_silent(&mut signals).await);
        });
    });
}

#[test]
fn every_listener_hears_every_signal_from_its_beginning() {
    alone(|| {
        block_on(async {
            let mut older = Signals::new([Signal::USR1]).unwrap();
            raise(Signal::USR1);
            let mut newer = Signals::new([Signal::USR1]).unwrap();
            raise(Signal::USR1);
            for _ in 0..2 {
                assert_eq!(older.next().await, Signal::USR1);
            }
            assert_eq!(newer.next().await, Signal::USR1);
            assert!(is_silent(&mut older).await && is_silent(&mut newer).await);
            drop(older);
            raise(Signal::USR1);
            assert_eq!(newer.next().await, Signal::USR1);
        });
    });
}

/// A thread raises signals while two listeners on other threads take them.
#[test]
fn none_of_many_is_lost() {
    const MANY: usize = 20_000;
    alone(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let listeners = [(); 2].map(|()| Signals::new([Signal::USR1, Signal::HUP]).unwrap());
            for mut signals in listeners {
                g.spawn(async move {
                    let mut heard = [0, 0];
                    while heard.iter().sum::<usize>() < MANY {
                        let signal = signals.next().await;
                        heard[usize::from(signal == Signal::HUP)] += 1;
                    }
                    assert_eq!(heard, [MANY / 2; 2]);
                    assert!(is_silent(&mut signals).await);
                });
            }
            g.blocking(|| {
                for at in 0..MANY {
                    raise([Signal::USR1, Signal::HUP][at % 2]);
                }
            })
            .await;
        }));
    });
}

static CALLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn older(_: libc::c_int) {
    CALLED.fetch_add(1, SeqCst);
}

#[test]
fn handlers_of_others_are_called_too() {
    alone(|| {
        let handler = older as extern "C" fn(libc::c_int);
        // SAFETY: the handler only adds to an atomic.
        unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
        block_on(async {
            let mut signals = Signals::new([Signal::USR1]).unwrap();
            let newer = Arc::new(AtomicUsize::new(0));
            let add = Arc::clone(&newer);
            // SAFETY: the action only adds to an atomic.
            let id = unsafe {
                signal_hook::low_level::register(libc::SIGUSR1, move || {
                    add.fetch_add(1, SeqCst);
                })
            };
            raise(Signal::USR1);
            assert_eq!(signals.next().await, Signal::USR1);
            assert_eq!((CALLED.load(SeqCst), newer.load(SeqCst)), (1, 1));
            drop(signals);
            raise(Signal::USR1);
            assert_eq!((CALLED.load(SeqCst), newer.load(SeqCst)), (2, 2));
            assert!(signal_hook::low_level::unregister(id.unwrap()));
        });
    });
}

#[test]
fn nothing_is_left_of_listeners() {
    alone(|| {
        let (runtime, _) = workers(2);
        let listen = || {
            runtime.block_on(group(async |g| {
                for _ in 0..20 {
                    g.spawn(async {
                        let mut signals = Signals::new([Signal::USR1, Signal::USR2]).unwrap();
                        raise(Signal::USR2);
                        assert_eq!(signals.next().await, Signal::USR2);
                    });
                }
                let mut dropped = pin!(ctrl_c());
                assert!(once(dropped.as_mut()).await.is_pending());
            }));
        };
        listen();
        let before = entries("/proc/self/fd");
        listen();
        assert_eq!(entries("/proc/self/fd"), before);
        // It ends this program no more, and is heard by none.
        raise(Signal::INT);
        raise(Signal::USR1);
    });
}

/// Made before the signal, and polled after it.
async fn hears(signal: Signal, listens: impl Future<Output = io::Result<()>>) {
    raise(signal);
    listens.await.unwrap();
}

#[test]
fn the_futures_hear_what_comes_after_their_making() {
    alone(|| {
        block_on(async {
            hears(Signal::INT, ctrl_c()).await;
            hears(Signal::TERM, terminate()).await;
        });
    });
}

#[test]
fn a_signal_stops_a_group_and_one_in_the_shutdown_is_heard() {
    alone(|| {
        let (runtime, seen) = workers(2);
        let (told, tells) = std::sync::mpsc::channel();
        thread::scope(|threads| {
            let runtime = &runtime;
            let server = threads.spawn(move || {
                runtime.block_on(group(async |g| {
                    let mut signals = Signals::new([Signal::TERM]).unwrap();
                    told.send("up").unwrap();
                    assert_eq!(signals.next().await, Signal::TERM);
                    g.stop();
                    told.send("stops").unwrap();
                    g.stopping().await;
                    // The shutdown waits for this.
                    assert_eq!(signals.next().await, Signal::TERM);
                }));
            });
            assert_eq!(tells.recv(), Ok("up"));
            raise(Signal::TERM);
            assert_eq!(tells.recv(), Ok("stops"));
            let shutdown = threads.spawn(|| runtime.shutdown(std::time::Duration::from_secs(60)));
            raise(Signal::TERM);
            shutdown.join().unwrap().unwrap();
            server.join().unwrap();
        });
        assert_eq!(seen.texts(), [""; 0]);
    });
}

#[test]
fn a_cut_ends_the_listening() {
    alone(|| {
        let result = block_on(try_group(async |g: Group<'_, '_, &str>| {
            g.spawn(async { drop(ctrl_c().await) });
            g.spawn(async {
                let mut signals = Signals::new([Signal::INT]).unwrap();
                loop {
                    signals.next().await;
                }
            });
            g.cancel("enough");
            Ok(())
        }));
        assert_eq!(result.unwrap_err().into_first(), "enough");
    });
}

#[test]
fn what_cannot_be_heard_is_an_error() {
    for signal in [Signal::KILL, Signal::STOP] {
        let error = Signals::new([Signal::USR1, signal]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), format!("{signal} cannot be heard"));
    }
}

#[test]
fn a_forked_process_is_heard_by_no_listener_of_its_parent() {
    alone(|| {
        let (runtime, _) = workers(1);
        runtime.block_on(async {
            let mut signals = Signals::new([Signal::USR1]).unwrap();
            assert!(is_silent(&mut signals).await);
            // SAFETY: the process that is forked gets a signal, tries to listen, and leaves.
            let forked = unsafe { libc::fork() };
            if forked == 0 {
                raise(Signal::USR1);
                let refused = Signals::new([Signal::USR1]).is_err();
                // SAFETY: it runs nothing of what the parent has registered for its exit.
                unsafe { libc::_exit(i32::from(!refused)) }
            }
            let mut status = 0;
            // SAFETY: the status is written to a place of its own.
            assert_eq!(unsafe { libc::waitpid(forked, &raw mut status, 0) }, forked);
            assert_eq!(status, 0);
            assert!(is_silent(&mut signals).await);
            raise(Signal::USR1);
            assert_eq!(signals.next().await, Signal::USR1);
            assert!(matches!(once(pin!(signals.next())).await, Poll::Pending));
        });
        let _: Runtime = runtime;
    });
}
