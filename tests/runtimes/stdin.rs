//! Standard input, which holds up no end.

use crate::common::hangs::without_hanging;
use crate::common::polls::once;
use crate::common::process::{assert_passed, is_alone, make_alone, test_of};
use crate::common::runtimes::workers;
use futures_lite::AsyncReadExt;
use futures_lite::io::{AsyncBufReadExt, BufReader};
use spinney::io::stdin;
use spinney::{Group, block_on, try_group};
use std::io::Write;
use std::pin::pin;
use std::process::{ChildStdin, Command, Stdio};
use std::task::Poll;
use std::time::Duration;

/// Runs `f` in a process of its own, whose standard input is what `input` does with it. It stays
/// open until that process has ended, unless `input` drops it.
fn with_input<I>(input: impl FnOnce(ChildStdin) -> I, f: impl FnOnce()) {
    if is_alone() {
        return f();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    make_alone(&mut command, test_of(&f));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let open = input(child.stdin.take().unwrap());
    let output = without_hanging(move || child.wait_with_output().unwrap());
    drop(open);
    assert_passed(&output);
}

#[test]
fn lines_and_the_end_are_read() {
    let input = |mut input: ChildStdin| {
        input.write_all(b"one\ntwo\nthree").unwrap();
    };
    with_input(input, || {
        block_on(async {
            let mut lines = BufReader::new(stdin());
            for expected in ["one\n", "two\n", "three", "", ""] {
                let mut line = String::new();
                lines.read_line(&mut line).await.unwrap();
                assert_eq!(line, expected);
            }
        });
    });
}

#[test]
fn a_read_that_waits_holds_up_neither_its_group_nor_the_program() {
    with_input(
        |input| input,
        || {
            let (runtime, _) = workers(2);
            let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
                let (asked, was_asked) = async_channel::bounded(1);
                g.spawn(async move {
                    let mut input = stdin();
                    let mut room = [0; 10];
                    let mut read = pin!(input.read(&mut room));
                    assert!(once(read.as_mut()).await.is_pending());
                    asked.send(()).await.unwrap();
                    read.await.unwrap();
                });
                was_asked.recv().await.unwrap();
                Err::<(), _>("told to stop")
            }));
            assert_eq!(result.unwrap_err().into_first(), "told to stop");
            runtime.shutdown(Duration::ZERO).unwrap();
        },
    );
}

/// What came for a read that was given up is there for the next one.
#[test]
fn a_read_that_is_given_up_loses_nothing() {
    let input = |mut input: ChildStdin| {
        input.write_all(b"0123456789").unwrap();
    };
    with_input(input, || {
        block_on(async {
            let mut all = Vec::new();
            while all.len() < 10 {
                let mut room = [0; 3];
                // Each reader is given up when it was polled once.
                let mut input = stdin();
                let read = once(pin!(input.read(&mut room))).await;
                if let Poll::Ready(count) = read {
                    all.extend_from_slice(&room[..count.unwrap()]);
                }
                spinney::yield_now().await;
            }
            assert_eq!(all, b"0123456789");
        });
    });
}
