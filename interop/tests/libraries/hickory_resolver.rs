//! hickory-resolver: names by a server of the test's, on sockets and tasks of tokio's, or on ours,
//! by an adapter.

use crate::census::Census;
use crate::common::process::alone;
use crate::common::runtimes::workers;
use crate::trial::{Middle, Trial, unanswered};
use ::hickory_resolver::Resolver;
use ::hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use ::hickory_resolver::net::runtime::{RuntimeProvider, TokioRuntimeProvider};
use ::hickory_resolver::proto::op::{Message, MessageType};
use ::hickory_resolver::proto::rr::{RData, Record};
use interop::hickory::InGroup;
use spinney::net::{TcpListener, UdpSocket};
use spinney::{Group, Never, group};
use std::future::pending;
use std::io::ErrorKind;
use std::net::Ipv4Addr;

/// Answers each question with one address, but for that of a name of silence.
async fn answer(question: &[u8], middle: Option<&Middle>) -> Vec<u8> {
    let mut message = Message::from_vec(question).unwrap();
    let name = message.queries[0].name().clone();
    if let (true, Some(middle)) = (name.to_string().starts_with("silence"), middle) {
        let () = middle.clone().amid(pending()).await;
    }
    message.metadata.message_type = MessageType::Response;
    let address = RData::A(Ipv4Addr::new(192, 0, 2, 7).into());
    message.answers.push(Record::from_rdata(name, 60, address));
    message.to_vec().unwrap()
}

/// A server's way to its client.
enum Server {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

impl Server {
    async fn new(tcp: bool) -> (Self, ConnectionConfig) {
        let any = "127.0.0.1:0";
        let (server, mut config, address);
        if tcp {
            let listener = TcpListener::bind(any).await.unwrap();
            (config, address) = (ConnectionConfig::tcp(), listener.local_addr());
            server = Self::Tcp(listener);
        } else {
            let socket = UdpSocket::bind(any).await.unwrap();
            (config, address) = (ConnectionConfig::udp(), socket.local_addr());
            server = Self::Udp(socket);
        }
        config.port = address.unwrap().port();
        (server, config)
    }

    async fn serve(self, middle: Option<Middle>) {
        match self {
            Self::Udp(socket) => loop {
                let mut buffer = [0; 512];
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let answer = answer(&buffer[..length], middle.as_ref()).await;
                socket.send_to(&answer, from).await.unwrap();
            },
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await.unwrap();
                loop {
                    let mut length = [0; 2];
                    match stream.read_exact(&mut length).await {
                        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return,
                        read => read.unwrap(),
                    }
                    let mut question = vec![0; u16::from_be_bytes(length).into()];
                    stream.read_exact(&mut question).await.unwrap();
                    let answer = answer(&question, middle.as_ref()).await;
                    let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                    stream.write_all(&length).await.unwrap();
                    stream.write_all(&answer).await.unwrap();
                }
            }
        }
    }
}

fn resolver<P: RuntimeProvider>(config: ConnectionConfig, provider: P) -> Resolver<P> {
    let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![config]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    Resolver::builder_with_config(config, provider)
        .build()
        .unwrap()
}

async fn names<P: RuntimeProvider>(
    choose: impl FnOnce(Group<'_, '_, Never>) -> P + Send,
    tcp: bool,
    middle: Option<Middle>,
) {
    group(async |g: Group<'_, '_, Never>| {
        let silent = middle.is_some();
        let (server, config) = Server::new(tcp).await;
        g.service(server.serve(middle));
        let resolver = resolver(config, choose(g));
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
        let trip = |middle| names(|_| TokioRuntimeProvider::default(), false, middle);
        let trial = Trial::default().with_tokio();
        trial.run(|| trip(None), |middle| trip(Some(middle)));
    });
}

/// No thread but ours, and nothing is left at the end of a group: neither task nor descriptor.
fn in_a_group(tcp: bool) {
    let trip = |middle| names(|g| InGroup(g.service_handle()), tcp, middle);
    Trial::default().run(|| trip(None), |middle| trip(Some(middle)));
}

#[test]
fn hickory_in_a_group() {
    alone(|| in_a_group(false));
}

#[test]
fn hickory_in_a_group_over_tcp() {
    alone(|| in_a_group(true));
}

/// A resolver that outlives its group does not hold it open, and asks nothing more.
#[test]
fn the_end_of_a_group_joins_the_tasks_of_hickory() {
    alone(|| {
        let before = Census::take();
        let (runtime, seen) = workers(2);
        let resolver = runtime.block_on(group(async |g: Group<'_, '_, Never>| {
            let (server, config) = Server::new(true).await;
            g.service(server.serve(None));
            let resolver = resolver(config, InGroup(g.service_handle()));
            resolver.ipv4_lookup("oak.example.").await.unwrap();
            resolver
        }));
        // Its connection has gone with the task that had it.
        assert_eq!(runtime.metrics().live_groups, 0);
        let lookup = resolver.ipv4_lookup("elm.example.");
        assert!(runtime.block_on(lookup).is_err());
        drop((resolver, runtime));
        assert_eq!(seen.texts(), [""; 0]);
        assert_eq!(Census::take().beyond(&before), [""; 0]);
    });
}
