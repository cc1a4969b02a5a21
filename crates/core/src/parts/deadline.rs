//! The moment at which a `get` gives up.

use std::time::{Duration, Instant};

use crate::Clock;

/// The moment at which a `get` gives up; for writers of pools. A `get` computes it once and hands
/// it down, so that no step begins a new timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    start: Instant,
    end: Option<Instant>,
    clock: Clock,
}

impl Deadline {
    /// The deadline that is `timeout` from now. It never passes if `timeout` is `None`, or if the
    /// clock cannot express that moment.
    #[must_use]
    pub fn after(timeout: Option<Duration>) -> Self {
        Self::after_by(Clock::SYSTEM, timeout)
    }

    /// The same as [`after`](Self::after), by this clock.
    #[must_use]
    pub fn after_by(clock: Clock, timeout: Option<Duration>) -> Self {
        let start = clock.now();
        Self { start, end: timeout.and_then(|timeout| start.checked_add(timeout)), clock }
    }

    /// This deadline or the end of a `pause` that begins now, whichever comes first. The start stays
    /// the same.
    #[must_use]
    pub fn at_most(self, pause: Duration) -> Self {
        let end = self.clock.now().checked_add(pause);
        Self { end: self.end.into_iter().chain(end).min(), ..self }
    }

    /// When the `get` began.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.start
    }

    /// The moment itself, or `None` for never.
    #[must_use]
    pub fn instant(&self) -> Option<Instant> {
        self.end
    }

    /// The clock that this deadline uses.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// How much time is left: zero after the moment, `None` for never.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.clock.until(self.end)
    }

    /// Whether the moment has passed.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.end.is_some_and(|end| self.clock.now() >= end)
    }

    /// How long ago the `get` began.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_timeout_is_never() {
        let deadline = Deadline::after(None);
        assert_eq!(deadline.instant(), None);
        assert_eq!(deadline.remaining(), None);
        assert!(!deadline.has_passed());
    }

    #[test]
    fn a_timeout_beyond_the_clock_is_never() {
        assert_eq!(Deadline::after(Some(Duration::MAX)).instant(), None);
    }

    #[test]
    fn a_zero_timeout_has_passed_at_once() {
        let deadline = Deadline::after(Some(Duration::ZERO));
        assert!(deadline.has_passed());
        assert_eq!(deadline.remaining(), Some(Duration::ZERO));
    }
}
