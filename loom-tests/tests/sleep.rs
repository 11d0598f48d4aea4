//! Models of `src/sleep.rs`: a push that races with falling asleep is never lost.
//!
//! The queue of these models is a payload that orders nothing: whatever the real queue orders comes
//! on top.

use loom_tests::run::{explore, mutants};
use loom_tests::sync;
use sync::cell::Racy;
use sync::{Arc, thread};

#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/sleep.rs"]
mod sleep;

struct Pool {
    sleep: sleep::Sleep,
    queue: Racy,
}

fn pool() -> Arc<Pool> {
    Arc::new(Pool {
        sleep: sleep::Sleep::new(),
        queue: Racy::default(),
    })
}

/// Falls asleep by the protocol; whether it stayed awake because it saw work.
fn doze(pool: &Pool, seat: usize, searched: bool) -> bool {
    pool.sleep.fall_asleep(seat, searched);
    let work = pool.queue.get() == 1;
    if work {
        let _ = pool.sleep.stay_awake(seat);
    }
    work
}

fn push(pool: &Pool) -> Option<usize> {
    pool.queue.set(1);
    notify(&pool.sleep)
}

/// As a push from outside does: the sleeper to wake.
fn notify(sleep: &sleep::Sleep) -> Option<usize> {
    sleep.hears_nothing().then(|| sleep.take_one()).flatten()
}

/// Two workers fall asleep while a job is pushed: one of them sees it, or one is woken.
#[test]
fn model_two_sleepers_one_job() {
    explore(|| {
        let pool = pool();
        let sleepers: Vec<_> = (0..2)
            .map(|seat| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || doze(&pool, seat, false))
            })
            .collect();
        let woken = push(&pool);
        let seen: Vec<_> = sleepers
            .into_iter()
            .map(|sleeper| sleeper.join().unwrap())
            .collect();
        let seen = seen.contains(&true);
        assert!(seen || woken.is_some(), "the job is lost");
    });
}

/// A pusher that leaves the job to a searcher is right to do so, also when that searcher falls
/// asleep.
#[test]
fn model_a_searcher_falls_asleep() {
    explore(|| {
        let pool = pool();
        assert!(pool.sleep.start_search(2));
        let theirs = Arc::clone(&pool);
        let searcher = thread::spawn(move || doze(&theirs, 0, true));
        let woken = push(&pool);
        let seen = searcher.join().unwrap();
        assert!(seen || woken.is_some(), "the job is lost");
    });
}

/// The last searcher that finds work wakes another worker for what pushers left to it.
#[test]
fn model_the_last_searcher_passes_on() {
    explore(|| {
        let pool = pool();
        assert!(pool.sleep.start_search(2));
        pool.sleep.fall_asleep(1, false);
        let theirs = Arc::clone(&pool);
        // It found another job just before the push.
        let searcher = thread::spawn(move || {
            if theirs.sleep.stop_search() && theirs.queue.get() == 1 {
                notify(&theirs.sleep)
            } else {
                None
            }
        });
        let woken = push(&pool);
        let passed_on = searcher.join().unwrap();
        assert!(woken.is_some() || passed_on.is_some(), "the job is lost");
        assert!(
            woken.is_none() || passed_on.is_none(),
            "one sleeper is woken once"
        );
    });
}

/// A searcher has moved jobs to its own queue, where another one has looked before and falls asleep
/// now: that one sees them, or is woken.
#[test]
fn model_a_batch_between_two_searchers() {
    explore(|| {
        let pool = pool();
        assert!(pool.sleep.start_search(4));
        assert!(pool.sleep.start_search(4));
        let theirs = Arc::clone(&pool);
        let thief = thread::spawn(move || {
            theirs.queue.set(1);
            if theirs.sleep.stop_search() && theirs.queue.get() == 1 {
                notify(&theirs.sleep)
            } else {
                None
            }
        });
        let seen = doze(&pool, 0, true);
        let woken = thief.join().unwrap();
        assert!(seen || woken.is_some(), "the jobs are lost");
    });
}

/// Two pushers wake two different sleepers or leave it to a searcher; no sleeper is taken out of
/// the list twice.
#[test]
fn model_two_jobs_two_sleepers() {
    explore(|| {
        let pool = pool();
        pool.sleep.fall_asleep(0, false);
        pool.sleep.fall_asleep(1, false);
        let theirs = Arc::clone(&pool);
        let other = thread::spawn(move || push(&theirs));
        let here = push(&pool);
        let there = other.join().unwrap();
        assert!(here.is_some() || there.is_some());
        assert!(here != there || here.is_none());
        for seat in [0, 1] {
            let woken = here == Some(seat) || there == Some(seat);
            // A foreign unpark: the sleeper leaves the list itself exactly if no waker took it out.
            assert_eq!(pool.sleep.stay_awake(seat), !woken);
        }
    });
}

/// Two workers fall asleep while the runtime ends: each sees the flag, or is in the list of
/// sleepers that are roused.
#[test]
fn model_the_end() {
    explore(|| {
        let pool = pool();
        let sleepers: Vec<_> = (0..2)
            .map(|seat| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || doze(&pool, seat, false))
            })
            .collect();
        // The flag: no ordering of its own is needed.
        pool.queue.set(1);
        let roused = pool.sleep.take_all();
        for (seat, sleeper) in sleepers.into_iter().enumerate() {
            let seen = sleeper.join().unwrap();
            assert!(seen || roused.contains(&seat), "a worker sleeps for ever");
        }
    });
}

/// All sleepers are roused while a job is pushed: each is woken once, by one of the two, and counts
/// as searching then.
#[test]
fn model_a_push_while_all_are_roused() {
    explore(|| {
        let pool = pool();
        pool.sleep.fall_asleep(0, false);
        pool.sleep.fall_asleep(1, false);
        let theirs = Arc::clone(&pool);
        let pusher = thread::spawn(move || push(&theirs));
        let mut woken = pool.sleep.take_all();
        woken.extend(pusher.join().unwrap());
        woken.sort_unstable();
        assert_eq!(woken, [0, 1]);
        assert!(!pool.sleep.has_sleepers());
        assert!(!pool.sleep.stop_search());
        assert!(pool.sleep.stop_search());
        assert!(!pool.sleep.is_anyone_idle());
    });
}

/// A job is pushed while the runtime ends and hands over the jobs that are left, as in
/// `src/pool/caretaker.rs`: the pusher sees the end, or the end sees the job.
#[test]
fn model_a_push_against_the_end() {
    explore(|| {
        let pool = pool();
        let exiting = Arc::new(Racy::default());
        let (theirs, flag) = (Arc::clone(&pool), Arc::clone(&exiting));
        let pusher = thread::spawn(move || {
            let _ = push(&theirs);
            flag.get() == 1
        });
        exiting.set(1);
        sync::atomic::fence(sync::atomic::Ordering::SeqCst);
        let job_seen = pool.queue.get() == 1;
        let end_seen = pusher.join().unwrap();
        assert!(job_seen || end_seen, "the job is lost");
    });
}

/// A sleeper that watches the driver is woken after the others, also when two pushes come at once.
#[test]
fn model_the_watcher_is_woken_last() {
    explore(|| {
        let pool = pool();
        pool.sleep.fall_asleep(0, false);
        pool.sleep.fall_asleep(1, false);
        pool.sleep.wake_last(1);
        let theirs = Arc::clone(&pool);
        let other = thread::spawn(move || push(&theirs));
        let woken = [push(&pool), other.join().unwrap()];
        assert!(woken.contains(&Some(0)), "the other one first");
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/sleep.rs"], &[]);
}
