//! The settings that say when a pool validates a connection and when it resets a session.

use std::time::Duration;

use crate::ManageConnection;

/// When a pool validates a connection: asks the server whether it works
/// ([`is_valid`](crate::ManageConnection::is_valid), typically a round trip).
///
/// The pool makes the free check ([`has_broken`](crate::ManageConnection::has_broken)) on every `get`
/// and every return with each of these settings.
///
/// ```
/// use std::time::Duration;
/// use threadwise_core::Validation;
/// use threadwise_queue::QueuePool;
/// use threadwise_sqlite::SqliteManager;
///
/// let _pool = QueuePool::builder()
///     .size(2)
///     .validation(Validation::IdleLongerThan(Duration::from_secs(60)))
///     .build(SqliteManager::memory())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// Exhaustive on purpose: a pool has to know each variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Never. Only the free check decides.
    Never,
    /// On each `get`. Costs the borrower a round trip.
    OnCheckout,
    /// On each return. Costs the returning thread a round trip.
    OnReturn,
    /// On a `get`, if the server has not answered on the connection for longer than this. Finds the
    /// connections that a firewall or a server timeout may have cut, and spares those in constant
    /// use, if the manager knows when its server last answered
    /// ([`last_answer`](crate::ManageConnection::last_answer)).
    IdleLongerThan(Duration),
}

impl Validation {
    /// The default of a shared pool: `IdleLongerThan` half a second.
    pub const DEFAULT: Self = Self::IdleLongerThan(Duration::from_millis(500));
}

/// When a pool resets the session of a returned connection
/// ([`reset`](crate::ManageConnection::reset)).
///
/// ```
/// use threadwise_core::Reset;
/// use threadwise_queue::QueuePool;
/// use threadwise_sqlite::SqliteManager;
///
/// let pool = QueuePool::builder().size(1).reset(Reset::Always).build(SqliteManager::memory())?;
/// drop(pool.get()?);
/// assert_eq!(pool.state().counters.resets, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// On every return.
    Always,
    /// If the session might have changed
    /// ([`has_changed`](crate::ManageConnection::has_changed)).
    #[default]
    WhenChanged,
    /// If a transaction is open, as far as the manager knows
    /// ([`in_transaction`](crate::ManageConnection::in_transaction)). The next borrower finds all
    /// other changes to the session. Use it for threads that set up their connections once and keep
    /// them (as DBUtils' PersistentDB does).
    InTransaction,
    /// Never. The next borrower finds the session as the last one left it, also inside an open
    /// transaction. Use it for connections without state, or if borrowers clean up themselves.
    Never,
}

impl Reset {
    /// Whether this connection needs a reset; for writers of pools. Asks the manager only if its
    /// answer matters.
    pub fn is_due<M: ManageConnection>(self, manager: &M, conn: &mut M::Connection) -> bool {
        match self {
            Self::Always => true,
            Self::WhenChanged => manager.has_changed(conn),
            Self::InTransaction => manager.in_transaction(conn),
            Self::Never => false,
        }
    }
}
