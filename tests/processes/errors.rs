//! What cannot be started, watched or waited for is a clear error, or goes another way; it hangs
//! nothing and leaves nothing.

#![expect(
    unsafe_code,
    reason = "a fork, a filter of system calls and SIGCHLD by hand"
)]

use crate::common::polls::wait_until;
use crate::common::process::{alone, entries};
use crate::common::runtimes::{clocked, workers};
use crate::shell::{IGNORES, SLEEPS, has_no_children, is_reaped, shell, started};
use rustix::io::Errno;
use rustix::process::{
    Resource, Rlimit, WaitId, WaitIdOptions, getpid, getrlimit, set_child_subreaper, setrlimit,
    waitid,
};
use spinney::process::{Command, Stdio};
use spinney::{Runtime, group};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// The error of the system behind another one.
fn errno(error: &io::Error) -> Option<i32> {
    let inner = error.get_ref()?.source()?;
    inner.downcast_ref::<io::Error>()?.raw_os_error()
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    alone(|| {
        let (runtime, _) = workers(2);
        let tries = || {
            let missing = runtime.block_on(Command::new("no-such-program").status());
            let missing = missing.unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound);
            assert_eq!(errno(&missing), Some(libc::ENOENT));
            assert!(
                missing
                    .to_string()
                    .starts_with("cannot start \"no-such-program\": ")
            );

            let refused = runtime
                .block_on(Command::new("/dev/null").output())
                .unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::PermissionDenied);

            let mut nowhere = Command::new("true");
            let nowhere = runtime.block_on(nowhere.current_dir("/no/folder").status());
            let text = nowhere.unwrap_err().to_string();
            assert!(
                text.starts_with("cannot start \"true\" in \"/no/folder\": "),
                "{text}"
            );
        };
        tries();
        let before = entries("/proc/self/fd");
        tries();
        assert_eq!(entries("/proc/self/fd"), before);
        assert!(has_no_children());
    });
}

/// Without a descriptor none can be had for a pipe, which is an error; and none to watch the
/// process, which a thread does.
#[test]
fn without_a_descriptor_left_pipes_are_errors_and_processes_are_not() {
    alone(|| {
        let (runtime, _) = workers(2);
        // Whatever is opened once.
        assert!(
            runtime
                .block_on(shell(SLEEPS).current_dir("/no").status())
                .is_err()
        );
        assert!(
            runtime
                .block_on(Command::new("true").status())
                .unwrap()
                .success()
        );
        let before = (entries("/proc/self/fd"), entries("/proc/self/task"));
        let null = File::open("/dev/null").unwrap();
        // The number of the next one. A process that is started has the same limit, and needs some.
        let open = File::open("/dev/null").unwrap().as_raw_fd() as u64;
        let limit = getrlimit(Resource::Nofile);
        let current = Some(open);
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
        let mut pipes = Command::new("true");
        pipes.stdin(null).stdout(Stdio::piped());
        let piped = runtime.block_on(pipes.status()).unwrap_err();
        let mut plain = Command::new("true");
        // It inherits all there is.
        let status = runtime.block_on(plain.share_process_group().status());
        setrlimit(Resource::Nofile, limit).unwrap();
        assert_eq!(errno(&piped), Some(libc::EMFILE), "{piped}");
        assert!(
            piped.to_string().starts_with("cannot start \"true\": "),
            "{piped}"
        );
        assert!(status.unwrap().success());
        drop(pipes);
        assert!(has_no_children());
        let after = || (entries("/proc/self/fd"), entries("/proc/self/task"));
        // The thread that has waited leaves a little later than its group.
        wait_until(|| after() == before);
    });
}

/// Lets no further thread of this process, nor this one, open a pidfd: as in a sandbox that does
/// not know the call.
fn forbid_pidfds() {
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let jump = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let step = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let mut filter = [
        step(load, 0, 0, 0), // the number of the call
        step(jump, 0, 1, libc::SYS_pidfd_open as u32),
        step(answer, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        step(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: plain numbers.
    let ours = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(ours, 0);
    // SAFETY: the program is there for the time of the call, and has that length.
    let set = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    assert_eq!(set, 0, "{}", io::Error::last_os_error());
}

#[test]
fn without_pidfds_a_thread_waits() {
    alone(|| {
        forbid_pidfds();
        let (runtime, _) = workers(2); // its threads inherit the filter
        let before = entries("/proc/self/task");
        runtime.block_on(group(async |g| {
            let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn(g).unwrap();
            assert_eq!(child.wait().await.unwrap().code(), Some(3));

            let (child, said) = started(g, &mut shell(SLEEPS)).await;
            assert!(entries("/proc/self/task") > before);
            let id = child.id();
            drop(child);
            said.rest().await;
            g.defer(async move { assert!(is_reaped(id)) });

            let (mut child, _) = started(g, shell(IGNORES).grace(Duration::ZERO)).await;
            child.kill().unwrap();
            assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        }));
        let mut let_go = runtime.block_on(group(async |g| {
            let mut shell = shell("read line");
            let mut child = shell
                .stdin(Stdio::piped())
                .kill_on_cut(false)
                .spawn(g)
                .unwrap();
            child.stdin.take()
        }));
        assert!(!has_no_children());
        drop(let_go.take());
        wait_until(has_no_children);
    });
}

/// Code that waits for any child takes the status away.
#[test]
fn a_process_that_other_code_reaps_is_an_error() {
    alone(|| {
        let (runtime, _) = workers(2);
        let error = runtime.block_on(group(async |g| {
            let mut shell = shell("read line");
            let mut child = shell.stdin(Stdio::piped()).spawn(g).unwrap();
            // It is the only child.
            let reaper = thread::spawn(|| waitid(WaitId::All, WaitIdOptions::EXITED));
            child.kill().unwrap();
            let theirs = reaper.join().unwrap();
            (child.wait().await, theirs)
        }));
        // One of the two has the status, and the other one an error; none hangs.
        match error {
            (Err(error), Ok(_)) => {
                assert_eq!(errno(&error), Some(libc::ECHILD));
                assert!(
                    error.to_string().contains("was reaped by other code"),
                    "{error}"
                );
            }
            (Ok(status), Err(Errno::CHILD)) => assert!(!status.success()),
            both => panic!("{both:?}"),
        }
    });
}

#[test]
fn a_program_that_ignores_the_ends_of_children_gets_errors() {
    alone(|| {
        // SAFETY: no handler is set.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        let runtime = Runtime::builder().workers(2).build().unwrap();
        for _ in 0..20 {
            let error = runtime.block_on(Command::new("true").status()).unwrap_err();
            assert_eq!(errno(&error), Some(libc::ECHILD), "{error}");
        }
        let said = runtime.block_on(group(async |g| started(g, &mut shell(SLEEPS)).await.1));
        runtime.block_on(said.rest()); // it was ended all the same
    });
}

#[test]
fn a_handler_of_others_for_the_ends_of_children_is_called() {
    alone(|| {
        let called = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(libc::SIGCHLD, Arc::clone(&called)).unwrap();
        let (runtime, _) = workers(2);
        assert!(
            runtime
                .block_on(Command::new("true").status())
                .unwrap()
                .success()
        );
        wait_until(|| called.load(SeqCst));
    });
}

/// Where orphans become children of this process, as in a container, they are reaped with the
/// process that has left them: as zombies they would look like members of its process group.
#[test]
fn what_a_process_leaves_to_this_one_is_reaped_with_it() {
    alone(|| {
        set_child_subreaper(Some(getpid())).unwrap();
        // No grace is over by this clock.
        let (runtime, _, _) = clocked(2);
        let script = "sleep 1000 & sleep 1000 & echo ready";
        let output = runtime.block_on(shell(script).output()).unwrap();
        assert_eq!(output.stdout, b"ready\n");
        assert!(has_no_children());
        let script = "trap '' TERM; sleep 1000 & echo ready; wait";
        let mut shell = shell(script);
        runtime.block_on(group(async |g| {
            drop(started(g, shell.grace(Duration::ZERO)).await);
        }));
        assert!(has_no_children());
    });
}

/// In a forked process a handle is a copy: what its destructor would end is the parent's.
#[test]
fn a_copy_of_a_handle_in_a_forked_process_ends_nothing() {
    alone(|| {
        let (runtime, _) = workers(1);
        runtime.block_on(group(async |g| {
            let mut shell = shell("read line; echo $line");
            let mut child = shell.stdin(Stdio::piped()).spawn(g).unwrap();
            let stdin = child.stdin.take();
            // SAFETY: the process that is forked drops a value, which takes no lock and does
            // nothing there, and leaves.
            let forked = unsafe { libc::fork() };
            if forked == 0 {
                drop(child);
                // SAFETY: it runs nothing of what the parent has registered for its exit.
                unsafe { libc::_exit(0) }
            }
            let mut status = 0;
            // SAFETY: the status is written to a place of its own.
            assert_eq!(unsafe { libc::waitpid(forked, &raw mut status, 0) }, forked);
            assert_eq!(status, 0);
            let mut stdin = stdin.unwrap();
            futures_lite::AsyncWriteExt::write_all(&mut stdin, b"alive\n")
                .await
                .unwrap();
            drop(stdin);
            assert_eq!(child.output().await.unwrap().stdout, b"alive\n");
        }));
    });
}
