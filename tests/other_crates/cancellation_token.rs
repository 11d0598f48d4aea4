//! Groups and the cancellation tokens of `tokio-util`: a token is cancelled when a group stops, and
//! the other way round.

use crate::common::drops::on_drop;
use crate::common::hangs::without_hanging;
use crate::common::polls::poll_alone;
use crate::common::runtimes::workers;
use spinney::{Group, group, try_group};
use std::future::pending;
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use tokio_util::sync::CancellationToken;

/// Cancels the token when the group is asked to stop, is being cut, or ends.
fn cancel_with<E: Send + 'static>(g: Group<'_, '_, E>, token: &CancellationToken) {
    let guard = token.clone().drop_guard();
    g.service(async move {
        let _guard = guard;
        g.stopping().await;
    });
}

/// Asks the group to stop when the token is cancelled.
fn stop_with<E: Send + 'static>(g: Group<'_, '_, E>, token: &CancellationToken) {
    let token = token.clone();
    g.service(async move {
        token.cancelled().await;
        g.stop();
    });
}

#[test]
fn a_stop_cancels_the_token_while_children_still_run() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let token = CancellationToken::new();
        let answer = runtime.block_on(group(async |g| {
            cancel_with(g, &token);
            let (own, child) = (token.clone(), token.child_token());
            // Only the token ends this one.
            let waiting = g.spawn(async move {
                own.cancelled().await;
                child.cancelled().await;
                Ok(g.is_stopping())
            });
            assert!(!token.is_cancelled());
            g.stop();
            waiting.await
        }));
        assert!(answer && token.is_cancelled());
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// The token is cancelled after the last child, and before kept values go.
#[test]
fn the_end_of_a_group_cancels_the_token() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let token = CancellationToken::new();
        let (note, notes) = mpsc::channel();
        runtime.block_on(group(async |g| {
            cancel_with(g, &token);
            let (kept, theirs) = (note.clone(), token.clone());
            g.keep(on_drop(move || {
                kept.send(("kept", theirs.is_cancelled())).unwrap();
            }));
            let (child, theirs) = (note.clone(), token.clone());
            g.spawn(async move {
                spinney::yield_now().await;
                child.send(("child", theirs.is_cancelled())).unwrap();
            });
        }));
        drop(note);
        let notes: Vec<_> = notes.iter().collect();
        assert_eq!(notes, [("child", false), ("kept", true)]);
    });
}

#[test]
fn a_failure_or_a_cancel_of_the_group_cancels_the_token() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        for calls_cancel in [false, true] {
            let token = CancellationToken::new();
            let theirs = token.clone();
            // A thread that is no part of the group.
            let outside = thread::spawn(move || spinney::block_on(theirs.cancelled()));
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
                cancel_with(g, &token);
                if calls_cancel {
                    g.cancel("end");
                } else {
                    g.spawn(async { Err::<(), _>("end") });
                }
                pending::<Result<(), &str>>().await
            }));
            assert_eq!(result.unwrap_err().into_first(), "end");
            outside.join().unwrap();
        }
        assert_eq!(seen.texts(), [""; 0]);
    });
}

/// A group whose future is dropped cancels its token, too: the runtime's root joins the service.
#[test]
fn a_dropped_group_cancels_the_token() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let token = CancellationToken::new();
        let entered = runtime.enter();
        {
            let mut open = pin!(group(async |g| {
                cancel_with(g, &token);
                pending::<()>().await
            }));
            assert!(poll_alone(open.as_mut()).is_pending());
        }
        drop(entered);
        runtime.block_on(token.cancelled());
    });
}

#[test]
fn a_token_stops_the_group() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        for from_inside in [false, true] {
            let token = CancellationToken::new();
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let theirs = token.clone();
            let canceller = thread::spawn(move || {
                has_begun.recv_blocking().unwrap();
                if !from_inside {
                    theirs.cancel();
                }
            });
            let ended = runtime.block_on(group(async |g| {
                stop_with(g, &token);
                let drained = g.spawn(async move {
                    g.stopping().await;
                    Ok("drained")
                });
                begun.send(()).await.unwrap();
                if from_inside {
                    token.cancel();
                }
                drained.await
            }));
            assert_eq!(ended, "drained");
            canceller.join().unwrap();
        }
    });
}

#[test]
fn a_token_that_was_cancelled_before_stops_the_group() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let token = CancellationToken::new();
        token.cancel();
        runtime.block_on(group(async |g| {
            stop_with(g, &token);
            g.stopping().await;
        }));
    });
}

/// The hard form: a service that fails.
#[test]
fn a_token_ends_the_group_with_an_error() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let token = CancellationToken::new();
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            let token = g.keep(token);
            g.service(async {
                token.cancelled().await;
                Err::<(), _>("token")
            });
            g.spawn(async { token.cancel() });
            g.spawn(pending::<()>());
            pending::<Result<(), &str>>().await
        }));
        let errors = result.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), ("token", 1));
    });
}

/// A service that waits for a token is no work left: the group ends, and the token stays as it was.
#[test]
fn a_group_that_ends_first_leaves_the_token_alone() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let token = CancellationToken::new();
        let value = runtime.block_on(group(async |g| {
            stop_with(g, &token);
            g.spawn(async { Ok(1) }).await
        }));
        assert_eq!(value, 1);
        assert!(!token.is_cancelled());
    });
}
