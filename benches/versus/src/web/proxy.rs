//! A proxy that copies both ways, in front of an echo, which is a process of its own.

use super::{Kind, epoll};
use crate::sides;
use spinney::{Group, group};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::{env, process, thread};

pub(crate) fn on_spinney(listener: TcpListener, to: SocketAddr) {
    use spinney::net::{TcpListener, TcpStream};
    let runtime = sides::spinney();
    let _entered = runtime.enter();
    let listener = TcpListener::from_std(listener).expect("a listener");
    runtime.block_on(group(async |g: Group<'_, '_>| {
        g.spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                let _ = inbound.set_nodelay(true);
                g.spawn(async move {
                    let outbound = TcpStream::connect_addr(to).await.expect("the echo");
                    let _ = outbound.set_nodelay(true);
                    // A client that goes away is no news here.
                    let _ = spinney::io::copy_bidirectional(inbound, outbound).await;
                });
            }
        });
    }));
}

pub(crate) fn on_tokio(listener: TcpListener, to: SocketAddr) {
    use tokio::net::{TcpListener, TcpStream};
    sides::tokio().block_on(async {
        let listener = TcpListener::from_std(listener).expect("a listener");
        let accepting = tokio::spawn(async move {
            while let Ok((mut inbound, _)) = listener.accept().await {
                let _ = inbound.set_nodelay(true);
                tokio::spawn(async move {
                    let mut outbound = TcpStream::connect(to).await.expect("the echo");
                    let _ = outbound.set_nodelay(true);
                    // A client that goes away is no news here.
                    let _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await;
                });
            }
        });
        accepting.await.expect("no panic");
    });
}

/// The process of the echo; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Backend(Child);

impl Backend {
    /// Starts it, and says where it listens.
    pub(crate) fn start() -> io::Result<(Self, SocketAddr)> {
        let mut command = Command::new(env::current_exe()?);
        let command = command.arg("echo");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok((Self(child), address))
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The whole of that program.
pub(crate) fn echo() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    io::stdout().flush()?;
    thread::spawn(move || epoll::serve(&listener, Kind::Echo));
    io::stdin().read_to_end(&mut Vec::new())?;
    process::exit(0);
}
