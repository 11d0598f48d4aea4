//! Folders: every entry once, in batches.

use crate::common::place::Place;
use crate::common::polls::once;
use crate::common::runtimes::noting;
use futures_lite::StreamExt;
use spinney::fs::{create_dir, read_dir, symlink};
use spinney::{Runtime, block_on, group, yield_now};
use std::collections::BTreeSet;
use std::fs::write;
use std::io;
use std::pin::pin;
use std::sync::mpsc;

/// Around the size of a batch, and several of them.
#[test]
fn every_entry_comes_once() {
    for count in [0, 1, 255, 256, 257, 1000] {
        let place = Place::new();
        let expected: BTreeSet<_> = (0..count).map(|number| number.to_string()).collect();
        for name in &expected {
            write(place.at(name), "").unwrap();
        }
        let found: Vec<_> = block_on(async {
            let entries = read_dir(place.path()).await?;
            let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap()));
            names.try_collect::<_, io::Error, _>().await
        })
        .unwrap();
        assert_eq!(found.len(), count);
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[test]
fn entries_know_what_they_are() {
    let place = Place::new();
    block_on(async {
        write(place.at("file"), "four")?;
        create_dir(place.at("folder")).await?;
        symlink("file", place.at("link")).await?;
        let mut entries = read_dir(place.path()).await?;
        let mut seen = 0;
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            let kind = entry.file_type().await?;
            assert_eq!(entry.metadata().await?.file_type(), kind);
            assert_eq!(entry.path(), place.path().join(entry.file_name()));
            match entry.file_name().to_str().unwrap() {
                "file" => assert!(kind.is_file() && entry.metadata().await?.len() == 4),
                "folder" => assert!(kind.is_dir()),
                name => assert!(name == "link" && kind.is_symlink()),
            }
            seen += 1;
        }
        assert_eq!(seen, 3);
        // What has gone meanwhile is an error that names it.
        let mut entries = read_dir(place.path()).await?;
        let entry = entries.next().await.unwrap()?;
        std::fs::remove_dir_all(place.path())?;
        let error = entry.metadata().await.unwrap_err();
        assert!(error.to_string().contains(entry.path().to_str().unwrap()));
        Ok::<(), io::Error>(())
    })
    .unwrap();
}

/// Each batch is fetched for the caller of `read_dir`.
#[test]
fn a_closure_that_fetches_more_has_the_place_of_the_caller() {
    let place = Place::new();
    for number in 0..300 {
        write(place.at(&number.to_string()), "").unwrap();
    }
    let (runtime, _) = noting(Runtime::builder().workers(1).max_blocking(1));
    runtime.block_on(group(async |g| {
        let mut entries = read_dir(place.path()).await.unwrap();
        let (release, released) = mpsc::channel::<()>();
        g.blocking(move || {
            _ = released.recv();
            Ok(())
        });
        for _ in 0..256 {
            entries.next().await.unwrap().unwrap();
        }
        yield_now().await; // with a whole budget
        let mut next = pin!(entries.next());
        assert!(once(next.as_mut()).await.is_pending());
        let dump = runtime.dump();
        let tasks = dump.groups().iter().flat_map(|group| &group.tasks);
        // The one that holds the only thread, and the one that waits for it.
        assert_eq!(tasks.clone().count(), 2);
        for task in tasks {
            assert_eq!(task.location.file(), file!());
        }
        drop(release);
        next.await.unwrap().unwrap();
    }));
}

#[test]
fn an_entry_that_is_given_up_comes_later() {
    let place = Place::new();
    for number in 0..600 {
        write(place.at(&number.to_string()), "").unwrap();
    }
    block_on(async {
        let mut entries = read_dir(place.path()).await.unwrap();
        let mut names = BTreeSet::new();
        loop {
            // Each is given up when it was polled once.
            match once(pin!(entries.next())).await {
                std::task::Poll::Ready(None) => break,
                std::task::Poll::Ready(Some(entry)) => {
                    assert!(names.insert(entry.unwrap().file_name()));
                }
                std::task::Poll::Pending => yield_now().await,
            }
        }
        assert_eq!(names.len(), 600);
    });
}
