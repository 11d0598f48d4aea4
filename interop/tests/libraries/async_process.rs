//! async-process: child processes, on the reactor of async-io and a thread that reaps.

use crate::census::{Census, wait_for};
use crate::common::process::alone;
use crate::common::runtimes::workers;
use crate::trial::Trial;
use async_process::{Child, Command, Stdio};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use spinney::group;
use std::future::pending;

fn cat() -> Child {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.kill_on_drop(true).spawn().unwrap()
}

#[test]
fn async_process() {
    alone(|| {
        let keeps = [("async-io", 1), ("async-process", 1)];
        // A process that was killed is reaped by the library.
        Trial::default().keeps(keeps).closes_later().run(
            async || {
                let mut child = cat();
                let mut input = child.stdin.take().unwrap();
                input.write_all(b"hello").await.unwrap();
                drop(input);
                let output = child.output().await.unwrap();
                assert!(output.status.success());
                assert_eq!(output.stdout, b"hello");
            },
            async |middle| {
                let mut child = cat();
                child.stdin.as_mut().unwrap().write_all(b"a").await.unwrap();
                let output = child.stdout.as_mut().unwrap();
                output.read_exact(&mut [0]).await.unwrap();
                middle.amid(output.read_exact(&mut [0])).await.unwrap();
            },
        );
    });
}

/// What escapes: a cut drops the handle, and the process lives on; the library reaps it later.
#[test]
fn a_process_outlives_the_cut_of_its_handle() {
    alone(|| {
        let (runtime, _) = workers(2);
        // The thread that reaps it is there.
        let ended = runtime.block_on(Command::new("true").status());
        assert!(ended.unwrap().success());
        let before = Census::take();
        let mut input = runtime.block_on(group(async |g| {
            let (give, given) = async_channel::bounded(1);
            let task = g.spawn(async move {
                let mut command = Command::new("cat");
                command.stdin(Stdio::piped()).stdout(Stdio::null());
                let mut child = command.spawn().unwrap();
                give.send(child.stdin.take().unwrap()).await.unwrap();
                pending::<()>().await;
                drop(child);
            });
            let input = given.recv().await.unwrap();
            task.cancel().await;
            input
        }));
        // It is there, and takes input until there is no more.
        runtime.block_on(input.write_all(b"a")).unwrap();
        let left = Census::take().beyond(&before);
        assert!(
            left.contains(&"1 processes instead of 0".to_owned()),
            "{left:?}"
        );
        drop(input);
        wait_for(&before, |thread| thread.starts_with("async-"));
    });
}
