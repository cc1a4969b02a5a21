//! The server's own figures.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

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
        *self.counts.lock()
    }

    /// Waits until the counts satisfy `wish`, for `limit` at most. Returns whether they do.
    pub(super) fn wait(&self, limit: Duration, wish: impl Fn(Counts) -> bool) -> bool {
        let mut counts = self.counts.lock();
        self.changed.wait_while_for(&mut counts, |counts| !wish(*counts), limit);
        wish(*counts)
    }

    /// Changes the counts, and returns them.
    pub(super) fn count(&self, count: impl FnOnce(&mut Counts)) -> Counts {
        let mut counts = self.counts.lock();
        count(&mut counts);
        counts.peak = counts.peak.max(counts.open);
        self.changed.notify_all();
        *counts
    }
}
