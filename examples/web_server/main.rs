//! A web server: `spinney::serve` with a group for each connection and for each request.
//!
//! ```sh
//! cargo run --release --example web_server                       # serves until Ctrl-C
//! cargo run --release --example web_server -- --load 3           # drives itself and reports
//! curl 'http://127.0.0.1:8080/fanout?n=100'
//! ```
//!
//! # The tree
//!
//! ```text
//! main                                  block_on(group(..))
//! └── group "server"                    accepts; one `Server::serve` in main.rs
//!     └── task                          one for each connection
//!         └── group "conn"
//!             └── group "request"       one for each request, with a deadline
//!                 └── group "route"     the children that borrow the request    routes.rs
//! ```
//!
//! Nothing in this program counts tasks in order to join them, hands tokens around in order to cancel them, or clones
//! an `Arc` in order to share a request. What it wants follows from the tree:
//!
//! * **A client goes away.** Its request's group is cut with all children, and the connection's group joins them.
//! * **A child fails.** The group "route" cancels its siblings, joins them and resolves with *every* error, of which
//!   the route makes a response with status 500.
//! * **A child panics.** The panic resumes where its group is awaited, and comes out of the request as a 500; the hook
//!   of the runtime is told with the path.
//! * **The server stops.** Idle connections close, requests under way are answered, and after the grace the rest is cut.
//! * **A second signal.** What is left is cut at once, and joined by the group in `main`.
//!
//! # Reading order
//!
//! `routes.rs` (requests and their children), `counters.rs` (what is under way), `lines.rs` (what is printed), `load.rs`
//! (a client that measures).

#![expect(
    unreachable_pub,
    reason = "a program: `pub` is what its other files use"
)]

mod counters;
mod lines;
mod load;
mod routes;

use clap::Parser;
use counters::Stop;
use lines::{log, say};
use load::Load;
use routes::{ROUTES, Routes};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use spinney::net::TcpListener;
use spinney::serve::{Ending, Server, ServerHandle};
use spinney::{Runtime, group};
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;
use std::{io, process, thread};

/// A web server on hyper and spinney.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 lets the system choose [default: 127.0.0.1:8080; with --load 127.0.0.1:0]
    #[arg(long, value_name = "HOST:PORT")]
    addr: Option<String>,

    /// How long a stop waits for requests that are under way
    #[arg(long, value_name = "SECONDS", default_value = "10", allow_negative_numbers = true, value_parser = seconds)]
    grace: Duration,

    /// Worker threads [default: one for each processor]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,

    /// Measure for so long with clients in a second process, then stop
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    load: Option<Duration>,

    /// Connections of --load
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,

    /// The second process of --load
    #[arg(long, hide = true, requires = "load")]
    load_client: Option<SocketAddr>,
}

fn seconds(text: &str) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(help) if !help.use_stderr() => {
            say(format_args!("{}", help.to_string().trim_end()));
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            return refuse(line.trim_start_matches("error: "));
        }
    };
    if let (Some(address), Some(duration)) = (args.load_client, args.load) {
        return load::clients(address, duration, args.connections);
    }
    match run(&args) {
        Ok(code) => code,
        Err(error) => refuse(&error.to_string()),
    }
}

fn run(args: &Args) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let mut options = Runtime::builder().on_unobserved(lines::log_unobserved);
    if let Some(workers) = args.workers {
        options = options.workers(workers);
    }
    let runtime = options.build()?;
    let usual = match args.load {
        Some(_) => "127.0.0.1:0",
        None => "127.0.0.1:8080",
    };
    let addr = args.addr.as_deref().unwrap_or(usual);
    let listener = runtime
        .block_on(TcpListener::bind(addr))
        .map_err(|error| format!("cannot listen on {addr}: {error}"))?;
    let address = listener.local_addr()?;
    let server = Server::new()
        .request_deadline(Duration::from_secs(90))
        .drain_timeout(args.grace)
        .on_accept_error(|error, pause| {
            log(format_args!(
                "cannot accept: {error}; trying again in {pause:?}"
            ));
        });
    let handle = server.handle();
    let load = match args.load {
        Some(duration) => {
            let (connections, handle) = (args.connections, handle.clone());
            Some(Load::start(address, duration, connections, handle))
        }
        None => {
            stop_on_signals(handle.clone(), args.grace)?;
            None
        }
    };
    say(format_args!("listening on http://{address}"));
    if load.is_none() {
        say(format_args!("routes: {ROUTES}"));
        say(format_args!(
            "stop: Ctrl-C or SIGTERM; once to drain, twice to force"
        ));
    }
    // What a forced stop leaves to be joined is joined by this group.
    let report = runtime.block_on(group(async |_| {
        server.serve(listener, Routes(handle.clone())).await
    }));
    let why = match report.ending {
        Ending::Drained => "all drained",
        Ending::Forced => "forced by a second signal",
        _ => "the grace is over",
    };
    let stop = STOP.get().copied().unwrap_or_else(|| Stop::now(&handle));
    say(format_args!("stopped: {why}; {}", stop.since(&handle)));

    let Some(load) = load else {
        return Ok(ExitCode::SUCCESS);
    };
    match load.join() {
        Ok(report) => {
            say(format_args!("{report}"));
            Ok(ExitCode::from(u8::from(report.errors > 0)))
        }
        Err(error) => {
            log(format_args!("nothing was measured: {error}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What was under way when the stop began.
static STOP: OnceLock<Stop> = OnceLock::new();

/// The first Ctrl-C or SIGTERM says stop, the second says at once. Should even that not help, a third ends the process.
fn stop_on_signals(handle: ServerHandle, grace: Duration) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let hear = move || {
        let mut signals = signals.forever();
        signals.next();
        let stop = STOP.get_or_init(|| Stop::now(&handle));
        say(format_args!(
            "stopping: {stop}; waiting up to {grace:?} (a second signal forces)"
        ));
        handle.stop();
        signals.next();
        handle.force();
        process::exit(128 + signals.next().unwrap_or_default());
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(hear)?;
    Ok(())
}

/// The program cannot do what it was asked to.
fn refuse(why: &str) -> ExitCode {
    log(format_args!("{why}"));
    ExitCode::from(2)
}
