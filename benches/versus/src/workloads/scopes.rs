//! Scopes that a thread of the program opens, whose closures borrow from its stack: what does a scope of four closures
//! cost, what a closure of a large scope, spawned by the body or by one another?
//!
//! rayon's program is run by a worker, which a caller enters once: from outside, each of its scopes would wake a worker.

use crate::measure::{Sample, timed};
use crate::sides;
use crate::workloads::{Workload, cost_of};
use forte::Worker;
use spinney::Group;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

const SCOPES: u32 = 1_000;
const FLAT_CLOSURES: u32 = 100_000;
const TREE_CLOSURES: u32 = (1 << 16) - 1;

pub(crate) const SMALL: Workload = Workload::new(
    "scope_of_four",
    "a scope of four closures",
    &[
        cost_of("spinney", small_spinney, SCOPES),
        cost_of("rayon", small_rayon, SCOPES),
        cost_of("rayon outside", small_rayon_outside, SCOPES),
        cost_of("forte", small_forte, SCOPES),
    ],
)
.quick();

pub(crate) const FLAT: Workload = Workload::new(
    "scope_flat",
    "a closure of a scope of 100,000",
    &[
        cost_of("spinney", flat_spinney, FLAT_CLOSURES),
        cost_of("rayon", flat_rayon, FLAT_CLOSURES),
        cost_of("forte", flat_forte, FLAT_CLOSURES),
    ],
);

pub(crate) const TREE: Workload = Workload::new(
    "scope_tree",
    "a closure of a scope that spawns two more, 16 levels",
    &[
        cost_of("spinney", tree_spinney, TREE_CLOSURES),
        cost_of("rayon", tree_rayon, TREE_CLOSURES),
        cost_of("forte", tree_forte, TREE_CLOSURES),
    ],
);

pub(crate) const QUEENS: Workload = Workload::new(
    "queens",
    "eleven queens, a closure for each that stands safe",
    &[
        cost_of("spinney", queens_spinney, 1),
        cost_of("rayon", queens_rayon, 1),
        cost_of("forte", queens_forte, 1),
    ],
);

fn small(scope: impl Fn(&mut [u32; 4])) -> Sample {
    let mut numbers = [0; 4];
    let sample = timed(|| {
        for _ in 0..SCOPES {
            scope(&mut numbers);
        }
    });
    assert_eq!(numbers, [SCOPES; 4]);
    sample
}

fn add(number: &mut u32) {
    *number = black_box(*number) + 1;
}

fn small_spinney() -> Sample {
    let _entered = sides::spinney().enter();
    small(|numbers| {
        spinney::scope(|s| {
            for number in numbers {
                s.compute(|| add(number));
            }
        });
    })
}

fn small_rayon() -> Sample {
    sides::rayon().install(|| {
        small(|numbers| {
            rayon::scope(|s| {
                for number in numbers {
                    s.spawn(|_| add(number));
                }
            });
        })
    })
}

fn small_rayon_outside() -> Sample {
    let pool = sides::rayon();
    small(|numbers| {
        pool.scope(|s| {
            for number in numbers {
                s.spawn(|_| add(number));
            }
        });
    })
}

fn small_forte() -> Sample {
    sides::forte().with_worker(|worker| {
        small(|numbers| {
            worker.scope(|s| {
                for number in numbers {
                    s.spawn(|_: &Worker| add(number));
                }
            });
        })
    })
}

fn flat(scope: impl FnOnce(&mut [u32])) -> Sample {
    let mut numbers = vec![0; FLAT_CLOSURES as usize];
    let sample = timed(|| scope(&mut numbers));
    assert!(numbers.iter().all(|number| *number == 1));
    sample
}

fn flat_spinney() -> Sample {
    let _entered = sides::spinney().enter();
    flat(|numbers| {
        spinney::scope(|s| {
            for number in numbers {
                s.compute(|| add(number));
            }
        });
    })
}

fn flat_rayon() -> Sample {
    sides::rayon().install(|| {
        flat(|numbers| {
            rayon::scope(|s| {
                for number in numbers {
                    s.spawn(|_| add(number));
                }
            });
        })
    })
}

fn flat_forte() -> Sample {
    sides::forte().with_worker(|worker| {
        flat(|numbers| {
            worker.scope(|s| {
                for number in numbers {
                    s.spawn(|_: &Worker| add(number));
                }
            });
        })
    })
}

/// Closures are numbered from 1, and the two that one spawns have the numbers twice its own, and one more.
fn tree(scope: impl FnOnce(&[AtomicU32])) -> Sample {
    let slots: Vec<AtomicU32> = (0..=TREE_CLOSURES).map(|_| AtomicU32::new(0)).collect();
    let sample = timed(|| scope(&slots));
    let ran = |slot: &AtomicU32| slot.load(Ordering::Relaxed) == 1;
    assert!(slots[1..].iter().all(ran));
    sample
}

/// What a closure does; whether it spawns two more.
fn is_inner(slots: &[AtomicU32], number: usize) -> bool {
    slots[number].fetch_add(1, Ordering::Relaxed);
    2 * number + 1 < slots.len()
}

fn tree_spinney() -> Sample {
    fn node<'s>(s: Group<'s, '_>, slots: &'s [AtomicU32], number: usize) {
        s.compute(move || {
            if is_inner(slots, number) {
                node(s, slots, 2 * number);
                node(s, slots, 2 * number + 1);
            }
        });
    }
    let _entered = sides::spinney().enter();
    tree(|slots| spinney::scope(|s| node(s, slots, 1)))
}

fn tree_rayon() -> Sample {
    fn node<'s>(s: &rayon::Scope<'s>, slots: &'s [AtomicU32], number: usize) {
        s.spawn(move |s| {
            if is_inner(slots, number) {
                node(s, slots, 2 * number);
                node(s, slots, 2 * number + 1);
            }
        });
    }
    sides::rayon().install(|| tree(|slots| rayon::scope(|s| node(s, slots, 1))))
}

fn tree_forte() -> Sample {
    fn node<'s, 'e>(s: &'s forte::Scope<'s, 'e>, slots: &'e [AtomicU32], number: usize) {
        s.spawn(move |_: &Worker| {
            if is_inner(slots, number) {
                node(s, slots, 2 * number);
                node(s, slots, 2 * number + 1);
            }
        });
    }
    sides::forte().with_worker(|worker| tree(|slots| worker.scope(|s| node(s, slots, 1))))
}

const QUEENS_ON: u32 = 11;
const SOLUTIONS: u32 = 2_680;

/// Where a queen of the next row would be beaten.
#[derive(Clone, Copy)]
struct Board {
    columns: u32,
    left: u32,
    right: u32,
}

impl Board {
    const EMPTY: Self = Self {
        columns: 0,
        left: 0,
        right: 0,
    };

    /// The boards with one queen more; of a full one, none.
    fn next(self) -> impl Iterator<Item = Self> {
        let beaten = self.columns | self.left | self.right;
        let places = (0..QUEENS_ON).map(|column| 1 << column);
        places
            .filter(move |place| beaten & place == 0)
            .map(move |place| Self {
                columns: self.columns | place,
                left: (self.left | place) << 1,
                right: (self.right | place) >> 1,
            })
    }

    fn is_full(self) -> bool {
        self.columns == (1 << QUEENS_ON) - 1
    }
}

fn queens(scope: impl FnOnce(&AtomicU32)) -> Sample {
    let found = AtomicU32::new(0);
    let sample = timed(|| scope(&found));
    assert_eq!(found.into_inner(), SOLUTIONS);
    sample
}

fn queens_spinney() -> Sample {
    fn place<'s>(s: Group<'s, '_>, found: &'s AtomicU32, board: Board) {
        if board.is_full() {
            found.fetch_add(1, Ordering::Relaxed);
        }
        for next in board.next() {
            s.compute(move || place(s, found, next));
        }
    }
    let _entered = sides::spinney().enter();
    queens(|found| spinney::scope(|s| place(s, found, Board::EMPTY)))
}

fn queens_rayon() -> Sample {
    fn place<'s>(s: &rayon::Scope<'s>, found: &'s AtomicU32, board: Board) {
        if board.is_full() {
            found.fetch_add(1, Ordering::Relaxed);
        }
        for next in board.next() {
            s.spawn(move |s| place(s, found, next));
        }
    }
    sides::rayon().install(|| queens(|found| rayon::scope(|s| place(s, found, Board::EMPTY))))
}

fn queens_forte() -> Sample {
    fn place<'s, 'e>(s: &'s forte::Scope<'s, 'e>, found: &'e AtomicU32, board: Board) {
        if board.is_full() {
            found.fetch_add(1, Ordering::Relaxed);
        }
        for next in board.next() {
            s.spawn(move |_: &Worker| place(s, found, next));
        }
    }
    sides::forte()
        .with_worker(|worker| queens(|found| worker.scope(|s| place(s, found, Board::EMPTY))))
}
