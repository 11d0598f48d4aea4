//! A client that writes and reads HTTP/1.1 by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

pub(crate) struct Client(BufReader<TcpStream>);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn has(&self, header: &str) -> bool {
        self.headers
            .iter()
            .any(|line| line.eq_ignore_ascii_case(header))
    }
}

impl Client {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).unwrap()))
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Sends what the server may not want any more.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.0.get_mut().write_all(bytes).is_ok()
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        let length = answer.headers.iter().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).unwrap();
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    pub(crate) fn head(&mut self) -> Answer {
        let first = self.line();
        let status = first
            .split(' ')
            .nth(1)
            .unwrap_or_else(|| panic!("{first:?}"));
        let status = status.parse().unwrap();
        let mut headers = Vec::new();
        loop {
            match self.line() {
                line if line.is_empty() => break,
                line => headers.push(line),
            }
        }
        Answer {
            status,
            headers,
            body: String::new(),
        }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// What comes until the server closes.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset is an end, too.
        let _ = self.0.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
