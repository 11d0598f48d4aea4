//! Servers that are started anew, with the sockets that were open before.

use crate::client::Client;
use crate::common::hangs::without_hanging;
use crate::common::process::{is_alone, make_alone};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use rustix::io::{FdFlags, fcntl_getfd};
use spinney::serve::{Accept, Ending, InheritedSocket, RequestBody, Server, inherited, service_fn};
use spinney::{block_on, group};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

/// Passes the first two descriptors as a service manager does.
const MANAGER: &str = "exec 3<&0 4<&1 </dev/null >/dev/null
export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:admin
exec \"$0\" \"$@\"";

/// Serves until it is told to stop, and says its name.
async fn serve(name: String, listener: impl Accept + AsFd) {
    let flags = fcntl_getfd(&listener).unwrap();
    assert!(flags.contains(FdFlags::CLOEXEC), "no child inherits it");
    let server = Server::new();
    let handle = server.handle();
    let service = move |request: Request<RequestBody>| {
        if request.uri().path() == "/stop" {
            handle.stop();
        }
        let answer = Response::new(Full::<Bytes>::from(name.clone()));
        async { Ok::<_, Infallible>(answer) }
    };
    let report = server.serve(listener, service_fn(service)).await;
    assert_eq!(report.ending, Ending::Drained);
}

/// The program that a service manager starts.
fn program() {
    block_on(group(async |g| {
        let sockets = inherited().unwrap();
        let names: Vec<_> = sockets.iter().map(|socket| &*socket.name).collect();
        assert_eq!(names, ["web", "admin"]);
        assert!(inherited().unwrap().is_empty(), "they are taken once");
        for socket in sockets {
            match socket.socket {
                InheritedSocket::Tcp(listener) => g.spawn(serve(socket.name, listener)),
                InheritedSocket::Unix(listener) => g.spawn(serve(socket.name, listener)),
                other => panic!("{other:?}"),
            };
        }
    }));
}

/// Starts it with these sockets.
fn start(web: &TcpListener, admin: &UnixListener) -> Child {
    let mut command = Command::new("sh");
    command.arg("-c").arg(MANAGER);
    command.arg(std::env::current_exe().unwrap());
    make_alone(
        &mut command,
        "restart::a_restart_keeps_the_sockets_and_loses_no_client",
    );
    command.stdin(Stdio::from(OwnedFd::from(web.try_clone().unwrap())));
    command.stdout(Stdio::from(OwnedFd::from(admin.try_clone().unwrap())));
    command.spawn().unwrap()
}

#[test]
fn a_restart_keeps_the_sockets_and_loses_no_client() {
    if is_alone() {
        return program();
    }
    without_hanging(|| {
        let web = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = web.local_addr().unwrap();
        let path = std::env::temp_dir().join(format!("spinney-inherited-{}", std::process::id()));
        let admin = UnixListener::bind(&path).unwrap();
        let ask_admin = |what: &str| {
            let mut client = UnixStream::connect(&path).unwrap();
            write!(client, "GET {what} HTTP/1.0\r\n\r\n").unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with("\r\n\r\nadmin"), "{answer}");
        };
        // Those that come while no program runs wait in the queue.
        for _ in 0..2 {
            let mut early: Vec<_> = (0..5).map(|_| Client::to(address)).collect();
            let mut child = start(&web, &admin);
            for client in &mut early {
                assert_eq!(client.get("/").body, "web");
            }
            ask_admin("/");
            ask_admin("/stop");
            assert_eq!(early[0].get("/stop").body, "web");
            assert!(child.wait().unwrap().success());
        }
        std::fs::remove_file(&path).unwrap();
    });
}
