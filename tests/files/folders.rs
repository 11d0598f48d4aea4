//! Folders: every entry once, in batches.

use crate::place::Place;
use futures_lite::StreamExt;
use spinney::block_on;
use spinney::fs::{create_dir, read_dir, symlink};
use std::collections::BTreeSet;
use std::fs::write;
use std::io;
use std::pin::pin;

use crate::common::polls::once;

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
                std::task::Poll::Pending => spinney::yield_now().await,
            }
        }
        assert_eq!(names.len(), 600);
    });
}
