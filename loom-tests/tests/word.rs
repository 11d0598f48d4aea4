//! Models of `src/group/word.rs`: the join word, and which thread touches the group last.

use loom_tests::run::{explore, explore_with, mutants};
use loom_tests::sync;
use sync::{Arc, Mutex, cell::UnsafeCell, thread};

#[path = "../../src/group"]
mod group {
    pub mod word;
}

use group::word::{Enter, JoinWord, Leave};

/// A group as far as the word is concerned: the arena is what the end frees, the waker what a
/// watcher left.
struct Group {
    word: JoinWord,
    woken: Mutex<Option<u32>>,
    arena: UnsafeCell<u32>,
}

// SAFETY: it may be shared, because the model checker watches every access to the arena.
unsafe impl Sync for Group {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Group {}

fn group(children: usize) -> Arc<Group> {
    let group = Group {
        word: JoinWord::new(),
        woken: Mutex::new(None),
        arena: UnsafeCell::new(0),
    };
    for child in 0..children {
        if child == 0 {
            assert!(group.word.enter_first());
        } else {
            assert_eq!(group.word.enter_nonzero(), Enter::Entered);
        }
    }
    Arc::new(group)
}

/// A child reads the arena, then leaves by the protocol; whether it was the last one.
fn leave(group: &Group) -> bool {
    group.arena.with(|arena| assert_eq!(unsafe { *arena }, 0));
    match group.word.leave() {
        Leave::Left => false,
        Leave::Last => true,
        Leave::Locked => {
            let mut woken = group.woken.lock();
            let left = group.word.depart(None).expect("no count is kept");
            if left == 0 {
                *woken = woken.map(|count| count + 1);
            }
            left == 0
        }
    }
}

/// Ends the group as the owner does, if no child is left.
fn end(group: &Group, watched: bool) {
    if watched {
        drop(group.woken.lock());
    }
    assert!(group.word.close());
    group.arena.with_mut(|arena| unsafe { *arena = 1 });
}

/// An owner that finds no child may free the arena: every child's accesses come before.
#[test]
fn model_unwatched_end() {
    explore(|| {
        let group = group(2);
        let children: Vec<_> = (0..2)
            .map(|_| {
                let group = Arc::clone(&group);
                thread::spawn(move || leave(&group))
            })
            .collect();
        if group.word.count() == 0 {
            end(&group, false);
        }
        let last: usize = children
            .into_iter()
            .map(|child| usize::from(child.join().unwrap()))
            .sum();
        assert_eq!(last, 1, "exactly one child is the last one");
    });
}

/// A reader of zero sees all that the children wrote, also without ending the group: a cut reads
/// so.
#[test]
fn model_zero_shows_everything() {
    explore(|| {
        let group = group(2);
        let children: Vec<_> = (0..2)
            .map(|_| {
                let group = Arc::clone(&group);
                thread::spawn(move || leave(&group))
            })
            .collect();
        if group.word.count() == 0 {
            group.arena.with_mut(|arena| unsafe { *arena = 1 });
        }
        for child in children {
            child.join().unwrap();
        }
    });
}

/// A reader of zero while the owner watches: the last leaver counts down under the lock, the reader
/// has no lock.
#[test]
fn model_watched_zero_shows_everything() {
    explore(|| {
        let group = group(1);
        {
            let _lock = group.woken.lock();
            let _ = group.word.watch();
        }
        let theirs = Arc::clone(&group);
        let child = thread::spawn(move || leave(&theirs));
        if group.word.count() == 0 {
            group.arena.with_mut(|arena| unsafe { *arena = 1 });
        }
        child.join().unwrap();
    });
}

/// An entry after the first child sees the parent, which was settled before it.
#[test]
fn model_the_first_entry_publishes_the_parent() {
    explore(|| {
        let group = group(0);
        let theirs = Arc::clone(&group);
        let second = thread::spawn(move || {
            if theirs.word.enter_nonzero() == Enter::Entered {
                theirs
                    .arena
                    .with(|parent| assert_eq!(unsafe { *parent }, 7));
            }
        });
        group.arena.with_mut(|parent| unsafe { *parent = 7 });
        assert!(group.word.enter_first());
        second.join().unwrap();
    });
}

/// An owner that watches is told exactly once, or saw zero itself; and then no leaver touches the
/// group any more.
#[test]
fn model_watched_end() {
    explore(|| {
        let group = group(2);
        let children: Vec<_> = (0..2)
            .map(|_| {
                let group = Arc::clone(&group);
                thread::spawn(move || leave(&group))
            })
            .collect();
        let count = {
            let mut woken = group.woken.lock();
            *woken = Some(0);
            group.word.watch()
        };
        if count == 0 {
            end(&group, true);
        }
        for child in children {
            child.join().unwrap();
        }
        if count > 0 {
            assert_eq!(*group.woken.lock(), Some(1), "the wake-up was not lost");
            assert_eq!(group.word.count(), 0);
        }
    });
}

/// An entry from outside meets the end: it is counted and the end fails, or it is refused.
#[test]
fn model_close_against_enter() {
    explore(|| {
        let group = group(0);
        let theirs = Arc::clone(&group);
        let late = thread::spawn(move || {
            let entered = theirs.word.enter_first();
            if entered {
                theirs.arena.with(|arena| assert_eq!(unsafe { *arena }, 0));
                let _ = theirs.word.leave();
            }
            entered
        });
        let closed = group.word.close();
        if closed {
            group.arena.with_mut(|arena| unsafe { *arena = 1 });
        }
        let entered = late.join().unwrap();
        assert!(closed || entered, "one of both gets in");
        if closed {
            assert!(group.word.is_closed());
        }
    });
}

/// The last leaver carries the writes of all others to the thread that it tells.
#[test]
fn model_last_leaver_sees_all() {
    explore(|| {
        let group = group(2);
        let theirs = Arc::clone(&group);
        let child = thread::spawn(move || finish(&theirs));
        finish(&group);
        child.join().unwrap();
    });
}

fn finish(group: &Group) {
    group.arena.with(|arena| assert_eq!(unsafe { *arena }, 0));
    if group.word.leave() == Leave::Last {
        group.arena.with_mut(|arena| unsafe { *arena = 1 });
    }
}

/// The closer is told when it is alone: every leaver passes through the lock since it was started.
#[test]
fn model_the_closer_waits_to_be_alone() {
    explore(|| {
        let group = group(2);
        let theirs = Arc::clone(&group);
        let child = thread::spawn(move || {
            theirs.arena.with(|arena| assert_eq!(unsafe { *arena }, 0));
            match theirs.word.leave() {
                Leave::Left => false,
                Leave::Last => unreachable!("the closer is still counted"),
                Leave::Locked => {
                    let mut woken = theirs.woken.lock();
                    assert_eq!(theirs.word.depart(None), Some(1));
                    *woken = Some(1);
                    true
                }
            }
        });
        let alone = {
            let _lock = group.woken.lock();
            group.word.watch_each();
            group.word.count() == 1
        };
        if alone {
            group.arena.with_mut(|arena| unsafe { *arena = 1 });
        }
        let told = child.join().unwrap();
        assert!(alone || told);
        let _lock = group.woken.lock();
        assert_eq!(group.word.depart(None), Some(0));
    });
}

/// Three children leave a watched word, and what comes after them has yet to be started: exactly
/// one of them keeps its count for that, and it is the last.
#[test]
fn model_one_leaver_becomes_the_closer() {
    explore_with(2, || {
        let group = group(3);
        {
            let _lock = group.woken.lock();
            let _ = group.word.watch();
        }
        let children: Vec<_> = (0..2)
            .map(|_| {
                let group = Arc::clone(&group);
                thread::spawn(move || becomes_closer(&group))
            })
            .collect();
        let mut closers = usize::from(becomes_closer(&group));
        for child in children {
            closers += usize::from(child.join().unwrap());
        }
        assert_eq!(closers, 1);
        assert_eq!(group.word.count(), 1);
    });
}

fn becomes_closer(group: &Group) -> bool {
    group.arena.with(|arena| assert_eq!(unsafe { *arena }, 0));
    if group.word.leave() != Leave::Locked {
        return false;
    }
    let _lock = group.woken.lock();
    group.word.depart(Some(0)).is_none()
}

/// A word on which no thread waits is closed by one step, or not at all: a child that entered
/// through a handle is in, or refused.
#[test]
fn model_close_alone_against_enter() {
    explore(|| {
        let group = group(0);
        let theirs = Arc::clone(&group);
        let late = thread::spawn(move || {
            let entered = theirs.word.enter_first();
            if entered {
                theirs.arena.with(|arena| assert_eq!(unsafe { *arena }, 0));
                let _ = theirs.word.leave();
            }
            entered
        });
        let closed = group.word.close_alone();
        if closed {
            group.arena.with_mut(|arena| unsafe { *arena = 1 });
        }
        let entered = late.join().unwrap();
        assert!(closed || entered, "one of both gets in");
    });
}

/// A cleanup after the last child is registered by a child that leaves without the lock: the word
/// is not closed by the one step, which does not look for cleanups.
#[test]
fn model_a_tail_is_not_passed_by() {
    explore(|| {
        let group = group(1);
        let theirs = Arc::clone(&group);
        let child = thread::spawn(move || {
            {
                let mut tail = theirs.woken.lock();
                *tail = Some(1);
                theirs.word.add_tail();
            }
            leave(&theirs)
        });
        assert!(!group.word.close_alone(), "counted, or with a tail");
        assert!(child.join().unwrap());
        let tail = group.woken.lock();
        assert_eq!(*tail, Some(1));
        assert!(group.word.seems_empty() && group.word.close());
    });
}

/// The last leaver of a watched word goes on to the node above, with the writes of the leavers
/// without the lock.
#[test]
fn model_the_watched_last_leaver_sees_all() {
    explore(|| {
        let group = group(2);
        {
            let _lock = group.woken.lock();
            let _ = group.word.watch();
        }
        let theirs = Arc::clone(&group);
        let child = thread::spawn(move || leave(&theirs) && free(&theirs));
        let here = leave(&group) && free(&group);
        assert!(
            child.join().unwrap() != here,
            "exactly one child is the last one"
        );
    });
}

fn free(group: &Group) -> bool {
    group.arena.with_mut(|arena| unsafe { *arena = 1 });
    true
}

/// Every leaver of the node of services passes through its lock.
#[test]
fn model_each_leaver_is_seen() {
    explore(|| {
        let group = Group {
            word: JoinWord::new(),
            woken: Mutex::new(Some(0)),
            arena: UnsafeCell::new(0),
        };
        group.word.watch_each();
        assert!(group.word.enter_first());
        assert_eq!(group.word.enter_nonzero(), Enter::Entered);
        let group = Arc::new(group);
        let service = |group: &Group| {
            assert_eq!(group.word.leave(), Leave::Locked);
            let mut woken = group.woken.lock();
            *woken = woken.map(|count| count + 1);
            let _ = group.word.depart(None);
        };
        let theirs = Arc::clone(&group);
        let child = thread::spawn(move || service(&theirs));
        service(&group);
        child.join().unwrap();
        assert_eq!(*group.woken.lock(), Some(2));
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/group/word.rs"], &[]);
}

#[test]
fn spurious_failures() {
    loom_tests::run::spurious_failures(&["src/group/word.rs"]);
}
