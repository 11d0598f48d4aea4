//! A web server as a process, and two clients for it: `ureq`, and one that minds the bytes.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// For conditions that come true by themselves. It is far beyond what any of them takes.
pub const DEADLINE: Duration = Duration::from_secs(100);

/// Polls a condition that will become true.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            started.elapsed() < DEADLINE,
            "{what}: not after {DEADLINE:?}"
        );
        thread::yield_now();
    }
}

/// The example, which `cargo test` builds beside the test binaries.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/web_server");
    assert!(program.exists(), "{} is not built", program.display());
    program
}

/// A running server. It is killed when the test fails.
pub struct Server {
    child: Child,
    stdout: Mutex<BufReader<ChildStdout>>,
    pub address: SocketAddr,
}

/// How a server has ended, and what it has said.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Server {
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.args(arguments);
        Self::run(command)
    }

    /// A server that may have so many descriptors open.
    pub fn start_with_descriptors(limit: u32) -> Self {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("ulimit -n {limit} && exec \"$0\" \"$@\""))
            .arg(program());
        Self::run(command)
    }

    fn run(mut command: Command) -> Self {
        command
            .args(["--addr", "127.0.0.1:0"])
            .env_remove("RUST_BACKTRACE");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        // What there is to try, up to how it is stopped.
        let mut lines = vec![String::new()];
        while !lines[lines.len() - 1].starts_with("stop: ") {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "{lines:?}");
            lines.push(line);
        }
        let address = lines[1]
            .trim_end()
            .strip_prefix("listening on http://")
            .unwrap()
            .parse()
            .unwrap();
        Self {
            child,
            stdout: Mutex::new(stdout),
            address,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request by a client that others wrote: status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(DEADLINE))
            .build()
            .into();
        let mut response = agent.get(self.url(path)).call().unwrap();
        (
            response.status().as_u16(),
            response.body_mut().read_to_string().unwrap(),
        )
    }

    pub fn connect(&self) -> Connection {
        self.try_connect().unwrap()
    }

    pub fn try_connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Connection {
            stream,
            buffer: Vec::new(),
        })
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The next line of its stdout.
    pub fn line(&self) -> String {
        let mut line = String::new();
        self.stdout.lock().unwrap().read_line(&mut line).unwrap();
        line
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        let (mut stdout, mut stderr) = ("\n".to_owned(), String::new());
        self.stdout
            .get_mut()
            .unwrap()
            .read_to_string(&mut stdout)
            .unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        Ended {
            code: self.child.wait().unwrap().code(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that is kept alive.
pub struct Connection {
    stream: TcpStream,
    /// Bytes that were received and not used.
    buffer: Vec<u8>,
}

pub struct Response {
    pub status: u16,
    /// Whether the server closes the connection after it.
    pub closes: bool,
    pub body: String,
}

/// `/stats`. Three numbers are those that are open, have finished, were cancelled.
#[derive(Debug)]
pub struct Stats {
    pub connections: [u64; 3],
    pub requests: [u64; 3],
    pub children: [u64; 3],
    pub broken: u64,
    pub not_accepted: u64,
}

impl Connection {
    pub fn try_send(&mut self, path: &str) -> io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
        self.stream.write_all(request.as_bytes())
    }

    pub fn send(&mut self, path: &str) {
        self.try_send(path).unwrap();
    }

    /// Sends these bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Receives up to and with this mark.
    pub fn until(&mut self, mark: &str) -> String {
        loop {
            let mut windows = self.buffer.windows(mark.len());
            if let Some(at) = windows.position(|bytes| bytes == mark.as_bytes()) {
                let found = self.buffer.drain(..at + mark.len()).collect();
                return String::from_utf8(found).unwrap();
            }
            assert!(self.receive_more().unwrap(), "no {mark:?}");
        }
    }

    /// Receives so many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(self.receive_more().unwrap(), "{:?}", self.buffer);
        }
        self.buffer.drain(..count).collect()
    }

    /// How many bytes of an unfinished answer there are.
    pub fn received(&self) -> usize {
        self.buffer.len()
    }

    /// Receives a whole response; `None` if the connection was closed before its first byte.
    pub fn try_receive(&mut self) -> io::Result<Option<Response>> {
        let head = loop {
            if let Some(at) = self
                .buffer
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            {
                break String::from_utf8(self.buffer.drain(..at + 4).collect()).unwrap();
            }
            if !self.receive_more()? {
                let empty = self.buffer.is_empty();
                return if empty {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        };
        let header = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let length = header("content-length").unwrap().parse().unwrap();
        while self.buffer.len() < length {
            if !self.receive_more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let body = String::from_utf8(self.buffer.drain(..length).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let closes = header("connection") == Some("close");
        Ok(Some(Response {
            status,
            closes,
            body,
        }))
    }

    fn receive_more(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 4096];
        let count = self.stream.read(&mut bytes)?;
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count > 0)
    }

    pub fn receive(&mut self) -> Response {
        self.try_receive()
            .unwrap()
            .expect("the connection was closed instead of an answer")
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.send(path);
        self.receive()
    }

    /// Whether the server closes the connection without another byte. Waits for that.
    pub fn at_end(&mut self) -> bool {
        match self.try_receive() {
            Ok(response) => response.is_none(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset && self.received() == 0,
        }
    }

    pub fn stats(&mut self) -> Stats {
        let response = self.get("/stats");
        assert_eq!(response.status, 200);
        let numbers = |name: &str| -> Vec<u64> {
            let line = response
                .body
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            let words = line
                .unwrap_or_else(|| panic!("no {name} in {}", response.body))
                .split(' ');
            words.filter_map(|word| word.parse().ok()).collect()
        };
        Stats {
            connections: numbers("connections").try_into().unwrap(),
            requests: numbers("requests").try_into().unwrap(),
            children: numbers("children").try_into().unwrap(),
            broken: numbers("broken connections")[0],
            not_accepted: numbers("not accepted")[0],
        }
    }
}
