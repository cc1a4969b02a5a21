//! The trait of every pool.

use std::time::Duration;

use crate::{GetError, Guard, ManageConnection, State};

/// What [`Pool::get`] returns.
pub type GetResult<'p, P> = Result<
    <P as Pool>::Connection<'p>,
    GetError<<<P as Pool>::Manager as ManageConnection>::Error>,
>;

/// Lends connections to threads.
///
/// Code written for `P: Pool` changes its threading model by changing one type:
///
/// ```
/// use threadwise_core::{GetError, ManageConnection, Pool};
///
/// /// Runs on any pool of SQLite connections.
/// fn visits<P>(pool: &P) -> Result<u32, Box<dyn std::error::Error>>
/// where
///     P: Pool<Manager = threadwise_sqlite::SqliteManager>,
/// {
///     let conn = pool.get()?;
///     Ok(conn.query_row("SELECT 3", [], |row| row.get(0))?)
/// } // the guard returns the connection
///
/// let pool = threadwise_queue::QueuePool::new(threadwise_sqlite::SqliteManager::memory(), 1)?;
/// assert_eq!(visits(&pool)?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What every pool promises
///
/// 1. **The limit is exact.** Connections that are being opened count too.
/// 2. **Capacity comes back on every path**, also after a panic in your code or in the driver. The
///    thread that frees capacity wakes a waiter.
/// 3. **A connection has one holder at a time.** The pool never lends a broken connection again, nor
///    one whose holder panicked.
/// 4. **Neither your code nor the driver's runs under a lock of the pool.**
/// 5. **A `get` has one deadline and ends there.**
/// 6. **The next borrower finds a fresh session**, as far as the connection manager can make it one.
/// 7. **Closing wakes every waiter.** The pool closes idle connections at once, and borrowed ones when
///    they come back. No thread of the pool outlives it, unless it is in foreign code at that moment:
///    the driver (`connect`, `close`, `is_valid`) or an event handler. It ends when that returns.
/// 8. **A forked child does not touch its parent's connections.** It finds the pool empty and opens
///    its own.
/// 9. **Errors keep their cause and never show a password.**
///
/// This project's conformance suite tests them on each pool.
pub trait Pool: Send + Sync {
    /// Opens, checks and closes this pool's connections.
    type Manager: ManageConnection;

    /// A borrowed connection. Dropping it returns the connection to the pool.
    type Connection<'p>: Guard<
            Target = <Self::Manager as ManageConnection>::Connection,
            Error = <Self::Manager as ManageConnection>::Error,
        >
    where
        Self: 'p;

    /// Borrows a connection. Waits for one up to the pool's `get_timeout` setting.
    ///
    /// ```
    /// # use threadwise_core::{BuildError, Pool};
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 2)?;
    /// let conn = pool.get()?;
    /// conn.execute_batch("CREATE TABLE visit (page TEXT)")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`GetError`].
    fn get(&self) -> GetResult<'_, Self>;

    /// Borrows a connection without waiting for another thread.
    ///
    /// Like [`get`](Self::get), it does the borrower's own work: it validates the connection if that
    /// is due and, on the pools that dial on the borrower's thread (queue, per-thread), opens one.
    ///
    /// ```
    /// # use threadwise_core::{GetError, Pool};
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
    /// let borrowed = pool.try_get()?;
    /// assert!(matches!(pool.try_get(), Err(GetError::Exhausted(_))));
    /// drop(borrowed);
    /// assert!(pool.try_get().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] if no connection is free, otherwise as [`get`](Self::get).
    fn try_get(&self) -> GetResult<'_, Self>;

    /// Borrows a connection. Waits for one up to `timeout`; zero makes this a
    /// [`try_get`](Self::try_get).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_core::{GetError, Pool};
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
    /// let _borrowed = pool.get()?;
    /// let second = pool.get_timeout(Duration::from_millis(1));
    /// assert!(matches!(second, Err(GetError::TimedOut(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`GetError`].
    fn get_timeout(&self, timeout: Duration) -> GetResult<'_, Self>;

    /// The pool's connection manager. Use it to change settings of the manager that can change at
    /// run time.
    ///
    /// ```
    /// # use threadwise_core::{ManageConnection, Pool};
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
    /// println!("connections lead to {:?}", pool.manager().address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn manager(&self) -> &Self::Manager;

    /// What the pool holds and what it has counted. Other threads may change it before the caller
    /// reads it.
    ///
    /// ```
    /// # use threadwise_core::Pool;
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 2)?;
    /// let _borrowed = pool.get()?;
    /// let state = pool.state();
    /// assert_eq!((state.open, state.borrowed, state.idle), (2, 1, 1));
    /// assert_eq!(state.counters.gets, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    fn state(&self) -> State;

    /// Closes the pool. Every waiter gets [`GetError::Closed`], and so does every later `get`. The
    /// pool closes idle connections now and borrowed ones when they come back. Closing it again does
    /// nothing.
    ///
    /// ```
    /// # use threadwise_core::{GetError, Pool};
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 2)?;
    /// pool.close();
    /// assert!(matches!(pool.get(), Err(GetError::Closed)));
    /// assert_eq!(pool.state().open, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn close(&self);
}
