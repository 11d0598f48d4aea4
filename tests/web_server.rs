//! The example `web_server` as its users meet it: a process, sockets, signals, lines and exit codes.

#![expect(
    unreachable_pub,
    reason = "a program: `pub` is what its other files use"
)]

mod web_client;

use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use web_client::{Connection, DEADLINE, Server, program, until};

/// What `/fanout` answers: each child multiplies its number by the length of the path.
fn fanout(n: usize) -> String {
    format!("{}\n", n * n.saturating_sub(1) / 2 * "/fanout".len())
}

#[test]
fn every_route_answers() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/"), (200, "Hello from spinney\n".to_owned()));
    assert_eq!(server.get("/fanout"), (200, fanout(100)));
    assert_eq!(server.get("/fanout?n=0"), (200, fanout(0)));
    assert_eq!(server.get("/fanout?n=10000"), (200, fanout(10_000)));
    assert_eq!(server.get("/fanout?n=7&ms=1"), (200, fanout(7)));
    assert_eq!(server.get("/slow?ms=1"), (200, "1 ms later\n".to_owned()));
    assert_eq!(server.get("/nowhere").0, 404);
    for nonsense in ["n=x", "n=-1", "n=10001", "n=", "n=1e3", "ms=60001"] {
        assert_eq!(
            server.get(&format!("/fanout?{nonsense}")).0,
            400,
            "{nonsense}"
        );
    }
    assert_eq!(server.get("/slow?ms=99999999999999999999").0, 400);
    let posted = ureq::post(server.url("/")).send("a body");
    assert!(
        matches!(posted, Err(ureq::Error::StatusCode(405))),
        "{posted:?}"
    );
}

#[test]
fn a_request_that_fails_lists_every_error_and_ends_nothing_else() {
    let server = Server::start(&[]);
    for _ in 0..20 {
        let (status, body) = server.get("/fail");
        assert_eq!(status, 500);
        assert_eq!(
            body,
            "database: the database does not answer\n\
             cache: the cache could not be written back (while the request was ending)\n"
        );
    }
    assert_eq!(server.get("/").0, 200);
}

#[test]
fn a_request_that_panics_is_logged_and_ends_nothing_else() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for _ in 0..3 {
        assert_eq!(connection.get("/panic").status, 500);
    }
    // Not even its own connection.
    assert_eq!(connection.get("/").status, 200);
    server.signal(Signal::TERM);
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    let logged = ended.stderr.lines().filter(|line| {
        line.starts_with("web_server: panic in ") && line.contains("server/conn: a child panics")
    });
    assert_eq!(logged.count(), 3, "{}", ended.stderr);
}

#[test]
fn concurrent_requests_do_not_mix() {
    let server = Server::start(&[]);
    thread::scope(|threads| {
        for client in 0..8 {
            let server = &server;
            threads.spawn(move || {
                let mut connection = server.connect();
                for round in 0..25 {
                    let n = client * 100 + round;
                    let response = connection.get(&format!("/fanout?n={n}"));
                    assert_eq!((response.status, response.body), (200, fanout(n)));
                }
            });
        }
    });
    let children = (0..8)
        .flat_map(|client| (0..25).map(move |round| client * 100 + round))
        .sum();
    let stats = server.connect().stats();
    assert_eq!(stats.children, [0, children, 0]);
    assert_eq!(stats.requests, [1, 200, 0]);
}

#[test]
fn a_connection_is_kept_alive() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for _ in 0..20 {
        let response = connection.get("/");
        assert_eq!((response.status, response.closes), (200, false));
    }
    let stats = connection.stats();
    assert_eq!(stats.connections, [1, 0, 0]);
    assert_eq!(stats.requests, [1, 20, 0]);
}

#[test]
fn nonsense_instead_of_http_breaks_its_own_connection_only() {
    let server = Server::start(&[]);
    let mut observer = server.connect();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream
        .write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    until("the connection has ended", || {
        let stats = observer.stats();
        (stats.connections == [1, 1, 0]).then_some(stats.broken)
    });
    assert_eq!(observer.stats().broken, 1);
}

#[test]
fn a_client_that_goes_away_cancels_the_children_of_its_request_and_its_connection_joins_them() {
    let server = Server::start(&[]);
    let mut observer = server.connect();
    for round in 1..=5 {
        let mut leaver = server.connect();
        leaver.send("/fanout?n=200&ms=60000");
        until("the children run", || {
            (observer.stats().children[0] == 200).then_some(())
        });
        drop(leaver);
        let stats = until("the connection has ended", || {
            let stats = observer.stats();
            // The server reads the count of connections before that of children.
            (stats.connections[0] == 1).then_some(stats)
        });
        assert_eq!(
            stats.children,
            [0, 0, 200 * round],
            "joined before the connection ended"
        );
        assert_eq!(stats.requests[2], round);
    }
    assert_eq!(server.get("/").0, 200);
}

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
            let mut slow = server.connect();
            slow.send("/slow?ms=1000");
            let mut idle = server.connect();
            assert_eq!(idle.get("/").status, 200);
            let mut observer = server.connect();
            until("every client is warm and the slow request runs", || {
                let running = observer.stats().requests[0] >= 2;
                (running && tally.warm.load(SeqCst) == 8).then_some(())
            });
            // Written to a connection that is idle, and not read by the server before the signal if it is quick.
            idle.send("/fanout?n=10");
            signalled.store(true, SeqCst);
            server.signal(Signal::TERM);
            let last = idle.receive();
            assert_eq!((last.status, last.body), (200, fanout(10)));
            let response = slow.receive();
            assert_eq!((response.status, response.closes), (200, true));
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

#[test]
fn what_cannot_be_done_is_refused_in_one_line_with_exit_code_2() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().to_string();
    let refused: [&[&str]; 12] = [
        &["--addr", "nonsense"],
        &["--addr", "127.0.0.1:99999"],
        &["--addr", "192.0.2.1:80"],
        &["--addr", &port],
        &["--workers", "many"],
        &["--workers", "0"],
        &["--grace", "-1"],
        &["--grace", "soon"],
        &["--load", "NaN"],
        &["--load", "1", "--connections", "0"],
        &["--bogus"],
        &["stray"],
    ];
    for arguments in refused {
        let output = Command::new(program()).args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
        assert!(
            stderr.starts_with("web_server: ") && stderr.len() > 20,
            "{arguments:?}: {stderr}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    drop(busy);
}

#[test]
fn load_drives_the_server_and_reports() {
    let output = Command::new(program())
        .args(["--load", "1", "--connections", "4"])
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    assert_eq!(stdout.lines().last(), Some("errors: 0"), "{stdout}");
    for figure in [
        "requests/s",
        "latency p50",
        "latency p99",
        "latency p99.9",
        "server CPU per request",
    ] {
        let line = stdout
            .lines()
            .find_map(|line| line.strip_prefix(figure)?.strip_prefix(": "));
        let number = line
            .unwrap_or_else(|| panic!("{figure}: {stdout}"))
            .trim_end_matches(" us");
        assert!(number.parse::<f64>().unwrap() > 0.0, "{figure}: {stdout}");
    }
}

#[test]
fn without_descriptors_it_waits_and_recovers() {
    let server = Server::start_with_descriptors(20);
    let mut observer = server.connect();
    assert_eq!(observer.get("/").status, 200);
    // They are connected as far as the system is concerned, whether the server accepts them or not.
    let crowd: Vec<_> = (0..40).map(|_| server.connect()).collect();
    // The connection that is open goes on meanwhile.
    until("the server has run out of descriptors twice", || {
        (observer.stats().not_accepted >= 2).then_some(())
    });
    assert_eq!(observer.get("/fanout?n=10").body, fanout(10));
    drop(crowd);
    assert_eq!(server.get("/"), (200, "Hello from spinney\n".to_owned()));
    until("the crowd has gone", || {
        (observer.stats().connections == [1, 41, 0]).then_some(())
    });
    drop(observer);
    server.signal(Signal::TERM);
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("trying again in 5ms"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("trying again in 10ms"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_burst_of_clients_finds_place_in_the_queue() {
    // Nobody accepts: every handshake has to fit into the queue.
    let listener = spinney::block_on(spinney::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..500)
        .map(|_| TcpStream::connect_timeout(&address, DEADLINE).unwrap())
        .collect();
    let accepted: Vec<_> = std::iter::from_fn(|| listener.try_accept().ok()).collect();
    assert_eq!(accepted.len(), clients.len());
    let none = listener.try_accept().unwrap_err();
    assert_eq!(none.kind(), std::io::ErrorKind::WouldBlock);
}
