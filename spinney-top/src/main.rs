//! What the tasks of a running server do, in a terminal: `spinney-top 127.0.0.1:8080`.
//!
//! It asks the route of the tasks for JSON again and again (`spinney::serve::Routes::tasks`). From
//! the bottom up: `snapshot` is an answer, `source` gets one, `rows` are the lines of the tree,
//! `app` is what the keys change, `view` draws, and this file lets them run: one task asks, one
//! closure reads keys, and the body of their group draws.

mod app;
mod rows;
mod snapshot;
mod source;
mod view;

use crate::app::App;
use crate::snapshot::Snapshot;
use crate::source::Source;
use async_channel::Sender;
use clap::Parser;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use spinney::{Errors, Group, block_on, time, try_group};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// For how long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the closure that reads keys looks whether all is over.
const KEYS: Duration = Duration::from_millis(100);

/// Shows what the tasks of a running server do.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where the server listens: HOST:PORT, or the path of a Unix socket
    server: String,
    /// The route of the tasks
    #[arg(long, default_value = "/debug/tasks")]
    path: String,
    /// Seconds between two questions
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    every: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(every) if every >= Duration::from_millis(50) => Ok(seconds),
        _ => Err("at least 0.05".to_owned()),
    }
}

/// What the body hears.
enum Message {
    Key(KeyEvent),
    /// The window has another size.
    Resized,
    Came(Instant, Box<Snapshot>),
    /// There was no answer, for this reason.
    Failed(String),
}

fn main() -> ExitCode {
    let Options {
        server,
        path,
        every,
    } = Options::parse();
    let app = App::new(server.clone());
    let source = Source::new(&server, path);
    let every = Duration::from_secs_f64(every);
    let ended = ratatui::try_init().and_then(|terminal| {
        let ended = block_on(run(terminal, app, source, every));
        ratatui::restore();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "spinney-top: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(
    mut terminal: DefaultTerminal,
    mut app: App,
    source: Source,
    every: Duration,
) -> io::Result<()> {
    let ended = try_group(async |g: Group<'_, '_, io::Error>| {
        let (tell, told) = async_channel::bounded(16);
        let keys = tell.clone();
        g.blocking(move || read_keys(&keys));
        let asking = g.spawn(async move {
            ask(&source, every, &tell).await;
            Ok(())
        });
        while !app.quits() {
            terminal.draw(|frame| view::draw(frame, &mut app))?;
            match told.recv().await {
                Ok(Message::Key(key)) => app.key(key),
                Ok(Message::Resized) => {}
                Ok(Message::Came(at, snapshot)) => app.came(at, *snapshot),
                Ok(Message::Failed(why)) => app.failed(why),
                Err(_) => break,
            }
        }
        drop(told); // the closure that reads keys ends
        asking.cancel().await;
        Ok(())
    });
    ended.await.map_err(Errors::into_first)
}

/// Asks the server until nobody hears the answers.
async fn ask(source: &Source, every: Duration, tell: &Sender<Message>) {
    loop {
        let message = match time::timeout(PATIENCE, source.get()).await {
            Ok(Ok(snapshot)) => Message::Came(time::now(), Box::new(snapshot)),
            Ok(Err(why)) => Message::Failed(why.to_string()),
            Err(_) => Message::Failed(format!("no answer for {PATIENCE:?}")),
        };
        if tell.send(message).await.is_err() {
            return;
        }
        time::sleep(every).await;
    }
}

/// Passes keys on until nobody hears them. A terminal that is gone is an error.
fn read_keys(tell: &Sender<Message>) -> Result<(), io::Error> {
    while !tell.is_closed() {
        if !event::poll(KEYS)? {
            continue;
        }
        let message = match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => Message::Key(key),
            Event::Resize(..) => Message::Resized,
            _ => continue,
        };
        if tell.send_blocking(message).is_err() {
            break;
        }
    }
    Ok(())
}
