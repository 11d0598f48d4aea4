//! A coroutine that is suspended inside a scope, and goes on when the scope around it has returned, would read a stack
//! that is gone. The process is ended before that.

use crate::common::process::{is_alone, make_alone, test_of};
use generator::{Gn, done};
use spinney::{TaskLocal, Wait};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

#[test]
fn what_does_not_nest_ends_the_process() {
    ends_the_process(|| {
        let mut coroutine = Gn::<()>::new_scoped(|mut suspend| {
            spinney::scope(|_| {
                suspend.yield_(());
            });
            done!()
        });
        spinney::scope(|_| {
            coroutine.resume();
        });
    });
}

/// The value of a task-local would be one on a stack that is gone.
#[test]
fn a_task_local_that_does_not_nest_ends_the_process() {
    static NUMBER: TaskLocal<u32> = TaskLocal::new();
    ends_the_process(|| {
        let mut coroutine = Gn::<()>::new_scoped(|mut suspend| {
            NUMBER.sync_scope(1, || suspend.yield_(()));
            done!()
        });
        coroutine.resume();
        NUMBER.sync_scope(2, || coroutine.resume());
    });
}

/// Runs it in a process of its own.
fn ends_the_process(escape: impl Fn()) {
    if is_alone() {
        escape();
        unreachable!("the outer call returned before the inner one");
    }
    let mut me = Command::new(std::env::current_exe().unwrap());
    make_alone(&mut me, test_of(&escape));
    let ran = me.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.signal(), Some(libc::SIGABRT), "{said}");
    assert!(said.contains("a coroutine was suspended"), "{said}");
}

/// One that is suspended between two calls, and not inside one, is fine.
#[test]
fn what_nests_goes_on() {
    let coroutine = Gn::<()>::new_scoped(|mut suspend| {
        for number in 0..3 {
            let next = spinney::scope(|s| s.spawn(async move { Ok(number + 1) }).wait());
            suspend.yield_(next);
        }
        done!()
    });
    let numbers: Vec<_> = spinney::scope(|_| coroutine.collect());
    assert_eq!(numbers, [1, 2, 3]);
}

/// A value that is read is kept by the reader, also if its scope ends meanwhile.
#[test]
fn a_task_local_that_is_read_outlives_its_scope() {
    static NAMES: TaskLocal<Vec<String>> = TaskLocal::new();
    let mut coroutine = Gn::<()>::new_scoped(|mut suspend| {
        NAMES.with(|names| {
            suspend.yield_(0);
            let names = names.unwrap();
            suspend.yield_(names.iter().map(String::len).sum::<usize>());
        });
        done!()
    });
    NAMES.sync_scope(vec!["ada".to_owned(), "grace".to_owned()], || {
        assert_eq!(coroutine.resume(), Some(0));
    });
    assert!(NAMES.with(|names| names.is_none()));
    assert_eq!(coroutine.resume(), Some(8));
}
