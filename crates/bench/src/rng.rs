//! Cheap random numbers.

/// A xorshift generator. It is good enough to spread row numbers, and takes about a nanosecond.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Creates a generator. Each `seed` gives other numbers.
    pub fn new(seed: u64) -> Self {
        // Xorshift must not start at zero, and neighbouring seeds must not start alike.
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns a number from 0 up to, but not including, `bound`, which must not be zero.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (((self.0 >> 32) * u64::from(bound)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_below_the_bound_and_reach_every_value() {
        let mut rng = Rng::new(0);
        let mut seen = [false; 10];
        for _ in 0..1_000 {
            seen[rng.below(10) as usize] = true;
        }
        assert_eq!(seen, [true; 10]);
    }

    #[test]
    fn seeds_differ_from_the_first_number_on() {
        assert_ne!(Rng::new(1).below(u32::MAX), Rng::new(2).below(u32::MAX));
    }
}
