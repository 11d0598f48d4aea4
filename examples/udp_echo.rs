//! A UDP echo: the server answers each datagram, and ends with the group; a client that loses an
//! answer asks again.
//!
//! ```sh
//! cargo run --example udp_echo
//! ```

use spinney::net::UdpSocket;
use spinney::{Errors, Group, block_on, timeout, try_group};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// No datagram has more bytes over IP: nothing is cut.
const LONGEST: usize = 65_535;

async fn echo(socket: UdpSocket) -> io::Result<()> {
    let mut room = vec![0; LONGEST];
    loop {
        let (count, from) = socket.recv_from(&mut room).await?;
        socket.send_to(&room[..count], from).await?;
    }
}

async fn ask(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(server).await?; // only its answers are received
    let mut room = vec![0; LONGEST];
    loop {
        socket.send(question).await?;
        if let Ok(count) = timeout(Duration::from_millis(500), socket.recv(&mut room)).await {
            return Ok(room[..count?].to_vec());
        }
    }
}

#[expect(clippy::print_stdout, reason = "an example says what it showed")]
fn main() -> Result<(), Errors<io::Error>> {
    block_on(try_group(async |g: Group<'_, '_, io::Error>| {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let server = socket.local_addr()?;
        g.service(echo(socket)); // is cut when the clients have ended
        let asked: Vec<_> = ["one", "two", "three"]
            .into_iter()
            .map(|word| g.spawn(async move { ask(server, word.as_bytes()).await }))
            .collect();
        for answer in asked {
            println!("{}", String::from_utf8_lossy(&answer.await));
        }
        Ok(())
    }))
}
