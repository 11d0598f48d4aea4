//! What can be chosen when the program is started.

use crate::lines::{refuse, say};
use clap::Parser;
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// A web server on hyper and spinney.
#[derive(Parser)]
pub struct Args {
    /// Where to listen; port 0 lets the system choose [default: 127.0.0.1:8080; with --load 127.0.0.1:0]
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: Option<String>,

    /// How long a stop waits for requests that are under way
    #[arg(long, value_name = "SECONDS", default_value = "10", allow_negative_numbers = true, value_parser = seconds)]
    pub grace: Duration,

    /// Worker threads [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,

    /// Measure for so long with clients in a second process, then stop
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    pub load: Option<Duration>,

    /// Connections of --load
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,

    /// The second process of --load
    #[arg(long, hide = true, requires = "load")]
    pub load_client: Option<SocketAddr>,
}

fn seconds(text: &str) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

/// The arguments, or with what the program ends at once.
pub fn parse() -> Result<Args, ExitCode> {
    Args::try_parse().map_err(|error| {
        let text = error.to_string();
        if error.use_stderr() {
            let line = text.lines().next().unwrap_or_default();
            return refuse(line.trim_start_matches("error: "));
        }
        say(format_args!("{}", text.trim_end()));
        ExitCode::SUCCESS
    })
}
