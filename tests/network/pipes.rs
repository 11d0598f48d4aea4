//! Pipes with and without a name.

use crate::common::hangs::without_hanging;
use crate::common::place::Place;
use crate::common::polls::once;
use futures_lite::AsyncReadExt;
use rustix::pipe::{PipeFlags, pipe_with};
use spinney::net::pipe::{OpenOptions, Receiver, pipe};
use spinney::{block_on, group};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::pin::pin;

#[test]
fn more_than_a_pipe_holds_goes_through_and_the_end_follows() {
    without_hanging(|| {
        block_on(group(async |g| {
            let (mut reader, writer) = pipe().unwrap();
            g.spawn(async move { writer.write_all(&vec![7; 1 << 20]).await.unwrap() });
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.unwrap();
            assert!(all.len() == 1 << 20 && all.iter().all(|&byte| byte == 7));
        }));
    });
}

#[test]
fn a_pipe_without_a_reader_is_broken() {
    without_hanging(|| {
        block_on(async {
            let (reader, writer) = pipe().unwrap();
            while writer.try_write(&[0; 4096]).is_ok() {}
            let mut waits = pin!(writer.write(b"x"));
            assert!(once(waits.as_mut()).await.is_pending());
            drop(reader);
            assert_eq!(waits.await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        });
    });
}

/// A read takes one packet at a time: it does not prove that there is no more.
#[test]
fn packets_that_wait_in_a_pipe_are_read() {
    without_hanging(|| {
        block_on(async {
            let (reader, writer) = pipe_with(PipeFlags::DIRECT | PipeFlags::CLOEXEC).unwrap();
            let (reader, mut writer) = (Receiver::from_fd(reader).unwrap(), File::from(writer));
            for _ in 0..20 {
                writer.write_all(b"one").unwrap();
                writer.write_all(b"three").unwrap();
                let mut room = [0; 100];
                assert_eq!(reader.read(&mut room).await.unwrap(), 3);
                assert_eq!(reader.read(&mut room).await.unwrap(), 5);
            }
        });
    });
}

#[test]
fn a_named_pipe_ends_with_its_last_writer_or_waits_for_the_next() {
    without_hanging(|| {
        block_on(async {
            let place = Place::new();
            let path = place.pipe("pipe");
            let open = OpenOptions::new();
            let reader = open.open_receiver(&path).unwrap();
            assert_eq!(reader.read(&mut [0]).await.unwrap(), 0); // no writer yet
            let writer = open.open_sender(&path).unwrap();
            writer.write_all(b"x").await.unwrap();
            drop(writer);
            let mut room = [0; 9];
            assert_eq!(reader.read(&mut room).await.unwrap(), 1);
            assert_eq!(reader.read(&mut room).await.unwrap(), 0);

            let reader = OpenOptions::new()
                .read_write(true)
                .open_receiver(&path)
                .unwrap();
            let mut waits = pin!(reader.read(&mut room));
            assert!(once(waits.as_mut()).await.is_pending());
            open.open_sender(&path)
                .unwrap()
                .write_all(b"y")
                .await
                .unwrap();
            assert_eq!(waits.await.unwrap(), 1);
        });
    });
}

#[test]
fn an_error_names_the_path_and_what_is_wrong() {
    block_on(async {
        let place = Place::new();
        let path = place.pipe("pipe");
        let name = path.display();
        let alone = OpenOptions::new().open_sender(&path).unwrap_err();
        let text = format!("cannot open {name} for writing: no process reads from it");
        assert_eq!(alone.to_string(), text);
        OpenOptions::new()
            .read_write(true)
            .open_sender(&path)
            .unwrap();
        let none = OpenOptions::new().open_receiver("/dev/null").unwrap_err();
        assert_eq!(
            none.to_string(),
            "cannot open /dev/null for reading: it is no pipe"
        );
        let gone = OpenOptions::new()
            .open_receiver("/nowhere/at all")
            .unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        assert!(
            gone.to_string()
                .starts_with("cannot open /nowhere/at all for reading: ")
        );
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = Receiver::from_fd(socket.into()).unwrap_err();
        assert_eq!(socket.to_string(), "the descriptor is no pipe");
    });
}
