#!/usr/bin/env bash
# `notify_one` and `notify_all` of std's `Condvar` are a system call each, also where no thread waits.
#
# Package: the standard library of Rust 1.95, parking_lot 0.12.5, on Linux
# Guessed: like an unlock, which calls the kernel only if a thread sleeps on the lock, a notification knows whether a thread
#   waits; so a `notify_all` at each return of a thing to a pool costs a few nanoseconds while nobody waits for it.
# Behaviour: true of parking_lot's `Condvar`, and of the locks of both. std's `Condvar` is a counter that a notification
#   advances; how many wait is known to the kernel alone, which is asked each time. Who notifies often keeps count himself.
# Seen:
#   futex calls of 1000 x notify_one, notify_all, lock and unlock
#   std: 1000, 1000, 0
#   parking_lot: 0, 0, 0
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "std-condvar-calls-the-kernel-for-nobody"
version = "0.0.0"
edition = "2024"

[dependencies]
libc = "=0.2.177"
parking_lot = "=0.12.5"
TOML
cat > src/main.rs <<'RUST'
use std::hint::black_box;
use std::mem::{MaybeUninit, size_of};
use std::ptr::null_mut;

/// How many futex calls a child process makes in `work`: its parent traces it.
fn futex_calls(work: impl Fn()) -> usize {
    let child = unsafe { libc::fork() };
    if child == 0 {
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<u8>(), null_mut::<u8>());
            libc::raise(libc::SIGSTOP);
            work();
            libc::_exit(0);
        }
    }
    let (mut status, mut calls) = (0, 0);
    loop {
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        if libc::WIFEXITED(status) {
            return calls;
        }
        // Without it a stop at a call looks like any other.
        let marked = libc::PTRACE_O_TRACESYSGOOD;
        unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, child, null_mut::<u8>(), marked as usize) };
        let mut info = MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
        let size = size_of::<libc::ptrace_syscall_info>();
        unsafe {
            libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, child, size, info.as_mut_ptr());
            let info = info.assume_init();
            let enters = info.op == libc::PTRACE_SYSCALL_INFO_ENTRY;
            calls += usize::from(enters && info.u.entry.nr == libc::SYS_futex as u64);
            libc::ptrace(libc::PTRACE_SYSCALL, child, null_mut::<u8>(), null_mut::<u8>());
        }
    }
}

fn many(work: impl Fn()) -> usize {
    futex_calls(|| (0..1000).for_each(|_| work()))
}

fn main() {
    let std = (std::sync::Condvar::new(), std::sync::Mutex::new(0));
    let of_std = [
        many(|| std.0.notify_one()),
        many(|| std.0.notify_all()),
        many(|| *black_box(std.1.lock().unwrap()) += 1),
    ];
    let other = (parking_lot::Condvar::new(), parking_lot::Mutex::new(0));
    let of_other = [
        many(|| _ = other.0.notify_one()),
        many(|| _ = other.0.notify_all()),
        many(|| *black_box(other.1.lock()) += 1),
    ];
    println!("futex calls of 1000 x notify_one, notify_all, lock and unlock");
    println!("std: {}", of_std.map(|calls| calls.to_string()).join(", "));
    println!("parking_lot: {}", of_other.map(|calls| calls.to_string()).join(", "));
}
RUST
cat > expected <<'SEEN'
futex calls of 1000 x notify_one, notify_all, lock and unlock
std: 1000, 1000, 0
parking_lot: 0, 0, 0
SEEN
cargo run --quiet > got 2> log || { cat log got >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
