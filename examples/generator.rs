//! A generator: a child that yields values. Its reader owns it: let go of half-read, it is cut, and the group joins it.

use futures_lite::StreamExt;
use spinney::{Errors, Group, Yielder, block_on, group, try_group};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

/// Something that must be closed, as a cursor in a database.
struct Cursor<'a> {
    open: &'a AtomicBool,
}

impl<'a> Cursor<'a> {
    fn new(open: &'a AtomicBool) -> Self {
        open.store(true, SeqCst);
        Self { open }
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        self.open.store(false, SeqCst);
    }
}

/// It is an ordinary child: it borrows what the group keeps, and stops at each `send` until its reader has the value.
async fn rows(mut out: Yielder<u32>, open: &AtomicBool, sent: &AtomicU32) {
    let _cursor = Cursor::new(open);
    for row in 0.. {
        sent.store(row, SeqCst);
        out.send(row * row).await;
    }
}

#[expect(clippy::print_stdout, reason = "an example says what it showed")]
fn main() {
    // Value by value. A generator that returns ends the stream.
    let sum = block_on(group(async |g| {
        let words = g.keep(["a", "bee", "sea"]);
        let mut lengths = g.stream(async move |mut out: Yielder<usize>| {
            for word in words {
                out.send(word.len()).await;
            }
        });
        let mut sum = 0;
        while let Some(length) = lengths.next().await {
            sum += length;
        }
        assert_eq!(lengths.next().await, None); // and stays ended
        sum
    }));
    assert_eq!(sum, 7);

    // It is a `Stream`, too. Endless is no matter: it is never more than one value ahead of its reader.
    let (open, sent) = (AtomicBool::new(false), AtomicU32::new(0));
    let (kept, squares) = block_on(spinney::group_with((open, sent), async |g, state| {
        let (open, sent) = (&state.0, &state.1);
        let squares = g.stream(move |out| rows(out, open, sent));
        squares
            .filter(|n| n % 2 == 1)
            .take(3)
            .collect::<Vec<_>>()
            .await
        // Here the stream was dropped half-read, and the group waits until the cursor is closed.
    }));
    assert_eq!(squares, [1, 9, 25]);
    assert!(!kept.0.load(SeqCst), "the cursor is closed");
    assert!(
        kept.1.load(SeqCst) <= 6,
        "at most one row ahead of the last one read"
    );

    // What it had sent is read; then its failure is the group's.
    let read = AtomicU32::new(0);
    let result: Result<(), Errors<String>> =
        block_on(try_group(async |g: Group<'_, '_, String>| {
            let mut lines = g.stream(async |mut out: Yielder<u32>| {
                out.send(1).await;
                Err::<(), _>("unreadable".to_owned())
            });
            while let Some(line) = lines.next().await {
                read.fetch_add(line, SeqCst);
            }
            Ok(())
        }));
    assert_eq!(result.unwrap_err().into_first(), "unreadable");
    assert_eq!(read.into_inner(), 1);
    println!(
        "odd squares {squares:?} of an endless stream; its cursor was closed when it was dropped"
    );
}
