//! A borrowed connection.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

use threadwise_core::pool_guard;
use threadwise_core::{CloseReason, ConnectError, ManageConnection, Outcome};

use crate::core::{Core, Tracked};
use crate::thread_slot::Borrowed;

/// This thread's connection, borrowed from a [`PersistentPool`](crate::PersistentPool). Dropping it
/// returns the connection. It cannot leave its thread.
#[must_use = "dropping the guard returns the connection"]
pub struct PooledConnection<'p, M: ManageConnection> {
    core: &'p Core<M>,
    /// The thread's own connection. `None` for an overflow connection, and after the guard has
    /// ended.
    own: Option<Borrowed<'p, M>>,
    /// An overflow connection. `drop` takes it out.
    overflow: ManuallyDrop<Option<Box<Tracked<M::Connection>>>>,
}

pub(crate) const HELD: &str = "a guard holds its connection until it is dropped";

impl<'p, M: ManageConnection> PooledConnection<'p, M> {
    #[inline]
    pub(crate) fn new(core: &'p Core<M>, own: Borrowed<'p, M>) -> Self {
        Self { core, own: Some(own), overflow: ManuallyDrop::new(None) }
    }

    pub(crate) fn overflow(core: &'p Core<M>, tracked: Tracked<M::Connection>) -> Self {
        Self { core, own: None, overflow: ManuallyDrop::new(Some(Box::new(tracked))) }
    }

    /// Closes the connection instead of returning it. The next `get` on this thread opens another
    /// one.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::new(FakeManager)?;
    /// pool.get()?.discard();
    /// assert_eq!(pool.state().open, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn discard(mut self) {
        if let Some(own) = self.own.take() {
            self.core.end(own, CloseReason::Discarded);
        } else if let Some(tracked) = self.overflow.take() {
            self.core.end_overflow(*tracked, CloseReason::Discarded);
        }
    }

    /// Takes the connection out of the pool for good. The next `get` on this thread opens another one.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::new(FakeManager)?;
    /// let conn = pool.get()?.detach();
    /// drop(pool); // `conn` stays open
    /// assert!(!conn.broken);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the pool does not close a detached connection"]
    #[expect(clippy::missing_panics_doc, reason = "the connection is there until the guard ends")]
    pub fn detach(mut self) -> M::Connection {
        match self.own.take() {
            Some(own) => self.core.detach(own),
            None => self.core.detach_overflow(*self.overflow.take().expect(HELD)),
        }
    }

    /// Runs `work` on the connection. If the connection is lost meanwhile, opens another one and runs
    /// `work` once more, unless a transaction was open. Use it only for work that is safe to run twice.
    /// [`Guard::steady`](threadwise_core::Guard::steady) has the details.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::new(FakeManager)?;
    /// let is_clean = pool.get()?.steady(|conn| Ok(conn.left_behind.is_none()))?;
    /// assert!(is_clean);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error that `work` returned last. If no other connection could be opened, the manager may add
    /// the reason.
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
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = PersistentPool::new(SqliteManager::memory())?;
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
        let core = self.core;
        let tracked = match &mut self.own {
            Some(own) => own.content_mut(),
            None => self.overflow.as_mut().expect(HELD),
        };
        core.replace(tracked)
    }

    /// Ends the guard without returning the thread's own connection. Returns `None` for an overflow
    /// connection, and closes it.
    pub(crate) fn into_parts(mut self) -> Option<(&'p Core<M>, Borrowed<'p, M>)> {
        self.own.take().map(|own| (self.core, own))
    }
}

impl<M: ManageConnection> Deref for PooledConnection<'_, M> {
    type Target = M::Connection;

    #[inline]
    fn deref(&self) -> &M::Connection {
        match &self.own {
            Some(own) => &own.content().conn,
            None => &self.overflow.as_ref().expect(HELD).conn,
        }
    }
}

impl<M: ManageConnection> DerefMut for PooledConnection<'_, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Connection {
        match &mut self.own {
            Some(own) => &mut own.content_mut().conn,
            None => &mut self.overflow.as_mut().expect(HELD).conn,
        }
    }
}

impl<M: ManageConnection> Drop for PooledConnection<'_, M> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            self.core.give_back(own);
        } else if let Some(tracked) = self.overflow.take() {
            self.core.give_back_overflow(tracked);
        }
    }
}

pool_guard!(['p, M: ManageConnection] PooledConnection<'p, M>);
