//! hickory-resolver: names by a server of the test's, on sockets and tasks of tokio's.

use crate::common::process::alone;
use crate::trial::{Middle, Trial, unanswered};
use ::hickory_resolver::Resolver;
use ::hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use ::hickory_resolver::net::runtime::TokioRuntimeProvider;
use ::hickory_resolver::proto::op::{Message, MessageType};
use ::hickory_resolver::proto::rr::{RData, Record};
use spinney::{Group, Never, group};
use std::future::pending;
use std::net::Ipv4Addr;
use tokio::net::UdpSocket;

/// Answers each question with one address, but for that of a name of silence.
async fn serve(socket: &UdpSocket, middle: Option<Middle>) -> ! {
    let mut buffer = [0; 512];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let mut message = Message::from_vec(&buffer[..length]).unwrap();
        let name = message.queries[0].name().clone();
        if let (true, Some(middle)) = (name.to_string().starts_with("silence"), &middle) {
            let () = middle.clone().amid(pending()).await;
        }
        message.metadata.message_type = MessageType::Response;
        let address = RData::A(Ipv4Addr::new(192, 0, 2, 7).into());
        message.answers.push(Record::from_rdata(name, 60, address));
        let answer = message.to_vec().unwrap();
        socket.send_to(&answer, from).await.unwrap();
    }
}

async fn names(middle: Option<Middle>) {
    group(async |g: Group<'_, '_, Never>| {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let silent = middle.is_some();
        g.service(async move { serve(&socket, middle).await });
        let mut udp = ConnectionConfig::udp();
        udp.port = port;
        let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![udp]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let resolver = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        let resolver = resolver.build().unwrap();
        let found = resolver.ipv4_lookup("oak.example.").await.unwrap();
        let found: Vec<_> = found.answers().iter().map(|record| &record.data).collect();
        assert_eq!(found, [&RData::A(Ipv4Addr::new(192, 0, 2, 7).into())]);
        if silent {
            unanswered(resolver.ipv4_lookup("silence.example.")).await;
        }
    })
    .await;
}

#[test]
fn hickory_resolver() {
    alone(|| {
        let trial = Trial::default().with_tokio();
        trial.run(|| names(None), |middle| names(Some(middle)));
    });
}
