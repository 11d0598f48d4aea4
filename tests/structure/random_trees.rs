//! Random trees of groups: every task runs once, everything is dropped, every failure comes out,
//! nothing hangs. Seeds are printed; `SPINNEY_SEED=n` repeats one.

use crate::common::drops::Alive;
use crate::common::hangs::without_hanging;
use spinney::{Failure, Group, Runtime, Wait, shield, timeout, try_group, yield_now};
use std::future::{Future, pending, poll_fn};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::thread;
use std::time::Duration;

/// xorshift64*: enough to mix shapes.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 32) % n
    }

    fn fork(&mut self) -> Self {
        Self(self.next() | 1)
    }
}

/// What a random tree is made of, and what it did.
#[derive(Clone)]
struct World {
    alive: Arc<AtomicUsize>,
    /// Errors that were made, and that came out of a group or reached the hook.
    made: Arc<AtomicUsize>,
    seen: Arc<AtomicUsize>,
}

/// An error that counts where it was seen: dropped unseen, it is lost.
struct Counted {
    seen: Arc<AtomicUsize>,
    /// It was made because it happened, not for a deadline that may never be reached.
    happened: bool,
}

impl Counted {
    fn new(world: &World) -> Self {
        world.made.fetch_add(1, SeqCst);
        Self {
            seen: Arc::clone(&world.seen),
            happened: true,
        }
    }

    fn in_case(world: &World) -> Self {
        Self {
            seen: Arc::clone(&world.seen),
            happened: false,
        }
    }

    fn see(&self) {
        if self.happened {
            self.seen.fetch_add(1, SeqCst);
        }
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A random task: leaves that end, fail, panic or pend, and groups of all kinds below each other.
fn tree(mut random: Random, world: World, depth: u64) -> Boxed<Result<(), Counted>> {
    Box::pin(async move {
        let _alive = Alive::new(&world.alive);
        for _ in 0..random.below(3) {
            yield_now().await;
        }
        if depth == 0 {
            return match random.below(20) {
                0 | 1 => Err(Counted::new(&world)),
                2 => resume_unwind(Box::new(Counted::new(&world))),
                3 => pending().await,
                4 => {
                    shield(async {
                        for _ in 0..5 {
                            yield_now().await;
                        }
                        Ok(())
                    })
                    .await
                }
                _ => Ok(()),
            };
        }
        let shape = random.below(8);
        let inner = nest(random.clone(), world.clone(), depth - 1);
        match shape {
            0 => {
                // Dropped early.
                let mut inner = inner;
                let mut polls = random.below(3);
                poll_fn(|cx| {
                    if polls == 0 || inner.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    polls -= 1;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                })
                .await;
            }
            1 => {
                let _ = timeout(Duration::from_micros(random.below(300)), inner).await;
            }
            2 => shield(inner).await,
            3 => inner.wait(),
            4 => {
                let spins = async {
                    for _ in 0..random.below(20) {
                        yield_now().await;
                    }
                };
                futures_lite::future::or(inner, spins).await;
            }
            _ => inner.await,
        }
        Ok(())
    })
}

/// A group of random tasks, whose failure ends here and is seen.
fn nest(mut random: Random, world: World, depth: u64) -> Boxed<()> {
    Box::pin(async move {
        let result = try_group(async |g: Group<'_, '_, Counted>| {
            // Ends whatever pends for ever.
            g.deadline(Duration::from_millis(2), Counted::in_case(&world));
            let kept = g.keep(Alive::new(&world.alive));
            let cleanup = Alive::new(&world.alive);
            if random.below(3) == 0 {
                g.defer(async move {
                    yield_now().await;
                    drop(cleanup);
                });
            }
            let children = 1 + random.below(5);
            let mut tasks = Vec::new();
            for _ in 0..children {
                let child = tree(random.fork(), world.clone(), depth);
                let child = async move {
                    let _borrows = kept;
                    child.await
                };
                match random.below(6) {
                    0 => drop(g.supervise(child)),
                    1 => match g.supervise(child).await {
                        Ok(()) => {}
                        Err(Failure::Error(error)) => error.see(),
                        Err(Failure::Panic(payload)) => {
                            payload.downcast::<Counted>().unwrap().see()
                        }
                    },
                    2 => drop(g.spawn(child).cancel()),
                    3 => tasks.push(g.spawn(child)),
                    _ => drop(g.spawn(child)),
                }
            }
            match random.below(12) {
                0 => g.cancel(Counted::new(&world)),
                1 => g.stop(),
                2 => g.deadline(
                    Duration::from_micros(random.below(300)),
                    Counted::in_case(&world),
                ),
                3 => return Err(Counted::new(&world)),
                _ => {}
            }
            for task in tasks {
                if random.below(2) == 0 {
                    task.await;
                }
            }
            Ok(())
        });
        match AssertUnwind(Box::pin(result)).await {
            Ok(Ok(())) => {}
            Ok(Err(errors)) => errors.iter().for_each(Counted::see),
            Err(payload) => match payload.downcast::<Counted>() {
                Ok(counted) => counted.see(),
                // The private payload of a wait that is being unwound.
                Err(other) => resume_unwind(other),
            },
        }
    })
}

/// Catches the panics of the polls of a future.
struct AssertUnwind<F>(F);

impl<F: Future + Unpin> Future for AssertUnwind<F> {
    type Output = thread::Result<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    }
}

#[test]
fn random_trees_leave_nothing_behind() {
    let seeds: Vec<u64> = match std::env::var("SPINNEY_SEED") {
        Ok(seed) => vec![seed.parse().unwrap(); 20],
        Err(_) => (1..=30).collect(),
    };
    for seed in seeds {
        // Shown if it fails or hangs.
        writeln!(std::io::stderr(), "seed {seed}").unwrap();
        without_hanging(move || {
            let hooked = Arc::new(AtomicUsize::new(0));
            let strangers = Arc::clone(&hooked);
            let runtime = Runtime::builder()
                .workers(2)
                .on_unobserved(move |failure| match failure.payload.downcast::<Counted>() {
                    Ok(counted) => counted.see(),
                    Err(_) => drop(strangers.fetch_add(1, SeqCst)),
                });
            let runtime = runtime.build().unwrap();
            let world = World {
                alive: Arc::new(AtomicUsize::new(0)),
                made: Arc::new(AtomicUsize::new(0)),
                seen: Arc::new(AtomicUsize::new(0)),
            };
            thread::scope(|threads| {
                for thread in 0..3 {
                    let (runtime, world) = (&runtime, world.clone());
                    threads.spawn(move || {
                        let mut random = Random(seed * 0x9E37_79B9 + thread + 1);
                        for _ in 0..4 {
                            let nested = nest(random.fork(), world.clone(), 3);
                            runtime.block_on(nested);
                        }
                    });
                }
            });
            // Whatever was dropped early belongs to the root now.
            runtime.shutdown(Duration::from_secs(50)).unwrap();
            assert_eq!(world.alive.load(SeqCst), 0, "alive");
            assert_eq!(hooked.load(SeqCst), 0, "failures that nobody made");
            let (made, seen) = (world.made.load(SeqCst), world.seen.load(SeqCst));
            assert_eq!(made, seen, "errors were lost, or seen twice");
            assert_eq!(Arc::strong_count(&world.alive), 1, "leaked");
        });
    }
}
