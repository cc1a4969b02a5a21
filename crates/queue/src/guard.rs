//! Borrowed connections.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use threadwise_core::{CloseReason, ManageConnection, Outcome};

use crate::core::Core;
use crate::place::Entry;

/// A connection borrowed from a [`QueuePool`](crate::QueuePool). Dropping it returns the
/// connection.
#[must_use = "dropping the guard returns the connection"]
pub struct PooledConnection<'p, M: ManageConnection> {
    pub(crate) place: Entry<M::Connection>, // `None` only once the guard has ended
    pub(crate) core: &'p Core<M>,
}

/// A borrowed connection that can be stored or sent to another thread, and that may outlive the pool's
/// handles. Costs an atomic increment and a decrement more than [`PooledConnection`].
#[must_use = "dropping the guard returns the connection"]
pub struct OwnedConnection<M: ManageConnection> {
    pub(crate) place: Entry<M::Connection>,
    pub(crate) core: Arc<Core<M>>,
}

pub(crate) const HELD: &str = "a guard holds its connection until it is dropped";

macro_rules! guard {
    ([$($generics:tt)*] $name:ty) => {
        impl<$($generics)*> $name {
            /// Closes the connection instead of returning it. Its place is free afterwards; the
            /// next borrower of that place opens another connection.
            ///
            /// ```
            /// # use threadwise_queue::QueuePool;
            /// # use threadwise_testkit::FakeManager;
            /// let pool = QueuePool::new(FakeManager, 2)?;
            /// pool.get()?.discard();
            /// assert_eq!(pool.state().open, 1);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn discard(mut self) {
                self.core.clear(self.place.as_mut().expect(HELD), CloseReason::Discarded);
            }

            /// Takes the connection out of the pool for good. The pool may open another one in its place.
            ///
            /// ```
            /// # use threadwise_queue::QueuePool;
            /// # use threadwise_testkit::FakeManager;
            /// let pool = QueuePool::new(FakeManager, 2)?;
            /// let conn = pool.get()?.detach();
            /// drop(pool); // `conn` stays open
            /// assert!(!conn.broken);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[must_use = "the pool does not close a detached connection"]
            pub fn detach(mut self) -> M::Connection {
                self.core.detach(&mut self.place)
            }

            /// Runs `work` on the connection. If the connection is lost meanwhile, opens another one and
            /// runs `work` once more, unless a transaction was open. Use it only for work that is safe
            /// to run twice. [`Guard::steady`](threadwise_core::Guard::steady) has the details.
            ///
            /// ```
            /// # use threadwise_queue::QueuePool;
            /// # use threadwise_testkit::FakeManager;
            /// let pool = QueuePool::new(FakeManager, 2)?;
            /// let is_clean = pool.get()?.steady(|conn| Ok(conn.left_behind.is_none()))?;
            /// assert!(is_clean);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            ///
            /// # Errors
            ///
            /// The error that `work` returned last. If no other connection could be opened, the manager
            /// may add the reason.
            pub fn steady<T>(
                &mut self,
                work: impl FnMut(&mut M::Connection) -> Result<T, M::Error>,
            ) -> Result<T, M::Error> {
                let core = Clone::clone(&self.core);
                let replace = |guard: &mut Self| core.replace(guard.place.as_mut().expect(HELD));
                core.lifecycle.run_steady(self, replace, work)
            }

            /// Tells the manager about an error that a use of the connection returned, and returns what it
            /// means. See [`Guard::outcome`](threadwise_core::Guard::outcome).
            ///
            /// ```
            /// # use threadwise_core::Outcome;
            /// # use threadwise_queue::QueuePool;
            /// # use threadwise_sqlite::SqliteManager;
            /// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
            /// let mut conn = pool.get()?;
            /// if let Err(error) = conn.execute_batch("SELEKT 1") {
            ///     assert_eq!(conn.outcome(&error), Outcome::Failed);
            /// }
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[must_use]
            pub fn outcome(&mut self, error: &M::Error) -> Outcome {
                let core = Clone::clone(&self.core);
                core.lifecycle.outcome(self, error)
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

        impl<$($generics)*> Drop for $name {
            #[inline]
            fn drop(&mut self) {
                if let Some(place) = self.place.take() {
                    self.core.give_back(place);
                }
            }
        }

        threadwise_core::pool_guard!([$($generics)*] $name);
    };
}

guard!(['p, M: ManageConnection] PooledConnection<'p, M>);
guard!([M: ManageConnection] OwnedConnection<M>);
