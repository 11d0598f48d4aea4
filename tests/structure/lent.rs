//! What a group was lent outlives every borrower, however the group ends.

use crate::common::hangs::without_hanging;
use crate::common::panics::panic_of;
use crate::common::polls::{wait_until, with_a_whole_budget};
use crate::common::runtimes::workers;
use spinney::{Never, Runtime, current, group_with, try_group_with};
use std::future::{Future, pending};
use std::hint::spin_loop;
use std::mem::forget;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::thread;

/// Rounds of a race between the end of a group's future and the end of its child.
const ROUNDS: usize = 2_000;

/// Counts its drops, and says that it was alive until then.
struct State {
    alive: AtomicBool,
    drops: Arc<AtomicUsize>,
}

impl State {
    fn new(drops: &Arc<AtomicUsize>) -> Self {
        Self {
            alive: AtomicBool::new(true),
            drops: Arc::clone(drops),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.alive.store(false, SeqCst);
        self.drops.fetch_add(1, SeqCst);
    }
}

/// Borrows the state, and counts itself among the dead if that is gone at its end.
struct Borrower<'a> {
    state: &'a State,
    dead: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Drop for Borrower<'_> {
    fn drop(&mut self) {
        // As long as the window in which a group that does not wait would drop the state.
        (0..50).for_each(|_| spin_loop());
        if !self.state.alive.load(SeqCst) {
            self.dead.fetch_add(1, SeqCst);
        }
        self.ended.fetch_add(1, SeqCst);
    }
}

#[derive(Clone, Default)]
struct Counts {
    drops: Arc<AtomicUsize>,
    dead: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    begun: Arc<AtomicUsize>,
}

impl Counts {
    fn borrower<'a>(&self, state: &'a State) -> Borrower<'a> {
        Borrower {
            state,
            dead: Arc::clone(&self.dead),
            ended: Arc::clone(&self.ended),
        }
    }
}

type Lending = Pin<Box<dyn Future<Output = (State, ())> + Send>>;

/// A group whose child borrows the state on a worker, and yields now and then.
fn lending(counts: &Counts) -> Lending {
    let counts = counts.clone();
    Box::pin(group_with(
        State::new(&counts.drops),
        async move |g, state| {
            let state = &*state;
            let borrower = counts.borrower(state);
            let begun = Arc::clone(&counts.begun);
            g.spawn(async move {
                let _borrower = borrower;
                begun.fetch_add(1, SeqCst);
                loop {
                    spinney::yield_now().await;
                }
            });
            pending::<()>().await
        },
    ))
}

fn poll_once(runtime: &Runtime, future: &mut Lending) {
    let _entered = runtime.enter();
    with_a_whole_budget();
    let polled = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
}

/// The future is dropped while its child is polled on a worker.
#[test]
fn a_dropped_future_keeps_the_state_for_its_children() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let counts = Counts::default();
        for round in 1..=ROUNDS {
            let mut future = lending(&counts);
            poll_once(&runtime, &mut future);
            if round % 2 == 0 {
                wait_until(|| counts.begun.load(SeqCst) > 0);
            }
            (0..round * 7 % 400).for_each(|_| spin_loop());
            drop(future);
        }
        wait_until(|| counts.drops.load(SeqCst) == ROUNDS);
        assert_eq!(counts.ended.load(SeqCst), ROUNDS);
        assert_eq!(counts.dead.load(SeqCst), 0);
    });
}

/// The future is forgotten: the state stays for the child, which the end of the runtime cuts.
#[test]
fn a_forgotten_future_leaves_the_state_to_its_children() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let counts = Counts::default();
        let mut future = lending(&counts);
        poll_once(&runtime, &mut future);
        wait_until(|| counts.begun.load(SeqCst) == 1);
        forget(future);
        assert_eq!(counts.drops.load(SeqCst), 0);
        drop(runtime);
        assert_eq!(counts.ended.load(SeqCst), 1);
        assert_eq!(counts.dead.load(SeqCst), 0);
    });
}

/// The body panics while a child borrows: the panic comes out when the child has ended, and the
/// state is dropped by then.
#[test]
fn a_body_that_panics_keeps_the_state_for_its_children() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let counts = Counts::default();
        let theirs = counts.clone();
        let payload = panic_of(|| {
            let state = State::new(&theirs.drops);
            runtime.block_on(group_with(state, async |g, state| {
                let state = &*state;
                let borrower = theirs.borrower(state);
                let begun = &theirs.begun;
                g.spawn(async move {
                    let _borrower = borrower;
                    pending::<()>().await;
                });
                begun.fetch_add(1, SeqCst);
                panic!("in the body");
            }));
        });
        assert_eq!(payload, "in the body");
        assert_eq!(counts.begun.load(SeqCst), 1);
        assert_eq!(counts.ended.load(SeqCst), 1);
        assert_eq!(counts.drops.load(SeqCst), 1);
        assert_eq!(counts.dead.load(SeqCst), 0);
    });
}

/// The state is gone when the panic comes out, though something else keeps what is left of the group.
#[test]
fn what_is_left_of_a_group_does_not_keep_the_state_of_a_body_that_panicked() {
    let (runtime, _) = workers(1);
    let drops = Arc::default();
    let mut stopping = None;
    let payload = panic_of(|| {
        let state = State::new(&drops);
        runtime.block_on(group_with(state, async |_, _| {
            let mut waits = Box::pin(current::stopping());
            assert!(
                waits
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
            stopping = Some(waits);
            panic!("in the body");
        }));
    });
    assert_eq!(payload, "in the body");
    assert_eq!(drops.load(SeqCst), 1);
    drop(stopping);
}

/// The future moves to another thread between two polls, and gives the state back there.
#[test]
fn a_future_that_moves_gives_the_state_back() {
    without_hanging(|| {
        let (runtime, _) = workers(1);
        let counts = Counts::default();
        let theirs = counts.clone();
        let go = Arc::new(AtomicBool::new(false));
        let goes = Arc::clone(&go);
        let state = State::new(&counts.drops);
        let mut future = Box::pin(try_group_with(
            state,
            async move |g: spinney::Group<'_, '_, Never>, state: &mut State| {
                let state = &*state;
                let borrower = theirs.borrower(state);
                let child = g.spawn(async move {
                    let _borrower = borrower;
                    while !goes.load(SeqCst) {
                        spinney::yield_now().await;
                    }
                    Ok(7)
                });
                Ok(child.await)
            },
        ));
        {
            let _entered = runtime.enter();
            let mut cx = Context::from_waker(Waker::noop());
            assert!(future.as_mut().poll(&mut cx).is_pending());
        }
        let moved = thread::spawn(move || {
            let mut future = pin!(future);
            go.store(true, SeqCst);
            let mut cx = Context::from_waker(Waker::noop());
            loop {
                match future.as_mut().poll(&mut cx) {
                    Poll::Ready(ended) => return ended,
                    Poll::Pending => thread::yield_now(),
                }
            }
        });
        let (state, sum) = moved.join().unwrap();
        assert_eq!(sum.unwrap(), 7);
        assert!(state.alive.load(SeqCst));
        assert_eq!(counts.ended.load(SeqCst), 1);
        assert_eq!(counts.drops.load(SeqCst), 0);
    });
}
