//! What its README shows is what comes out.

use super::client::{DEADLINE, Server, until};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

/// What may be anything: within a line, or lines.
const ANY: &str = "…";

/// Whether the line is this one, where each `…` of it stands for whatever.
fn is_like(shown: &str, line: &str) -> bool {
    let Some((first, after)) = shown.split_once(ANY) else {
        return shown == line;
    };
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = after.rsplit_once(ANY).unwrap_or(("", after));
    for part in middle.split(ANY) {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The request that `curl` sends with these arguments, without what it says of itself.
fn request(command: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut words = command.split('\'').enumerate().flat_map(|(index, part)| {
        // Every second part stood between quotes.
        let words: Vec<&str> = match index % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        };
        words
    });
    // Of an older client the connection ends with the answer, which is in no chunks.
    let (mut method, mut version) = ("GET", "1.0");
    let (mut headers, mut body, mut path) = (String::new(), Vec::new(), "");
    while let Some(word) = words.next() {
        match word {
            "-s" | "-N" => {}
            "-i" => {
                version = "1.1";
                headers += "host: x\r\nconnection: close\r\n";
            }
            "-H" => headers += &format!("{}\r\n", words.next().unwrap()),
            "-T" => {
                method = "PUT";
                body = fs::read(root.join(words.next().unwrap())).unwrap();
                headers += &format!("content-length: {}\r\n", body.len());
            }
            url => path = url.strip_prefix("http://127.0.0.1:8080").unwrap(),
        }
    }
    let mut request = format!("{method} {path} HTTP/{version}\r\n{headers}\r\n").into_bytes();
    request.extend(body);
    request
}

/// The lines of an answer. Of its head all are shown, or none.
fn lines(server: &Server, command: &str) -> impl Iterator<Item = String> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(&request(command)).unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    // We said so; `curl` did not.
    let mut lines = lines.filter(|line| line != "connection: close");
    if !command.contains("-i ") {
        while !lines.next().unwrap().is_empty() {}
    }
    lines
}

/// What differs between what a command shows and what comes out.
fn difference(server: &Server, command: &str, shown: &str) -> Option<String> {
    let mut lines = lines(server, command);
    let mut may_skip = false;
    for shown in shown.lines() {
        if shown == ANY {
            may_skip = true;
            continue;
        }
        let mut line = lines.next();
        while may_skip && line.as_ref().is_some_and(|line| !is_like(shown, line)) {
            line = lines.next();
        }
        may_skip = false;
        let line = line.unwrap_or_default();
        if let Some((_, path)) = line.split_once(" bytes in ") {
            fs::remove_file(path).unwrap(); // what was uploaded
        }
        if !is_like(shown, &line) {
            return Some(format!("{command}\nshown: {shown}\ncomes: {line}"));
        }
    }
    let more = lines.next().filter(|_| !may_skip)?;
    Some(format!("{command}\ncomes, too: {more}"))
}

#[test]
fn the_transcripts_of_its_readme_are_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("examples/web_server/README.md")).unwrap();
    let server = Server::start(&[]);
    let mut commands = 0;
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for transcript in block.split("$ curl ").skip(1) {
            let (command, shown) = transcript.split_once('\n').unwrap();
            commands += 1;
            // The connection of the last command may be there for a little longer.
            if let Some(difference) = difference(&server, command, shown) {
                until(&difference, || {
                    self::difference(&server, command, shown)
                        .is_none()
                        .then_some(())
                });
            }
        }
    }
    assert!(commands >= 15, "the page has another form");
}

#[test]
fn a_page_that_is_not_true_is_found_out() {
    assert!(is_like("a … c", "a b c") && is_like("… bytes in …/x-…", "3 bytes in /tmp/x-1"));
    assert!(is_like("plain", "plain") && is_like("#…: 1", "#2: 1"));
    assert!(!is_like("plain", "plainer") && !is_like("a … c", "a b d"));
    assert!(!is_like("#…: 1", "#2: 12"));
}
