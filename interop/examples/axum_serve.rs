//! axum with its own `serve` in a group that is asked to stop: at an interrupt it takes no more
//! connections, has 10 s for those that are open, and is cut then.

use axum::{Router, routing::get};
use spinney::runtime::Tokio;
use spinney::{Group, Runtime, try_group};
use std::io::{self, Write};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::builder().tokio(Tokio::Parked).build()?;
    let served = try_group(async |g: Group<'_, '_, io::Error>| {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let _ = writeln!(io::stdout(), "http://{}/", listener.local_addr()?);
        let handle = g.handle();
        g.spawn(async move {
            let router = Router::new().route("/", get(async || "hello\n"));
            let stop = async move { handle.stopping().await };
            axum::serve(listener, router)
                .with_graceful_shutdown(stop)
                .await
        });
        interrupt.recv().await;
        g.stop_within(Duration::from_secs(10), io::ErrorKind::TimedOut.into());
        Ok(())
    });
    Ok(runtime.block_on(served)?)
}
