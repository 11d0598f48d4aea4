//! reqwest: an HTTP client on tokio's sockets, whose connections are tasks of tokio's.

use super::axum::{router, serve};
use crate::common::process::alone;
use crate::served::served;
use crate::trial::{Trial, unanswered};
use reqwest::Client;

#[test]
fn reqwest() {
    alone(|| {
        Trial::default().with_tokio().run(
            || {
                served(serve(router(None)), async |address| {
                    let client = Client::builder().no_proxy().build().unwrap();
                    for number in [7, 8] {
                        let url = format!("http://{address}/square/{number}");
                        let text = client.get(url).send().await.unwrap().text();
                        assert_eq!(text.await.unwrap(), (number * number).to_string());
                    }
                })
            },
            |middle| {
                served(serve(router(Some(middle))), async |address| {
                    let client = Client::builder().no_proxy().build().unwrap();
                    let url = format!("http://{address}/stuck");
                    unanswered(client.get(url).send()).await;
                })
            },
        );
    });
}
