//! The routes for operators.

use crate::client::Client;
use crate::running::{Running, echo, start, until};
use serde_json::Value;
use spinney::serve::{Ending, Phase, Routes, Server, service_fn};
use spinney::{group, yield_now};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

fn with_routes(server: Server) -> Running {
    let routes = Routes::new(server.handle());
    let routes = routes.live("/livez").ready("/readyz").tasks("/debug/tasks");
    start(server, routes.around(service_fn(echo)))
}

#[test]
fn a_server_says_whether_it_lives_and_whether_it_is_ready() {
    let server = with_routes(Server::new().lame_duck(Duration::from_secs(5)));
    let mut client = server.client();
    assert_eq!(client.get("/livez").status, 200);
    let ready = client.get("/readyz");
    assert_eq!((ready.status, &*ready.body), (200, "ready\n"));
    assert_eq!(client.get("/other").body, "/other: ");
    client.send("POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().body, "/livez: ", "the service's");
    server.handle.stop();
    until(|| server.handle.phase() == Phase::LameDuck);
    let duck = client.get("/readyz");
    assert_eq!((duck.status, &*duck.body), (503, "LameDuck\n"));
    assert_eq!(client.get("/livez").status, 200);
    drop(client);
    until(|| {
        server.advance(5);
        server.handle.phase() >= Phase::Draining
    });
    server.end();
}

#[test]
fn routes_are_there_only_where_they_were_mounted() {
    let server = Server::new();
    let service = Routes::new(server.handle()).around(service_fn(echo));
    let server = start(server, service);
    let mut client = server.client();
    for path in ["/livez", "/readyz", "/debug/tasks"] {
        assert_eq!(client.get(path).body, format!("{path}: "));
    }
    drop(client);
    server.stop();
}

#[test]
fn the_tree_is_shown_as_text_as_json_and_as_a_page() {
    let server = with_routes(Server::new());
    let silent = TcpStream::connect(server.address).unwrap();
    let reads = format!("input from {} on descriptor ", silent.local_addr().unwrap());
    until(|| server.runtime.dump().to_string().contains(&reads));
    let mut client = server.client();
    let text = client.get("/debug/tasks");
    assert!(
        text.has("content-type: text/plain; charset=utf-8"),
        "{text:?}"
    );
    assert!(text.body.contains("group server at "), "{}", text.body);
    assert!(text.body.contains("group conn at "), "{}", text.body);
    let json = client.get("/debug/tasks?format=json").body;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["server"]["phase"], "Ready");
    let names: Vec<_> = json["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| &g["name"])
        .collect();
    assert!(names.iter().any(|name| *name == "server"), "{names:?}");
    assert_eq!(json["workers"].as_array().map(Vec::len), Some(2));
    assert!(json["others"]["jobs"].is_u64());
    for times in ["schedule_latency", "poll_time"] {
        assert!(json[times]["count"].is_u64(), "{json}");
    }
    // A connection waits for the one that says nothing.
    let groups = json["groups"].as_array().unwrap().iter();
    let tasks = groups.flat_map(|group| group["tasks"].as_array().unwrap());
    let mut waits = tasks.flat_map(|task| task["waits_for"].as_array().unwrap());
    assert!(
        waits.any(|wait| wait.as_str().unwrap().starts_with(&reads)),
        "{json}"
    );
    client.send("GET /debug/tasks HTTP/1.1\r\nhost: x\r\naccept: text/html, */*\r\n\r\n");
    let page = client.answer();
    assert!(page.has("content-type: text/html; charset=utf-8"));
    assert!(page.body.len() < 60_000);
    // Readable without a script, and nothing is loaded from elsewhere.
    assert!(page.body.contains("group server at "));
    for outside in ["http://", "https://", "src=", "href=", "@import"] {
        assert!(!page.body.contains(outside), "{outside}");
    }
    drop(client);
    server.stop();
}

#[test]
fn the_steps_of_a_plot_have_all_that_was_measured() {
    let server = with_routes(Server::new());
    let measured = || server.runtime.statistics().poll_time.count();
    until(|| {
        server.runtime.block_on(group(async |g| {
            g.spawn(async {
                for _ in 0..1000 {
                    yield_now().await;
                }
            });
        }));
        measured() > 100
    });
    let mut client = server.client();
    let json = client.get("/debug/tasks?format=json").body;
    let json: Value = serde_json::from_str(&json).unwrap();
    for times in ["schedule_latency", "poll_time"] {
        let times = &json[times];
        let steps: Vec<(u64, u64)> = serde_json::from_value(times["steps"].clone()).unwrap();
        let count: u64 = steps.iter().map(|step| step.1).sum();
        assert_eq!(times["count"], count);
        assert!(steps.is_sorted_by(|one, next| one.0 < next.0), "{steps:?}");
        // Four in each doubling.
        let is_step = |from: u64| from < 8 || from % (1 << (from.ilog2() - 2)) == 0;
        assert!(steps.iter().all(|step| is_step(step.0)), "{steps:?}");
        let max = times["max_ns"].as_u64().unwrap();
        assert!(steps.last().unwrap().0 <= max, "{times}");
    }
    drop(client);
    server.stop();
}

#[test]
fn the_page_of_a_large_tree_is_small() {
    let server = with_routes(Server::new());
    let runtime = server.runtime.clone();
    let (end, ended) = async_channel::bounded::<()>(1);
    let crowd = thread::spawn(move || {
        runtime.block_on(group(async |g| {
            for _ in 0..2000 {
                let ended = ended.clone();
                g.spawn(async move { _ = ended.recv().await });
            }
        }));
    });
    until(|| {
        let dump = server.runtime.dump();
        let mut groups = dump.groups().iter();
        groups.any(|group| group.tasks.len() == 2000)
    });
    let mut client = server.client();
    let page = client.get("/debug/tasks?format=html").body;
    assert!(page.len() < 60_000, "{}", page.len());
    assert!(page.contains("polls take: "));
    let text = client.get("/debug/tasks").body;
    let (_, listed) = page.split_once("\n\n").unwrap();
    let listed = listed.lines().filter(|line| text.contains(*line)).count();
    let more = page.lines().find_map(|line| line.strip_prefix("and "));
    let more = more.unwrap().split_once(" lines more").unwrap().0;
    let more: usize = more.parse().unwrap();
    assert!(more > 1000 && listed + more >= 2000, "{listed} and {more}");
    drop(end);
    crowd.join().unwrap();
    drop(client);
    server.stop();
}

#[test]
fn events_come_each_second_until_the_drain() {
    let server = with_routes(Server::new());
    let mut client = server.client();
    client.send("GET /debug/tasks?format=events HTTP/1.0\r\n\r\n");
    assert!(client.head().has("content-type: text/event-stream"));
    for _ in 0..3 {
        let event = client.line();
        let json = event
            .strip_prefix("data: ")
            .unwrap_or_else(|| panic!("{event}"));
        let json: Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["server"]["phase"], "Ready");
        assert_eq!(client.line(), "");
        server.until_timers(1);
        server.advance(1);
    }
    server.handle.stop();
    client.rest();
    let (report, _) = server.end();
    assert_eq!(report.ending, Ending::Drained);
}

#[test]
fn a_hundred_readers_get_the_tree() {
    let server = with_routes(Server::new());
    let mut clients: Vec<Client> = (0..100).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send("GET /debug/tasks?format=json HTTP/1.1\r\nhost: x\r\n\r\n");
    }
    for client in &mut clients {
        let json: Value = serde_json::from_str(&client.answer().body).unwrap();
        assert!(json["groups"].is_array());
    }
    drop(clients);
    server.stop();
}
