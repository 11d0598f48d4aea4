//! What a shutdown could not cut is told with what it waits for, and with the tree around it.

use crate::common::durations::NOW;
use crate::common::hangs::without_hanging;
use crate::common::polls::{poll_alone, wait_until};
use crate::common::runtimes::workers;
use spinney::dump::{Endpoint, WaitsFor};
use spinney::net::UdpSocket;
use spinney::{GroupBuilder, Runtime, shield};
use std::pin::Pin;
use std::sync::Arc;

type Open = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A group whose task waits for a datagram in a shield, and its socket. It is polled by nobody.
fn silent(runtime: &Runtime) -> (Open, Arc<UdpSocket>) {
    let socket = Arc::new(runtime.block_on(UdpSocket::bind("127.0.0.1:0")).unwrap());
    let theirs = Arc::clone(&socket);
    let entered = runtime.enter();
    let mut open: Open = Box::pin(async move {
        let group = GroupBuilder::<()>::new().name("clients");
        let ended = group.run(async move |g| {
            g.spawn_named(
                "silent",
                shield(async move {
                    let _ = theirs.recv(&mut [0]).await;
                }),
            );
            Ok(())
        });
        let _ = ended.await;
    });
    assert!(poll_alone(open.as_mut()).is_pending());
    let is_there = || runtime.dump().to_string().contains(", waits for input at ");
    wait_until(is_there);
    drop(entered);
    (open, socket)
}

#[test]
fn the_error_says_what_each_waits_for_and_has_the_tree() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let (open, socket) = silent(&runtime);
        let address = socket.local_addr().unwrap();
        let stragglers = runtime.shutdown(NOW).unwrap_err();
        let text = stragglers.to_string();
        assert!(text.starts_with("1 still running: silent #"), "{text}");
        let waits = format!(" old, waits for input at {address} on descriptor ");
        assert!(text.contains(&waits) && text.ends_with(';'), "{text}");
        let group = &stragglers.dump().groups()[0];
        assert_eq!(group.name.as_deref(), Some("clients"));
        assert!(group.is_cancelled);
        let task = &group.tasks[0];
        assert_eq!(
            Some(task.id),
            stragglers.iter().next().map(|task| task.task)
        );
        let [WaitsFor::Readable { endpoint, .. }] = &task.waits_for[..] else {
            panic!("{task:?}");
        };
        assert_eq!(endpoint, &Some(Endpoint::Local(address)));
        end(socket, open);
    });
}

#[test]
fn the_hook_of_a_runtime_that_is_dropped_hears_it_as_well() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let (open, socket) = silent(&runtime);
        drop(runtime);
        let [text] = &seen.texts()[..] else {
            panic!("{:?}", seen.texts());
        };
        let told = " outlived its runtime, waits for input at 127.0.0.1:";
        assert!(
            text.starts_with("silent #") && text.contains(told),
            "{text}"
        );
        end(socket, open);
    });
}

/// The datagram comes, and the caretaker ends what was left.
fn end(socket: Arc<UdpSocket>, open: Open) {
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(&[0], socket.local_addr().unwrap()).unwrap();
    drop(open);
}
