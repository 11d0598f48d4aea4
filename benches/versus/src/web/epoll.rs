//! A floor: two threads with an epoll instance each, no HTTP but the end of the header, one fixed answer.

use super::{BODY, Kind};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;

const THREADS: usize = 2;
/// The listener's key; those of connections follow.
const LISTENER: u64 = 0;

pub(crate) fn serve(listener: &TcpListener, kind: Kind) {
    thread::scope(|s| {
        for _ in 0..THREADS {
            s.spawn(|| work(listener, kind).expect("epoll"));
        }
    });
}

fn work(listener: &TcpListener, kind: Kind) -> io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    // One thread is woken for a connection, and keeps it.
    let flags = EventFlags::IN | EventFlags::EXCLUSIVE;
    epoll::add(&epoll, listener, EventData::new_u64(LISTENER), flags)?;
    let close = match kind {
        Kind::HyperClose => "connection: close\r\n",
        _ => "",
    };
    let answer = format!(
        "HTTP/1.1 200 OK\r\n{close}content-length: {}\r\n\
         date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut events = Vec::with_capacity(64);
    let mut open: HashMap<u64, TcpStream> = HashMap::new();
    let mut last = LISTENER;
    loop {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let key = event.data.u64();
            if key == LISTENER {
                last += 1;
                if let Some(stream) = accept(listener, &epoll, last)? {
                    open.insert(last, stream);
                }
            } else if let Some(stream) = open.get_mut(&key) {
                let answered = answer_one(stream, answer.as_bytes(), kind);
                if answered.is_err() || kind == Kind::HyperClose {
                    open.remove(&key);
                }
            }
        }
    }
}

/// The other thread may have taken it.
fn accept(listener: &TcpListener, epoll: &OwnedFd, key: u64) -> io::Result<Option<TcpStream>> {
    let (stream, _) = match listener.accept() {
        Ok(accepted) => accepted,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) => return Err(error),
    };
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    epoll::add(epoll, &stream, EventData::new_u64(key), EventFlags::IN)?;
    Ok(Some(stream))
}

/// Requests of this load come whole, one at a time.
fn answer_one(stream: &mut TcpStream, answer: &[u8], kind: Kind) -> io::Result<()> {
    let mut buffer = [0; 1024];
    let count = stream.read(&mut buffer)?;
    match kind {
        _ if count == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
        Kind::Echo => stream.write_all(&buffer[..count]),
        _ if buffer[..count].ends_with(b"\r\n\r\n") => stream.write_all(answer),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
