//! A floor: two threads, an epoll instance each, no HTTP but the end of the header, one fixed
//! answer.

use crate::server::BODY;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

const THREADS: usize = 2;

pub(crate) fn serve(listener: TcpListener) {
    listener.set_nonblocking(false).expect("a socket");
    let workers: Vec<(Sender<(u64, TcpStream)>, OwnedFd)> = (0..THREADS)
        .map(|_| {
            let (sender, streams) = channel();
            let epoll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
            let shared = epoll.try_clone().expect("a descriptor");
            thread::spawn(move || work(&epoll, &streams));
            (sender, shared)
        })
        .collect();
    for (key, stream) in (0_u64..).zip(listener.incoming()) {
        let Ok(stream) = stream else { continue };
        let _ = stream.set_nodelay(true);
        stream.set_nonblocking(true).expect("a socket");
        let (sender, epoll) = &workers[key as usize % THREADS];
        let twin = stream.try_clone().expect("a descriptor");
        // Sent before it is registered, so that its first event finds it.
        if sender.send((key, twin)).is_err() {
            return;
        }
        let data = EventData::new_u64(key);
        epoll::add(epoll, &stream, data, EventFlags::IN).expect("registered");
    }
}

fn work(epoll: &OwnedFd, streams: &Receiver<(u64, TcpStream)>) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut events = Vec::with_capacity(64);
    let mut open: HashMap<u64, TcpStream> = HashMap::new();
    loop {
        events.clear();
        let waited = epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), None);
        if waited.is_err() {
            continue;
        }
        for event in &events {
            let key = event.data.u64();
            while !open.contains_key(&key) {
                let Ok((key, stream)) = streams.recv() else {
                    return;
                };
                open.insert(key, stream);
            }
            if let Some(stream) = open.get_mut(&key) {
                if answer_one(stream, answer.as_bytes()).is_err() {
                    open.remove(&key);
                }
            }
        }
    }
}

/// Requests of this load come whole, one at a time.
fn answer_one(stream: &mut TcpStream, answer: &[u8]) -> io::Result<()> {
    let mut buffer = [0; 1024];
    let count = stream.read(&mut buffer)?;
    if buffer[..count].ends_with(b"\r\n\r\n") {
        stream.write_all(answer)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
