//! A pipeline of processes in a group: it is fed and read here, and a failure ends all of it.
#![expect(clippy::print_stdout, reason = "it says what it has shown")]

use futures_lite::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use futures_lite::stream::StreamExt;
use spinney::process::{Child, Command, Stdio};
use spinney::{Errors, Group, Wait, try_group};
use std::io;

/// Starts a program of the pipeline. It belongs to the group, which does not end before it.
fn stage(g: Group<'_, '_, io::Error>, program: &str, input: Stdio) -> io::Result<Child> {
    Command::new(program)
        .stdin(input)
        .stdout(Stdio::piped())
        .spawn(g)
}

/// The distinct lines of a text, in order, by `sort | uniq`.
async fn distinct(text: String) -> Result<Vec<String>, Errors<io::Error>> {
    try_group(async |g: Group<'_, '_, io::Error>| {
        let mut sort = stage(g, "sort", Stdio::piped())?;
        let mut uniq = stage(g, "uniq", sort.stdout.take().unwrap().try_into()?)?;
        let mut input = sort.stdin.take().unwrap();
        g.spawn(async move {
            input.write_all(text.as_bytes()).await?;
            input.close().await // the end goes down the pipeline
        });
        let output = BufReader::new(uniq.stdout.take().unwrap());
        let lines = output.lines().try_collect().await?;
        assert!(sort.wait().await?.success() && uniq.wait().await?.success());
        Ok(lines)
    })
    .await
}

fn main() {
    let lines = distinct("to\nbe\nto\nbe\n".to_owned()).wait().unwrap();
    assert_eq!(lines, ["be", "to"]);
    println!("two processes in a group have sorted {lines:?}, and none is left");
}
