//! Load: keep-alive clients in a second process, so that the processor time of this one is the server's alone.

use crate::lines::{log, say};
use crate::plot;
use crate::routes::HELLO;
use futures_lite::FutureExt;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use rustix::time::{ClockId, clock_gettime};
use spinney::net::TcpStream;
use spinney::serve::ServerHandle;
use spinney::{block_on, group, sleep};
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::process::{Command, ExitCode, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

type Failure = Box<dyn Error + Send + Sync>;

/// What the clients saw, and what it cost the server.
pub struct Report {
    pub errors: u64,
    requests_per_second: f64,
    /// p50, p99 and p99.9, in microseconds.
    latency: [f64; 3],
    /// Of the server, in microseconds for each request.
    cpu: f64,
    plot: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p999] = self.latency;
        f.write_str(&self.plot)?;
        writeln!(f, "requests/s: {:.0}", self.requests_per_second)?;
        writeln!(f, "latency p50: {p50:.0} us")?;
        writeln!(f, "latency p99: {p99:.0} us")?;
        writeln!(f, "latency p99.9: {p999:.0} us")?;
        writeln!(f, "server CPU per request: {:.2} us", self.cpu)?;
        write!(f, "errors: {}", self.errors)
    }
}

/// A measurement that is under way.
pub struct Load {
    thread: JoinHandle<Result<Report, Failure>>,
}

impl Load {
    /// Starts the clients. When they have ended, the server is told to stop.
    pub fn start(
        address: SocketAddr,
        duration: Duration,
        connections: u32,
        server: ServerHandle,
    ) -> Self {
        let thread = thread::spawn(move || {
            let report = measure(address, duration, connections);
            server.stop();
            report
        });
        Self { thread }
    }

    /// Says what was measured, and whether it was.
    pub fn report(self) -> ExitCode {
        let measured = self.thread.join();
        match measured.unwrap_or_else(|_| Err("the measurement panicked".into())) {
            Ok(report) => {
                say(format_args!("{report}"));
                ExitCode::from(u8::from(report.errors > 0))
            }
            Err(error) => {
                log(format_args!("nothing was measured: {error}"));
                ExitCode::FAILURE
            }
        }
    }
}

/// Runs the second process, and reads the processor time of this one before and after.
fn measure(address: SocketAddr, duration: Duration, connections: u32) -> Result<Report, Failure> {
    let before = cpu_time();
    let clients = Command::new(std::env::current_exe()?)
        .arg(format!("--load-client={address}"))
        .arg(format!("--load={}", duration.as_secs_f64()))
        .arg(format!("--connections={connections}"))
        .stderr(Stdio::inherit())
        .output()?;
    let cpu = cpu_time() - before;
    if !clients.status.success() {
        return Err(format!("the clients failed: {}", clients.status).into());
    }
    let seen: Seen = String::from_utf8(clients.stdout)?.parse()?;
    Ok(Report {
        errors: seen.errors,
        requests_per_second: seen.requests as f64 / (seen.nanos as f64 / 1e9),
        latency: seen.latency.map(|nanos| nanos as f64 / 1e3),
        cpu: cpu.as_secs_f64() * 1e6 / seen.requests.max(1) as f64,
        plot: plot::lines(&seen.bars),
    })
}

/// What all threads of this process have used.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime)
        .try_into()
        .unwrap_or_default()
}

/// What the second process tells the first: numbers on one line.
struct Seen {
    requests: u64,
    errors: u64,
    nanos: u64,
    latency: [u64; 3],
    /// Latencies up to so many nanoseconds, and how many there were.
    bars: Vec<(u64, u64)>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p999] = self.latency;
        let Self {
            requests,
            errors,
            nanos,
            ..
        } = self;
        write!(f, "{requests} {errors} {nanos} {p50} {p99} {p999}")?;
        self.bars
            .iter()
            .try_for_each(|(nanos, count)| write!(f, " {nanos} {count}"))
    }
}

impl FromStr for Seen {
    type Err = Failure;

    fn from_str(line: &str) -> Result<Self, Failure> {
        let numbers: Vec<u64> = line
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let [requests, errors, nanos, p50, p99, p999, ref bars @ ..] = numbers[..] else {
            return Err(format!("not what clients say: {line:?}").into());
        };
        Ok(Self {
            requests,
            errors,
            nanos,
            latency: [p50, p99, p999],
            bars: bars.chunks_exact(2).map(|bar| (bar[0], bar[1])).collect(),
        })
    }
}

/// The second process: a task for each connection.
pub fn clients(address: SocketAddr, duration: Duration, connections: u32) -> ExitCode {
    let started = Instant::now();
    let (latencies, errors) = block_on(group(async |g| {
        g.service(say_progress(started));
        let clients: Vec<_> = (0..connections)
            .map(|_| {
                g.spawn(async move {
                    let mut latencies = histogram();
                    let ended = requests(address, duration, started, &mut latencies).await;
                    Ok((latencies, ended))
                })
            })
            .collect();
        let mut all = histogram();
        let mut errors = 0;
        for client in clients {
            let (latencies, ended) = client.await;
            all += latencies;
            if let Err(error) = ended {
                log(format_args!("a client failed: {error}"));
                errors += 1;
            }
        }
        (all, errors)
    }));
    say(format_args!(
        "{}",
        Seen {
            requests: latencies.len(),
            errors,
            nanos: started.elapsed().as_nanos() as u64,
            latency: [0.5, 0.99, 0.999].map(|quantile| latencies.value_at_quantile(quantile)),
            bars: latencies
                .iter_log(1 << 10, 2.0)
                .map(|bar| (bar.value_iterated_to(), bar.count_since_last_iteration()))
                .collect(),
        }
    ));
    ExitCode::SUCCESS
}

/// Requests that were answered so far.
static ANSWERED: AtomicU64 = AtomicU64::new(0);

/// How far the clients are, once a second.
async fn say_progress(started: Instant) {
    loop {
        sleep(Duration::from_secs(1)).await;
        let (answered, seconds) = (ANSWERED.load(Relaxed), started.elapsed().as_secs());
        log(format_args!("{answered} requests after {seconds} s"));
    }
}

/// Latencies from a nanosecond to a minute, in three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are in order")
}

/// One client: requests one after another on one connection, for `duration`.
async fn requests(
    address: SocketAddr,
    duration: Duration,
    started: Instant,
    latencies: &mut Histogram<u64>,
) -> Result<(), Failure> {
    let stream = TcpStream::connect_addr(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(stream).await?;
    // The connection and those who use it in one task: no hop to another one for each response.
    let broken = async {
        connection.await?;
        Err("the server has closed the connection".into())
    };
    let work = async {
        while started.elapsed() < duration {
            let sent = Instant::now();
            one(&mut sender, address).await?;
            latencies.saturating_record(sent.elapsed().as_nanos() as u64);
            ANSWERED.fetch_add(1, Relaxed);
        }
        Ok(())
    };
    work.or(broken).await
}

async fn one(sender: &mut SendRequest<Empty<Bytes>>, address: SocketAddr) -> Result<(), Failure> {
    let request = Request::get("/")
        .header(HOST, address.to_string())
        .body(Empty::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if status.is_success() && body == HELLO {
        Ok(())
    } else {
        Err(format!("{status}, {body:?}").into())
    }
}
