//! Quicksort of a million numbers from a caller, in place, with a `join` for the two sides of each pivot: how long for a
//! number?

use crate::measure::{Sample, timed};
use crate::workloads::Workload;
use crate::workloads::fork::{self, Fork, forks};

const NUMBERS: u32 = 1_000_000;
/// So few are sorted by the standard library.
const FEW: usize = 1_000;

pub(crate) const WORKLOAD: Workload = Workload::new(
    "quicksort",
    "a number of a million that are sorted in place",
    forks!(program, NUMBERS),
)
.quick();

fn program<F: Fork>() -> Sample {
    // An odd factor: each number of 32 bits at most once, in no order.
    let mut numbers: Vec<u32> = (0..NUMBERS)
        .map(|i| i.wrapping_mul(2_654_435_761))
        .collect();
    let sample = timed(|| F::enter(|here| sort::<F>(here, &mut numbers)));
    assert!(numbers.is_sorted_by(|a, b| a < b));
    sample
}

fn sort<F: Fork>(here: &mut F::Here<'_>, numbers: &mut [u32]) {
    if numbers.len() <= FEW {
        numbers.sort_unstable();
        return;
    }
    let middle = partition(numbers);
    let (low, rest) = numbers.split_at_mut(middle);
    let high = &mut rest[1..];
    F::join(
        here,
        |here| sort::<F>(here, low),
        |here| sort::<F>(here, high),
    );
}

/// Puts the median of three where it belongs, smaller ones before it, and says where that is.
fn partition(numbers: &mut [u32]) -> usize {
    let last = numbers.len() - 1;
    let mut three = [0, last / 2, last];
    three.sort_unstable_by_key(|&at| numbers[at]);
    numbers.swap(three[1], last);
    let pivot = numbers[last];
    let mut middle = 0;
    for at in 0..last {
        if numbers[at] < pivot {
            numbers.swap(at, middle);
            middle += 1;
        }
    }
    numbers.swap(middle, last);
    middle
}
