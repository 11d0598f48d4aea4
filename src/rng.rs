//! The generator that picks the first victim of a thief, and where a cut loop over shields gives
//! way: xorshift64*, with a seed so that tests can repeat a run.
//!
//! Source: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled"
//! (2016), shifts 12, 25, 27.

/// A small generator for one thread.
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator that starts from `seed`; zero is as good as any.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    /// The next number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let mut x = self.0 | 1;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        let high = (x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32;
        // Multiply and shift instead of a remainder (Lemire 2019): the bias is below 2^-32 x bound.
        ((u64::from(high) * u64::from(bound)) >> 32) as u32
    }
}
