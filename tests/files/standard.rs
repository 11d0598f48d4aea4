//! Standard output and error: what a flush promises, and what they hold up.

use crate::common::hangs::without_hanging;
use crate::common::process::{assert_passed, is_alone, make_alone, test_of};
use crate::common::runtimes::workers;
use futures_lite::AsyncWriteExt;
use spinney::io::{stderr, stdout};
use spinney::{Group, block_on, try_group};
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::process::{Child, Command, Output, Stdio, exit};
use std::time::Duration;

/// Runs `f` in a process of its own, and there alone; here it is looked at by `watch`.
fn apart<R: Send + 'static>(
    watch: impl FnOnce(Child) -> R + Send + 'static,
    f: impl FnOnce(),
) -> Option<R> {
    if is_alone() {
        f();
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    make_alone(&mut command, test_of(&f));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    Some(without_hanging(move || watch(child)))
}

fn all(child: Child) -> Output {
    child.wait_with_output().unwrap()
}

/// The program ends at once after the flush, by a way that runs nothing more.
#[test]
fn what_was_flushed_has_reached_the_descriptor() {
    let output = apart(all, || {
        block_on(async {
            std::io::Write::write_all(&mut std::io::stdout(), b"first\n").unwrap();
            let (mut one, mut other) = (stdout(), stdout());
            one.write_all(b"second\n").await.unwrap();
            other.write_all(&vec![b'x'; 300_000]).await.unwrap();
            other.write_all(b"\n").await.unwrap();
            let slices = [IoSlice::new(b"la"), IoSlice::new(b""), IoSlice::new(b"st")];
            assert_eq!(one.write_vectored(&slices).await.unwrap(), 4);
            one.flush().await.unwrap();
            let mut complaints = stderr();
            complaints.write_all(b"careful").await.unwrap();
            complaints.flush().await.unwrap();
        });
        exit(7);
    });
    let Some(output) = output else { return };
    assert_eq!(output.status.code(), Some(7));
    let text = String::from_utf8(output.stdout).unwrap();
    let text = &text[text.find("first").unwrap()..];
    let expected = format!("first\nsecond\n{}\nlast", "x".repeat(300_000));
    assert!(text == expected, "{} bytes", text.len());
    assert_eq!(output.stderr, b"careful");
}

/// Nobody reads the other end of the pipe, which is full.
#[test]
fn a_write_that_waits_holds_up_neither_its_group_nor_the_program() {
    let wait = |mut child: Child| {
        let unread = child.stderr.take();
        let output = all(child);
        drop(unread);
        output
    };
    let output = apart(wait, || {
        let (runtime, _) = workers(2);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            let (asked, was_asked) = async_channel::bounded(1);
            g.spawn(async move {
                let mut complaints = stderr();
                let much = [0; 100_000];
                loop {
                    let mut write = Box::pin(complaints.write_all(&much));
                    let written = poll_fn(|cx| std::task::Poll::Ready(write.as_mut().poll(cx)));
                    if written.await.is_pending() {
                        _ = asked.try_send(());
                        write.await.unwrap();
                    }
                }
            });
            was_asked.recv().await.unwrap();
            Err::<(), _>("told to stop")
        }));
        assert_eq!(result.unwrap_err().into_first(), "told to stop");
        runtime.shutdown(Duration::ZERO).unwrap();
    });
    if let Some(output) = output {
        assert_passed(&output);
    }
}

/// The reader of the pipe has gone: each handle that has written learns of it, once for each time.
#[test]
fn a_broken_pipe_is_an_error_of_those_who_wrote() {
    let watch = |mut child: Child| {
        drop(child.stderr.take());
        all(child)
    };
    let output = apart(watch, || {
        block_on(async {
            let (mut one, mut other, mut idle) = (stderr(), stderr(), stderr());
            // Until the other end is closed.
            let error = loop {
                one.write_all(b"x").await.unwrap();
                match one.flush().await {
                    Ok(()) => spinney::yield_now().await,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            assert!(
                error.to_string().starts_with("cannot write stderr: "),
                "{error}"
            );
            one.flush().await.unwrap(); // it was told
            for _ in 0..2 {
                other.write_all(b"y").await.unwrap();
                let error = other.flush().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            }
            one.flush().await.unwrap(); // it has written nothing since
            idle.flush().await.unwrap();
        });
    });
    if let Some(output) = output {
        assert_passed(&output);
    }
}
