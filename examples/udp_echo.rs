//! A UDP echo: the server answers each datagram, and ends with the group; a client asks again.

use spinney::net::UdpSocket;
use spinney::{Errors, Group, block_on, timeout, try_group};
use std::{io, net::SocketAddr, time::Duration};

const LONGEST: usize = 65_535; // no datagram has more bytes over IP: nothing is cut

async fn echo(socket: UdpSocket) -> io::Result<()> {
    let mut room = vec![0; LONGEST];
    loop {
        let (count, from) = socket.recv_from(&mut room).await?;
        socket.send_to(&room[..count], from).await?;
    }
}

async fn ask(server: SocketAddr, question: &str) -> io::Result<String> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(server).await?; // only its answers are received
    let mut room = vec![0; LONGEST];
    loop {
        socket.send(question.as_bytes()).await?;
        if let Ok(count) = timeout(Duration::from_millis(500), socket.recv(&mut room)).await {
            return Ok(String::from_utf8_lossy(&room[..count?]).into_owned());
        }
    }
}

#[expect(clippy::print_stdout, reason = "an example says what it showed")]
fn main() -> Result<(), Errors<io::Error>> {
    block_on(try_group(async |g: Group<'_, '_, io::Error>| {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let server = socket.local_addr()?;
        g.service(echo(socket)); // is cut when the clients have ended
        for answer in ["one", "two", "three"].map(|word| g.spawn(ask(server, word))) {
            println!("{}", answer.await);
        }
        Ok(())
    }))
}
