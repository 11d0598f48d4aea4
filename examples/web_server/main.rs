//! A web server: hyper 1 on spinney's sockets and timers, one group for each connection and for each request.
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
//! main                              block_on(group(..))
//! └── task  server
//!     └── group "server"            body: the accept loop, then the stop           server.rs
//!         └── task                  one for each connection
//!             └── group "conn"      body: hyper's connection
//!                 └── group "request"   body: the route; opened inside the handler     routes.rs
//!                     ├── task      children that borrow the request
//!                     └── task
//! ```
//!
//! Nothing in this program counts tasks in order to join them, hands tokens around in order to cancel them, or clones
//! an `Arc` in order to share a request. What it wants follows from the tree:
//!
//! * **A client goes away.** hyper drops the handler's future, and with it the request's group. That cancels the
//!   children at once. Nobody waits for them there, because a destructor must not block; the group "conn" joins them,
//!   and the connection's task cannot end before it.
//! * **A child fails.** The group "request" cancels its siblings, joins them and resolves with *every* error. The route
//!   turns them into a response with status 500.
//! * **A child panics.** The panic resumes where the group is awaited, after the siblings were joined. There it is
//!   caught, and becomes a 500, too.
//! * **A child fails, and its client has gone.** Nobody is left who could be told. The failure goes to the hook of the
//!   runtime, which logs it.
//! * **The server stops.** `g.stop_within(grace, error)` asks everything in the group "server" to stop, and ends it
//!   with that error after the grace. Connections hear of it through `g.stopping()`; whatever still runs when the grace
//!   is over is cut at its next suspension.
//! * **A second signal.** The future of the group "server" is dropped. That is a cancel, and the group in `main` joins.
//!
//! # Reading order
//!
//! `server.rs` (accepting, serving, stopping), `routes.rs` (requests and their children), `counters.rs` (what is under
//! way), `orders.rs` (signals), `lines.rs` (what is printed), `load.rs` (a client that measures).

#![expect(
    unreachable_pub,
    reason = "a program: `pub` is what its other files use"
)]

mod counters;
mod lines;
mod load;
mod orders;
mod routes;
mod server;

use clap::Parser;
use lines::{log, say};
use load::Load;
use orders::Orders;
use routes::ROUTES;
use server::Ending;
use spinney::net::TcpListener;
use spinney::{Runtime, group};
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

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
    let usual = if args.load.is_some() {
        "127.0.0.1:0"
    } else {
        "127.0.0.1:8080"
    };
    let addr = args.addr.as_deref().unwrap_or(usual);
    let listener = runtime
        .block_on(TcpListener::bind(addr))
        .map_err(|error| format!("cannot listen on {addr}: {error}"))?;
    let address = listener.local_addr()?;
    let (orders, load) = match args.load {
        Some(duration) => {
            let (orders, load) = Load::start(address, duration, args.connections);
            (orders, Some(load))
        }
        None => (orders::from_signals()?, None),
    };
    say(format_args!("listening on http://{address}"));
    if load.is_none() {
        say(format_args!("routes: {ROUTES}"));
        say(format_args!(
            "stop: Ctrl-C or SIGTERM; once to drain, twice to force"
        ));
    }
    serve(&runtime, listener, orders, args.grace);

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

/// Serves until it is ordered to stop. When this returns, every task of the server has ended.
fn serve(runtime: &Runtime, listener: TcpListener, orders: Orders, grace: Duration) {
    // What a forced stop leaves to be joined is joined by this group.
    let (ending, stop) = runtime.block_on(group(async |g| {
        let server = g.spawn_named("server", async move {
            Ok(server::serve(listener, &orders, grace).await)
        });
        server.await
    }));
    let why = match ending {
        Ending::Drained => "all drained",
        Ending::GraceIsOver => "the grace is over",
        Ending::Forced => "forced by a second signal",
    };
    say(format_args!("stopped: {why}; {stop}"));
}

/// The program cannot do what it was asked to.
fn refuse(why: &str) -> ExitCode {
    log(format_args!("{why}"));
    ExitCode::from(2)
}
