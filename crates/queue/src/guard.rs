//! Borrowed connections.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use threadwise_core::{CloseReason, ManageConnection};

use crate::place::Entry;
use crate::pool::{Core, HELD};

/// A connection borrowed from a [`QueuePool`](crate::QueuePool); dropping it gives it back.
pub struct PooledConnection<'p, M: ManageConnection> {
    pub(crate) place: Entry<M::Connection>, // `None` only once the guard has ended
    pub(crate) core: &'p Core<M>,
}

/// A borrowed connection that keeps its pool's connections alive and can be stored or sent to
/// another thread. Costs an atomic increment and decrement more than [`PooledConnection`].
pub struct OwnedConnection<M: ManageConnection> {
    pub(crate) place: Entry<M::Connection>,
    pub(crate) core: Arc<Core<M>>,
}

macro_rules! guard {
    ([$($generics:tt)*] $name:ty) => {
        impl<$($generics)*> $name {
            /// Closes the connection instead of giving it back. Its place is free at once.
            pub fn discard(mut self) {
                self.core.clear(self.place.as_mut().expect(HELD), CloseReason::Discarded);
            }

            /// Takes the connection out of the pool for good; the pool may open another.
            #[must_use]
            pub fn detach(mut self) -> M::Connection {
                self.core.let_go(&mut self.place)
            }

            /// Runs `work` on the connection, and once more on a new one if it was lost, unless a
            /// transaction was open: see [`Guard::steady`](threadwise_core::Guard::steady).
            ///
            /// # Errors
            ///
            /// What `work` returned last; if no other connection could be opened, with the reason,
            /// where the manager can add it.
            pub fn steady<T>(
                &mut self,
                work: impl FnMut(&mut M::Connection) -> Result<T, M::Error>,
            ) -> Result<T, M::Error> {
                let core = Clone::clone(&self.core);
                let replace = |guard: &mut Self| core.replace(guard.place.as_mut().expect(HELD));
                core.lifecycle.run_steady(self, replace, work)
            }
        }

        impl<$($generics)*> Drop for $name {
            #[inline]
            fn drop(&mut self) {
                if let Some(place) = self.place.take() {
                    self.core.give_back(place);
                }
            }
        }

        impl<$($generics)*> Deref for $name {
            type Target = M::Connection;

            #[inline]
            fn deref(&self) -> &M::Connection {
                self.place.as_ref().and_then(|place| place.conn.as_ref()).expect(HELD)
            }
        }

        impl<$($generics)*> DerefMut for $name {
            #[inline]
            fn deref_mut(&mut self) -> &mut M::Connection {
                self.place.as_mut().and_then(|place| place.conn.as_mut()).expect(HELD)
            }
        }

        threadwise_core::pool_guard!([$($generics)*] $name);
    };
}

guard!(['p, M: ManageConnection] PooledConnection<'p, M>);
guard!([M: ManageConnection] OwnedConnection<M>);
