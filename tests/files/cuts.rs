//! A cut in the middle: what was begun is joined, what was not begun is not made, nothing is left.

use crate::common::place::Place;
use crate::common::polls::{once, poll_alone};
use crate::common::process::{alone, entries};
use crate::common::runtimes::{noting, workers};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use spinney::fs::{self, File};
use spinney::{Group, Runtime, group, try_group};
use std::fs::OpenOptions;
use std::future::pending;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The writing end of a pipe, once it is being opened or read on another thread.
fn writer_of(pipe: &Path) -> std::fs::File {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NONBLOCK);
    loop {
        match options.open(pipe) {
            Ok(writer) => return writer,
            Err(_) => thread::yield_now(), // nobody reads yet
        }
    }
}

#[test]
fn a_call_that_was_begun_is_joined() {
    for _ in 0..10 {
        let (runtime, _) = workers(1);
        let place = Place::new();
        let pipe = place.pipe("pipe");
        let (cut, to_be_cut) = async_channel::bounded::<()>(1);
        let entered = runtime.enter();
        let mut open = pin!(try_group(async |g: Group<'_, '_, &'static str>| {
            let pipe = pipe.clone();
            g.spawn(async { drop(fs::read(pipe).await) });
            to_be_cut.recv().await.unwrap();
            Err::<(), _>("cut")
        }));
        assert!(poll_alone(open.as_mut()).is_pending());
        let writer = writer_of(&pipe); // it was begun
        cut.send_blocking(()).unwrap();
        for _ in 0..1000 {
            assert!(poll_alone(open.as_mut()).is_pending());
            thread::yield_now();
        }
        drop(writer);
        assert_eq!(runtime.block_on(open).unwrap_err().into_first(), "cut");
        drop(entered);
    }
}

/// The future alone is dropped: the group around it waits.
#[test]
fn a_call_that_is_given_up_is_joined_by_the_group_around_it() {
    for _ in 0..10 {
        let (runtime, _) = workers(1);
        let place = Place::new();
        let pipe = place.pipe("pipe");
        let opened = thread::spawn({
            let pipe = pipe.clone();
            move || writer_of(&pipe) // when it was begun
        });
        let entered = runtime.enter();
        let (begun, is_begun) = async_channel::bounded::<()>(1);
        let mut open = pin!(group(async |_| {
            let mut read = pin!(fs::read(pipe));
            assert!(once(read.as_mut()).await.is_pending());
            is_begun.recv().await.unwrap();
        }));
        assert!(poll_alone(open.as_mut()).is_pending());
        let writer = opened.join().unwrap();
        begun.send_blocking(()).unwrap();
        for _ in 0..1000 {
            assert!(poll_alone(open.as_mut()).is_pending());
            thread::yield_now();
        }
        drop(writer);
        runtime.block_on(open);
        drop(entered);
    }
}

#[test]
fn a_call_that_was_not_begun_is_not_made() {
    let (runtime, _) = noting(Runtime::builder().workers(1).max_blocking(1));
    let place = Place::new();
    let path = place.at("file");
    runtime.block_on(group(async |g| {
        let (release, released) = mpsc::channel::<()>();
        let (tell, told) = async_channel::bounded(1);
        let holder = g.blocking(move || {
            tell.send_blocking(()).unwrap();
            _ = released.recv();
            Ok(())
        });
        told.recv().await.unwrap();
        {
            let mut write = pin!(fs::write(&path, "text"));
            assert!(once(write.as_mut()).await.is_pending());
        }
        drop(release);
        holder.await;
    }));
    assert!(!path.exists());
}

/// More than a pipe holds: the write waits for a reader.
const MUCH: usize = 200_000;

/// Calls of each kind, cut while all of them wait for the other ends of pipes.
fn cut_in_the_middle(runtime: &Runtime) {
    let place = Place::new();
    for number in 0..600 {
        std::fs::write(place.at(&number.to_string()), "").unwrap();
    }
    let pipes = ["read", "open"].map(|name| place.pipe(name));
    let full = place.pipe("full");
    let (begun, is_begun) = async_channel::bounded(1);
    let (cut, was_cut) = mpsc::channel();
    let others = thread::spawn({
        let (pipes, full) = (pipes.clone(), full.clone());
        move || {
            let mut reader = OpenOptions::new();
            let mut reader = reader.read(true).write(true).open(full).unwrap();
            let writers = pipes.map(|pipe| writer_of(&pipe));
            begun.send_blocking(()).unwrap();
            was_cut.recv().unwrap();
            drop(writers);
            reader.read_exact(&mut vec![0; MUCH]).unwrap();
        }
    });
    let result = runtime.block_on(try_group(async |g: Group<'_, '_, &'static str>| {
        let [read, open] = pipes;
        g.spawn(async { drop(fs::read(read).await) });
        g.spawn(async {
            let mut file = File::open(open).await.unwrap();
            drop(file.read(&mut [0]).await);
        });
        let (tell, told) = async_channel::bounded(1);
        g.spawn(async move {
            let mut options = File::options();
            let mut file = options.read(true).write(true).open(full).await.unwrap();
            file.write_all(&vec![0; MUCH]).await.unwrap();
            tell.send(()).await.unwrap();
            pending::<()>().await;
        });
        let mut entries = fs::read_dir(place.path()).await.unwrap();
        entries.next().await.unwrap().unwrap();
        g.spawn(async move {
            while entries.next().await.is_some() {}
            pending::<()>().await;
        });
        told.recv().await.unwrap();
        is_begun.recv().await.unwrap();
        g.cancel("cut");
        cut.send(()).unwrap();
        Ok(())
    }));
    assert_eq!(result.unwrap_err().into_first(), "cut");
    others.join().unwrap();
}

#[test]
fn a_cut_leaves_no_descriptor_and_no_thread_behind() {
    alone(|| {
        let threads = entries("/proc/self/task");
        let files = entries("/proc/self/fd");
        let (runtime, _) = workers(2);
        cut_in_the_middle(&runtime);
        let open = entries("/proc/self/fd");
        for _ in 0..20 {
            cut_in_the_middle(&runtime);
        }
        assert_eq!(entries("/proc/self/fd"), open);
        runtime.shutdown(Duration::ZERO).unwrap();
        drop(runtime);
        assert_eq!(entries("/proc/self/fd"), files);
        assert_eq!(entries("/proc/self/task"), threads);
    });
}
