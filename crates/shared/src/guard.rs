//! Borrowed connections.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use threadwise_core::pool_guard;
use threadwise_core::{ConnectError, ManageConnection, Outcome};

use crate::core::{Core, OwnedSlot};
use crate::slot::Handed;

/// A connection borrowed from a [`SharedPool`](crate::SharedPool). Dropping it returns the connection.
///
/// The connection stays in its slot: moving the guard moves a pointer.
///
/// Two threads may use the connection through one guard only if the connection is `Sync`:
///
/// ```compile_fail,E0277
/// # use threadwise_shared::{ManageConnection, PooledConnection};
/// fn by_two<M: ManageConnection<Connection = std::cell::Cell<u32>>>(guard: PooledConnection<M>) {
///     std::thread::scope(|threads| { threads.spawn(|| guard.set(1)); });
/// }
/// ```
#[must_use = "the connection is returned when the guard is dropped"]
pub struct PooledConnection<'p, M: ManageConnection> {
    core: &'p Core<M>,
    owned: Option<OwnedSlot<'p, M>>, // `None` only once the guard has ended
}

/// A borrowed connection that can be stored or sent to another thread. It keeps the pool's memory
/// alive, but does not keep the pool open.
///
/// It costs an atomic increment and decrement more than a [`PooledConnection`].
///
/// ```compile_fail,E0277
/// # use threadwise_shared::{ManageConnection, OwnedConnection};
/// fn by_two<M: ManageConnection<Connection = std::cell::Cell<u32>>>(guard: OwnedConnection<M>) {
///     std::thread::scope(|threads| { threads.spawn(|| guard.set(1)); });
/// }
/// ```
#[must_use = "the connection is returned when the guard is dropped"]
pub struct OwnedConnection<M: ManageConnection> {
    handed: Option<Handed<M::Connection>>, // `None` only once the guard has ended
    core: Arc<Core<M>>,
}

const HELD: &str = "a guard holds its connection until it ends";

impl<M: ManageConnection> PooledConnection<'_, M> {
    /// Closes the connection instead of returning it. Its capacity is free when it is closed.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// pool.get()?.discard();
    /// drop(pool.get()?); // another connection
    /// assert_eq!(pool.state().counters.opened, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn discard(mut self) {
        if let Some(owned) = self.owned.take() {
            self.core.discard(owned);
        }
    }

    /// Takes the connection out of the pool for good. The pool may open another one.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// let mine = pool.get()?.detach();
    /// pool.close();
    /// mine.execute_batch("SELECT 1")?; // the pool does not close it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "use `discard` to close the connection"]
    #[expect(clippy::missing_panics_doc, reason = "the connection is there until the guard ends")]
    pub fn detach(mut self) -> M::Connection {
        self.core.detach(self.owned.take().expect(HELD))
    }

    /// Runs `work` on the connection. If the connection is lost meanwhile, opens a new one and runs
    /// `work` once more, unless a transaction was open before. Use it only for work that is safe to
    /// run twice. See [`Guard::steady`](threadwise_core::Guard::steady).
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// let mut conn = pool.get()?;
    /// let answer: u32 = conn.steady(|conn| conn.query_row("SELECT 42", [], |row| row.get(0)))?;
    /// assert_eq!(answer, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error of the last run of `work`.
    pub fn steady<T>(
        &mut self,
        work: impl FnMut(&mut M::Connection) -> Result<T, M::Error>,
    ) -> Result<T, M::Error> {
        self.core.lifecycle.run_steady(self, Self::replace, work)
    }

    /// Tells the manager about an error that a use of the connection returned, and returns what it
    /// means. See [`Guard::outcome`](threadwise_core::Guard::outcome).
    ///
    /// ```
    /// # use threadwise_core::Outcome;
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// let mut conn = pool.get()?;
    /// if let Err(error) = conn.execute_batch("SELEKT 1") {
    ///     assert_eq!(conn.outcome(&error), Outcome::Failed);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn outcome(&mut self, error: &M::Error) -> Outcome {
        let core = self.core;
        core.lifecycle.outcome(self, error)
    }

    fn replace(&mut self) -> Result<(), ConnectError<M::Error>> {
        self.core.replace(self.owned.as_mut().expect(HELD))
    }
}

impl<'p, M: ManageConnection> PooledConnection<'p, M> {
    #[inline]
    pub(crate) fn new(core: &'p Core<M>, owned: OwnedSlot<'p, M>) -> Self {
        Self { core, owned: Some(owned) }
    }

    pub(crate) fn into_owned(mut self, core: Arc<Core<M>>) -> OwnedConnection<M> {
        OwnedConnection { handed: self.owned.take().map(OwnedSlot::<M>::hand_over), core }
    }
}

impl<M: ManageConnection> OwnedConnection<M> {
    /// Closes the connection instead of returning it. Its capacity is free when it is closed.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// pool.get_owned()?.discard();
    /// drop(pool.get_owned()?); // another connection
    /// assert_eq!(pool.state().counters.opened, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn discard(mut self) {
        if let Some(handed) = self.handed.take() {
            self.core.discard(self.core.handoff.slots.accept(handed));
        }
    }

    /// Takes the connection out of the pool for good. The pool may open another one.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// let mine = pool.get_owned()?.detach();
    /// pool.close();
    /// mine.execute_batch("SELECT 1")?; // the pool does not close it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "use `discard` to close the connection"]
    #[expect(clippy::missing_panics_doc, reason = "the connection is there until the guard ends")]
    pub fn detach(mut self) -> M::Connection {
        let handed = self.handed.take().expect(HELD);
        self.core.detach(self.core.handoff.slots.accept(handed))
    }

    /// Runs `work` on the connection. If the connection is lost meanwhile, opens a new one and runs
    /// `work` once more, unless a transaction was open before. Use it only for work that is safe to
    /// run twice. See [`Guard::steady`](threadwise_core::Guard::steady).
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// let mut conn = pool.get_owned()?;
    /// let answer: u32 = conn.steady(|conn| conn.query_row("SELECT 42", [], |row| row.get(0)))?;
    /// assert_eq!(answer, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error of the last run of `work`.
    pub fn steady<T>(
        &mut self,
        work: impl FnMut(&mut M::Connection) -> Result<T, M::Error>,
    ) -> Result<T, M::Error> {
        Arc::clone(&self.core).lifecycle.run_steady(self, Self::replace, work)
    }

    /// Tells the manager about an error that a use of the connection returned, and returns what it
    /// means. See [`Guard::outcome`](threadwise_core::Guard::outcome).
    ///
    /// ```
    /// # use threadwise_core::Outcome;
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::new(SqliteManager::memory())?;
    /// let mut conn = pool.get_owned()?;
    /// if let Err(error) = conn.execute_batch("SELEKT 1") {
    ///     assert_eq!(conn.outcome(&error), Outcome::Failed);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn outcome(&mut self, error: &M::Error) -> Outcome {
        Arc::clone(&self.core).lifecycle.outcome(self, error)
    }

    fn replace(&mut self) -> Result<(), ConnectError<M::Error>> {
        let handed = self.handed.take().expect(HELD);
        let mut owned = self.core.handoff.slots.accept(handed);
        let replaced = self.core.replace(&mut owned);
        self.handed = Some(owned.hand_over());
        replaced
    }
}

impl<M: ManageConnection> Drop for PooledConnection<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if let Some(owned) = self.owned.take() {
            self.core.give_back(owned);
        }
    }
}

impl<M: ManageConnection> Drop for OwnedConnection<M> {
    fn drop(&mut self) {
        if let Some(handed) = self.handed.take() {
            self.core.give_back(self.core.handoff.slots.accept(handed));
        }
    }
}

impl<M: ManageConnection> Deref for PooledConnection<'_, M> {
    type Target = M::Connection;

    #[inline]
    fn deref(&self) -> &M::Connection {
        self.owned.as_ref().and_then(|owned| owned.content().as_ref()).expect(HELD)
    }
}

impl<M: ManageConnection> DerefMut for PooledConnection<'_, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.owned.as_mut().and_then(|owned| owned.content_mut().as_mut()).expect(HELD)
    }
}

impl<M: ManageConnection> Deref for OwnedConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        let handed = self.handed.as_ref().expect(HELD);
        handed.content(self.core.handoff.slots.slot_of(handed)).as_ref().expect(HELD)
    }
}

impl<M: ManageConnection> DerefMut for OwnedConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        let handed = self.handed.as_mut().expect(HELD);
        handed.content_mut(self.core.handoff.slots.slot_of(handed)).as_mut().expect(HELD)
    }
}

pool_guard!(['p, M: ManageConnection] PooledConnection<'p, M>);
pool_guard!([M: ManageConnection] OwnedConnection<M>);
