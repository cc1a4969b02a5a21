//! What a pool has counted since it was built.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a connection left its pool.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The free check found it broken.
    Broken,
    /// The server did not answer the question whether it works.
    Invalid,
    /// Its session could not be reset.
    ResetFailed,
    /// Its holder panicked, or the manager did while it looked after the connection.
    Panicked,
    /// Its holder discarded it.
    Discarded,
    /// Its holder took it out of the pool.
    Detached,
    /// Its thread ended (per-thread pool).
    ThreadEnded,
    /// The pool was closed, or could not be built.
    PoolClosed,
    /// The pool's limit was lowered, or more than `max_idle` were idle.
    Surplus,
    /// It was evicted.
    Evicted,
    /// It was opened only to find out whether the settings work (per-thread pool).
    Probed,
    /// It reached `max_lifetime`.
    MaxLifetime,
    /// It was idle for `idle_timeout`.
    IdleTimeout,
    /// It reached `max_uses`.
    MaxUses,
    /// A hook refused it.
    Vetoed,
    /// A check or a close of the pool's own took too long; the pool does not count it any more.
    CheckTimedOut,
}

impl CloseReason {
    /// All reasons, in the order in which they are listed here.
    pub const ALL: [Self; 16] = [
        Self::Broken,
        Self::Invalid,
        Self::ResetFailed,
        Self::Panicked,
        Self::Discarded,
        Self::Detached,
        Self::ThreadEnded,
        Self::PoolClosed,
        Self::Surplus,
        Self::Evicted,
        Self::Probed,
        Self::MaxLifetime,
        Self::IdleTimeout,
        Self::MaxUses,
        Self::Vetoed,
        Self::CheckTimedOut,
    ];

    /// A stable name in lower case, for metrics and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Invalid => "invalid",
            Self::ResetFailed => "reset_failed",
            Self::Panicked => "panicked",
            Self::Discarded => "discarded",
            Self::Detached => "detached",
            Self::ThreadEnded => "thread_ended",
            Self::PoolClosed => "pool_closed",
            Self::Surplus => "surplus",
            Self::Evicted => "evicted",
            Self::Probed => "probed",
            Self::MaxLifetime => "max_lifetime",
            Self::IdleTimeout => "idle_timeout",
            Self::MaxUses => "max_uses",
            Self::Vetoed => "vetoed",
            Self::CheckTimedOut => "abandoned",
        }
    }

    /// The reason as the end of a sentence that begins "the connection was closed because".
    pub(crate) fn explained(self) -> &'static str {
        match self {
            Self::Broken => "it was broken",
            Self::Invalid => "the server did not answer the question whether it works",
            Self::ResetFailed => "its session could not be reset",
            Self::Panicked => "its holder or its manager panicked",
            Self::Discarded => "its holder discarded it",
            Self::Detached => "its holder took it out of the pool",
            Self::ThreadEnded => "its thread ended",
            Self::PoolClosed => "the pool was closed",
            Self::Surplus => "more connections were open than the pool keeps",
            Self::Evicted => "it was evicted",
            Self::Probed => "it only served to try the settings",
            Self::MaxLifetime => "it reached `max_lifetime`",
            Self::IdleTimeout => "it was idle for `idle_timeout`",
            Self::MaxUses => "it reached `max_uses`",
            Self::Vetoed => "a hook refused it",
            Self::CheckTimedOut => "a check or a close took longer than `validation_timeout`",
        }
    }
}

/// What happened since the pool was built. Counts only ever grow.
#[non_exhaustive]
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections lent.
    pub gets: u64,
    /// `get`s that had to wait for another thread or for a connection to be opened.
    pub waits: u64,
    /// `get`s that gave up at their deadline.
    pub timeouts: u64,
    /// Connections opened.
    pub opened: u64,
    /// Attempts to open one that failed.
    pub connect_failures: u64,
    /// Sessions reset on return.
    pub resets: u64,
    closed: [u64; CloseReason::ALL.len()],
}

impl Counters {
    /// Connections that left the pool for this reason.
    #[must_use]
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize]
    }

    /// Connections that did not work when the server was asked.
    #[must_use]
    pub fn validation_failures(&self) -> u64 {
        self.closed(CloseReason::Invalid)
    }

    /// Connections that left the pool, whatever the reason.
    #[must_use]
    pub fn closed_total(&self) -> u64 {
        self.closed.iter().sum()
    }
}

// By hand, so that it names what it counts: `closed: {broken: 1}`.
impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters")
            .field("gets", &self.gets)
            .field("waits", &self.waits)
            .field("timeouts", &self.timeouts)
            .field("opened", &self.opened)
            .field("connect_failures", &self.connect_failures)
            .field("resets", &self.resets)
            .field("closed", &Closed(self))
            .finish()
    }
}

/// The reasons for which connections were closed, with their counts.
struct Closed<'c>(&'c Counters);

impl fmt::Debug for Closed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = CloseReason::ALL.into_iter().filter(|reason| self.0.closed(*reason) > 0);
        f.debug_map().entries(reasons.map(|reason| (reason, self.0.closed(reason)))).finish()
    }
}

/// Where a pool counts what is rare enough to share a cache line for. (What happens on every
/// checkout is counted elsewhere, or not at all: a shared counter costs more than the checkout.)
///
/// All orderings are `Relaxed`: each number stands for itself, nothing is inferred from its value
/// about other memory.
// On cache lines of its own: beside it in a pool lies what each use reads.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct CounterCells {
    waits: AtomicU64,
    timeouts: AtomicU64,
    opened: AtomicU64,
    connect_failures: AtomicU64,
    resets: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
}

impl CounterCells {
    /// A `get` had to wait.
    pub fn waited(&self) {
        self.waits.fetch_add(1, Relaxed);
    }

    /// A `get` gave up at its deadline.
    pub fn timed_out(&self) {
        self.timeouts.fetch_add(1, Relaxed);
    }

    /// A connection was opened.
    pub fn opened(&self) {
        self.opened.fetch_add(1, Relaxed);
    }

    /// An attempt to open a connection failed.
    pub fn connect_failed(&self) {
        self.connect_failures.fetch_add(1, Relaxed);
    }

    /// A session was reset, or not.
    #[inline]
    pub fn reset(&self, was_reset: crate::WasReset) {
        if was_reset.0 {
            self.resets.fetch_add(1, Relaxed);
        }
    }

    /// A connection left the pool.
    pub fn closed(&self, reason: CloseReason) {
        self.closed[reason as usize].fetch_add(1, Relaxed);
    }

    /// The numbers so far.
    #[must_use]
    pub fn read(&self) -> Counters {
        Counters {
            gets: 0, // counted where it costs least, by each pool
            waits: self.waits.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            opened: self.opened.load(Relaxed),
            connect_failures: self.connect_failures.load(Relaxed),
            resets: self.resets.load(Relaxed),
            closed: std::array::from_fn(|reason| self.closed[reason].load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_name_the_reasons_that_they_count() {
        let cells = CounterCells::default();
        cells.closed(CloseReason::Panicked);
        cells.closed(CloseReason::Broken);
        let shown = format!("{:?}", cells.read());
        assert!(shown.ends_with("closed: {Broken: 1, Panicked: 1} }"), "{shown}");
    }

    #[test]
    fn every_reason_counts_for_itself() {
        let cells = CounterCells::default();
        for (times, reason) in CloseReason::ALL.into_iter().enumerate() {
            (0..=times).for_each(|_| cells.closed(reason));
        }
        let counters = cells.read();
        for (times, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(counters.closed(reason), times as u64 + 1, "{}", reason.name());
        }
        assert_eq!(counters.closed_total(), (1..=CloseReason::ALL.len() as u64).sum());
    }
}
