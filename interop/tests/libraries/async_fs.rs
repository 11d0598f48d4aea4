//! async-fs: files on threads of `blocking`.

use crate::census::{Census, wait_for_descriptors};
use crate::common::place::Place;
use crate::common::process::alone;
use crate::common::runtimes::workers;
use crate::trial::Trial;
use async_fs::File;
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use spinney::group;
use std::fs;
use std::io::Write;

#[test]
fn async_fs() {
    alone(|| {
        let place = Place::new();
        let path = place.path().to_owned();
        Trial::default()
            .keeps([("blocking-", 8)])
            .closes_later()
            .run(
                || {
                    let path = path.clone();
                    async move {
                        async_fs::write(path.join("file"), "hello").await.unwrap();
                        let mut read = String::new();
                        let mut file = File::open(path.join("file")).await.unwrap();
                        file.read_to_string(&mut read).await.unwrap();
                        let mut names = async_fs::read_dir(path).await.unwrap();
                        let name = names.next().await.unwrap().unwrap().file_name();
                        assert_eq!((&*read, name.to_str()), ("hello", Some("file")));
                    }
                },
                |middle| {
                    let path = path.clone();
                    async move {
                        let mut file = File::create(path.join("file")).await.unwrap();
                        let written = async {
                            loop {
                                file.write_all(&[1; 4096]).await.unwrap();
                                file.flush().await.unwrap();
                                file.set_len(0).await.unwrap();
                            }
                        };
                        middle.amid(written).await
                    }
                },
            );
    });
}

/// What escapes: the end of the group does not wait for a call that was begun on a thread of
/// `blocking`.
#[test]
fn a_read_that_was_begun_goes_on_after_the_cut() {
    alone(|| {
        let place = Place::new();
        let pipe = place.pipe("pipe");
        let mut writer = fs::OpenOptions::new();
        let mut writer = writer.read(true).write(true).open(&pipe).unwrap();
        let (runtime, _) = workers(2);
        let before = Census::take();
        runtime.block_on(group(async |g| {
            let mut reader = File::open(&pipe).await.unwrap();
            writer.write_all(b"a").unwrap();
            let (begun, has_begun) = async_channel::bounded::<()>(1);
            let task = g.spawn(async move {
                let mut byte = [0];
                reader.read_exact(&mut byte).await.unwrap();
                // The thread that has read it reads on, ahead of us.
                begun.send(()).await.unwrap();
                reader.read_exact(&mut byte).await.unwrap();
            });
            has_begun.recv().await.unwrap();
            task.cancel().await;
        }));
        let left = Census::take().descriptors().beyond(&before);
        assert_eq!(left.len(), 1, "{left:?}");
        writer.write_all(b"b").unwrap();
        wait_for_descriptors(&before);
    });
}
