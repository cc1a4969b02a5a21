//! The handle of a pool, and what a program can do with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadwise_core::parts::fork::AfterFork;
use threadwise_core::parts::{Deadline, Patience};
use threadwise_core::{BuildError, GetError, ManageConnection, State};

use crate::builder::Builder;
use crate::core::{CLOSE_GRACE, Core};
use crate::guard::{OwnedConnection, PooledConnection};

/// A pool whose connections many threads share. A clone is another handle to the same pool. When the
/// last handle is dropped, the pool closes.
pub struct SharedPool<M: ManageConnection> {
    pub(crate) core: Arc<Core<M>>,
}

pub(crate) type GetResult<'p, M> =
    Result<PooledConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

/// # Building
impl<M: ManageConnection> SharedPool<M> {
    /// A builder with default settings.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().max_size(3).min_idle(1).build(SqliteManager::memory())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder<M> {
        Builder::default()
    }

    /// A pool with default settings.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// assert_eq!(pool.state().max_size, Some(10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Builder::build`].
    pub fn new(manager: M) -> Result<Self, BuildError<M::Error>> {
        Self::builder().build(manager)
    }
}

/// # Borrowing
impl<M: ManageConnection> SharedPool<M> {
    /// Borrows a connection. Waits up to the `get_timeout` setting until one comes back or is opened.
    ///
    /// While a connection is idle, this and the return cost two atomic exchanges together.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// let answer: u32 = pool.get()?.query_row("SELECT 42", [], |row| row.get(0))?;
    /// assert_eq!(answer, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`], [`GetError::Closed`], [`GetError::QueueFull`], or
    /// [`GetError::ConnectFailed`] if no connection can be opened and waiting would not help.
    #[inline]
    pub fn get(&self) -> GetResult<'_, M> {
        self.core.get(self.core.settings.get_timeout)
    }

    /// Like [`get`](Self::get), but waits up to `timeout`. Zero makes it a
    /// [`try_get`](Self::try_get).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// let conn = pool.get_timeout(Duration::from_secs(2))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`get`](Self::get).
    #[inline]
    pub fn get_timeout(&self, timeout: Duration) -> GetResult<'_, M> {
        self.core.get(Patience::new(Some(timeout)))
    }

    /// Borrows an idle connection, without waiting for another thread. If none is idle and the limit
    /// allows another connection, the pool opens one in the background.
    ///
    /// ```
    /// # use threadwise_shared::{GetError, SharedPool};
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().max_size(1).build(SqliteManager::memory())?;
    /// let conn = pool.try_get()?;
    /// assert!(matches!(pool.try_get(), Err(GetError::Exhausted(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] if none is idle, otherwise as [`get`](Self::get).
    #[inline]
    pub fn try_get(&self) -> GetResult<'_, M> {
        self.core.get(Patience::NONE)
    }

    /// Like [`get`](Self::get), for a guard that can be stored or sent to another thread. Costs an
    /// atomic increment and decrement more.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// let conn = pool.get_owned()?;
    /// std::thread::spawn(move || conn.execute_batch("SELECT 1")).join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`get`](Self::get).
    pub fn get_owned(&self) -> Result<OwnedConnection<M>, GetError<M::Error>> {
        let core = self.core();
        core.get(core.settings.get_timeout).map(|guard| guard.into_owned(Arc::clone(core)))
    }

    /// Like [`get_timeout`](Self::get_timeout), but returns a guard that can be stored or sent to
    /// another thread.
    ///
    /// ```
    /// # use threadwise_shared::{GetError, SharedPool};
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let pool = SharedPool::builder().max_size(1).build(SqliteManager::memory())?;
    /// let held = pool.get_owned_timeout(Duration::from_secs(1))?;
    /// let second = pool.get_owned_timeout(Duration::from_millis(1));
    /// assert!(matches!(second, Err(GetError::TimedOut(_))));
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`get_timeout`](Self::get_timeout).
    pub fn get_owned_timeout(
        &self,
        timeout: Duration,
    ) -> Result<OwnedConnection<M>, GetError<M::Error>> {
        let core = self.core();
        core.get(Patience::new(Some(timeout))).map(|guard| guard.into_owned(Arc::clone(core)))
    }

    /// Like [`try_get`](Self::try_get), but returns a guard that can be stored or sent to another
    /// thread.
    ///
    /// ```
    /// # use threadwise_shared::{GetError, SharedPool};
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().max_size(1).build(SqliteManager::memory())?;
    /// let held = pool.try_get_owned()?;
    /// assert!(matches!(pool.try_get_owned(), Err(GetError::Exhausted(_))));
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`try_get`](Self::try_get).
    pub fn try_get_owned(&self) -> Result<OwnedConnection<M>, GetError<M::Error>> {
        let core = self.core();
        core.get(Patience::NONE).map(|guard| guard.into_owned(Arc::clone(core)))
    }
}

/// # Looking at the pool
impl<M: ManageConnection> SharedPool<M> {
    /// What the pool holds and has counted.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// let conn = pool.get()?;
    /// let state = pool.state();
    /// assert_eq!((state.open, state.borrowed, state.idle), (1, 1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn state(&self) -> State {
        self.core().state()
    }

    /// The manager that opens, checks and resets this pool's connections. Use it to change settings
    /// of the manager that can change.
    ///
    /// ```
    /// # use threadwise_shared::{ManageConnection, SharedPool};
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// let outside_of_the_limit = pool.manager().connect()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn manager(&self) -> &M {
        self.core.lifecycle.manager()
    }
}

/// # Operating the pool
impl<M: ManageConnection> SharedPool<M> {
    /// Changes the limit of open connections. A lower limit closes idle connections at once and
    /// borrowed ones on their return, until no more than that are open. With a higher limit, the
    /// pool opens more connections for its waiters.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// pool.resize(20)?;
    /// assert_eq!(pool.state().max_size, Some(20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for zero, for less than `min_idle`, or for more than 1 048 576.
    pub fn resize(&self, max_size: usize) -> Result<(), BuildError<M::Error>> {
        self.core().resize(max_size)
    }

    /// Closes all connections that are open: idle ones now, on a thread of the pool, and borrowed ones
    /// on their return. The pool opens others when they are wanted. Call it when the server has moved.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// pool.evict();
    /// drop(pool.get()?);
    /// assert_eq!(pool.state().counters.opened, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evict(&self) {
        self.core().evict(u64::MAX);
    }

    /// Closes the connections that are idle now, on a thread of the pool.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// pool.evict_idle();
    /// assert_eq!(pool.state().idle, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evict_idle(&self) {
        self.core().evict_idle();
    }

    /// Closes the connections that are idle now and for which `is_meant` returns `true`, on a thread of
    /// the pool. Borrowed connections stay: for those the manager has
    /// [`should_retire`](ManageConnection::should_retire). A panic in `is_meant` costs the connection.
    ///
    /// Each idle connection is missing from the pool while `is_meant` looks at it.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// pool.evict_if(|conn| conn.path().is_some_and(|path| path.ends_with("old.db")));
    /// assert_eq!(pool.state().idle, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evict_if(&self, is_meant: impl FnMut(&mut M::Connection) -> bool) {
        self.core().evict_if(is_meant);
    }

    /// Like [`evict`](Self::evict), but only for connections of this generation and of earlier
    /// ones: the connections that were open when [`state`](Self::state) returned this number.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// let before = pool.state().generation;
    /// // ... the server moves ...
    /// pool.evict_generation(before);
    /// assert!(pool.state().generation > before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evict_generation(&self, generation: u64) {
        self.core().evict(generation);
    }

    /// Lends no connection until [`resume`](Self::resume). After this returns, `get`s wait, up to
    /// their deadline, and `try_get` finds nothing. Borrowed connections stay borrowed, and the pool
    /// opens none. For a failover: suspend, wait until [`state`](Self::state) shows none as borrowed,
    /// evict, resume.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// pool.suspend();
    /// assert!(pool.try_get().is_err());
    /// pool.resume();
    /// assert!(pool.try_get().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn suspend(&self) {
        self.core().handoff.suspend();
    }

    /// Ends [`suspend`](Self::suspend). Waiters get connections in the order in which they came.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// pool.suspend();
    /// pool.resume();
    /// assert!(!pool.state().suspended);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume(&self) {
        let core = self.core();
        core.meet_demand(core.handoff.resume());
    }
}

/// # Closing
impl<M: ManageConnection> SharedPool<M> {
    /// Closes the pool. Waiters get [`GetError::Closed`]; idle connections are closed now, borrowed
    /// ones on their return. Returns when the idle ones are closed, or after 100 ms if that takes
    /// longer.
    ///
    /// ```
    /// # use threadwise_shared::{GetError, SharedPool};
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// pool.close();
    /// assert!(matches!(pool.get(), Err(GetError::Closed)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.core().close(Instant::now() + CLOSE_GRACE);
    }

    /// Closes the pool. Waits until borrowed connections have come back and are closed, and until the
    /// pool's threads have ended.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// if let Err(left) = pool.close_and_wait(Duration::from_secs(5)) {
    ///     eprintln!("still borrowed: {}", left.borrowed);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What is left after `timeout`.
    pub fn close_and_wait(&self, timeout: Duration) -> Result<(), Box<State>> {
        let deadline = Deadline::after(Some(timeout));
        let core = self.core();
        core.close(deadline.instant().unwrap_or_else(|| Instant::now() + CLOSE_GRACE));
        if core.await_end(deadline) { Ok(()) } else { Err(Box::new(core.state())) }
    }
}

impl<M: ManageConnection> SharedPool<M> {
    pub(crate) fn from_core(core: Arc<Core<M>>) -> Self {
        Self { core }
    }

    /// The core that this process may use; in a forked child, the child pool's.
    pub(crate) fn core(&self) -> &Arc<Core<M>> {
        self.core.current()
    }
}

threadwise_core::pool_handle!(SharedPool, PooledConnection);
