//! The handle of a pool, and what a program can do with it.

use std::sync::Arc;
use std::time::Duration;

use threadwise_core::parts::Patience;
use threadwise_core::parts::fork::AfterFork;
use threadwise_core::{BuildError, GetError, ManageConnection, State};

use crate::builder::Builder;
use crate::core::Core;
use crate::guard::PooledConnection;
use crate::share::ThreadConnection;

/// A pool that gives each thread its own connection.
///
/// A clone is another handle to the same pool. The pool is closed when its last handle is dropped.
pub struct PersistentPool<M: ManageConnection> {
    pub(crate) core: Arc<Core<M>>,
}

/// # Making a pool
impl<M: ManageConnection> PersistentPool<M> {
    /// A pool with default settings.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::new(FakeManager)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Builder::build`].
    pub fn new(manager: M) -> Result<Self, BuildError<M::Error>> {
        Self::builder().build(manager)
    }

    /// A builder, for a pool with other settings.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::builder()
    ///     .name("orders")
    ///     .max_threads(8)
    ///     .get_timeout(Duration::from_secs(5))
    ///     .build(FakeManager)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder<M> {
        Builder::default()
    }
}

/// # Borrowing
impl<M: ManageConnection> PersistentPool<M> {
    /// Borrows this thread's connection. If there is none yet, or it was lost, opens one on this thread.
    ///
    /// With `max_threads` set, a thread's first `get` waits up to the `get_timeout` setting for another
    /// thread to end. Later calls, together with the return, cost a few nanoseconds and take no lock and
    /// no atomic exchange.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::new(FakeManager)?;
    /// drop(pool.get()?); // opens this thread's connection
    /// let conn = pool.get()?; // the same one
    /// assert!(!conn.broken);
    /// assert_eq!(pool.state().open, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * [`GetError::AlreadyBorrowed`] while this thread has a guard from an earlier `get`, unless
    ///   [`max_overflow`](Builder::max_overflow) allows another connection.
    /// * [`GetError::ConnectFailed`]. The pool does not try again, since no other thread's connection
    ///   could serve this thread; the next `get` does. There is one exception: if this process has no
    ///   descriptor, thread or memory left, and the pool has other connections whose close may end that
    ///   shortage, the call tries until its deadline.
    /// * [`GetError::TimedOut`] and [`GetError::Closed`].
    /// * [`GetError::ThreadEnding`] in the destructor of a thread-local value that runs after the pool's
    ///   own.
    #[inline]
    pub fn get(&self) -> Result<PooledConnection<'_, M>, GetError<M::Error>> {
        self.core.get(|| self.core.settings.get_timeout)
    }

    /// Like [`get`](Self::get), but waits up to `timeout`. Zero makes it a [`try_get`](Self::try_get).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_persistent::{GetError, PersistentPool};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::builder().max_threads(1).build(FakeManager)?;
    /// let conn = pool.get()?;
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| {
    ///         let other = pool.get_timeout(Duration::from_millis(10));
    ///         assert!(matches!(other, Err(GetError::TimedOut(_))));
    ///     });
    /// });
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
        self.core.get(|| Patience::new(Some(timeout)))
    }

    /// Like [`get`](Self::get), but never waits for another thread to end.
    ///
    /// ```
    /// # use threadwise_persistent::{GetError, PersistentPool};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::builder().max_threads(1).build(FakeManager)?;
    /// let conn = pool.try_get()?;
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| assert!(matches!(pool.try_get(), Err(GetError::Exhausted(_)))));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] if as many threads as `max_threads` have a connection, otherwise as
    /// [`get`](Self::get).
    pub fn try_get(&self) -> Result<PooledConnection<'_, M>, GetError<M::Error>> {
        self.core.get(|| Patience::NONE)
    }

    /// Borrows this thread's connection for use by shared reference. The thread may `share` it again
    /// meanwhile, for example in a function that it calls. The drop of the last guard gives the
    /// connection back.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::new(FakeManager)?;
    /// let outer = pool.share()?;
    /// let inner = pool.share()?;
    /// assert!(std::ptr::eq(&*outer, &*inner));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GetError::AlreadyBorrowed`] while this thread has a guard from a `get`; otherwise as
    /// [`get`](Self::get).
    pub fn share(&self) -> Result<ThreadConnection<'_, M>, GetError<M::Error>> {
        self.core.share()
    }
}

/// # Looking at the pool
impl<M: ManageConnection> PersistentPool<M> {
    /// What the pool holds now, and what it has counted. Visits the entry of each thread.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::new(FakeManager)?;
    /// let conn = pool.get()?;
    /// let state = pool.state();
    /// assert_eq!((state.open, state.borrowed, state.counters.gets), (1, 1, 1));
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
    /// # use threadwise_persistent::{ManageConnection, PersistentPool};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::new(FakeManager)?;
    /// let not_of_the_pool = pool.manager().connect()?;
    /// assert_eq!(pool.state().open, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn manager(&self) -> &M {
        self.core.lifecycle.manager()
    }
}

/// # Closing
impl<M: ManageConnection> PersistentPool<M> {
    /// Closes the pool. Waiters and later callers get [`GetError::Closed`]. This thread closes the idle
    /// connections of all threads; a borrowed connection is closed when it comes back.
    ///
    /// If a sandbox that was set up after the pool forbids membarrier(2), each thread closes its own idle
    /// connection instead: at its next `get`, when it ends, or at the latest when the last handle is
    /// dropped.
    ///
    /// ```
    /// # use threadwise_persistent::{GetError, PersistentPool};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::new(FakeManager)?;
    /// drop(pool.get()?);
    /// pool.close();
    /// assert!(matches!(pool.get(), Err(GetError::Closed)));
    /// assert_eq!(pool.state().open, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.core.current().close();
    }
}

threadwise_core::pool_handle!(PersistentPool, PooledConnection);
