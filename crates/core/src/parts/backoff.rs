//! The pauses between attempts that fail.

use std::time::Duration;

/// The pauses of one caller that tries again after each failure: 10 ms at first, then twice as long
/// each time, up to 1 s. For writers of pools.
///
/// ```
/// use std::time::Duration;
/// use threadwise_core::parts::Backoff;
///
/// let mut backoff = Backoff::default();
/// assert_eq!(backoff.next_pause(), Duration::from_millis(10));
/// assert_eq!(backoff.next_pause(), Duration::from_millis(20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    /// The first pause.
    pub const FIRST: Duration = Duration::from_millis(10);
    /// The longest pause.
    pub const LONGEST: Duration = Duration::from_secs(1);

    /// How long to pause after the failure that has just happened.
    #[must_use]
    pub fn next_pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(Self::LONGEST);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: Self::FIRST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_the_one_before_up_to_a_second() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..9).map(|_| backoff.next_pause().as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }
}
