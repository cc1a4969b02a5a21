//! A borrowed connection.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

use threadwise_core::{CloseReason, ConnectError, ManageConnection, pool_guard};

use crate::core::{Core, Held, Lent};

/// This thread's connection, borrowed from a [`PersistentPool`](crate::PersistentPool); dropping
/// it gives it back. It cannot leave its thread.
pub struct PooledConnection<'p, M: ManageConnection> {
    core: &'p Core<M>,
    lent: Option<Lent<'p, M>>, // `None` if it is another's, and once the guard has ended
    /// A connection beside the thread's own, which was in use already.
    overflow: ManuallyDrop<Option<Box<Held<M::Connection>>>>, // taken by `drop`
}

const HELD: &str = "a guard holds its connection until it ends";

impl<'p, M: ManageConnection> PooledConnection<'p, M> {
    #[inline]
    pub(crate) fn new(core: &'p Core<M>, lent: Lent<'p, M>) -> Self {
        Self { core, lent: Some(lent), overflow: ManuallyDrop::new(None) }
    }

    pub(crate) fn overflowing(core: &'p Core<M>, held: Held<M::Connection>) -> Self {
        Self { core, lent: None, overflow: ManuallyDrop::new(Some(Box::new(held))) }
    }

    /// Closes the connection instead of giving it back. The next `get` on this thread opens
    /// another.
    pub fn discard(mut self) {
        if let Some(lent) = self.lent.take() {
            self.core.end(lent, CloseReason::Discarded);
        } else if let Some(held) = self.overflow.take() {
            self.core.end_overflow(*held, CloseReason::Discarded);
        }
    }

    /// Takes the connection out of the pool for good. The next `get` on this thread opens another.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the connection is there until the guard ends")]
    pub fn detach(mut self) -> M::Connection {
        match self.lent.take() {
            Some(lent) => self.core.let_go(lent),
            None => self.core.let_overflow_go(*self.overflow.take().expect(HELD)),
        }
    }

    /// Runs `work` on the connection, and once more on a new one if it was lost, unless a
    /// transaction was open: see [`Guard::steady`](threadwise_core::Guard::steady).
    ///
    /// # Errors
    ///
    /// What `work` returned last; if no other connection could be opened, with the reason, where the
    /// manager can add it.
    pub fn steady<T>(
        &mut self,
        work: impl FnMut(&mut M::Connection) -> Result<T, M::Error>,
    ) -> Result<T, M::Error> {
        self.core.lifecycle.run_steady(self, Self::replace, work)
    }

    fn replace(&mut self) -> Result<(), ConnectError<M::Error>> {
        let core = self.core;
        let held = match &mut self.lent {
            Some(lent) => lent.content_mut(),
            None => self.overflow.as_mut().expect(HELD),
        };
        core.replace(held)
    }

    /// The guard ends; what it was lent as does not, unless it is a connection of its own.
    pub(crate) fn into_parts(mut self) -> Option<(&'p Core<M>, Lent<'p, M>)> {
        self.lent.take().map(|lent| (self.core, lent))
    }
}

impl<M: ManageConnection> Drop for PooledConnection<'_, M> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(lent) = self.lent.take() {
            self.core.give_back(lent);
        } else if let Some(held) = self.overflow.take() {
            self.core.overflow_came_back(*held);
        }
    }
}

impl<M: ManageConnection> Deref for PooledConnection<'_, M> {
    type Target = M::Connection;

    #[inline]
    fn deref(&self) -> &M::Connection {
        match &self.lent {
            Some(lent) => &lent.content().conn,
            None => &self.overflow.as_ref().expect(HELD).conn,
        }
    }
}

impl<M: ManageConnection> DerefMut for PooledConnection<'_, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Connection {
        match &mut self.lent {
            Some(lent) => &mut lent.content_mut().conn,
            None => &mut self.overflow.as_mut().expect(HELD).conn,
        }
    }
}

pool_guard!(['p, M: ManageConnection] PooledConnection<'p, M>);
