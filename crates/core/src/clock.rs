//! Where a pool takes its time from.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, MutexGuard};

/// The machine's monotonic clock, or one that a test turns.
///
/// Everything in a pool that depends on time asks this: deadlines, ages, pauses. What an operating
/// system or a driver times (a socket's time-out) runs by the machine's clock all the same.
#[derive(Clone, Copy, Default)]
pub struct Clock {
    turned: Option<&'static Turned>,
}

/// A clock that stands still until it is turned, to test what happens with time without waiting
/// for it: hand [`clock`](Self::clock) to a pool's builder.
///
/// A thread that waits by it looks at it every millisecond. Each clock that is made stays in memory
/// until the program ends.
#[derive(Clone, Copy)]
pub struct VirtualClock {
    turned: &'static Turned,
}

struct Turned {
    start: Instant,
    nanos: AtomicU64,
}

/// How long a thread that waits by a virtual clock sleeps between two looks at it.
const LOOK: Duration = Duration::from_millis(1);

impl Clock {
    /// The machine's monotonic clock.
    pub const SYSTEM: Self = Self { turned: None };

    /// The time.
    #[must_use]
    #[inline]
    pub fn now(self) -> Instant {
        match self.turned {
            None => Instant::now(),
            Some(turned) => turned.now(),
        }
    }

    /// What is left until `end`: zero once it has passed, `None` for never.
    #[must_use]
    pub fn until(self, end: Option<Instant>) -> Option<Duration> {
        end.map(|end| end.saturating_duration_since(self.now()))
    }

    /// Waits for a notification, at the latest until `end` (for ever with `None`). May return for
    /// no reason, so look again at what is waited for.
    pub fn wait_until<'a, T>(
        self,
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        end: Option<Instant>,
    ) -> MutexGuard<'a, T> {
        self.wait_for(condvar, guard, self.until(end))
    }

    /// As [`wait_until`](Self::wait_until), for so long.
    pub fn wait_for<'a, T>(
        self,
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        left: Option<Duration>,
    ) -> MutexGuard<'a, T> {
        let is_turned = self.turned.is_some();
        condvar.wait_for(guard, left.map(|left| if is_turned { left.min(LOOK) } else { left }))
    }
}

impl VirtualClock {
    /// A clock that shows the time at which it was made.
    #[must_use]
    pub fn new() -> Self {
        let turned = Turned { start: Instant::now(), nanos: AtomicU64::new(0) };
        Self { turned: Box::leak(Box::new(turned)) }
    }

    /// What a pool looks at.
    #[must_use]
    pub fn clock(self) -> Clock {
        Clock { turned: Some(self.turned) }
    }

    /// Turns it on by so much. It cannot be turned back.
    pub fn advance(self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        // AcqRel: pairs with the load in `now`; who sees the new time sees what was done before.
        self.turned.nanos.fetch_add(nanos, Ordering::AcqRel);
    }

    /// The time it shows.
    #[must_use]
    pub fn now(self) -> Instant {
        self.turned.now()
    }
}

impl Turned {
    fn now(&self) -> Instant {
        // Acquire: pairs with the update in `advance`.
        self.start + Duration::from_nanos(self.nanos.load(Ordering::Acquire))
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.turned.is_some() { "Clock(virtual)" } else { "Clock(system)" })
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.turned.nanos.load(Ordering::Acquire);
        write!(f, "VirtualClock(+{:?})", Duration::from_nanos(nanos))
    }
}

impl PartialEq for Clock {
    fn eq(&self, other: &Self) -> bool {
        match (self.turned, other.turned) {
            (None, None) => true,
            (Some(one), Some(other)) => std::ptr::eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Clock {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_stands_until_it_is_turned() {
        let virtual_clock = VirtualClock::new();
        let clock = virtual_clock.clock();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        virtual_clock.advance(Duration::from_secs(3600));
        assert_eq!(clock.now() - start, Duration::from_secs(3600));
    }

    #[test]
    fn who_waits_by_a_virtual_clock_notices_that_it_is_turned() {
        let virtual_clock = VirtualClock::new();
        let clock = virtual_clock.clock();
        let end = clock.now() + Duration::from_secs(60);
        let waits = std::thread::spawn(move || {
            let (mutex, condvar) = (crate::sync::Mutex::new(()), Condvar::new());
            let mut guard = mutex.lock();
            while clock.now() < end {
                guard = clock.wait_until(&condvar, guard, Some(end));
            }
        });
        virtual_clock.advance(Duration::from_secs(60));
        waits.join().unwrap();
    }
}
