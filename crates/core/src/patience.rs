//! How long a `get` waits for other threads.

use std::time::Duration;

use crate::{Clock, Deadline};

/// A pool's `get_timeout` setting, or the argument of `get_timeout`.
///
/// Zero means that the caller does not wait for other threads. It never means that the caller has no
/// time for its own work, such as opening a connection or validating one: that gets up to 30 s. This
/// type keeps the two apart, so that no place in a pool takes the setting for a limit of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience(Option<Duration>);

impl Patience {
    /// How long work of the caller's own may take if the caller does not wait for others.
    pub const WORK: Duration = Duration::from_secs(30);

    /// `timeout` for other threads; `None` waits forever.
    #[must_use]
    pub const fn new(timeout: Option<Duration>) -> Self {
        Self(timeout)
    }

    /// No waiting for other threads.
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

    /// How long work on the caller's own thread may take; `None` is without limit.
    #[must_use]
    pub const fn for_work(self) -> Option<Duration> {
        if self.waits() { self.0 } else { Some(Self::WORK) }
    }

    /// Until when work on the caller's own thread has to be done.
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
    fn zero_does_not_wait_for_others_and_leaves_time_for_own_work() {
        assert!(!Patience::NONE.waits());
        assert!(Patience::NONE.deadline(Clock::SYSTEM).has_passed());
        assert_eq!(Patience::NONE.for_work(), Some(Patience::WORK));
        assert!(!Patience::NONE.work_deadline(Clock::SYSTEM).has_passed());
    }

    #[test]
    fn any_other_time_out_bounds_own_work_too() {
        let second = Patience::new(Some(Duration::from_secs(1)));
        assert!(second.waits());
        assert_eq!(second.for_work(), Some(Duration::from_secs(1)));
        assert_eq!(Patience::new(None).for_work(), None);
    }
}
