//! The server's own figures.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The counts of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that it accepted.
    pub accepted: usize,
    /// Connections with at least one request. Some pools open one only to see that they can.
    pub used: usize,
    /// Connections that are open.
    pub open: usize,
    /// The most connections that were open at once.
    pub peak: usize,
    /// Connections that the server closed because its handler asked for it.
    pub left: usize,
    /// Requests that the server read to their end.
    pub requests: usize,
}

#[derive(Default)]
pub(super) struct Counting {
    counts: Mutex<Counts>,
    changed: Condvar,
}

impl Counting {
    pub(super) fn now(&self) -> Counts {
        *self.lock()
    }

    pub(super) fn wait(&self, limit: Duration, wish: impl Fn(Counts) -> bool) -> bool {
        let counts = self.lock();
        let seen = self.changed.wait_timeout_while(counts, limit, |counts| !wish(*counts));
        wish(*seen.unwrap_or_else(PoisonError::into_inner).0)
    }

    pub(super) fn accepted(&self) {
        self.change(|counts| {
            counts.accepted += 1;
            counts.open += 1;
            counts.peak = counts.peak.max(counts.open);
        });
    }

    /// Returns the connection's number.
    pub(super) fn used(&self) -> usize {
        self.change(|counts| counts.used += 1).used
    }

    pub(super) fn closed(&self) {
        self.change(|counts| counts.open -= 1);
    }

    pub(super) fn left(&self) {
        self.change(|counts| counts.left += 1);
    }

    pub(super) fn asked(&self) {
        self.change(|counts| counts.requests += 1);
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) -> Counts {
        let mut counts = self.lock();
        change(&mut counts);
        self.changed.notify_all();
        *counts
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
