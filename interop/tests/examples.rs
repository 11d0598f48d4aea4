//! The programs in `examples/` do what they say.

use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

/// One of the programs, which `cargo test` has built beside the tests.
fn example(name: &str) -> Command {
    let test = env::current_exe().unwrap();
    Command::new(test.parent().unwrap().join("../examples").join(name))
}

/// axum's own `serve`, and where it listens.
fn axum_serve() -> (Child, String) {
    let mut command = example("axum_serve");
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut url = String::new();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut url).unwrap();
    (child, url.trim().to_owned())
}

fn fan_out(seconds: &str, urls: &[&str]) -> Output {
    let mut command = example("fan_out");
    command.arg(seconds).args(urls).output().unwrap()
}

#[test]
fn axum_serves_until_an_interrupt_and_pages_are_fetched_from_it() {
    let (server, url) = axum_serve();
    let fetched = fan_out("60", &[&url, &url]);
    assert!(fetched.status.success(), "{fetched:?}");
    assert_eq!(fetched.stdout, b"6 bytes\n6 bytes\n");
    let gone = fan_out("60", &[&format!("{url}gone")]);
    let said = String::from_utf8_lossy(&gone.stderr);
    assert!(!gone.status.success() && said.contains("404"), "{gone:?}");
    kill_process(Pid::from_child(&server), Signal::INT).unwrap();
    let ended = server.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn pages_that_do_not_come_are_given_up_at_the_deadline() {
    // Connections wait in its queue: nobody accepts or answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let late = fan_out("0.05", &[&url, &url]);
    let said = String::from_utf8_lossy(&late.stderr);
    assert!(
        !late.status.success() && said.contains("too late"),
        "{late:?}"
    );
    assert!(late.stdout.is_empty(), "{late:?}");
}

#[test]
fn a_server_behind_tls_is_asked_over_both_protocols() {
    let shown = example("tls_server").output().unwrap();
    assert!(shown.status.success(), "{shown:?}");
    let line = "hello over HTTP/2.0; hello over HTTP/1.1; invalid peer certificate: BadSignature; \
                drained: 3 connections, 2 requests, 2 answered, 0 cut\n";
    assert_eq!(String::from_utf8_lossy(&shown.stdout), line);
}
