//! An open file: reads, writes and seeks in order, as on a vector of bytes.

use crate::common::place::Place;
use crate::common::polls::once;
use futures_lite::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use spinney::fs::{self, File};
use spinney::{Runtime, block_on, yield_now};
use std::io::{self, IoSlice, Read, SeekFrom, Write};
use std::pin::pin;
use std::task::Poll;

/// A few numbers that look random, always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// What a file is to be: its bytes, and the position in it.
#[derive(Default)]
struct Model {
    bytes: Vec<u8>,
    at: usize,
}

impl Model {
    fn write(&mut self, new: &[u8]) {
        if new.is_empty() {
            return;
        }
        let end = self.at + new.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[self.at..end].copy_from_slice(new);
        self.at = end;
    }

    fn read(&mut self, room: usize) -> &[u8] {
        let from = self.at.min(self.bytes.len());
        let to = self.bytes.len().min(from + room);
        self.at = self.at.max(to);
        &self.bytes[from..to]
    }
}

/// Some bytes, often few and now and then more than any buffer has room for.
fn length(numbers: &mut Numbers) -> usize {
    let bound = [10, 1000, 300_000, 1_500_000][(numbers.below(40) / 13) as usize];
    numbers.below(bound) as usize
}

async fn one_step(file: &mut File, model: &mut Model, numbers: &mut Numbers) -> io::Result<()> {
    let len = model.bytes.len() as u64;
    match numbers.below(12) {
        0..=3 => {
            let fill = numbers.below(256) as u8;
            let new = vec![fill; length(numbers)];
            model.write(&new);
            file.write_all(&new).await?;
        }
        4..=6 => {
            let mut room = vec![0; length(numbers)];
            let mut count = 0;
            while count < room.len() {
                match file.read(&mut room[count..]).await? {
                    0 => break,
                    more => count += more,
                }
            }
            assert_eq!(&room[..count], model.read(room.len()));
        }
        7 => {
            let to = numbers.below(len + 10);
            assert_eq!(file.seek(SeekFrom::Start(to)).await?, to);
            model.at = to as usize;
        }
        8 => {
            let offset = numbers.below(200) as i64 - 100;
            let to = model.at as i64 + offset;
            let sought = file.seek(SeekFrom::Current(offset)).await;
            match to < 0 {
                true => assert_eq!(sought.unwrap_err().kind(), io::ErrorKind::InvalidInput),
                false => {
                    assert_eq!(sought?, to as u64);
                    model.at = to as usize;
                }
            }
        }
        9 => {
            let back = numbers.below(len + 1);
            let to = file.seek(SeekFrom::End(-(back as i64))).await?;
            assert_eq!(to, len - back);
            model.at = to as usize;
        }
        10 => {
            assert_eq!(file.metadata().await?.len(), len);
            let to = numbers.below(len + 10);
            file.set_len(to).await?;
            model.bytes.resize(to as usize, 0);
        }
        _ => {
            file.flush().await?;
            file.sync_data().await?;
        }
    }
    Ok(())
}

#[test]
fn a_file_is_what_was_written_to_it() {
    for (operations, seed) in [(127, 1), (127, 2), (1, 3), (2, 4)] {
        let place = Place::new();
        let builder = Runtime::builder().workers(2);
        let runtime = builder.operations_per_poll(operations).build().unwrap();
        runtime.block_on(async {
            let mut options = File::options();
            let options = options.read(true).write(true).create(true);
            let mut file = options.open(place.at("file")).await.unwrap();
            let (mut model, mut numbers) = (Model::default(), Numbers(seed));
            for _ in 0..150 {
                let step = one_step(&mut file, &mut model, &mut numbers);
                step.await.unwrap();
            }
            drop(file);
            let found = fs::read(place.at("file")).await.unwrap();
            assert!(found == model.bytes, "{} bytes", found.len());
        });
    }
}

#[test]
fn a_read_that_is_given_up_loses_nothing() {
    let place = Place::new();
    let expected: Vec<u8> = (0..400_000).map(|number: u32| number as u8).collect();
    std::fs::write(place.at("file"), &expected).unwrap();
    block_on(async {
        let mut file = File::open(place.at("file")).await.unwrap();
        let mut found = Vec::new();
        while found.len() < expected.len() {
            let mut room = [0; 1000];
            match once(pin!(file.read(&mut room))).await {
                Poll::Ready(count) => found.extend_from_slice(&room[..count.unwrap()]),
                Poll::Pending => yield_now().await,
            }
        }
        assert!(found == expected);
    });
}

/// It is done all the same, and what was read ahead of it does not come twice.
#[test]
fn a_seek_that_is_given_up_is_done_before_the_next_read() {
    let place = Place::new();
    std::fs::write(place.at("file"), "0123456789").unwrap();
    block_on(async {
        // Often enough that some seek is not over by its first poll.
        for _ in 0..20 {
            let mut file = File::open(place.at("file")).await.unwrap();
            file.read_exact(&mut [0; 3]).await.unwrap();
            let _ = once(pin!(file.seek(SeekFrom::Current(2)))).await;
            let mut rest = String::new();
            file.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "56789");
            let _ = once(pin!(file.seek(SeekFrom::Start(1)))).await;
            assert_eq!(file.fill_buf().await.unwrap(), b"123456789");
        }
    });
}

#[test]
fn what_is_appended_goes_to_the_end() {
    let place = Place::new();
    std::fs::write(place.at("file"), "one ").unwrap();
    block_on(async {
        let mut options = File::options();
        let mut file = options
            .append(true)
            .read(true)
            .open(place.at("file"))
            .await?;
        let mut text = [0; 2];
        file.read_exact(&mut text).await?;
        file.write_all(b"two").await?;
        file.flush().await?;
        assert_eq!(fs::read(place.at("file")).await?, b"one two");
        Ok::<(), io::Error>(())
    })
    .unwrap();
}

#[test]
fn lines_need_no_other_buffer() {
    let place = Place::new();
    std::fs::write(place.at("file"), "one\ntwo\nthree").unwrap();
    block_on(async {
        let mut file = File::open(place.at("file")).await.unwrap();
        for expected in ["one\n", "two\n", "three", ""] {
            let mut line = String::new();
            file.read_line(&mut line).await.unwrap();
            assert_eq!(line, expected);
        }
    });
}

#[test]
fn the_positions_of_clones_and_of_the_standard_librarys_file_agree() {
    let place = Place::new();
    std::fs::write(place.at("file"), "0123456789").unwrap();
    block_on(async {
        let mut file = File::open(place.at("file")).await?;
        file.read_exact(&mut [0; 3]).await?;
        let mut other = file.try_clone().await?;
        let mut text = [0; 2];
        other.read_exact(&mut text).await?;
        assert_eq!(&text, b"34");
        let mut plain = other.into_std().await?;
        plain.read_exact(&mut text)?;
        assert_eq!(&text, b"56");
        let mut file = File::from_std(plain)?;
        file.read_exact(&mut text).await?;
        assert_eq!(&text, b"78");
        Ok::<(), io::Error>(())
    })
    .unwrap();
}

#[test]
fn many_slices_are_one_write() {
    let place = Place::new();
    block_on(async {
        let mut file = File::create(place.at("file")).await?;
        let slices: Vec<_> = (0..3000).map(|_| IoSlice::new(b"ab")).collect();
        assert_eq!(file.write_vectored(&slices).await?, 6000);
        assert_eq!(file.write(&[]).await?, 0);
        file.close().await?;
        assert_eq!(fs::metadata(place.at("file")).await?.len(), 6000);
        Ok::<(), io::Error>(())
    })
    .unwrap();
}

#[test]
fn a_folder_is_opened_and_not_read() {
    let place = Place::new();
    block_on(async {
        let mut folder = File::open(place.path()).await.unwrap();
        assert!(folder.metadata().await.unwrap().is_dir());
        for _ in 0..2 {
            let error = folder.read(&mut [0]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
            let text = format!("cannot read {:?}: ", place.path());
            assert!(error.to_string().starts_with(&text), "{error}");
        }
    });
}

/// A pipe has no position: what was read ahead of a write stays.
#[test]
fn a_pipe_by_name_is_read_and_written() {
    let place = Place::new();
    let pipe = place.pipe("pipe");
    block_on(async {
        let mut options = File::options();
        let mut file = options.read(true).write(true).open(&pipe).await.unwrap();
        file.write_all(b"one").await.unwrap();
        let mut text = [0; 1];
        file.read_exact(&mut text).await.unwrap();
        file.write_all(b"two").await.unwrap();
        let mut rest = [0; 5];
        file.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"netwo");
    });
}

/// On executors that are not ours, too.
#[test]
fn a_file_works_on_another_executor() {
    let place = Place::new();
    futures_lite::future::block_on(async {
        let mut file = File::create(place.at("file")).await.unwrap();
        file.write_all(b"text").await.unwrap();
        file.sync_all().await.unwrap();
    });
    assert_eq!(std::fs::read(place.at("file")).unwrap(), b"text");
    let mut appended = std::fs::OpenOptions::new();
    let mut appended = appended.append(true).open(place.at("file")).unwrap();
    appended.write_all(b"!").unwrap();
    let read = futures_lite::future::block_on(fs::read(place.at("file")));
    assert_eq!(read.unwrap(), b"text!");
}
