//! The clock of a pool.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::parts::sync::{Condvar, MutexGuard};

/// The machine's monotonic clock, or a [`VirtualClock`] that a test moves.
///
/// A shared pool takes its deadlines, ages and pauses from it, a per-thread pool its ages; a queue pool
/// uses the machine's clock only. The age of the server's last answer and the timeouts of the operating
/// system or of a driver (a socket's) use the machine's clock in any case.
///
/// ```
/// use threadwise_core::Clock;
///
/// let start = Clock::SYSTEM.now();
/// assert!(Clock::SYSTEM.now() >= start);
/// ```
#[derive(Clone, Copy, Default)]
pub struct Clock {
    moved: Option<&'static Moved>,
}

/// A clock that stands still until a test moves it, so that the test need not wait. Hand
/// [`clock`](Self::clock) to a pool's builder.
///
/// A thread that waits by this clock looks at it every millisecond. Each virtual clock stays in memory
/// until the program ends.
///
/// ```
/// use std::time::Duration;
/// use threadwise_core::VirtualClock;
///
/// let time = VirtualClock::new();
/// let start = time.clock().now();
/// time.advance(Duration::from_secs(3600));
/// assert_eq!(time.now() - start, Duration::from_secs(3600));
/// ```
#[derive(Clone, Copy)]
pub struct VirtualClock {
    moved: &'static Moved,
}

struct Moved {
    start: Instant,
    nanos: AtomicU64,
}

/// How long a thread sleeps between two looks at a virtual clock.
const LOOK: Duration = Duration::from_millis(1);

impl Clock {
    /// The machine's monotonic clock.
    pub const SYSTEM: Self = Self { moved: None };

    /// The time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_core::{Clock, VirtualClock};
    /// fn has_passed(clock: Clock, end: std::time::Instant) -> bool {
    ///     clock.now() >= end
    /// }
    ///
    /// let time = VirtualClock::new();
    /// let end = time.now() + Duration::from_secs(60);
    /// assert!(!has_passed(time.clock(), end));
    /// time.advance(Duration::from_secs(60));
    /// assert!(has_passed(time.clock(), end));
    /// ```
    #[must_use]
    #[inline]
    pub fn now(self) -> Instant {
        match self.moved {
            None => Instant::now(),
            Some(moved) => moved.now(),
        }
    }

    /// How much time is left until `end`: zero after it, `None` for never; for writers of pools.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_core::VirtualClock;
    /// let clock = VirtualClock::new().clock();
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(clock.until(Some(clock.now() + minute)), Some(minute));
    /// assert_eq!(clock.until(None), None);
    /// ```
    #[must_use]
    pub fn until(self, end: Option<Instant>) -> Option<Duration> {
        end.map(|end| end.saturating_duration_since(self.now()))
    }

    /// Waits for a notification until `end`; `None` is no limit. May return without either, so the
    /// caller checks its condition again. For writers of pools.
    pub fn wait_until<'a, T>(
        self,
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        end: Option<Instant>,
    ) -> MutexGuard<'a, T> {
        self.wait_for(condvar, guard, self.until(end))
    }

    /// The same as [`wait_until`](Self::wait_until), for the time `left`.
    pub fn wait_for<'a, T>(
        self,
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        left: Option<Duration>,
    ) -> MutexGuard<'a, T> {
        let is_virtual = self.moved.is_some();
        condvar.wait_for(guard, left.map(|left| if is_virtual { left.min(LOOK) } else { left }))
    }
}

impl VirtualClock {
    /// Makes a clock that shows the present time and stands still.
    ///
    /// ```
    /// # use threadwise_core::VirtualClock;
    /// let time = VirtualClock::new();
    /// assert_eq!(time.now(), time.now());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        let moved = Moved { start: Instant::now(), nanos: AtomicU64::new(0) };
        Self { moved: Box::leak(Box::new(moved)) }
    }

    /// The clock for a pool's builder.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_core::VirtualClock;
    /// let time = VirtualClock::new();
    /// let clock = time.clock(); // `.clock(time.clock())` on a builder
    /// time.advance(Duration::from_secs(1));
    /// assert_eq!(clock.now(), time.now());
    /// ```
    #[must_use]
    pub fn clock(self) -> Clock {
        Clock { moved: Some(self.moved) }
    }

    /// Moves the clock forward. It cannot move back.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_core::VirtualClock;
    /// let time = VirtualClock::new();
    /// let start = time.now();
    /// time.advance(Duration::from_secs(60));
    /// time.advance(Duration::from_secs(1));
    /// assert_eq!(time.now() - start, Duration::from_secs(61));
    /// ```
    pub fn advance(self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        // AcqRel: pairs with the load in `now`. A thread that sees the new time also sees what this
        // thread did before.
        self.moved.nanos.fetch_add(nanos, Ordering::AcqRel);
    }

    /// The time that the clock shows.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_core::VirtualClock;
    /// let time = VirtualClock::new();
    /// let start = time.now();
    /// time.advance(Duration::from_millis(5));
    /// assert_eq!(time.now() - start, Duration::from_millis(5));
    /// ```
    #[must_use]
    pub fn now(self) -> Instant {
        self.moved.now()
    }
}

impl Moved {
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
        f.write_str(if self.moved.is_some() { "Clock(virtual)" } else { "Clock(system)" })
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.moved.nanos.load(Ordering::Acquire);
        write!(f, "VirtualClock(+{:?})", Duration::from_nanos(nanos))
    }
}

impl PartialEq for Clock {
    fn eq(&self, other: &Self) -> bool {
        match (self.moved, other.moved) {
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
    fn a_virtual_clock_stands_still_until_it_is_moved() {
        let virtual_clock = VirtualClock::new();
        let clock = virtual_clock.clock();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        virtual_clock.advance(Duration::from_secs(3600));
        assert_eq!(clock.now() - start, Duration::from_secs(3600));
    }

    #[test]
    fn a_thread_that_waits_by_a_virtual_clock_notices_that_it_moved() {
        let virtual_clock = VirtualClock::new();
        let clock = virtual_clock.clock();
        let end = clock.now() + Duration::from_secs(60);
        let waits = std::thread::spawn(move || {
            let (mutex, condvar) = (crate::parts::sync::Mutex::new(()), Condvar::new());
            let mut guard = mutex.lock();
            while clock.now() < end {
                guard = clock.wait_until(&condvar, guard, Some(end));
            }
        });
        virtual_clock.advance(Duration::from_secs(60));
        waits.join().unwrap();
    }
}
