//! tokio's context is on every thread that runs code of the runtime.

use super::{both, parked};
use crate::common::hangs::without_hanging;
use spinney::{
    Group, GroupBuilder, Runtime, Wait, blocking, group, scope, sleep, try_group, yield_now,
};
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;

const MS: Duration = Duration::from_millis(1);

/// Whether tokio's context is there, and that of `runtime`.
fn is_here(id: tokio::runtime::Id) -> bool {
    Handle::try_current().is_ok_and(|here| here.id() == id)
}

fn id(runtime: &Runtime) -> tokio::runtime::Id {
    runtime.block_on(async { Handle::current().id() })
}

#[test]
fn nothing_of_tokio_is_there_unless_asked_for() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    assert!(runtime.block_on(async { Handle::try_current() }).is_err());
    let child = group(async |g| g.spawn(async { Ok(Handle::try_current().is_err()) }).await);
    assert!(runtime.block_on(child));
}

#[test]
fn children_bodies_closures_and_scopes_have_it() {
    without_hanging(|| {
        both(2, |builder| {
            let runtime = builder.build().unwrap();
            let id = id(&runtime);
            runtime.block_on(group(async |g: Group<'_, '_>| {
                assert!(is_here(id));
                let many = (0..200).map(|_| {
                    g.spawn(async move {
                        let before = is_here(id);
                        yield_now().await;
                        Ok(before && is_here(id))
                    })
                });
                for child in many.collect::<Vec<_>>() {
                    assert!(child.await);
                }
                assert!(g.blocking(move || Ok(is_here(id))).await);
                assert!(g.compute(move || Ok(is_here(id))).await);
                // A worker that waits, and the spare in its place.
                assert!(
                    g.spawn(async move {
                        let inner = group(async |g| g.spawn(async move { Ok(is_here(id)) }).await);
                        Ok(inner.wait() && is_here(id))
                    })
                    .await
                );
            }));
            let _entered = runtime.enter();
            assert!(blocking(move || is_here(id)).wait());
            scope(|s| {
                assert!(is_here(id));
                s.spawn(async move { assert!(is_here(id)) });
            });
            assert!(
                Handle::try_current().is_err(),
                "a caller takes part no more"
            );
        });
    });
}

#[test]
fn what_a_cut_drops_and_what_hooks_run_has_it() {
    struct Dropped(tokio::runtime::Id, mpsc::Sender<bool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.1.send(is_here(self.0)).unwrap();
        }
    }
    without_hanging(|| {
        both(2, |builder| {
            let (tell, told) = mpsc::channel();
            let (started, stopped) = (tell.clone(), tell.clone());
            let here = || Handle::try_current().is_ok();
            let builder = builder.on_thread_start(move || started.send(here()).unwrap());
            let runtime = builder
                .on_thread_stop(move || stopped.send(here()).unwrap())
                .build()
                .unwrap();
            let id = id(&runtime);
            for _ in 0..20 {
                let cut = GroupBuilder::new().run(async |g| {
                    for _ in 0..4 {
                        let dropped = Dropped(id, tell.clone());
                        g.spawn(async move {
                            let _dropped = dropped;
                            tokio::time::sleep(Duration::from_secs(3600)).await;
                        });
                    }
                    sleep(MS).await;
                    Err::<(), _>("enough")
                });
                assert!(runtime.block_on(cut).is_err());
            }
            runtime.shutdown(Duration::ZERO).unwrap();
            drop((runtime, tell));
            let all: Vec<_> = told.iter().collect();
            assert_eq!(all.len(), 80 + 4, "drops, and two workers' hooks");
            assert!(all.into_iter().all(|there| there));
        });
    });
}

#[test]
fn sockets_time_files_and_processes_work_as_they_are() {
    without_hanging(|| {
        both(2, |builder| {
            let runtime = builder.build().unwrap();
            let result: Result<(), spinney::Errors<std::io::Error>> =
                runtime.block_on(try_group(async |g| {
                    let listener = TcpListener::bind("127.0.0.1:0").await?;
                    let address = listener.local_addr()?;
                    g.spawn(async move {
                        for _ in 0..8 {
                            let (mut peer, _) = listener.accept().await?;
                            g.spawn(async move {
                                let (mut read, mut write) = peer.split();
                                tokio::io::copy(&mut read, &mut write).await?;
                                Ok(())
                            });
                        }
                        Ok(())
                    });
                    for n in 0..8_u8 {
                        g.spawn(async move {
                            let mut peer = TcpStream::connect(address).await?;
                            for _ in 0..50 {
                                peer.write_all(&[n; 100]).await?;
                                let mut back = [0; 100];
                                peer.read_exact(&mut back).await?;
                                assert_eq!(back, [n; 100]);
                            }
                            Ok(())
                        });
                    }
                    g.spawn(async {
                        let (one, two) = (
                            UdpSocket::bind("127.0.0.1:0").await?,
                            UdpSocket::bind("127.0.0.1:0").await?,
                        );
                        one.send_to(b"hello", two.local_addr()?).await?;
                        let mut buffer = [0; 16];
                        assert_eq!(two.recv(&mut buffer).await?, 5);
                        Ok(())
                    });
                    g.spawn(async {
                        tokio::time::sleep(MS).await;
                        let late = tokio::time::timeout(MS, std::future::pending::<()>()).await;
                        assert!(late.is_err());
                        let mut ticks = tokio::time::interval(MS);
                        ticks.tick().await;
                        ticks.tick().await;
                        Ok(())
                    });
                    g.spawn(async {
                        let output = tokio::process::Command::new("echo")
                            .arg("oak")
                            .output()
                            .await?;
                        assert_eq!(output.stdout, b"oak\n");
                        Ok(())
                    });
                    g.spawn(async {
                        let text = tokio::fs::read_to_string("Cargo.toml").await?;
                        assert!(text.contains("spinney"));
                        let sum = tokio::task::spawn_blocking(|| 1 + 1).await;
                        assert_eq!(sum.unwrap(), 2);
                        Ok(())
                    });
                    g.spawn(async {
                        let mut signals = tokio::signal::unix::signal(
                            tokio::signal::unix::SignalKind::user_defined2(),
                        )?;
                        let own = rustix::process::getpid();
                        rustix::process::kill_process(own, rustix::process::Signal::USR2)?;
                        signals.recv().await;
                        Ok(())
                    });
                    Ok(())
                }));
            result.unwrap();
        });
    });
}

/// A body without children is polled by the caller alone, and woken by tokio's driver.
#[test]
fn a_body_waits_for_tokio_by_itself() {
    without_hanging(|| {
        both(1, |builder| {
            let runtime = builder.build().unwrap();
            for _ in 0..20 {
                runtime.block_on(async { tokio::time::sleep(MS).await });
                runtime.block_on(group(async |_| tokio::time::sleep(MS).await));
            }
        });
    });
}

#[test]
fn an_installed_runtime_brings_it_to_free_functions() {
    crate::common::process::alone(|| {
        parked(1).build().unwrap().install_global().unwrap();
        async { tokio::time::sleep(MS).await }.wait();
        assert!(group(async |g| g.spawn(async { Ok(Handle::try_current().is_ok()) }).await).wait());
    });
}
