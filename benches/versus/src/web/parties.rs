//! Others that a server meets, each a process of its own: clients that stay connected and ask for nothing more, and an operator
//! who reads what the server says of itself.

use super::BODY;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

const REQUEST: &[u8] = b"GET /plaintext HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// From one idle connection to the next: 1,000 come in a second.
const PACE: Duration = Duration::from_millis(1);

/// How often an operator reads.
const PERIOD: Duration = Duration::from_secs(1);

/// The process; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Party(Child);

impl Party {
    /// So many connections, each of which has had an answer: they are idle when this returns.
    pub(crate) fn idle(address: SocketAddr, connections: u32) -> io::Result<Self> {
        Self::start(&["hold", &address.to_string(), &connections.to_string()])
    }

    /// An operator, who has read for the first time when this returns.
    pub(crate) fn operator(address: SocketAddr) -> io::Result<Self> {
        Self::start(&["watch", &address.to_string()])
    }

    fn start(arguments: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        let command = command.args(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut party = Self(command.spawn()?);
        let mut line = String::new();
        let said = party.0.stdout.take().expect("piped");
        BufReader::new(said).read_line(&mut line)?;
        match line.trim() {
            "ready" => Ok(party),
            _ => Err(io::Error::other("another process has failed")),
        }
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn ready() -> io::Result<()> {
    writeln!(io::stdout(), "ready")?;
    io::stdout().flush()
}

/// As many descriptors as this process may have.
pub(crate) fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
}

/// The whole of the clients that stay.
pub(crate) fn hold(address: SocketAddr, connections: u32) -> io::Result<()> {
    raise_descriptors();
    let mut held = Vec::new();
    let mut buffer = [0; 1024];
    for _ in 0..connections {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(REQUEST)?;
        let mut answer = Vec::new();
        while !answer.ends_with(BODY.as_bytes()) {
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend_from_slice(&buffer[..count]);
        }
        held.push(stream);
        thread::sleep(PACE);
    }
    ready()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// The whole of the operator, who reads the tree and the numbers once a second.
pub(crate) fn watch(address: SocketAddr) -> io::Result<()> {
    let (end, ends) = mpsc::channel();
    thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        let _ = end.send(());
    });
    let mut is_first = true;
    loop {
        let next = Instant::now() + PERIOD;
        for path in ["/debug/tasks?format=json", "/metrics"] {
            let mut stream = TcpStream::connect(address)?;
            write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            if !answer.starts_with("HTTP/1.0 200 ") {
                return Err(io::Error::other(answer));
            }
        }
        if is_first {
            ready()?;
            is_first = false;
        }
        match ends.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return Ok(()),
        }
    }
}
