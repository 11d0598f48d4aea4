//! What sockets are bound and connected to, and how errors name it.

use super::where_all_block;
use crate::common::hangs::without_hanging;
use spinney::block_on;
use spinney::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::Ordering::SeqCst;

async fn meets(listener: &TcpListener, address: impl ToSocketAddrs) {
    let client = TcpStream::connect(address).await.unwrap();
    let (_, from) = listener.accept().await.unwrap();
    assert_eq!(client.local_addr().unwrap(), from);
}

#[test]
fn every_form_of_an_address_is_taken() {
    block_on(async {
        let local = Ipv4Addr::LOCALHOST;
        TcpListener::bind((local, 0)).await.unwrap();
        TcpListener::bind(("localhost", 0)).await.unwrap();
        TcpListener::bind((String::from("::1"), 0)).await.ok(); // where there is IPv6
        let listener = TcpListener::bind(&SocketAddrV4::new(local, 0)).await;
        let listener = listener.unwrap();
        let address = listener.local_addr().unwrap();
        let port = address.port();
        meets(&listener, address).await;
        meets(&listener, &address).await;
        meets(&listener, SocketAddrV4::new(local, port)).await;
        meets(&listener, (local, port)).await;
        meets(&listener, (IpAddr::V4(local), port)).await;
        meets(&listener, ("127.0.0.1", port)).await;
        meets(&listener, ("localhost", port)).await;
        meets(&listener, (String::from("127.0.0.1"), port)).await;
        meets(&listener, address.to_string()).await;
        meets(&listener, &address.to_string()).await;
        meets(&listener, &*format!("localhost:{port}")).await;
        // The first one refuses, most likely: nothing may listen at port 1.
        let both: [SocketAddr; 2] = [(local, 1).into(), address];
        meets(&listener, &both[..]).await;
    });
}

/// The text of an error, and what the system said.
fn parts(error: &io::Error) -> (String, Option<i32>) {
    let source = error.get_ref().and_then(|error| error.source());
    let system = source.and_then(|source| source.downcast_ref::<io::Error>());
    (error.to_string(), system.and_then(io::Error::raw_os_error))
}

#[test]
fn an_error_names_the_address() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = TcpListener::bind(address).await.unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        let (text, system) = parts(&taken);
        assert!(
            text.starts_with(&format!("cannot bind to {address}: ")),
            "{text}"
        );
        assert_eq!(system, Some(libc::EADDRINUSE));
        drop(listener);

        for refused in [
            TcpStream::connect(address).await,
            TcpStream::connect(address.to_string()).await,
            TcpStream::connect_addr(address).await,
        ] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            let (text, system) = parts(&refused);
            assert!(
                text.starts_with(&format!("cannot connect to {address}: ")),
                "{text}"
            );
            assert_eq!(system, Some(libc::ECONNREFUSED));
        }

        let refused = TcpStream::connect(("localhost", address.port())).await;
        let text = refused.unwrap_err().to_string();
        let begins = format!("cannot connect to localhost:{} at ", address.port());
        assert!(text.starts_with(&begins), "{text}");

        let nowhere = TcpStream::connect("no port").await.unwrap_err();
        assert!(
            nowhere.to_string().starts_with("cannot look up no port: "),
            "{nowhere}"
        );
        let none: &[SocketAddr] = &[];
        let none = TcpStream::connect(none).await.unwrap_err();
        assert_eq!(none.to_string(), "no address was given");
    });
}

/// What is no name is not looked up, so it needs no thread for closures that block.
#[test]
fn addresses_wait_for_no_thread() {
    without_hanging(|| {
        where_all_block(async |gate| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            meets(&listener, ("127.0.0.1", port)).await;
            meets(&listener, format!("127.0.0.1:{port}")).await;
            gate.store(true, SeqCst);
        });
    });
}
