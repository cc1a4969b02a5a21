//! Notices that a pool closes most connections that come back.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Counts the connections that came back and that the pool closed instead of keeping them.
///
/// All orderings are `Relaxed`: the numbers only decide whether a report is due, and may be off by a
/// few.
#[derive(Debug)]
pub(crate) struct Churn {
    epoch: Instant,
    /// When the current window began, in seconds since `epoch`.
    window: AtomicU64,
    /// How many connections the pool closed in the current window.
    closed: AtomicU32,
    /// When the last report was made, in seconds since `epoch`, plus one; zero is never.
    reported: AtomicU64,
}

/// How long a window is, in seconds.
const WINDOW: u64 = 10;
/// A report is due when the pool has closed this many connections in a window.
const MANY: u32 = 10;
/// The least number of seconds between two reports.
const BETWEEN_REPORTS: u64 = 60;

impl Default for Churn {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            window: AtomicU64::new(0),
            closed: AtomicU32::new(0),
            reported: AtomicU64::new(0),
        }
    }
}

impl Churn {
    /// Counts a closed connection. Returns the count of the current window if a report is due.
    pub(crate) fn note(&self) -> Option<u32> {
        self.note_at(self.epoch.elapsed().as_secs())
    }

    fn note_at(&self, now: u64) -> Option<u32> {
        let window = self.window.load(Relaxed);
        if now >= window + WINDOW {
            self.window.store(now, Relaxed);
            self.closed.store(0, Relaxed);
        }
        let closed = self.closed.fetch_add(1, Relaxed) + 1;
        let reported = self.reported.load(Relaxed);
        let is_due = closed >= MANY && (reported == 0 || now + 1 >= reported + BETWEEN_REPORTS);
        let is_mine =
            is_due && self.reported.compare_exchange(reported, now + 1, Relaxed, Relaxed).is_ok();
        is_mine.then_some(closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_closed_connections_in_a_window_are_reported_once_a_minute() {
        let churn = Churn::default();
        let notes = |now| (0..100).filter_map(|_| churn.note_at(now)).collect::<Vec<_>>();
        assert_eq!(notes(0), [MANY]);
        assert_eq!(notes(30), []);
        assert_eq!(notes(61), [MANY]);
    }

    #[test]
    fn a_closed_connection_every_few_seconds_is_not_reported() {
        let churn = Churn::default();
        for now in 0..1000 {
            assert_eq!(churn.note_at(now * 3), None);
        }
    }
}
