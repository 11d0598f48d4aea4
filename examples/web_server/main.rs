//! A web server: `spinney::serve` with a group for each connection and for each request.
//!
//! ```sh
//! cargo run --release --example web_server                       # serves until Ctrl-C, and says what to try
//! cargo run --release --example web_server -- --load 3           # drives itself and reports
//! curl 'http://127.0.0.1:8080/fanout?n=100'
//! ```
//!
//! `README.md` beside this file shows what each route answers.
//!
//! # The tree
//!
//! ```text
//! main                                  block_on(group(..))
//! └── group "server"                    accepts; one `Server::serve` in main.rs
//!     └── task                          one for each connection
//!         └── group "conn"
//!             ├── group "request"       one for each request, with a deadline
//!             │   └── group "route"     the children that borrow the request    routes.rs
//!             └── task                  a WebSocket, which outlives its request
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
//! * **The server stops.** Idle connections close, requests under way are answered, streams and WebSockets hear of it,
//!   and after the grace the rest is cut.
//! * **A second signal.** What is left is cut at once, and joined by the group in `main`.
//!
//! # Reading order
//!
//! `routes.rs` (requests), `children.rs` (what their children do), `streams.rs` (uploads, events, WebSockets),
//! `errors.rs`; `signals.rs` (the stop), `counters.rs` (what is under way), `lines.rs` (what is printed), `args.rs`;
//! `load.rs` and `plot.rs` (a client that measures).

#![expect(
    unreachable_pub,
    reason = "a program: `pub` is what its other files use"
)]

mod args;
mod children;
mod counters;
mod errors;
mod lines;
mod load;
mod plot;
mod routes;
mod signals;
mod streams;

use args::Args;
use counters::Stop;
use lines::{log, refuse, say};
use load::Load;
use routes::Site;
use signals::{STOP, stop_on_signals};
use spinney::net::TcpListener;
use spinney::serve::{Deadlines, Ending, InheritedSocket, Routes, Server, inherited};
use spinney::{Runtime, group};
use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(args) => args,
        Err(code) => return code,
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
        .block_on(listen(addr))
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
    // For operators; on a server that faces the internet they have a listener of their own.
    let operators = Routes::new(handle.clone()).live("/livez").ready("/readyz");
    let operators = operators.tasks("/debug/tasks").metrics("/metrics");
    let service = operators.around(Deadlines::new().around(Site(handle.clone())));
    say(format_args!("listening on http://{address}"));
    let load = match args.load {
        Some(duration) => {
            let (connections, handle) = (args.connections, handle.clone());
            Some(Load::start(address, duration, connections, handle))
        }
        None => {
            lines::say_what_to_try(address);
            stop_on_signals(handle.clone(), args.grace)?;
            None
        }
    };
    // What a forced stop leaves to be joined is joined by this group.
    let report = runtime.block_on(group(async |_| server.serve(listener, service).await));
    let why = match report.ending {
        Ending::Drained => "all drained",
        Ending::Forced => "forced by a second signal",
        _ => "the grace is over",
    };
    let stop = STOP.get().copied().unwrap_or_else(|| Stop::now(&handle));
    say(format_args!("stopped: {why}; {}", stop.since(&handle)));
    Ok(load.map_or(ExitCode::SUCCESS, Load::report))
}

/// The listener of a service manager, so that a restart loses no client, or one of our own.
async fn listen(address: &str) -> io::Result<TcpListener> {
    for inherited in inherited()? {
        if let InheritedSocket::Tcp(listener) = inherited.socket {
            return Ok(listener);
        }
    }
    TcpListener::bind(address).await
}
