//! What a program can be told of while a pool works.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::{CloseReason, Holder};

/// Hears of what happens in a pool. Every method does nothing unless it is written, but for
/// [`report`](Self::report), which logs.
///
/// Methods are called on the thread on which the thing happens, never under a lock of the pool; that
/// thread waits, so be quick. A panic in one ends there.
///
/// A pool without events pays nothing for them. With them, and unless
/// [`watches_uses`](Self::watches_uses) says otherwise, every checkout and every return takes the
/// slow path and reads a clock, which is some 100 ns instead of 10.
pub trait Events: Send + Sync + 'static {
    /// Whether [`acquired`](Self::acquired) and [`returned`](Self::returned) are wanted. Asked once,
    /// when the pool is built.
    fn watches_uses(&self) -> bool {
        true
    }

    /// A connection was opened, which took so long.
    fn opened(&self, took: Duration) {
        let _ = took;
    }

    /// An attempt to open a connection failed.
    fn connect_failed(&self, error: &(dyn Error + 'static)) {
        let _ = error;
    }

    /// A connection left the pool.
    fn closed(&self, reason: CloseReason) {
        let _ = reason;
    }

    /// A connection was lent to somebody who has waited so long for it.
    fn acquired(&self, waited: Duration) {
        let _ = waited;
    }

    /// A connection came back from somebody who has held it for so long.
    fn returned(&self, held: Duration) {
        let _ = held;
    }

    /// A `get` gave up after so long.
    fn timed_out(&self, waited: Duration) {
        let _ = waited;
    }

    /// Something that a person ought to look at. The default writes it to the `log` crate's log, as
    /// a warning.
    fn report(&self, report: &Report<'_>) {
        log::warn!("{report}");
    }
}

/// Something about a pool's users that a person ought to look at.
#[non_exhaustive]
#[derive(Debug)]
pub enum Report<'r> {
    /// A connection has been held for longer than `leak_threshold`.
    Leaked {
        /// The pool's name.
        pool: &'r str,
        /// Who has it.
        holder: &'r Holder,
        /// For how long.
        held: Duration,
    },
    /// A connection that was reported as leaked has come back.
    LeakReturned {
        /// The pool's name.
        pool: &'r str,
        /// Who had it.
        holder: &'r Holder,
        /// For how long.
        held: Duration,
    },
    /// A `get` was served, but took longer than `slow_get`.
    SlowGet {
        /// The pool's name.
        pool: &'r str,
        /// For how long it waited.
        waited: Duration,
    },
    /// A thread waits that holds a connection itself, and all others are held by threads that wait
    /// as well: nobody can give one back.
    Deadlock {
        /// The pool's name.
        pool: &'r str,
        /// Who has the connections.
        holders: &'r [Holder],
    },
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaked { pool, holder, held } => {
                write!(f, "pool {pool}: a connection has not come back for {held:.1?}; {holder:#}")
            }
            Self::LeakReturned { pool, holder, held } => write!(
                f,
                "pool {pool}: a connection that was reported as leaked came back after {held:.1?}; \
                 {holder}"
            ),
            Self::SlowGet { pool, waited } => write!(
                f,
                "pool {pool}: a `get` took {waited:.1?}, longer than `slow_get`: hold connections \
                 for a shorter time, or raise `max_size`"
            ),
            Self::Deadlock { pool, holders } => {
                write!(f, "pool {pool}: nobody can give a connection back, for all who have one ")?;
                f.write_str("wait for another:")?;
                holders.iter().try_for_each(|holder| write!(f, " {holder};"))?;
                f.write_str(
                    " borrow one connection at a time on each thread, or raise `max_size` above \
                     threads × (connections for each − 1)",
                )
            }
        }
    }
}

/// Events for a pool that was given none: reports are logged.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogReports;

impl Events for LogReports {
    fn watches_uses(&self) -> bool {
        false
    }
}

/// Somebody's events, from whose panics the pool is safe; for writers of pools.
pub struct Observer(Box<dyn Events>);

impl Observer {
    /// Tells these.
    pub fn new(events: impl Events) -> Self {
        Self(Box::new(events))
    }

    /// Calls one of the methods.
    pub fn tell(&self, tell: impl FnOnce(&dyn Events)) {
        // Whoever panics has said so through the panic hook; the pool has its own work to finish.
        let _ = catch_unwind(AssertUnwindSafe(|| tell(&*self.0)));
    }

    /// See [`Events::watches_uses`].
    #[must_use]
    pub fn watches_uses(&self) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.0.watches_uses())).unwrap_or(false)
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self::new(LogReports)
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
