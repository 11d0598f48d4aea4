//! Pages are fetched beside one another by reqwest. All of them are there within so many seconds,
//! or none is under way after them: `cargo run --example fan_out 5 http://127.0.0.1:8000/`.

use reqwest::Client;
use spinney::runtime::Tokio;
use spinney::{GroupBuilder, Runtime};
use std::io::{self, Write};
use std::time::Duration;

/// The length of a page, in bytes.
async fn fetch(client: &Client, url: String) -> Result<usize, reqwest::Error> {
    let answer = client.get(url).send().await?.error_for_status()?;
    Ok(answer.bytes().await?.len())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::builder().tokio(Tokio::Parked).build()?;
    let mut words = std::env::args().skip(1);
    let seconds = words.next().unwrap_or_default().parse()?;
    let fetched = GroupBuilder::<String>::new()
        .deadline(Duration::from_secs_f64(seconds), "too late".to_owned())
        .run(async |g| {
            let client = g.keep(Client::new());
            let mut pages = Vec::new();
            for url in words {
                let page = async { fetch(client, url).await.map_err(|e| e.to_string()) };
                pages.push(g.spawn(page));
            }
            for page in pages {
                let _ = writeln!(io::stdout(), "{} bytes", page.await);
            }
            Ok(())
        });
    let fetched = runtime.block_on(fetched);
    Ok(fetched.map_err(|errors| errors.to_string())?)
}
