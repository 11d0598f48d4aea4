//! Standard input, output and error of a process.

use crate::common::hangs::without_hanging;
use crate::common::runtimes::workers;
use crate::shell::{Said, shell};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use spinney::group;
use spinney::process::{Command, Stdio};
use std::io::ErrorKind;

#[test]
fn more_than_a_pipe_holds_goes_both_ways_at_once() {
    const MANY: usize = 3 << 20;
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let output = runtime.block_on(group(async |g| {
            let mut cat = Command::new("cat");
            let mut cat = cat
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn(g)
                .unwrap();
            let mut stdin = cat.stdin.take().unwrap();
            g.spawn(async move {
                let bytes: Vec<u8> = (0..MANY).map(|at| at as u8).collect();
                stdin.write_all(&bytes).await.unwrap();
                stdin.close().await.unwrap(); // the end
            });
            cat.output().await.unwrap()
        }));
        assert_eq!(output.stdout.len(), MANY);
        assert!(
            output
                .stdout
                .iter()
                .enumerate()
                .all(|(at, byte)| *byte == at as u8)
        );
    });
}

#[test]
fn both_outputs_are_read_at_once() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        // Each would be stuck if only the other one was read.
        let script = "head -c 300000 /dev/zero >&2; head -c 200000 /dev/zero";
        let output = runtime.block_on(Command::new("sh").args(["-c", script]).output());
        let output = output.unwrap();
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (200_000, 300_000)
        );
    });
}

#[test]
fn what_a_process_does_not_read_is_an_error_to_write() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let mut shell = shell("exec <&-; echo ready; exec sleep 1000");
            let mut child = shell.stdin(Stdio::piped()).spawn(g).unwrap();
            let mut stdin = child.stdin.take().unwrap();
            assert_eq!(Said::of(&mut child).line().await, "ready");
            // A process that another test starts at this moment has a copy of the pipe until it
            // is another program.
            let error = loop {
                match stdin.write_all(b"more").await {
                    Ok(()) => spinney::yield_now().await,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }));
    });
}

#[test]
fn a_process_that_closes_its_output_lives_on() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let mut shell = shell("exec >&-; read line; exit 7");
            let mut child = shell.stdin(Stdio::piped()).spawn(g).unwrap();
            assert_eq!(Said::of(&mut child).rest().await, "");
            assert_eq!(child.try_wait().unwrap(), None);
            child
                .stdin
                .as_mut()
                .unwrap()
                .write_all(b"go\n")
                .await
                .unwrap();
            assert_eq!(child.wait().await.unwrap().code(), Some(7));
        }));
    });
}

#[test]
fn standard_input_is_empty_if_it_was_not_set() {
    let (runtime, _) = workers(2);
    let output = runtime.block_on(Command::new("cat").output()).unwrap();
    assert!(output.status.success() && output.stdout.is_empty());
}

#[test]
fn what_was_not_read_goes_to_the_next_process() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let rest = runtime.block_on(group(async |g| {
            let mut first = shell("echo one; echo two").spawn(g).unwrap();
            let mut stdout = first.stdout.take().unwrap();
            let mut line = [0; 4];
            stdout.read_exact(&mut line).await.unwrap();
            assert_eq!(&line, b"one\n");
            // It was used here, and blocks again there.
            let mut next = shell("cat; cat <&3 3<&0");
            let stdin = Stdio::try_from(stdout).unwrap();
            let mut next = next.stdin(stdin).spawn(g).unwrap();
            first.wait().await.unwrap();
            next.output().await.unwrap().stdout
        }));
        assert_eq!(rest, b"two\n");
    });
}

#[test]
fn a_closed_input_stays_closed() {
    let (runtime, _) = workers(2);
    runtime.block_on(group(async |g| {
        let mut cat = Command::new("cat");
        let mut cat = cat
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn(g)
            .unwrap();
        let mut stdin = cat.stdin.take().unwrap();
        stdin.close().await.unwrap();
        assert_eq!(
            stdin.write(b"x").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        assert!(cat.wait().await.unwrap().success());
    }));
}
