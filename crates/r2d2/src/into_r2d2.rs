//! A manager of these pools as an r2d2 manager.

use std::fmt;
use std::thread;
use std::time::Duration;

use threadwise_core::parts::foreign;
use threadwise_core::{ManageConnection, Moment, Reset};

/// How long a validation or a reset may take: as long as in the pools by default.
const LIMIT: Duration = Duration::from_secs(5);

/// Gives a connection manager of these pools to a program that still uses r2d2, so that managers can
/// move first and the pool later.
///
/// When a connection comes back, r2d2 calls only `has_broken`. So this method does all that a
/// return needs: the free check, the reset if it is due, and the beginning of the next session. It
/// also returns `true`, and r2d2 drops the connection, if the holder panicked, if the manager wants
/// to retire the connection, or if a method of the manager panics.
///
/// ```
/// use threadwise_r2d2::IntoR2d2;
/// # use std::io;
/// # struct Sessions;
/// # impl threadwise_core::ManageConnection for Sessions {
/// #     type Connection = Vec<u32>;
/// #     type Error = io::Error;
/// #     fn connect(&self) -> io::Result<Vec<u32>> { Ok(Vec::new()) }
/// #     fn is_valid(&self, _: &mut Vec<u32>) -> io::Result<()> { Ok(()) }
/// #     fn has_broken(&self, _: &mut Vec<u32>) -> bool { false }
/// #     fn reset(&self, session: &mut Vec<u32>) -> io::Result<()> { session.clear(); Ok(()) }
/// # }
///
/// let pool = r2d2::Pool::builder().max_size(1).build(IntoR2d2::new(Sessions))?;
/// pool.get()?.push(1);
/// assert!(pool.get()?.is_empty(), "the session was reset");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A validation and a reset may take 5 s each. r2d2 drops its connections, so the manager's `close` does
/// not run. `pool_closed` runs when r2d2 drops the manager.
pub struct IntoR2d2<M: ManageConnection> {
    manager: M,
    reset: Reset,
}

impl<M: ManageConnection> IntoR2d2<M> {
    /// Wraps a manager.
    pub fn new(manager: M) -> Self {
        Self { manager, reset: Reset::default() }
    }

    /// When a returned session is reset.
    ///
    /// Default: [`Reset::WhenChanged`].
    #[must_use]
    pub fn reset(mut self, reset: Reset) -> Self {
        self.reset = reset;
        self
    }

    /// The wrapped manager.
    #[must_use]
    pub fn inner(&self) -> &M {
        &self.manager
    }

    /// Makes a returned connection ready for its next borrower. `false` if it cannot be.
    fn make_ready(&self, conn: &mut M::Connection) -> bool {
        let manager = &self.manager;
        if manager.has_broken_at(conn, Moment::Return { reset: self.reset }) {
            return false;
        }
        if self.reset.is_due(manager, conn) {
            if manager.reset_within(conn, LIMIT).is_err() {
                return false;
            }
            manager.begin_session(conn);
        }
        manager.in_transaction(conn) || !manager.should_retire(conn)
    }
}

impl<M: ManageConnection> r2d2::ManageConnection for IntoR2d2<M> {
    type Connection = M::Connection;
    type Error = M::Error;

    fn connect(&self) -> Result<M::Connection, M::Error> {
        let mut conn = self.manager.connect()?;
        self.manager.begin_session(&mut conn);
        Ok(conn)
    }

    fn is_valid(&self, conn: &mut M::Connection) -> Result<(), M::Error> {
        self.manager.is_valid_within(conn, LIMIT)
    }

    fn has_broken(&self, conn: &mut M::Connection) -> bool {
        // r2d2 calls this in a destructor, where a second panic would end the process.
        thread::panicking() || !foreign::call(|| self.make_ready(conn)).unwrap_or(false)
    }
}

impl<M: ManageConnection> Drop for IntoR2d2<M> {
    fn drop(&mut self) {
        let _ = foreign::call(|| self.manager.pool_closed());
    }
}

impl<M: ManageConnection> fmt::Debug for IntoR2d2<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoR2d2")
            .field("address", &self.manager.address())
            .field("reset", &self.reset)
            .finish_non_exhaustive()
    }
}
