//! Borrowed connections.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use threadwise_core::{CloseReason, ManageConnection};

use crate::pool::Core;

/// A connection borrowed from a [`QueuePool`](crate::QueuePool); dropping it gives it back.
pub struct PooledConnection<'p, M: ManageConnection> {
    core: &'p Core<M>,
    conn: Option<M::Connection>, // `None` only once the guard has ended
}

/// A borrowed connection that keeps its pool's connections alive and can be stored or sent to
/// another thread. Costs an atomic increment and decrement more than [`PooledConnection`].
pub struct OwnedConnection<M: ManageConnection> {
    core: Arc<Core<M>>,
    conn: Option<M::Connection>,
}

impl<'p, M: ManageConnection> PooledConnection<'p, M> {
    pub(crate) fn new(core: &'p Core<M>, conn: M::Connection) -> Self {
        Self { core, conn: Some(conn) }
    }

    pub(crate) fn into_owned(mut self, core: Arc<Core<M>>) -> OwnedConnection<M> {
        OwnedConnection { core, conn: self.conn.take() }
    }
}

macro_rules! guard {
    ([$($generics:tt)*] $name:ty) => {
        impl<$($generics)*> $name {
            /// Closes the connection instead of giving it back. Its place is free at once.
            pub fn discard(mut self) {
                if let Some(conn) = self.conn.take() {
                    self.core.give_up(conn, CloseReason::Discarded);
                }
            }

            /// Takes the connection out of the pool for good; the pool may open another.
            #[must_use]
            pub fn detach(mut self) -> M::Connection {
                let conn = self.conn.take().expect(HELD);
                self.core.let_go();
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
                let core = Clone::clone(&self.core);
                core.keeper.steady(self, Self::replace, work)
            }

            fn replace(&mut self) -> bool {
                self.core.replace(self.conn.as_mut().expect(HELD))
            }
        }

        impl<$($generics)*> Drop for $name {
            #[inline]
            fn drop(&mut self) {
                if let Some(conn) = self.conn.take() {
                    self.core.give_back(conn);
                }
            }
        }

        impl<$($generics)*> Deref for $name {
            type Target = M::Connection;

            #[inline]
            fn deref(&self) -> &M::Connection {
                self.conn.as_ref().expect(HELD)
            }
        }

        impl<$($generics)*> DerefMut for $name {
            #[inline]
            fn deref_mut(&mut self) -> &mut M::Connection {
                self.conn.as_mut().expect(HELD)
            }
        }

        threadwise_core::pool_guard!([$($generics)*] $name);
    };
}

const HELD: &str = "a guard holds its connection until it ends";

guard!(['p, M: ManageConnection] PooledConnection<'p, M>);
guard!([M: ManageConnection] OwnedConnection<M>);
