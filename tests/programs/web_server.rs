//! The example `web_server` as its users meet it: a process, sockets, signals, lines and exit
//! codes.

#![expect(
    unreachable_pub,
    reason = "a program: `pub` is what its other files use"
)]

mod client;
mod stop;
mod streams;
mod transcripts;

use client::{DEADLINE, Server, program, until};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

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
    // No server accepts: every handshake has to fit into the queue.
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
