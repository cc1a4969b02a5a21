//! A borrowed connection.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use threadwise_core::{CloseReason, ManageConnection, pool_guard};

use crate::exit::ThreadKey;
use crate::pool::{Core, ThreadSlot};

/// This thread's connection, borrowed from a [`PersistentPool`](crate::PersistentPool); dropping
/// it gives it back. It cannot leave its thread.
pub struct PooledConnection<'p, M: ManageConnection> {
    core: &'p Core<M>,
    slot: &'p ThreadSlot<M>,
    thread: ThreadKey,
    conn: Option<M::Connection>, // `None` only once the guard has ended
    on_this_thread: PhantomData<*const ()>,
}

impl<'p, M: ManageConnection> PooledConnection<'p, M> {
    pub(crate) fn new(
        core: &'p Core<M>,
        slot: &'p ThreadSlot<M>,
        thread: ThreadKey,
        conn: M::Connection,
    ) -> Self {
        Self { core, slot, thread, conn: Some(conn), on_this_thread: PhantomData }
    }

    /// Closes the connection instead of giving it back. The next `get` on this thread opens
    /// another.
    pub fn discard(mut self) {
        if let Some(conn) = self.conn.take() {
            self.core.end(self.slot, self.thread, conn, CloseReason::Discarded);
        }
    }

    /// Takes the connection out of the pool for good. The next `get` on this thread opens another.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the connection is there until the guard ends")]
    pub fn detach(mut self) -> M::Connection {
        let conn = self.conn.take().expect(HELD);
        self.core.let_go(self.slot, self.thread);
        conn
    }

    /// Runs `work` on the connection, and once more on a new one if it was lost, unless a
    /// transaction was open: see [`Guard::steady`](threadwise_core::Guard::steady).
    ///
    /// # Errors
    ///
    /// What `work` returned last.
    pub fn steady<T>(
        &mut self,
        work: impl FnMut(&mut M::Connection) -> Result<T, M::Error>,
    ) -> Result<T, M::Error> {
        self.core.keeper.steady(self, Self::replace, work)
    }

    fn replace(&mut self) -> bool {
        self.core.replace(self.conn.as_mut().expect(HELD))
    }
}

const HELD: &str = "a guard holds its connection until it ends";

impl<M: ManageConnection> Drop for PooledConnection<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.core.give_back(self.slot, self.thread, conn);
        }
    }
}

impl<M: ManageConnection> Deref for PooledConnection<'_, M> {
    type Target = M::Connection;

    #[inline]
    fn deref(&self) -> &M::Connection {
        self.conn.as_ref().expect(HELD)
    }
}

impl<M: ManageConnection> DerefMut for PooledConnection<'_, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.conn.as_mut().expect(HELD)
    }
}

pool_guard!(['p, M: ManageConnection] PooledConnection<'p, M>);
