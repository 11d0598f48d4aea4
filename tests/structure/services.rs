//! Services end after the work, newest first, one after the other, however the group ends.

use crate::common::drops::on_drop;
use crate::common::hangs::without_hanging;
use crate::common::log::Log;
use crate::common::panics::panic_of;
use crate::common::runtimes::workers;
use spinney::{Errors, Group, shield, try_group, yield_now};
use std::future::pending;
use std::panic::panic_any;

/// How the group of [`ending`] ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    BodyFails,
    ChildFails,
    Cancelled,
}

/// Three services, a child that works on for a while, and a defer: in which order they end.
fn ending(end: End) -> Vec<&'static str> {
    let (runtime, seen) = workers(2);
    let log = Log::default();
    let noted = log.clone();
    let result = runtime.block_on(try_group(async move |g: Group<'_, '_, End>| {
        let log = g.keep(noted);
        g.defer(async { log.note("defer") });
        let (inside, begun) = async_channel::bounded::<()>(1);
        for name in ["oldest", "middle", "newest"] {
            let inside = inside.clone();
            g.service(async move {
                let _noted = on_drop(move || log.note(name));
                drop(inside);
                // It goes on for some polls after it was cut: the next one waits for it.
                shield(async {
                    while !g.is_stopping() && !log.has("child") {
                        yield_now().await;
                    }
                    yield_now().await;
                })
                .await;
                pending::<()>().await
            });
        }
        drop(inside);
        begun.recv().await.unwrap_err();
        let (at_work, works) = async_channel::bounded::<()>(1);
        g.spawn(async move {
            let _noted = on_drop(|| log.note("child"));
            shield(async move {
                drop(at_work);
                for _ in 0..20 {
                    yield_now().await;
                }
            })
            .await;
            if end == End::ChildFails {
                Err(end)
            } else {
                Ok(())
            }
        });
        works.recv().await.unwrap_err();
        match end {
            End::BodyFails => return Err(end),
            End::Cancelled => g.cancel(end),
            End::Done | End::ChildFails => {}
        }
        Ok(())
    }));
    assert_eq!(
        result.err().map(Errors::into_first),
        (end != End::Done).then_some(end)
    );
    assert!(seen.texts().is_empty());
    log.take()
}

#[test]
fn services_end_after_the_work_and_before_the_defers_newest_first() {
    without_hanging(|| {
        for _ in 0..20 {
            for end in [End::Done, End::BodyFails, End::ChildFails, End::Cancelled] {
                assert_eq!(
                    ending(end),
                    ["child", "newest", "middle", "oldest", "defer"],
                    "{end:?}"
                );
            }
        }
    });
}

/// What a service starts while it ends is joined before the defers run.
#[test]
fn what_a_service_starts_while_it_ends_is_joined() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let log = Log::default();
        let noted = log.clone();
        runtime
            .block_on(try_group(async move |g: Group<'_, 'static, u8>| {
                let log = g.keep(noted);
                g.defer(async { log.note("defer") });
                let (inside, begun) = async_channel::bounded::<()>(1);
                g.service(async move {
                    let _last = on_drop(move || {
                        g.spawn(async {
                            yield_now().await;
                            log.note("child of the service");
                        });
                    });
                    drop(inside);
                    pending::<()>().await
                });
                begun.recv().await.unwrap_err();
                Ok(())
            }))
            .unwrap();
        assert_eq!(log.take(), ["child of the service", "defer"]);
    });
}

/// A service that returns early is none the worse for it; one that fails, or panics, ends its
/// group.
#[test]
fn a_service_that_fails_ends_its_group() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let early = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            g.service(async { Ok(3) }).await;
            yield_now().await;
            Ok(4)
        }));
        assert_eq!(early.unwrap(), 4);
        let failed = runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
            g.service(async { Err::<(), _>(5) });
            pending::<Result<(), _>>().await
        }));
        let errors = failed.unwrap_err();
        assert_eq!((*errors.first(), errors.len()), (5, 1));
        let text = panic_of(|| {
            runtime.block_on(try_group(async |g: Group<'_, '_, u8>| {
                g.service(async { panic_any("service") });
                pending::<Result<(), _>>().await
            }))
        });
        assert_eq!(text, "service");
    });
}

/// A group that a service opens in its own group belongs to the service: it is no work for which
/// the services would wait.
#[test]
fn a_group_that_a_service_opens_ends_with_the_service() {
    without_hanging(|| {
        let (runtime, seen) = workers(2);
        let log = Log::default();
        let noted = log.clone();
        runtime
            .block_on(try_group(async move |g: Group<'_, '_, u8>| {
                let log = g.keep(noted);
                let (inside, begun) = async_channel::bounded::<()>(1);
                g.service(async move {
                    g.group(async |h| {
                        h.defer(async { log.note("defer") });
                        h.service(pending::<()>());
                        h.spawn(async move {
                            let _noted = on_drop(|| log.note("child"));
                            drop(inside);
                            pending::<()>().await
                        });
                        pending::<()>().await
                    })
                    .await;
                    Ok(())
                });
                begun.recv().await.unwrap_err();
                log.note("work");
                Ok(())
            }))
            .unwrap();
        assert_eq!(log.take(), ["work", "child", "defer"]);
        assert!(seen.texts().is_empty());
    });
}
