//! The trait of every borrowed connection.

use std::ops::DerefMut;

/// A borrowed connection. Use it through `DerefMut`; drop it to return it to the pool.
///
/// The pools' guards have these methods themselves too. The trait is for code that is generic over
/// [`Pool`](crate::Pool).
pub trait Guard: DerefMut<Target: Sized> + Sized {
    /// The manager's error.
    type Error;

    /// Closes the connection instead of returning it. Call it when you know that the connection
    /// must not be used again. Its capacity is free when it is closed.
    ///
    /// ```
    /// # use threadwise_core::{CloseReason, Guard, Pool};
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
    /// pool.get()?.discard();
    /// assert_eq!(pool.state().counters.closed(CloseReason::Discarded), 1);
    /// assert!(pool.get().is_ok(), "the pool opens another one");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn discard(self);

    /// Takes the connection out of the pool for good. The pool no longer counts it and may open
    /// another one in its place.
    ///
    /// ```
    /// # use threadwise_core::{Guard, Pool};
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
    /// let mine = pool.get()?.detach();
    /// pool.close();
    /// mine.execute_batch("SELECT 1")?; // the pool does not close it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "use `discard` to close the connection"]
    fn detach(self) -> Self::Target;

    /// Runs `work` on the connection. If the connection is lost meanwhile, opens a new one and runs
    /// `work` once more. Use it only for work that is safe to run twice. (DBUtils calls this a steady
    /// connection.)
    ///
    /// | `work` returned | what `steady` does |
    /// |---|---|
    /// | a value, or an error that does not mean a [lost](crate::ManageConnection::is_lost) connection | returns it |
    /// | an error whose [outcome](crate::Outcome) is unknown | returns it: the server may have done the work for good |
    /// | an error of a lost connection | replaces the connection in this guard and runs `work` once more |
    /// | the same, and a transaction was open before `work` began | replaces the connection for the next use and returns the error: what ran in the transaction before `work` is gone, and only you can repeat it |
    /// | the same, the second time | as in a transaction |
    /// | the same, and no new connection can be opened | returns the error; the guard keeps the lost connection, and the next `steady` tries again |
    ///
    /// A transaction that `work` begins itself runs again from its beginning. If the connection is
    /// lost during its `COMMIT`, the server may have committed, and `work` must not run twice. The
    /// managers for MySQL and PostgreSQL know that and report an unknown outcome. With a manager that
    /// does not, commit outside of `work`.
    ///
    /// `steady` opens the new connection on this thread, within the pool's `get_timeout` if the
    /// manager respects that. It prepares the connection as any other: the manager's session commands
    /// and the hooks `on_connect` and `on_acquire` run. The new connection takes the lost one's place
    /// in the pool; its age and its uses begin at zero. The pool closes the lost one after it has
    /// opened the new one.
    ///
    /// Costs next to nothing while no connection is lost. A panic of `work` goes through to the
    /// caller.
    ///
    /// ```
    /// # use threadwise_core::{Guard, Pool};
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
    /// let mut conn = pool.get()?;
    /// let answer: u32 = conn.steady(|conn| conn.query_row("SELECT 42", [], |row| row.get(0)))?;
    /// assert_eq!(answer, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error of the last run of `work`. If no new connection could be opened, the manager adds the
    /// reason ([`not_reconnected`](crate::ManageConnection::not_reconnected)), and
    /// [`Events`](crate::Events) get it in any case.
    fn steady<T>(
        &mut self,
        work: impl FnMut(&mut Self::Target) -> Result<T, Self::Error>,
    ) -> Result<T, Self::Error>;

    /// Tells the manager about an error that a use of the connection returned, and returns what it
    /// means. Some drivers do not notice that a connection is lost; after this call the pool knows it
    /// and closes the connection on return. [`steady`](Self::steady) does this by itself.
    ///
    /// Does not ask the server. [`Outcome`](crate::Outcome) has an example.
    #[must_use]
    fn outcome(&mut self, error: &Self::Error) -> crate::Outcome;
}
