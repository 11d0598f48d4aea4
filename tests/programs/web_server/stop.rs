//! Stopping: which requests are drained, which are cut, and which lines say so.

use super::client::{Connection, Server, until};
use super::fanout;
use rustix::process::Signal;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

/// Clients of [`a_stop_answers_every_request_that_was_sent_before`]: what they have seen.
#[derive(Default)]
struct Tally {
    answered: AtomicUsize,
    /// Sent before the signal, and so owed an answer.
    owed: AtomicUsize,
    warm: AtomicUsize,
}

/// Sends requests until the server refuses them. Each that is owed an answer must get all of it.
fn send_until_refused(
    server: &Server,
    keep_alive: bool,
    path: &str,
    signalled: &AtomicBool,
    tally: &Tally,
) {
    let mut connection: Option<Connection> = None;
    for round in 0.. {
        if round == 20 {
            tally.warm.fetch_add(1, SeqCst);
        }
        let mut open = match connection.take() {
            Some(open) => open,
            None => match server.try_connect() {
                Ok(open) => open,
                Err(_) => {
                    assert!(signalled.load(SeqCst), "refused before the signal");
                    return;
                }
            },
        };
        let sent = open.try_send(path);
        // The listener is closed after the signal, and the signal is sent after the flag is set.
        let owed = sent.is_ok() && !signalled.load(SeqCst);
        let response = sent.and_then(|()| open.try_receive());
        match response {
            Ok(Some(response)) => {
                assert_eq!((response.status, response.body), (200, fanout(10)));
                tally.answered.fetch_add(1, SeqCst);
                tally.owed.fetch_add(owed.into(), SeqCst);
                if keep_alive && !response.closes {
                    connection = Some(open);
                }
            }
            // Closed without one byte of an answer.
            Ok(None) => assert!(
                !owed,
                "a request that was sent before the signal got no answer"
            ),
            Err(error) => {
                assert!(
                    !owed,
                    "a request that was sent before the signal failed: {error}"
                );
                assert_eq!(open.received(), 0, "half an answer: {error}");
            }
        }
    }
}

#[test]
fn a_stop_answers_every_request_that_was_sent_before() {
    for _ in 0..5 {
        let server = Server::start(&["--grace", "60"]);
        let signalled = AtomicBool::new(false);
        let tally = Tally::default();
        thread::scope(|threads| {
            for client in 0..8 {
                let (server, signalled, tally) = (&server, &signalled, &tally);
                threads.spawn(move || {
                    send_until_refused(server, client % 2 == 0, "/fanout?n=10", signalled, tally);
                });
            }
            let mut idle = server.connect();
            assert_eq!(idle.get("/").status, 200);
            until("every client is warm", || {
                (tally.warm.load(SeqCst) == 8).then_some(())
            });
            let mut slow = server.connect();
            slow.send("/slow?ms=1000");
            // On a connection that is idle. The server has hardly read it when the signal comes.
            idle.send("/fanout?n=10");
            signalled.store(true, SeqCst);
            server.signal(Signal::TERM);
            let last = idle.receive();
            assert_eq!((last.status, last.body), (200, fanout(10)));
            let response = slow.receive();
            assert_eq!(response.body, "1000 ms later\n");
            assert!(slow.at_end());
        });
        assert!(tally.owed.load(SeqCst) >= 8 * 20);
        assert!(tally.answered.load(SeqCst) >= tally.owed.load(SeqCst));
        let ended = server.wait();
        assert_eq!(ended.code, Some(0));
        let last = ended.stdout.lines().last().unwrap();
        assert!(last.starts_with("stopped: all drained; "), "{last}");
        assert_eq!(last.matches(", 0 cancelled").count(), 2, "{last}");
    }
}

#[test]
fn a_stop_closes_idle_connections_and_says_what_it_waits_for() {
    let server = Server::start(&["--grace", "3600"]);
    let mut idle: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for connection in &mut idle {
        assert_eq!(connection.get("/").status, 200);
    }
    let mut silent = server.connect();
    until("all are accepted", || {
        (idle[0].stats().connections[0] == 6).then_some(())
    });
    server.signal(Signal::INT);
    for connection in &mut idle {
        assert!(connection.at_end());
    }
    assert!(silent.at_end());
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(
        ended
            .stdout
            .contains("\nstopping: 6 connections open, 0 requests in flight; "),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.ends_with(
            "stopped: all drained; requests: 0 drained, 0 cancelled; connections: 6 drained, 0 cancelled\n"
        ),
        "{}",
        ended.stdout
    );
}

/// A server with two requests under way that take a minute.
fn busy(grace: &str) -> (Server, [Connection; 2]) {
    let server = Server::start(&["--grace", grace]);
    let mut waiting = [server.connect(), server.connect()];
    waiting[0].send("/slow?ms=60000");
    waiting[1].send("/fanout?n=50&ms=60000");
    let mut observer = server.connect();
    until("both run", || {
        let stats = observer.stats();
        (stats.requests[0] == 3 && stats.children[0] == 50).then_some(())
    });
    drop(observer);
    (server, waiting)
}

#[test]
fn a_grace_that_ends_cancels_the_rest_and_says_so() {
    let (server, mut waiting) = busy("0.1");
    server.signal(Signal::TERM);
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(
        ended
            .stdout
            .contains("2 requests in flight; waiting up to 100ms"),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stdout
            .contains("stopped: the grace is over; requests: 0 drained, 2 cancelled; "),
        "{}",
        ended.stdout
    );
    for connection in &mut waiting {
        assert!(connection.at_end());
    }
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_second_signal_forces() {
    let (server, mut waiting) = busy("3600");
    server.signal(Signal::TERM);
    let stopping = server.line();
    assert!(stopping.contains("2 requests in flight"), "{stopping}");
    server.signal(Signal::INT);
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(
        ended
            .stdout
            .contains("stopped: forced by a second signal; requests: 0 drained, 2 cancelled; "),
        "{}",
        ended.stdout
    );
    for connection in &mut waiting {
        assert!(connection.at_end());
    }
}
