//! The load, a process of its own: one thread, one epoll instance, a request under way on every
//! connection.

use crate::server::BODY;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use serde::{Deserialize, Serialize};
use std::env;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

const REQUEST: &[u8] = b"GET /plaintext HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// What the clients saw.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Loaded {
    pub(crate) requests: usize,
    pub(crate) seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Loaded {
    /// Starts the process and takes its report.
    pub(crate) fn run(address: SocketAddr, connections: usize, seconds: f64) -> io::Result<Self> {
        let output = Command::new(env::current_exe()?)
            .args(["--load", &address.to_string()])
            .args(["--connections", &connections.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .output()?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

struct Client {
    stream: TcpStream,
    sent: Instant,
    /// What has come of the answer.
    answer: Vec<u8>,
}

impl Client {
    fn send(&mut self) -> io::Result<()> {
        self.answer.clear();
        self.sent = Instant::now();
        self.stream.write_all(REQUEST)
    }

    /// Whether the answer is whole.
    fn receive(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 1024];
        let count = self.stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.answer.extend_from_slice(&buffer[..count]);
        if !self.answer.ends_with(BODY.as_bytes()) {
            return Ok(false);
        }
        if self.answer.starts_with(b"HTTP/1.1 200 OK\r\n") {
            Ok(true)
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}

/// Drives the server for so long and prints what the clients saw.
pub(crate) fn report(address: SocketAddr, connections: usize, seconds: f64) -> io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut clients = Vec::new();
    for key in 0..connections as u64 {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        epoll::add(&epoll, &stream, EventData::new_u64(key), EventFlags::IN)?;
        clients.push(Client {
            stream,
            sent: Instant::now(),
            answer: Vec::new(),
        });
    }
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(seconds);
    for client in &mut clients {
        client.send()?;
    }
    let mut delays: Vec<Duration> = Vec::new();
    let mut events = Vec::with_capacity(connections.max(1));
    while Instant::now() < end {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let client = &mut clients[event.data.u64() as usize];
            if client.receive()? {
                delays.push(client.sent.elapsed());
                client.send()?;
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    delays.sort_unstable();
    let percentile = |part: usize| {
        let at = (delays.len() * part / 100).min(delays.len().saturating_sub(1));
        delays
            .get(at)
            .map_or(f64::NAN, |delay| delay.as_secs_f64() * 1e6)
    };
    let loaded = Loaded {
        requests: delays.len(),
        seconds,
        p50_us: percentile(50),
        p99_us: percentile(99),
    };
    serde_json::to_writer(io::stdout().lock(), &loaded)?;
    Ok(())
}
