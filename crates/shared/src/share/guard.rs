//! Shared connections, and transactions on them.

use std::fmt;
use std::ops::Deref;

use threadwise_core::parts::foreign;
use threadwise_core::parts::fork::AfterFork;
use threadwise_core::{CloseReason, ManageConnection};

use super::table::Ended;
use crate::core::Core;
use crate::holders::{FIRST, Part};
use crate::slot::Share;

/// A connection that other threads may use at the same time. Dropping it leaves the connection to
/// them; the last holder returns it.
#[must_use = "the connection is returned when its last holder is dropped"]
pub struct SharedConnection<'p, M: ManageConnection> {
    core: &'p Core<M>,
    share: Option<Share<'p, M::Connection>>, // `None` only once the guard has ended
    part: Part,
}

/// A transaction that a holder of a shared connection has declared; see
/// [`SharedConnection::transaction`].
#[must_use = "the transaction counts as ended when this is dropped"]
pub struct SharedTransaction<'c, 'p, M: ManageConnection> {
    conn: &'c SharedConnection<'p, M>,
}

const HELD: &str = "a guard holds its connection until it ends";

impl<'p, M: ManageConnection> SharedConnection<'p, M> {
    /// Leaves a connection that must not be used any more: no other thread joins it, and its last
    /// holder closes it.
    ///
    /// ```
    /// # use std::sync::atomic::AtomicU32;
    /// # use threadwise_shared::{ManageConnection, SharedPool};
    /// # struct Counters; // connections that are atomic counters
    /// # impl ManageConnection for Counters {
    /// #     type Connection = AtomicU32;
    /// #     type Error = std::io::Error;
    /// #     fn connect(&self) -> Result<AtomicU32, Self::Error> { Ok(AtomicU32::new(0)) }
    /// #     fn is_valid(&self, _: &mut AtomicU32) -> Result<(), Self::Error> { Ok(()) }
    /// #     fn has_broken(&self, _: &mut AtomicU32) -> bool { false }
    /// # }
    /// let pool = SharedPool::builder().max_sharing(1).build(Counters)?;
    /// pool.share()?.discard();
    /// drop(pool.share()?); // another connection
    /// assert_eq!(pool.state().counters.opened, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn discard(mut self) {
        if let Some(share) = self.share.take() {
            self.core.leave_shared(share, self.part, Some(CloseReason::Discarded));
        }
    }

    /// Declares that this holder has a transaction open, until the returned value is dropped.
    ///
    /// No other thread joins the connection meanwhile. When the transaction ends, the pool tells
    /// waiting threads. The declaration sends nothing to the server. Threads that already hold the
    /// connection go on using it.
    ///
    /// ```
    /// # use std::sync::atomic::AtomicU32;
    /// # use std::time::Duration;
    /// # use threadwise_shared::{ManageConnection, SharedPool};
    /// # struct Counters; // connections that are atomic counters
    /// # impl ManageConnection for Counters {
    /// #     type Connection = AtomicU32;
    /// #     type Error = std::io::Error;
    /// #     fn connect(&self) -> Result<AtomicU32, Self::Error> { Ok(AtomicU32::new(0)) }
    /// #     fn is_valid(&self, _: &mut AtomicU32) -> Result<(), Self::Error> { Ok(()) }
    /// #     fn has_broken(&self, _: &mut AtomicU32) -> bool { false }
    /// # }
    /// let pool = SharedPool::builder().max_size(1).max_sharing(1).build(Counters)?;
    /// let conn = pool.share()?;
    /// let transaction = conn.transaction();
    /// assert!(pool.share_timeout(Duration::ZERO).is_err());
    /// drop(transaction);
    /// assert!(pool.share_timeout(Duration::ZERO).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transaction(&self) -> SharedTransaction<'_, 'p, M> {
        if !self.core.is_forked() {
            self.core.sharing.lock().begin(self.index());
        }
        SharedTransaction { conn: self }
    }

    /// The guard of the thread that has borrowed the connection.
    pub(super) fn first(core: &'p Core<M>, share: Share<'p, M::Connection>) -> Self {
        Self::new(core, share, FIRST)
    }

    pub(super) fn new(core: &'p Core<M>, share: Share<'p, M::Connection>, part: Part) -> Self {
        Self { core, share: Some(share), part }
    }

    pub(super) fn index(&self) -> usize {
        self.share().index()
    }

    fn share(&self) -> &Share<'p, M::Connection> {
        self.share.as_ref().expect(HELD)
    }
}

impl<M: ManageConnection> SharedConnection<'_, M>
where
    M::Connection: Sync,
{
    /// Whether the manager says that a transaction is open; `true` if it panics.
    pub(super) fn is_in_transaction(&self) -> bool {
        let manager = self.core.lifecycle.manager();
        foreign::call(|| manager.in_transaction_shared(self)).unwrap_or(true)
    }
}

impl<M: ManageConnection> Core<M> {
    /// Ends one holder's use of the connection. The last holder returns the connection, or closes
    /// it if a holder has given a reason in `poisoned`.
    fn leave_shared(
        &self,
        share: Share<'_, M::Connection>,
        part: Part,
        poisoned: Option<CloseReason>,
    ) {
        if self.is_forked() {
            return; // other guards may hold it still: it stays where it is
        }
        self.holder_left(share.index(), part); // before another thread can get the connection
        let panicked = std::thread::panicking().then_some(CloseReason::Panicked);
        if let Some(Ended { handed, poisoned }) = self.sharing.leave(share, poisoned.or(panicked)) {
            let owned = self.handoff.slots.accept(handed);
            match poisoned {
                Some(reason) => self.close_in_background(owned, reason),
                None => self.give_back(owned),
            }
        }
        self.sharing.changed.notify_all();
    }
}

impl<M: ManageConnection> Drop for SharedConnection<'_, M> {
    fn drop(&mut self) {
        if let Some(share) = self.share.take() {
            self.core.leave_shared(share, self.part, None);
        }
    }
}

impl<M: ManageConnection> Drop for SharedTransaction<'_, '_, M> {
    fn drop(&mut self) {
        if self.conn.core.is_forked() {
            return;
        }
        let sharing = &self.conn.core.sharing;
        sharing.lock().end(self.conn.index());
        sharing.changed.notify_all();
    }
}

impl<M: ManageConnection> Deref for SharedConnection<'_, M>
where
    M::Connection: Sync,
{
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.share().content().as_ref().expect(HELD)
    }
}

impl<M: ManageConnection> fmt::Debug for SharedConnection<'_, M>
where
    M::Connection: Sync + fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
