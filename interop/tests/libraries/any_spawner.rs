//! any_spawner: whoever spawns by it does so into one group, by an adapter.

use crate::census::Census;
use crate::common::process::alone;
use crate::common::runtimes::workers;
use crate::served::echo;
use ::any_spawner::Executor;
use interop::any_spawner::InGroup;
use spinney::net::{TcpListener, TcpStream};
use spinney::{Group, Never, group, try_group};
use std::future::pending;
use std::sync::Arc;

/// A library, which knows `Executor` alone: sends a word to a server of its own, and back.
async fn library() -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap());
    let stream = stream.await.unwrap();
    Executor::spawn(async move { echo(listener.accept().await.unwrap().0).await });
    let (say, said) = async_channel::bounded(1);
    Executor::spawn(async move {
        stream.write_all(b"hello").await.unwrap();
        let mut answer = vec![0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        say.send(answer).await.unwrap();
    });
    Executor::tick().await;
    said.recv().await.unwrap()
}

#[test]
fn any_spawner() {
    alone(|| {
        let before = Census::take();
        let (runtime, seen) = workers(2);
        let held = Arc::new(());
        let weak = Arc::downgrade(&held);
        let answer = runtime.block_on(group(async |g: Group<'_, '_, Never>| {
            Executor::init_custom_executor(InGroup(g.handle())).unwrap();
            let answer = library().await;
            // The last task of which nobody hears.
            Executor::spawn(async move {
                spinney::yield_now().await;
                drop(held);
            });
            answer
        }));
        assert_eq!(answer, b"hello");
        assert!(weak.upgrade().is_none(), "the group has not waited");
        // After its end a task is dropped.
        let late = Arc::new(());
        let held = Arc::clone(&late);
        Executor::spawn(async move { drop(held) });
        assert_eq!(Arc::strong_count(&late), 1);
        drop(runtime);
        assert_eq!(seen.texts(), [""; 0]);
        assert_eq!(Census::take().beyond(&before), [""; 0]);
    });
}

#[test]
fn a_cut_ends_the_tasks_of_any_spawner() {
    alone(|| {
        let before = Census::take();
        let (runtime, seen) = workers(2);
        let held = Arc::new(());
        let weak = Arc::downgrade(&held);
        let result = runtime.block_on(try_group(async |g: Group<'_, '_, &str>| {
            let (say, reached) = async_channel::bounded(1);
            g.spawn(group(async |g: Group<'_, '_, Never>| {
                Executor::init_custom_executor(InGroup(g.handle())).unwrap();
                library().await;
                Executor::spawn(async move {
                    say.send(()).await.unwrap();
                    pending::<()>().await;
                    drop(held);
                });
            }));
            reached.recv().await.unwrap();
            Err::<(), _>("cut")
        }));
        assert_eq!(result.unwrap_err().into_first(), "cut");
        assert!(weak.upgrade().is_none());
        drop(runtime);
        assert_eq!(seen.texts(), [""; 0]);
        assert_eq!(Census::take().beyond(&before), [""; 0]);
    });
}
