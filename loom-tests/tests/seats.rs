//! Models of `src/pool/seats.rs` over a deque as weak as the real one: claim x leave x steal, and a
//! push from outside against the last look of workers that fall asleep.

use loom_tests::run::{explore, explore_with, mutants};
use loom_tests::sync;
use std::ptr::NonNull;
use sync::cell::UnsafeCell;
use sync::deque::{Injector, Steal};
use sync::{Arc, thread};

#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/job.rs"]
mod job;
#[expect(dead_code, reason = "only dumps look at all elements")]
#[path = "../../src/keyed_queue.rs"]
mod keyed_queue;
#[expect(dead_code, reason = "seats bring parkers along")]
#[path = "../../src/parker.rs"]
mod parker;
#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/sleep.rs"]
mod sleep;
#[expect(dead_code, reason = "jobs need a part of it")]
#[path = "../../src/unwind.rs"]
mod unwind;

/// The parts of a seat that its protocol does not touch.
mod poll {
    pub mod live {
        pub struct LiveCounts {
            pub tasks: Counts,
        }

        impl LiveCounts {
            pub fn new() -> Self {
                Self { tasks: Counts }
            }
        }

        pub struct Counts;

        impl Counts {
            pub fn begin(&self) {}
        }
    }

    pub mod running {
        pub struct Running;

        impl Running {
            pub fn new() -> Self {
                Self
            }
        }
    }
}

#[expect(dead_code, reason = "models need a part of it")]
#[path = "../../src/pool"]
mod pool {
    pub mod active;
    pub mod seats;

    /// Parts of a seat that its protocol does not touch.
    pub mod metrics {
        #[derive(Default)]
        pub struct Counters {}

        #[derive(Default)]
        pub struct Level {}
    }
}

use job::{Job, JobHeader, JobTable};
use pool::seats::{OwnSeat, Seats};
use sleep::Sleep;

/// More than there is to steal in a model.
const BATCH: usize = 32;

/// A job that must run once: a second run, or one that is not ordered after the push, fails the
/// model.
#[repr(C)]
struct Once {
    header: JobHeader,
    runs: UnsafeCell<u32>,
}

// SAFETY: it may be shared, because the model checker watches every access.
unsafe impl Sync for Once {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Once {}

static TABLE: JobTable = JobTable {
    run,
    group: |_| std::ptr::null(),
    id: |_| None,
    describe: |_| None,
    on_stack: false,
};

unsafe fn run(job: NonNull<JobHeader>) {
    // SAFETY: every job of these models is a `Once` that outlives it.
    let once = unsafe { job.cast::<Once>().as_ref() };
    once.runs.with_mut(|runs| unsafe { *runs += 1 });
}

impl Once {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            header: JobHeader { table: &TABLE },
            runs: UnsafeCell::new(0),
        })
    }

    fn job(self: &Arc<Self>) -> Job {
        // SAFETY: the models keep it until all threads are joined, and make one job of each.
        unsafe { Job::new(NonNull::from(&**self).cast()) }
    }

    fn runs(&self) -> u32 {
        self.runs.with(|runs| unsafe { *runs })
    }
}

/// This seat, for the calling thread.
fn own(seats: &Arc<Seats>, index: usize) -> OwnSeat {
    OwnSeat::new(Some(seats.claim(index).expect("it is free")))
}

/// The sleeper to wake after a push.
fn notify(sleep: &Sleep) -> Option<usize> {
    sleep.hears_nothing().then(|| sleep.take_one()).flatten()
}

fn push(result: Result<(), Job>) {
    assert!(result.is_ok(), "there is a seat");
}

/// Steals for the seat `thief` from any other until there is nothing; runs the jobs that it got.
fn steal_all(seats: &Seats, thief: &OwnSeat) {
    for victim in seats.active_from(0) {
        if thief.index() == Some(victim) {
            continue;
        }
        loop {
            match thief.steal(seats.get(victim), BATCH) {
                Steal::Success(job) => job.run(),
                // Another thief got it, which this one has seen: no yield, which would hide stale
                // values.
                Steal::Retry => {}
                Steal::Empty => break,
            }
        }
    }
    drain(thief);
}

fn drain(seat: &OwnSeat) {
    while let Some(job) = seat.pop_fork().or_else(|| seat.drain()) {
        job.run();
    }
}

/// Two callers want the one seat that is free: one gets it at a time, and finds the deques as the
/// other left them.
#[test]
fn model_claim_and_leave() {
    explore(|| {
        let seats = Arc::new(Seats::new(1));
        let guests: Vec<_> = (0..2)
            .map(|_| {
                let seats = Arc::clone(&seats);
                let job = Once::new();
                let theirs = Arc::clone(&job);
                let thread = thread::spawn(move || {
                    let Some(claimed) = seats.claim_from(0) else {
                        return false;
                    };
                    let seat = OwnSeat::new(Some(claimed));
                    push(seat.push_fork(theirs.job()));
                    drain(&seat);
                    drop(seat.take());
                    true
                });
                (thread, job)
            })
            .collect();
        let mut seated = 0;
        for (thread, job) in guests {
            let ran = thread.join().unwrap();
            assert_eq!(job.runs(), u32::from(ran));
            seated += u32::from(ran);
        }
        assert!(seated >= 1);
    });
}

/// A guest pushes, drains and leaves while a worker steals from it: each job is run once.
#[test]
fn model_steal_and_leave() {
    explore(|| {
        let seats = Arc::new(Seats::new(2));
        let jobs = [Once::new(), Once::new()];
        let thief = own(&seats, 0);
        let theirs = Arc::clone(&seats);
        let pushed = [jobs[0].job(), jobs[1].job()];
        let guest = thread::spawn(move || {
            let seat = own(&theirs, 1);
            let [fork, wake] = pushed;
            push(seat.push_fork(fork));
            push(seat.push_woken(wake));
            drain(&seat);
            drop(seat.take());
        });
        steal_all(&seats, &thief);
        guest.join().unwrap();
        for job in &jobs {
            assert_eq!(job.runs(), 1);
        }
    });
}

/// Two thieves want one job: one gets it, and sees what the pusher did before.
#[test]
fn model_two_thieves() {
    explore(|| {
        let seats = Arc::new(Seats::new(3));
        let job = Once::new();
        let victim = own(&seats, 0);
        let thieves: Vec<_> = (1..3)
            .map(|seat| {
                let (seats, claimed) = (Arc::clone(&seats), seats.claim(seat));
                thread::spawn(move || {
                    let thief = OwnSeat::new(claimed);
                    match thief.steal(seats.get(0), BATCH) {
                        Steal::Success(job) => job.run(),
                        Steal::Retry | Steal::Empty => {}
                    }
                })
            })
            .collect();
        push(victim.push_fork(job.job()));
        for thief in thieves {
            thief.join().unwrap();
        }
        drain(&victim);
        assert_eq!(job.runs(), 1);
    });
}

/// Two workers fall asleep while a thread outside pushes: one sees the job, or one is woken and
/// then finds it.
#[test]
fn model_injector_against_the_last_park() {
    explore(|| {
        struct Pool {
            sleep: Sleep,
            injector: Injector<Job>,
        }
        let pool = Arc::new(Pool {
            sleep: Sleep::new(),
            injector: Injector::new(),
        });
        let job = Once::new();
        let pushed = job.job();
        let workers: Vec<_> = (0..2)
            .map(|seat| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || {
                    pool.sleep.fall_asleep(seat, false);
                    let work = !pool.injector.is_empty();
                    if work {
                        let _ = pool.sleep.stay_awake(seat);
                    }
                    work
                })
            })
            .collect();
        pool.injector.push(pushed);
        let woken = notify(&pool.sleep);
        let seen: Vec<_> = workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect();
        let seen = seen.contains(&true);
        assert!(seen || woken.is_some(), "the job is lost");
        match pool.injector.steal() {
            Steal::Success(job) => job.run(),
            Steal::Empty | Steal::Retry => panic!("the job is gone"),
        }
        assert_eq!(job.runs(), 1);
    });
}

/// A push to a deque that a sleeper looks into, against its last look.
#[test]
fn model_deque_against_the_last_park() {
    explore(|| {
        let seats = Arc::new(Seats::new(1));
        let sleep = Arc::new(Sleep::new());
        let pusher = own(&seats, 0);
        let job = Once::new();
        let workers: Vec<_> = (1..3)
            .map(|seat| {
                let (seats, sleep) = (Arc::clone(&seats), Arc::clone(&sleep));
                thread::spawn(move || {
                    sleep.fall_asleep(seat, false);
                    let mut active = seats.active_from(0);
                    let work = active.any(|victim| seats.get(victim).has_work());
                    if work {
                        let _ = sleep.stay_awake(seat);
                    }
                    work
                })
            })
            .collect();
        push(pusher.push_fork(job.job()));
        let woken = notify(&sleep);
        let seen: Vec<_> = workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect();
        let seen = seen.contains(&true);
        assert!(seen || woken.is_some(), "the job is lost");
        drain(&pusher);
        assert_eq!(job.runs(), 1);
    });
}

/// Two thieves take what outsiders push meanwhile: each job is run once, and sees what its pusher
/// did before.
#[test]
fn model_outsiders_against_thieves() {
    explore_with(2, || {
        let seats = Arc::new(Seats::new(2));
        let injector = Arc::new(Injector::new());
        let jobs = [Once::new(), Once::new()];
        let thieves: Vec<_> = (0..2)
            .map(|seat| {
                let (claimed, injector) = (seats.claim(seat), Arc::clone(&injector));
                thread::spawn(move || {
                    let seat = OwnSeat::new(claimed);
                    match seat.steal_injected(&injector, BATCH) {
                        Steal::Success(job) => Job::run(job),
                        Steal::Retry | Steal::Empty => {}
                    }
                    drain(&seat);
                })
            })
            .collect();
        for job in &jobs {
            // What a pusher does before.
            job.runs.with_mut(|runs| unsafe { *runs = 1 });
            injector.push(job.job());
        }
        for thief in thieves {
            thief.join().unwrap();
        }
        while let Steal::Success(job) = injector.steal() {
            job.run();
        }
        for job in &jobs {
            assert_eq!(job.runs(), 2);
        }
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/pool/seats.rs", "src/pool/active.rs"], &[]);
}
