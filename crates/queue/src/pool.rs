//! The handle of a pool, and what a program can do with it.

use std::sync::Arc;
use std::time::Duration;

use threadwise_core::parts::Patience;
use threadwise_core::parts::fork::AfterFork;
use threadwise_core::{BuildError, GetError, ManageConnection, State};

use crate::builder::Builder;
use crate::core::Core;
use crate::guard::{OwnedConnection, PooledConnection};

/// A pool with a fixed number of connections in a queue.
///
/// A clone is another handle to the same pool. The pool is closed when its last handle is dropped.
pub struct QueuePool<M: ManageConnection> {
    pub(crate) core: Arc<Core<M>>,
}

/// # Making a pool
impl<M: ManageConnection> QueuePool<M> {
    /// A pool of `size` connections with default settings.
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 4)?;
    /// assert_eq!(pool.state().idle, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Builder::build`].
    pub fn new(manager: M, size: usize) -> Result<Self, BuildError<M::Error>> {
        Self::builder().size(size).build(manager)
    }

    /// A builder, for a pool with other settings.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::builder()
    ///     .name("orders")
    ///     .size(4)
    ///     .get_timeout(Duration::from_secs(5))
    ///     .build(FakeManager)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder<M> {
        Builder::default()
    }
}

/// # Borrowing
impl<M: ManageConnection> QueuePool<M> {
    /// Borrows the connection that has been idle longest. Waits up to the `get_timeout` setting if all
    /// of them are borrowed.
    ///
    /// If the connection was lost, this thread opens another one within the rest of that time. If that
    /// fails while the pool has other connections, the call waits for one of them to come back, and
    /// tries to open one again after a pause.
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 2)?;
    /// {
    ///     let conn = pool.get()?;
    ///     assert!(!conn.broken);
    ///     assert_eq!(pool.state().borrowed, 1);
    /// } // the guard returns the connection
    /// assert_eq!(pool.state().borrowed, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`]; [`GetError::Closed`]; [`GetError::ConnectFailed`] if a lost connection
    /// could not be opened again and the pool has no other one. The next `get` tries again.
    #[inline(always)] // see `Core::lend`
    pub fn get(&self) -> Result<PooledConnection<'_, M>, GetError<M::Error>> {
        let core = self.core.current();
        core.get(core.settings.get_timeout)
    }

    /// Like [`get`](Self::get), but waits up to `timeout`. Zero makes it a [`try_get`](Self::try_get).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_queue::{GetError, QueuePool};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 1)?;
    /// let borrowed = pool.get()?;
    /// let second = pool.get_timeout(Duration::from_millis(10));
    /// assert!(matches!(second, Err(GetError::TimedOut(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`get`](Self::get).
    pub fn get_timeout(
        &self,
        timeout: Duration,
    ) -> Result<PooledConnection<'_, M>, GetError<M::Error>> {
        self.core.current().get(Patience::new(Some(timeout)))
    }

    /// Like [`get`](Self::get), but never waits for another thread.
    ///
    /// ```
    /// # use threadwise_queue::{GetError, QueuePool};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 1)?;
    /// let borrowed = pool.try_get()?;
    /// assert!(matches!(pool.try_get(), Err(GetError::Exhausted(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] if all connections are borrowed, otherwise as [`get`](Self::get).
    pub fn try_get(&self) -> Result<PooledConnection<'_, M>, GetError<M::Error>> {
        self.core.current().get(Patience::NONE)
    }

    /// Like [`get`](Self::get), but returns a guard that can be stored or sent to another thread.
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 2)?;
    /// let conn = pool.get_owned()?;
    /// std::thread::spawn(move || drop(conn)).join().unwrap();
    /// assert_eq!(pool.state().idle, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`get`](Self::get).
    pub fn get_owned(&self) -> Result<OwnedConnection<M>, GetError<M::Error>> {
        self.own(self.get())
    }

    /// Like [`get_timeout`](Self::get_timeout), but returns a guard that can be stored or sent to
    /// another thread.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_queue::{GetError, QueuePool};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 1)?;
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
        self.own(self.get_timeout(timeout))
    }

    /// Like [`try_get`](Self::try_get), but returns a guard that can be stored or sent to another
    /// thread.
    ///
    /// ```
    /// # use threadwise_queue::{GetError, QueuePool};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 1)?;
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
        self.own(self.try_get())
    }

    /// Frees a guard from the lifetime of the pool's handle.
    fn own(
        &self,
        borrowed: Result<PooledConnection<'_, M>, GetError<M::Error>>,
    ) -> Result<OwnedConnection<M>, GetError<M::Error>> {
        let mut guard = borrowed?;
        Ok(OwnedConnection { place: guard.place.take(), core: Arc::clone(self.core.current()) })
    }
}

/// # Looking at the pool
impl<M: ManageConnection> QueuePool<M> {
    /// What the pool holds now, and what it has counted.
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 3)?;
    /// let conn = pool.get()?;
    /// let state = pool.state();
    /// assert_eq!((state.open, state.borrowed, state.idle), (3, 1, 2));
    /// assert_eq!(state.counters.gets, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn state(&self) -> State {
        self.core.current().state()
    }

    /// The manager that opens, checks and resets this pool's connections. Use it to change settings
    /// of the manager that can change.
    ///
    /// ```
    /// # use threadwise_queue::{ManageConnection, QueuePool};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 1)?;
    /// let not_of_the_pool = pool.manager().connect()?;
    /// assert_eq!(pool.state().open, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn manager(&self) -> &M {
        self.core.lifecycle.manager()
    }
}

/// # Connections that leave and come in
impl<M: ManageConnection> QueuePool<M> {
    /// Takes a connection out of the pool together with its place. Waits for one as
    /// [`get`](Self::get) does.
    ///
    /// The pool is smaller by one until [`add`](Self::add) gives it a connection. (A guard's `detach`
    /// leaves the place in the pool, which then opens another connection.)
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 3)?;
    /// let conn = pool.remove()?;
    /// assert_eq!((pool.state().open, pool.state().max_size), (2, Some(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`get`](Self::get).
    pub fn remove(&self) -> Result<M::Connection, GetError<M::Error>> {
        self.core.current().remove()
    }

    /// Adds a connection from outside to the pool, which checks it and, if that is due, resets it, as
    /// on a return.
    ///
    /// The connection gets a place that [`remove`](Self::remove) took out, or else a place whose
    /// connection was detached or lost and has not been opened again. To find such a place, the call
    /// moves each place from the front of the queue to its end. A `try_get` may miss one connection at
    /// that moment.
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 3)?;
    /// let conn = pool.remove()?;
    /// assert!(pool.add(conn).is_ok());
    /// assert_eq!((pool.state().open, pool.state().max_size), (3, Some(3)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The connection, if no place is free or the pool is closed.
    pub fn add(&self, conn: M::Connection) -> Result<(), M::Connection> {
        self.core.current().add(conn)
    }
}

/// # Closing
impl<M: ManageConnection> QueuePool<M> {
    /// Closes all idle connections, on this thread and one after the other. Borrowed connections are
    /// not touched. The places stay: the next borrower of each opens a fresh connection.
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 3)?;
    /// let borrowed = pool.get()?;
    /// pool.evict_idle();
    /// assert_eq!((pool.state().open, pool.state().max_size), (1, Some(3)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evict_idle(&self) {
        self.core.current().evict_if(|_| true);
    }

    /// Closes the idle connections for which `is_meant` returns `true`, on this thread and one after the
    /// other. Borrowed connections stay: for those the manager has
    /// [`should_retire`](ManageConnection::should_retire). A panic in `is_meant` costs the connection.
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 3)?;
    /// pool.evict_if(|conn| conn.broken);
    /// assert_eq!(pool.state().open, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evict_if(&self, is_meant: impl FnMut(&mut M::Connection) -> bool) {
        self.core.current().evict_if(is_meant);
    }

    /// Closes the pool. Waiters and later callers get [`GetError::Closed`]. This thread closes the idle
    /// connections; a borrowed connection is closed when it comes back.
    ///
    /// ```
    /// # use threadwise_queue::{GetError, QueuePool};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::new(FakeManager, 3)?;
    /// pool.close();
    /// assert!(matches!(pool.get(), Err(GetError::Closed)));
    /// assert_eq!(pool.state().open, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.core.current().close();
    }
}

threadwise_core::pool_handle!(QueuePool, PooledConnection);
