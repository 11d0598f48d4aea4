//! Processes that outlive their group, because that was asked for.

use crate::common::polls::wait_until;
use crate::common::process::{alone, entries};
use crate::common::runtimes::workers;
use crate::shell::{has_no_children, is_reaped, pid, shell, started};
use rustix::process::{Signal, kill_process_group};
use spinney::Runtime;
use spinney::group;
use spinney::process::{ChildStdin, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A process that ends when what is returned is dropped, and its number.
fn detached(runtime: &Runtime, explicitly: bool) -> (u32, ChildStdin) {
    runtime.block_on(group(async |g| {
        let mut shell = shell("read line");
        shell.stdin(Stdio::piped()).kill_on_cut(explicitly);
        let mut child = shell.spawn(g).unwrap();
        let stdin = child.stdin.take().unwrap();
        match explicitly {
            true => (child.detach(), stdin),
            // Its handle is dropped here, and the group ends.
            false => (child.id(), stdin),
        }
    }))
}

#[test]
fn it_outlives_its_group_and_is_reaped() {
    alone(|| {
        let (runtime, _) = workers(2);
        for explicitly in [true, false] {
            let (id, stdin) = detached(&runtime, explicitly);
            assert!(!is_reaped(id));
            drop(stdin);
            wait_until(|| is_reaped(id));
        }
        assert!(has_no_children());
        let before = entries("/proc/self/fd");
        for _ in 0..20 {
            let (id, stdin) = detached(&runtime, true);
            drop(stdin);
            wait_until(|| is_reaped(id));
        }
        wait_until(|| entries("/proc/self/fd") == before);
    });
}

#[test]
fn it_is_reaped_after_the_end_of_its_runtime() {
    alone(|| {
        let before = (entries("/proc/self/fd"), entries("/proc/self/task"));
        let (runtime, _) = workers(2);
        let (id, stdin) = detached(&runtime, true);
        drop(runtime);
        assert!(!is_reaped(id));
        drop(stdin);
        wait_until(|| is_reaped(id));
        wait_until(|| (entries("/proc/self/fd"), entries("/proc/self/task")) == before);
    });
}

/// Its group has ended, and waits for it; then it is let go by a handle that is elsewhere.
#[test]
fn one_that_was_asked_to_end_before_is_reaped_when_it_ends() {
    alone(|| {
        let (runtime, _) = workers(2);
        let (send, receive) = mpsc::channel();
        let id = thread::scope(|threads| {
            let ends = threads.spawn(|| {
                let script = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.01; done";
                runtime.block_on(group(async |g| {
                    let mut shell = shell(script);
                    let started = started(g, shell.grace(Duration::from_secs(3600))).await;
                    send.send(started).unwrap();
                }));
            });
            let (child, mut said) = receive.recv().unwrap();
            assert_eq!(runtime.block_on(said.line()), "asked");
            let id = child.detach();
            ends.join().unwrap();
            id
        });
        assert!(!is_reaped(id));
        kill_process_group(pid(id), Signal::KILL).unwrap();
        wait_until(|| is_reaped(id));
    });
}

#[test]
fn one_that_has_ended_is_reaped_all_the_same() {
    alone(|| {
        let (runtime, _) = workers(2);
        runtime.block_on(group(async |g| {
            let mut child = shell("exit 3").spawn(g).unwrap();
            assert_eq!(child.wait().await.unwrap().code(), Some(3));
            child.detach();
        }));
        assert!(has_no_children());
    });
}
