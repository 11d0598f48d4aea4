//! A coroutine that is suspended inside a scope, and goes on when the scope around it has returned, would read a stack
//! that is gone. The process is ended before that.

use generator::{Gn, done};
use spinney::Wait;
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

const INSIDE: &str = "SPINNEY_INSIDE_A_COROUTINE";

#[test]
fn what_does_not_nest_ends_the_process() {
    if env::var_os(INSIDE).is_some() {
        let mut coroutine = Gn::<()>::new_scoped(|mut suspend| {
            spinney::scope(|_| {
                suspend.yield_(());
            });
            done!()
        });
        spinney::scope(|_| {
            coroutine.resume();
        });
        unreachable!("the outer scope returned before the inner one");
    }
    let me = env::current_exe().unwrap();
    let ran = Command::new(me).env(INSIDE, "1").output().unwrap();
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
