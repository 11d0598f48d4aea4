//! A process that was forked from that of a runtime has none of its threads: waits there are
//! refused, and end.

#![expect(unsafe_code, reason = "a fork by hand")]

use crate::common::durations::NOW;
use crate::common::panics::panic_of;
use crate::common::process::alone;
use crate::common::runtimes::workers;
use spinney::net::{TcpListener, TcpStream};
use spinney::{Group, Runtime, Wait, blocking, group, scope, sleep};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::Duration;
use std::{fs, io, panic};

/// How a forked process ended.
#[derive(Debug, PartialEq)]
enum End {
    Exit(i32),
    Signal(i32),
}

/// Ends this process by a signal if it hangs: no other process would. The limit is no measure of
/// speed, as in `without_hanging`.
fn leave_when_it_hangs() {
    // SAFETY: nothing else here has to do with alarms.
    let _ = unsafe { libc::alarm(90) };
}

/// Runs `f` in a forked process, which leaves by `_exit`: with zero, unless `f` panics.
fn forked(f: impl FnOnce()) -> End {
    // SAFETY: the process that is forked runs `f` and leaves. What it calls takes no lock that a
    // thread which is not there may hold: no other thread of this program is running anything.
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "{}", io::Error::last_os_error());
    if process == 0 {
        leave_when_it_hangs();
        let failed = catch_unwind(AssertUnwindSafe(f)).is_err();
        // SAFETY: it runs nothing of what the parent has registered for its exit.
        unsafe { libc::_exit(i32::from(failed)) }
    }
    let mut status = 0;
    // SAFETY: the status is written to a place of its own.
    let waited = unsafe { libc::waitpid(process, &raw mut status, 0) };
    assert_eq!(waited, process);
    match libc::WIFSIGNALED(status) {
        true => End::Signal(libc::WTERMSIG(status)),
        false => End::Exit(libc::WEXITSTATUS(status)),
    }
}

/// Whatever a runtime can do.
fn works(runtime: &Runtime) {
    let sum = runtime.block_on(group(async |g: Group<'_, '_>| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = g.spawn(async move { Ok(TcpStream::connect_addr(address).await.is_ok()) });
        assert!(listener.accept().await.is_ok());
        assert!(client.await);
        sleep(Duration::from_millis(1)).await;
        let one = g.compute(|| Ok(scope(|h| h.spawn(async { Ok(1) }).wait())));
        let two = g.blocking(|| Ok(2));
        one.await + two.await
    }));
    assert_eq!(sum, 3);
}

fn says_so(name: &str, f: impl FnOnce()) {
    let text = panic_of(f);
    let start = format!("the runtime `{name}` has no threads in this process, which was forked");
    assert!(text.starts_with(&start), "{text}");
    assert!(text.contains("Build a runtime after the fork"), "{text}");
}

#[test]
fn a_forked_process_is_refused_and_builds_a_runtime_of_its_own() {
    alone(|| {
        let old = Runtime::builder().workers(2).thread_name("old");
        let old = old.build().unwrap();
        works(&old);
        group(async |g| g.spawn(async {}).await).wait(); // starts the global one
        let listener = old.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        // It has no idle thread for a closure: one that was started would be one in this
        // process.
        let fresh = Runtime::builder().workers(1).thread_name("fresh");
        let fresh = fresh.build().unwrap();
        // Each process takes them out of its own memory.
        let both = Cell::new(Some((old, listener)));
        let end = forked(|| {
            let (old, listener) = both.take().unwrap();
            // Panics are expected here.
            let print = panic::take_hook();
            panic::set_hook(Box::new(|_| {}));
            says_so("old", || old.block_on(pending()));
            says_so("spinney", || pending().wait());
            says_so("old", || {
                old.block_on(poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }))
            });
            says_so("old", || old.block_on(blocking(|| ())));
            says_so("fresh", || fresh.block_on(blocking(|| ())));
            says_so("old", || {
                old.block_on(group(async |g| {
                    g.spawn(pending::<()>());
                    sleep(Duration::from_millis(1)).await;
                }))
            });
            panic::set_hook(print);
            assert_eq!(old.block_on(async { 1 }), 1); // nothing is waited for
            let elsewhere = |error: io::Error| error.to_string().contains("was forked");
            let bound = old.block_on(TcpListener::bind("127.0.0.1:0"));
            assert!(bound.is_err_and(elsewhere));
            let resolved = old.block_on(TcpStream::connect("localhost:80"));
            assert!(resolved.is_err_and(elsewhere));
            drop(listener);
            old.shutdown(NOW).unwrap();
            drop(old);
            let (new, _) = workers(2);
            works(&new);
            let _entered = new.enter();
            assert_eq!(group(async |g| g.spawn(async { Ok(1) }).await).wait(), 1);
            new.shutdown(NOW).unwrap();
        });
        assert_eq!(end, End::Exit(0));
        // It goes on here, also with a socket that the other process has closed.
        let (old, listener) = both.take().unwrap();
        works(&old);
        old.block_on(group(async move |g: Group<'_, '_>| {
            let accepted = g.spawn(async move { Ok(listener.accept().await.is_ok()) });
            sleep(Duration::from_millis(1)).await;
            TcpStream::connect_addr(address).await.unwrap();
            assert!(accepted.await);
        }));
        old.shutdown(NOW).unwrap();
    });
}

/// Others may use the stack of a scope, so it is not unwound.
#[test]
fn a_scope_of_a_forked_process_aborts() {
    alone(|| {
        let (runtime, _) = workers(1);
        works(&runtime);
        let end = forked(|| {
            let _entered = runtime.enter();
            scope(|g| {
                g.spawn(pending::<()>());
            });
        });
        assert_eq!(end, End::Signal(libc::SIGABRT));
        works(&runtime);
    });
}

#[test]
fn a_process_that_was_forked_on_a_worker_is_refused() {
    alone(|| {
        let builder = Runtime::builder().workers(2).thread_name("old");
        let runtime = builder.callers_take_part(false).build().unwrap();
        // Whatever is made once is there: no thread is about to make it when the process is forked.
        works(&runtime);
        let end = runtime.block_on(group(async |g| {
            let forks = g.spawn(async {
                Ok(forked(|| {
                    says_so("old", || pending().wait());
                    let (new, _) = workers(1);
                    works(&new);
                    // No thread of the old runtime was started here, to be woken for what happens
                    // there.
                    let threads = fs::read_dir("/proc/self/task").unwrap();
                    let names = threads.map(|thread| thread.unwrap().path().join("comm"));
                    let old = names.filter(|name| {
                        fs::read_to_string(name).is_ok_and(|name| name.starts_with("old-"))
                    });
                    assert_eq!(old.count(), 1);
                }))
            });
            forks.await
        }));
        assert_eq!(end, End::Exit(0));
        works(&runtime);
    });
}
