//! The routes for operators.

use crate::client::Client;
use crate::running::{Running, echo, start, until};
use serde_json::Value;
use spinney::serve::{Ending, Phase, Routes, Server, service_fn};
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
