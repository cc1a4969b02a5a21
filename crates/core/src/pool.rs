//! What every pool does.

use std::time::Duration;

use crate::{GetError, Guard, ManageConnection, State};

/// What [`Pool::get`] returns.
pub type GetResult<'p, P> = Result<
    <P as Pool>::Connection<'p>,
    GetError<<<P as Pool>::Manager as ManageConnection>::Error>,
>;

/// Lends connections to threads.
///
/// Code written for `P: Pool` changes its threading model by changing one type. What all pools
/// promise, and what the conformance suite of this project runs against each of them:
///
/// 1. The limit is exact: never more open connections than allowed, those being opened included.
/// 2. Capacity comes back on every path, a panic in anybody's code included, and whoever frees
///    capacity wakes a waiter.
/// 3. A connection has one holder at a time; a broken one, or one whose holder panicked, is never
///    lent again.
/// 4. No code of the user's or the manager's runs under a lock of the pool.
/// 5. A `get` ends at its deadline.
/// 6. The next user finds a fresh session, as far as the manager's `reset` makes it one.
/// 7. `close` wakes every waiter; no thread of the pool outlives it.
pub trait Pool: Send + Sync {
    /// Opens, checks and closes this pool's connections.
    type Manager: ManageConnection;

    /// A borrowed connection; dropping it gives the connection back.
    type Connection<'p>: Guard<
            Target = <Self::Manager as ManageConnection>::Connection,
            Error = <Self::Manager as ManageConnection>::Error,
        >
    where
        Self: 'p;

    /// Borrows a connection, waiting up to the pool's `get_timeout` setting.
    ///
    /// # Errors
    ///
    /// See [`GetError`].
    fn get(&self) -> GetResult<'_, Self>;

    /// Borrows a connection if one can be had without waiting for another thread.
    ///
    /// What [`get`](Self::get) does on the borrower's own thread is done here too: a validation
    /// that is due, and, on pools that open connections there (queue, per-thread), opening one.
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] when there is none, otherwise as [`get`](Self::get).
    fn try_get(&self) -> GetResult<'_, Self>;

    /// Borrows a connection, waiting up to `timeout`; zero makes it a [`try_get`](Self::try_get).
    ///
    /// # Errors
    ///
    /// See [`GetError`].
    fn get_timeout(&self, timeout: Duration) -> GetResult<'_, Self>;

    /// What opens, checks and resets this pool's connections: for settings of it that may change.
    fn manager(&self) -> &Self::Manager;

    /// What the pool holds and has counted. A snapshot: by the time it is read, it may have
    /// changed.
    fn state(&self) -> State;

    /// Closes the pool: every waiter gets [`GetError::Closed`], as does every later `get`; idle
    /// connections are closed now, borrowed ones when they come back. Closing again does nothing.
    fn close(&self);
}
