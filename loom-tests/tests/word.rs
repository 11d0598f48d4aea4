//! Models of `src/group/word.rs`: the join word and who touches the group last.

use loom_tests::run::{explore, mutants};
use loom_tests::sync;
use sync::{Arc, Mutex, cell::UnsafeCell, thread};

#[path = "../../src/group"]
mod group {
    pub mod word;
}

use group::word::{Enter, JoinWord, Leave};

/// A group as far as the word is concerned: the arena is what the end frees, the waker what a watcher left.
struct Group {
    word: JoinWord,
    woken: Mutex<Option<u32>>,
    arena: UnsafeCell<u32>,
}

// SAFETY: the model checker watches every access to the arena.
unsafe impl Sync for Group {}
// SAFETY: as above.
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
        Leave::Watched => {
            let mut woken = group.woken.lock();
            let left = group.word.leave_watched();
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

/// Whoever reads zero sees all that the children wrote, also without ending the group: a cut does.
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

/// The same while somebody watches: the last leaver counts down under the lock, the reader has no lock.
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

/// Who enters after the first child sees what was settled before it: the parent.
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

/// An owner that watches is told exactly once, or saw zero itself; and then nobody touches the group any more.
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

/// The last leaver carries the writes of all others to whoever it tells.
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

/// The one who runs the defers is told when it is alone.
#[test]
fn model_defers_wait_to_be_alone() {
    explore(|| {
        let group = group(2);
        let theirs = Arc::clone(&group);
        let child = thread::spawn(move || {
            theirs.arena.with(|arena| assert_eq!(unsafe { *arena }, 0));
            match theirs.word.leave() {
                Leave::Left => false,
                Leave::Last => unreachable!("the defers are still counted"),
                Leave::Watched => {
                    let mut woken = theirs.woken.lock();
                    assert_eq!(theirs.word.leave_watched(), 1);
                    *woken = Some(1);
                    true
                }
            }
        });
        let alone = {
            let _lock = group.woken.lock();
            group.word.watch_defers() == 1
        };
        if alone {
            group.arena.with_mut(|arena| unsafe { *arena = 1 });
        }
        let told = child.join().unwrap();
        assert!(alone || told);
        let lock = group.woken.lock();
        group.word.unwatch_defers();
        drop(lock);
        assert_eq!(group.word.leave_watched(), 0);
    });
}

/// The last leaver of a watched word goes on to whatever is above, with the writes of those who left without the lock.
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

/// A service is counted as one, and two children leave: the last of them passes through the lock although it is not the
/// last one counted.
#[test]
fn model_services_are_not_work() {
    explore(|| {
        let group = group(2);
        {
            let mut woken = group.woken.lock();
            *woken = Some(0);
            let _ = group.word.watch();
            group.word.serve();
        }
        assert_eq!(group.word.enter_nonzero(), Enter::Entered);
        let worker = |group: &Group| match group.word.leave() {
            Leave::Left => false,
            Leave::Last => unreachable!("the service is counted"),
            Leave::Watched => {
                let _lock = group.woken.lock();
                group.word.leave_watched() == 1
            }
        };
        let theirs = Arc::clone(&group);
        let child = thread::spawn(move || worker(&theirs));
        let here = worker(&group);
        assert!(
            child.join().unwrap() || here,
            "somebody knows that only the service is left"
        );
        assert!(leave(&group));
    });
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
            assert_eq!(group.word.leave(), Leave::Watched);
            let mut woken = group.woken.lock();
            *woken = woken.map(|count| count + 1);
            let _ = group.word.leave_watched();
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
