//! What a pool has counted since it was built.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a connection left its pool.
///
/// ```
/// use threadwise_core::CloseReason;
///
/// for reason in CloseReason::ALL {
///     println!("pool_closed_total{{reason=\"{}\"}}", reason.name());
/// }
/// assert_eq!(CloseReason::IdleTimeout.name(), "idle_timeout");
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The free check or the quick check found it broken.
    Broken,
    /// It failed validation: the server did not answer, or answered with an error.
    Invalid,
    /// The manager could not reset its session.
    ResetFailed,
    /// Its holder panicked, or the manager panicked in a call for this connection.
    Panicked,
    /// Its holder discarded it.
    Discarded,
    /// Its holder detached it from the pool.
    Detached,
    /// Its thread ended (per-thread pool).
    ThreadEnded,
    /// The pool was closed, or `build` failed after this connection was open.
    PoolClosed,
    /// The pool had too many: its limit was lowered, or more than `max_idle` were idle.
    Surplus,
    /// The program evicted it.
    Evicted,
    /// `build` opened it only to test the settings (per-thread pool).
    Probed,
    /// It reached `max_lifetime`.
    MaxLifetime,
    /// It was idle for `idle_timeout`.
    IdleTimeout,
    /// It reached `max_uses`.
    MaxUses,
    /// A hook refused it.
    Vetoed,
    /// A check or a close on a thread of the pool took longer than `validation_timeout`. The pool no
    /// longer counts the connection.
    CheckTimedOut,
    /// The manager asked for this (`should_retire`): the connection's host is about to stop, or
    /// another host should have the connection.
    Retired,
}

impl CloseReason {
    /// All reasons, in the order of their declaration.
    pub const ALL: &[Self] = &[
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
        Self::Retired,
    ];

    /// A name in lower case that stays the same, for metrics and reports.
    ///
    /// ```
    /// # use threadwise_core::CloseReason;
    /// assert_eq!(CloseReason::MaxLifetime.name(), "max_lifetime");
    /// ```
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
            Self::CheckTimedOut => "check_timed_out",
            Self::Retired => "retired",
        }
    }

    /// The reason as the end of a sentence that begins "the pool closed the connection because".
    pub(crate) fn explained(self) -> &'static str {
        match self {
            Self::Broken => "it was broken",
            Self::Invalid => "it failed validation",
            Self::ResetFailed => "its session could not be reset",
            Self::Panicked => "its holder or the manager panicked",
            Self::Discarded => "its holder discarded it",
            Self::Detached => "its holder detached it from the pool",
            Self::ThreadEnded => "its thread ended",
            Self::PoolClosed => "the pool was closed",
            Self::Surplus => "the pool had more connections than it keeps",
            Self::Evicted => "the program evicted it",
            Self::Probed => "`build` opened it only to test the settings",
            Self::MaxLifetime => "it reached `max_lifetime`",
            Self::IdleTimeout => "it was idle for `idle_timeout`",
            Self::MaxUses => "it reached `max_uses`",
            Self::Vetoed => "a hook refused it",
            Self::CheckTimedOut => "a check or a close took longer than `validation_timeout`",
            Self::Retired => "the manager retired it",
        }
    }
}

/// What happened since the pool was built. The counts never decrease.
///
/// ```
/// use threadwise_core::CloseReason;
/// use threadwise_queue::QueuePool;
/// use threadwise_sqlite::SqliteManager;
///
/// let pool = QueuePool::new(SqliteManager::memory(), 2)?;
/// pool.get()?.discard();
/// let counters = pool.state().counters;
/// assert_eq!((counters.gets, counters.opened), (1, 2));
/// assert_eq!(counters.closed(CloseReason::Discarded), 1);
/// assert_eq!(counters.closed_total(), 1);
/// assert_eq!(counters.validation_failures(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// `get`s that returned a connection.
    pub gets: u64,
    /// `get`s that waited for another thread to return or open a connection.
    pub waits: u64,
    /// `get`s that gave up at their deadline.
    pub timeouts: u64,
    /// Connections that the pool opened.
    pub opened: u64,
    /// Failed attempts to open one.
    pub connect_failures: u64,
    /// Sessions that the manager reset on return.
    pub resets: u64,
    closed: [u64; CloseReason::ALL.len()],
}

impl Counters {
    /// Connections that left the pool for this reason.
    ///
    /// ```
    /// # use threadwise_core::CloseReason;
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
    /// pool.get()?.discard();
    /// assert_eq!(pool.state().counters.closed(CloseReason::Discarded), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize]
    }

    /// Connections that left the pool because they failed validation.
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
    /// drop(pool.get()?);
    /// assert_eq!(pool.state().counters.validation_failures(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn validation_failures(&self) -> u64 {
        self.closed(CloseReason::Invalid)
    }

    /// Connections that left the pool for any reason.
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
    /// pool.get()?.discard();
    /// drop(pool.get()?.detach());
    /// let counters = pool.state().counters;
    /// assert_eq!(counters.closed_total(), 2);
    /// assert_eq!(counters.opened, 2); // the pool opens a connection when a borrower needs it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn closed_total(&self) -> u64 {
        self.closed.iter().sum()
    }
}

// By hand, so that it names the reasons: `closed: {Broken: 1}`.
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

/// Prints the reasons whose count is not zero.
struct Closed<'c>(&'c Counters);

impl fmt::Debug for Closed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = CloseReason::ALL.iter().filter(|reason| self.0.closed(**reason) > 0);
        f.debug_map().entries(reasons.map(|reason| (reason, self.0.closed(*reason)))).finish()
    }
}

/// A pool's counters of rare events, which all threads share; for writers of pools. Each pool counts
/// its `get`s elsewhere, because a shared counter costs more than the `get`.
///
/// All orderings are `Relaxed`: each number stands for itself, and no thread concludes anything about
/// other memory from it.
// On cache lines of its own: its neighbours in a pool are fields that each use reads.
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
    /// Counts a `get` that waits.
    pub fn waited(&self) {
        self.waits.fetch_add(1, Relaxed);
    }

    /// Counts a `get` that gave up at its deadline.
    pub fn timed_out(&self) {
        self.timeouts.fetch_add(1, Relaxed);
    }

    /// Counts an opened connection.
    pub fn opened(&self) {
        self.opened.fetch_add(1, Relaxed);
    }

    /// Counts a failed attempt to open a connection.
    pub fn connect_failed(&self) {
        self.connect_failures.fetch_add(1, Relaxed);
    }

    /// Counts a reset, if there was one.
    #[inline]
    pub fn reset(&self, was_reset: crate::parts::WasReset) {
        if was_reset.0 {
            self.resets.fetch_add(1, Relaxed);
        }
    }

    /// Counts a connection that left the pool.
    pub fn closed(&self, reason: CloseReason) {
        self.closed[reason as usize].fetch_add(1, Relaxed);
    }

    /// The numbers so far.
    #[must_use]
    pub fn read(&self) -> Counters {
        Counters {
            gets: 0, // each pool counts these where it costs least
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
    fn debug_names_the_reasons_that_were_counted() {
        let cells = CounterCells::default();
        cells.closed(CloseReason::Panicked);
        cells.closed(CloseReason::Broken);
        let shown = format!("{:?}", cells.read());
        assert!(shown.ends_with("closed: {Broken: 1, Panicked: 1} }"), "{shown}");
    }

    #[test]
    fn every_reason_has_a_count_of_its_own() {
        let cells = CounterCells::default();
        for (times, reason) in CloseReason::ALL.iter().enumerate() {
            (0..=times).for_each(|_| cells.closed(*reason));
        }
        let counters = cells.read();
        for (times, reason) in CloseReason::ALL.iter().enumerate() {
            assert_eq!(counters.closed(*reason), times as u64 + 1, "{}", reason.name());
        }
        assert_eq!(counters.closed_total(), (1..=CloseReason::ALL.len() as u64).sum());
    }
}
