//! How long a borrower waits for other threads, and how long its own work may take.

use std::time::Duration;

use crate::Clock;
use crate::parts::Deadline;

/// A pool's `get_timeout` setting, or the argument of `get_timeout`; for writers of pools.
///
/// Zero means that the caller does not wait for other threads. The caller's own work, such as opening
/// or validating a connection, still gets up to 30 s. This type keeps the two limits apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience(Option<Duration>);

impl Patience {
    /// How long the caller's own work may take if the caller does not wait for other threads.
    pub const WORK: Duration = Duration::from_secs(30);

    /// Waits for other threads up to `timeout`; `None` waits without a limit.
    #[must_use]
    pub const fn new(timeout: Option<Duration>) -> Self {
        Self(timeout)
    }

    /// The setting that this is.
    #[must_use]
    pub const fn timeout(self) -> Option<Duration> {
        self.0
    }

    /// Does not wait for other threads.
    pub const NONE: Self = Self(Some(Duration::ZERO));

    /// Whether the caller waits for other threads at all.
    #[must_use]
    #[inline]
    pub const fn waits(self) -> bool {
        !matches!(self.0, Some(Duration::ZERO))
    }

    /// Until when the caller waits for other threads.
    #[must_use]
    pub fn deadline(self, clock: Clock) -> Deadline {
        Deadline::after_by(clock, self.0)
    }

    /// How long the caller's own work may take; `None` is no limit.
    #[must_use]
    pub const fn for_work(self) -> Option<Duration> {
        if self.waits() { self.0 } else { Some(Self::WORK) }
    }

    /// Until when the caller's own work has to be done.
    #[must_use]
    pub fn work_deadline(self, clock: Clock) -> Deadline {
        Deadline::after_by(clock, self.for_work())
    }
}

impl From<Option<Duration>> for Patience {
    fn from(timeout: Option<Duration>) -> Self {
        Self(timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_does_not_wait_for_other_threads_and_leaves_time_for_own_work() {
        assert!(!Patience::NONE.waits());
        assert!(Patience::NONE.deadline(Clock::SYSTEM).has_passed());
        assert_eq!(Patience::NONE.for_work(), Some(Patience::WORK));
        assert!(!Patience::NONE.work_deadline(Clock::SYSTEM).has_passed());
    }

    #[test]
    fn any_other_timeout_limits_own_work_too() {
        let second = Patience::new(Some(Duration::from_secs(1)));
        assert!(second.waits());
        assert_eq!(second.for_work(), Some(Duration::from_secs(1)));
        assert_eq!(Patience::new(None).for_work(), None);
    }
}
