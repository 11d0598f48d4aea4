//! The load, a process of its own: one thread, one epoll instance, a request under way on every connection.

use super::{BODY, Kind, LENGTH};
use crate::measure::{Delays, Figures};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::env;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::{Duration, Instant};

const KEPT: &[u8] = b"GET /plaintext HTTP/1.1\r\nhost: localhost\r\n\r\n";
const CLOSED: &[u8] = b"GET /plaintext HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Starts the process and takes its report: delays, and how many `requests` were answered in how many `seconds`.
pub(crate) fn run(address: SocketAddr, kind: Kind, time: Duration) -> io::Result<Figures> {
    let kind = clap::ValueEnum::to_possible_value(&kind).expect("it has a name");
    let output = Command::new(env::current_exe()?)
        .args(["load", &address.to_string(), kind.get_name()])
        .arg(time.as_secs_f64().to_string())
        .output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(error));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

struct Client {
    stream: TcpStream,
    sent: Instant,
    /// What has come of the answer.
    answer: Vec<u8>,
}

impl Client {
    /// A new connection, and its first request.
    fn connect(address: SocketAddr, kind: Kind) -> io::Result<Self> {
        let sent = Instant::now();
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream,
            sent,
            answer: Vec::new(),
        };
        client.stream.write_all(request(kind))?;
        Ok(client)
    }

    fn send(&mut self, kind: Kind) -> io::Result<()> {
        self.answer.clear();
        self.sent = Instant::now();
        self.stream.write_all(request(kind))
    }

    /// Whether the answer is whole; that of a connection that is closed ends with it.
    fn receive(&mut self, kind: Kind) -> io::Result<bool> {
        let mut buffer = [0; 1024];
        let count = self.stream.read(&mut buffer)?;
        self.answer.extend_from_slice(&buffer[..count]);
        let whole = match kind {
            Kind::Echo | Kind::Proxy => self.answer.len() == LENGTH,
            Kind::Hyper => self.answer.ends_with(BODY.as_bytes()),
            Kind::HyperClose => count == 0,
        };
        let right = match kind {
            Kind::Echo | Kind::Proxy => self.answer.iter().all(|byte| *byte == b'x'),
            _ => {
                self.answer.starts_with(b"HTTP/1.1 200 OK\r\n")
                    && self.answer.ends_with(BODY.as_bytes())
            }
        };
        match whole {
            true if right => Ok(true),
            true => Err(io::ErrorKind::InvalidData.into()),
            false if count == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(false),
        }
    }
}

fn request(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Hyper => KEPT,
        Kind::HyperClose => CLOSED,
        Kind::Echo | Kind::Proxy => &[b'x'; LENGTH],
    }
}

fn register(epoll: &OwnedFd, key: u64, client: &Client) -> io::Result<()> {
    let data = EventData::new_u64(key);
    Ok(epoll::add(epoll, &client.stream, data, EventFlags::IN)?)
}

/// Drives the server for so long and prints what the clients saw.
pub(crate) fn report(address: SocketAddr, kind: Kind, seconds: f64) -> io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(seconds);
    let mut clients = Vec::new();
    for key in 0..kind.connections() {
        let client = Client::connect(address, kind)?;
        register(&epoll, key, &client)?;
        clients.push(client);
    }
    let mut delays = Delays::new();
    let mut events = Vec::with_capacity(clients.len());
    while Instant::now() < end {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let key = event.data.u64();
            let client = &mut clients[key as usize];
            if !client.receive(kind)? {
                continue;
            }
            delays.add(client.sent.elapsed());
            if kind == Kind::HyperClose {
                *client = Client::connect(address, kind)?;
                register(&epoll, key, client)?;
            } else {
                client.send(kind)?;
            }
        }
    }
    let mut figures = delays.figures();
    figures.insert("requests".to_owned(), delays.count() as f64);
    let seconds = started.elapsed().as_secs_f64();
    figures.insert("seconds".to_owned(), seconds);
    serde_json::to_writer(io::stdout(), &figures)?;
    io::stdout().flush()
}
