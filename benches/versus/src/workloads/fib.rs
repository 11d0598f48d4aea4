//! Naive Fibonacci numbers from a caller, where every addition is a `join` without a threshold: what does a `join` cost?

use crate::measure::{Sample, timed};
use crate::workloads::Workload;
use crate::workloads::fork::{self, Fork, forks};
use std::hint::black_box;

const N: u32 = 29;
const FIB: u64 = 514_229;
/// Additions: one less than the next number.
const JOINS: u32 = 832_039;

pub(crate) const WORKLOAD: Workload = Workload::new(
    "fib",
    "a join of two calls, without a threshold",
    forks!(program, JOINS),
)
.quick();

fn program<F: Fork>() -> Sample {
    timed(|| assert_eq!(F::enter(|here| fib::<F>(here, black_box(N))), FIB))
}

fn fib<F: Fork>(here: &mut F::Here<'_>, n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = F::join(
        here,
        |here| fib::<F>(here, n - 1),
        |here| fib::<F>(here, n - 2),
    );
    a + b
}
