//! What was written is written, or its error comes out.

use crate::common::panics::panic_of;
use crate::common::place::Place;
use crate::common::polls::poll_alone;
use crate::common::runtimes::{Seen, noting_as, workers};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use spinney::fs::File;
use spinney::{Group, Runtime, Wait, block_on, blocking, group, shield, try_group};
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::mpsc;
use std::time::Duration;

/// A device on which there is never any room.
async fn full() -> File {
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .open("/dev/full")
        .await
        .unwrap()
}

fn is_full(error: &io::Error, bytes: usize) {
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let text = format!("cannot write {bytes} bytes to \"/dev/full\": ");
    assert!(error.to_string().starts_with(&text), "{error}");
}

#[test]
fn the_next_operation_has_the_error_of_a_write_once() {
    block_on(async {
        let mut file = full().await;
        for _ in 0..2 {
            file.write_all(b"lost").await.unwrap();
            is_full(&file.flush().await.unwrap_err(), 4);
            file.flush().await.unwrap();
        }
        file.write_all(b"lost").await.unwrap();
        is_full(&file.sync_all().await.unwrap_err(), 4);
        file.write_all(b"lost").await.unwrap();
        is_full(&file.close().await.unwrap_err(), 4);
        file.write_all(b"lost").await.unwrap();
        is_full(&file.metadata().await.unwrap_err(), 4);
        file.write_all(b"lost").await.unwrap();
        is_full(&file.read(&mut [0]).await.unwrap_err(), 4);
        assert_eq!(file.read(&mut [1]).await.unwrap(), 1);
        // A write takes nothing as long as an error is to be told.
        let mut written = 0;
        let error = loop {
            match file.write(b"more").await {
                Ok(count) => written += count,
                Err(error) => break error,
            }
        };
        is_full(&error, written);
    });
}

/// A runtime whose hook notes the texts of errors, and where they come from.
fn heard(blocking: usize) -> (Runtime, Seen) {
    let builder = Runtime::builder().workers(1).max_blocking(blocking);
    noting_as(builder, |failure| {
        let error = failure.payload.downcast_ref::<io::Error>().unwrap();
        assert!(!failure.is_panic && failure.name.as_deref() == Some("write-behind"));
        assert!(failure.location.file().ends_with("write_behind.rs"));
        format!("{}: {error}", failure.group)
    })
}

#[test]
fn the_error_of_a_file_that_is_dropped_goes_to_the_hook() {
    let (runtime, seen) = heard(4);
    // Where nothing would wait for the write: the drop does.
    runtime.block_on(async {
        full().await.write_all(b"lost").await.unwrap();
    });
    let texts = seen.texts();
    assert_eq!(texts.len(), 1);
    assert!(texts[0].starts_with(": cannot write 4 bytes to \"/dev/full\": "));
    runtime.block_on(group(async |_| {
        full().await.write_all(b"lost").await.unwrap();
    }));
    assert_eq!(seen.texts().len(), 2);
    // An error that came out of an operation is not told twice.
    runtime.block_on(group(async |_| {
        let mut file = full().await;
        file.write_all(b"lost").await.unwrap();
        file.flush().await.unwrap_err();
    }));
    assert_eq!(seen.texts().len(), 2);
}

/// Takes the one thread for closures that block, until the sender goes.
fn hold_thread(g: Group<'_, '_, &'static str>) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (tell, told) = async_channel::bounded(1);
    g.blocking(move || {
        tell.send_blocking(()).unwrap();
        _ = released.recv();
    });
    told.recv().wait().unwrap();
    release
}

/// The write is still in the line for a thread when its task is cut and its file is dropped: no cut
/// reaches it there.
#[test]
fn a_write_that_has_returned_is_written_whatever_is_cut() {
    let (runtime, seen) = heard(1);
    let place = Place::new();
    let path = place.at("file");
    let result = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
        let mut file = File::create(&path).await.unwrap();
        let release = hold_thread(g);
        let (tell, told) = async_channel::bounded(1);
        g.spawn(async move {
            file.write_all(b"kept").await.unwrap();
            tell.send(()).await.unwrap();
            pending::<()>().await;
        });
        told.recv().await.unwrap();
        g.cancel("cut");
        drop(release);
        pending::<()>().await;
        Ok(())
    }));
    assert_eq!(result.unwrap_err().into_first(), "cut");
    assert_eq!(std::fs::read(&path).unwrap(), b"kept");
    assert!(seen.texts().is_empty());
}

/// In a group that is cancelled already, in a shield, and with one operation in a poll.
#[test]
fn a_write_begins_in_any_state_of_its_group() {
    let place = Place::new();
    for operations in [127, 1] {
        let builder = Runtime::builder().workers(1);
        let runtime = builder.operations_per_poll(operations).build().unwrap();
        let cancelled = place.at("cancelled");
        let sheltered = place.at("sheltered");
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
            let mut file = File::create(&cancelled).await.unwrap();
            let mut other = File::create(&sheltered).await.unwrap();
            g.spawn(shield(async move {
                g.cancel("cut");
                // The task is being cut in the polls in here.
                for _ in 0..20 {
                    other.write_all(b"x").await.unwrap();
                }
            }));
            while !g.is_stopping() {
                spinney::yield_now().await;
            }
            file.write_all(b"kept").await.unwrap();
            Ok(())
        }));
        assert_eq!(result.unwrap_err().into_first(), "cut");
        assert_eq!(std::fs::read(&sheltered).unwrap(), [b'x'; 20]);
        let found = std::fs::read(&cancelled).unwrap();
        // The body may be cut before it writes.
        assert!(found.is_empty() || found == b"kept");
    }
}

#[test]
fn a_file_that_is_dropped_in_a_group_is_written_when_the_group_ends() {
    let (runtime, _) = workers(2);
    let place = Place::new();
    for round in 0..100 {
        let path = place.at(&round.to_string());
        let text = vec![round; 300_000];
        runtime.block_on(group(async |g| {
            let mut file = File::create(&path).await.unwrap();
            let text = text.clone();
            g.spawn(async move { file.write_all(&text).await.unwrap() });
        }));
        assert!(std::fs::read(&path).unwrap() == text);
    }
}

#[test]
fn a_file_that_is_dropped_outside_of_a_group_is_written_when_its_drop_returns() {
    let place = Place::new();
    for round in 0..100 {
        let path = place.at(&round.to_string());
        let write = async {
            let mut file = File::create(&path).await.unwrap();
            file.write_all(&[round; 100_000]).await.unwrap();
        };
        match round % 2 {
            0 => block_on(write),
            _ => futures_lite::future::block_on(write),
        }
        assert!(std::fs::read(&path).unwrap() == [round; 100_000]);
    }
}

/// The runtime has ended: a write panics, as any group does that is polled for the first time then,
/// and what it was given is no secret loss either.
#[test]
fn a_write_after_the_end_of_the_runtime_is_told() {
    let (runtime, seen) = heard(1);
    let place = Place::new();
    let mut file = runtime.block_on(File::create(place.at("file"))).unwrap();
    let text = panic_of(|| {
        let _entered = runtime.enter();
        runtime.shutdown(Duration::ZERO).unwrap();
        poll_alone(pin!(file.write_all(b"lost")))
    });
    assert!(
        text.contains("the runtime `spinney` was shut down"),
        "{text}"
    );
    {
        let _entered = runtime.enter();
        drop(file);
    }
    let texts = seen.texts();
    assert_eq!(texts.len(), 1);
    assert!(texts[0].ends_with(": the runtime has ended"), "{texts:?}");
}

/// Many small writes reach the file in few pieces, in order.
#[test]
fn small_writes_are_batched_in_order() {
    let place = Place::new();
    let path = place.at("file");
    block_on(group(async |_| {
        let mut file = File::create(&path).await.unwrap();
        for number in 0..50_000_u32 {
            file.write_all(&number.to_le_bytes()).await.unwrap();
        }
        file.flush().await.unwrap();
    }));
    let found = std::fs::read(&path).unwrap();
    let numbers = found
        .chunks(4)
        .map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()));
    assert!(numbers.eq(0..50_000));
}

/// A caller that is blocked beside a write keeps nothing from it.
#[test]
fn a_file_is_written_from_a_closure_that_blocks() {
    let place = Place::new();
    let path = place.at("file");
    let theirs = path.clone();
    block_on(blocking(move || {
        let mut file = File::create(&theirs).wait().unwrap();
        file.write_all(b"text").wait().unwrap();
    }));
    assert_eq!(std::fs::read(path).unwrap(), b"text");
}
