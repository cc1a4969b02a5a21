//! `share()`: several threads use one connection at the same time, by shared reference.
//!
//! The rules are DBUtils'. While fewer than `max_sharing` connections are shared and the limit allows
//! one more, a thread that wants to share gets another connection. After that it gets the connection
//! with the fewest holders, of those without a transaction. If there is none, it waits until a
//! transaction ends or a connection comes free.
//!
//! A shared connection counts against the pool's limit as one borrowed connection: its first holder
//! borrows it as any other, and its last holder returns it. A thread that has waited for `fair_after`
//! for a connection of its own comes before threads that want to join one.

mod guard;
pub(crate) mod table;

use std::collections::HashSet;
use std::time::Duration;

use threadwise_core::parts::Patience;
use threadwise_core::{GetError, ManageConnection};

use crate::core::Core;
use crate::get::Search;
use crate::pool::SharedPool;
use table::Locked;

pub use guard::{SharedConnection, SharedTransaction};
pub(crate) use table::Sharing;

/// How often a waiting thread looks for events of which it gets no notification: a transaction has
/// ended that a statement began, and not [`SharedConnection::transaction`], or a thread has
/// returned a connection of its own.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Where a further connection may come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    IfIdle,
    ByDial,
}

type ShareError<M> = GetError<<M as ManageConnection>::Error>;

/// # Sharing
impl<M: ManageConnection> SharedPool<M> {
    /// Borrows a connection together with other threads. Waits up to the `get_timeout` setting.
    ///
    /// The holders use the connection by shared reference, and the pool does not keep their work
    /// apart. So declare each transaction with [`SharedConnection::transaction`]. Takes a short
    /// lock, unlike [`get`](Self::get).
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicU32, Ordering};
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
    /// let (one, other) = (pool.share()?, pool.share()?);
    /// one.fetch_add(1, Ordering::Relaxed);
    /// assert_eq!(other.load(Ordering::Relaxed), 1); // the same connection
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The connection must be `Sync`:
    ///
    /// ```compile_fail,E0277
    /// # use threadwise_shared::{ManageConnection, SharedPool};
    /// fn share<M: ManageConnection<Connection = std::cell::Cell<u32>>>(pool: &SharedPool<M>) {
    ///     let _ = pool.share(); // a `Cell` is not `Sync`
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`get`](Self::get); without `max_sharing`, [`GetError::NotShared`].
    pub fn share(&self) -> Result<SharedConnection<'_, M>, ShareError<M>>
    where
        M::Connection: Sync,
    {
        let core = self.core();
        core.share(core.settings.get_timeout)
    }

    /// Like [`share`](Self::share), but waits up to `timeout`. Zero does not wait.
    ///
    /// ```
    /// # use std::sync::atomic::AtomicU32;
    /// # use std::time::Duration;
    /// # use threadwise_shared::{GetError, ManageConnection, SharedPool};
    /// # struct Counters; // connections that are atomic counters
    /// # impl ManageConnection for Counters {
    /// #     type Connection = AtomicU32;
    /// #     type Error = std::io::Error;
    /// #     fn connect(&self) -> Result<AtomicU32, Self::Error> { Ok(AtomicU32::new(0)) }
    /// #     fn is_valid(&self, _: &mut AtomicU32) -> Result<(), Self::Error> { Ok(()) }
    /// #     fn has_broken(&self, _: &mut AtomicU32) -> bool { false }
    /// # }
    /// let pool = SharedPool::builder().max_size(1).max_sharing(1).build(Counters)?;
    /// let alone = pool.get()?;
    /// assert!(matches!(pool.share_timeout(Duration::ZERO), Err(GetError::Exhausted(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`share`](Self::share).
    pub fn share_timeout(&self, timeout: Duration) -> Result<SharedConnection<'_, M>, ShareError<M>>
    where
        M::Connection: Sync,
    {
        self.core().share(Patience::new(Some(timeout)))
    }
}

impl<M: ManageConnection> Core<M>
where
    M::Connection: Sync,
{
    fn share(&self, patience: Patience) -> Result<SharedConnection<'_, M>, ShareError<M>> {
        if self.sharing.max_sharing == 0 {
            return Err(GetError::NotShared);
        }
        let deadline = patience.work_deadline(self.settings.clock);
        let at_once = !patience.waits();
        // Connections that are in a transaction according to the manager, without a declared one.
        let mut in_transaction = HashSet::new();
        let mut may_add = true;
        loop {
            let mut table = self.sharing.lock();
            if table.closed {
                return Err(GetError::Closed);
            }
            if table.has_room(self.sharing.max_sharing) {
                // If there is no connection to join, one thread borrows one, and threads that come
                // meanwhile wait for it. Otherwise a thread adds one only if it can have one
                // without waiting for another user.
                if table.is_empty() && !table.is_adding() {
                    let search = Search::new(deadline, at_once);
                    return self.add_shared(table, search).map_err(|error| self.failed(error));
                }
                if !table.is_empty()
                    && may_add
                    && let Some(room) = self.room()
                {
                    may_add = false; // if this fails, there may be one to join by then
                    let at_once = at_once || room == Room::IfIdle;
                    let search = Search::new(deadline.at_most(POLL_INTERVAL), at_once);
                    match self.add_shared(table, search.leaving_validation()) {
                        Err(error @ GetError::Closed) => return Err(self.failed(error)),
                        Err(_) => continue,
                        added => return added,
                    }
                }
            }
            // A thread that has waited for `fair_after` for a connection of its own comes first.
            // Otherwise a connection that always has a holder would never come back.
            let slots = &self.handoff.slots;
            let may_join = !self.handoff.has_due_waiter(|| self.settings.clock.now());
            let has_surplus = || self.handoff.state.lock().surplus() > 0;
            let joined =
                may_join.then(|| table.join_least_shared(slots, &in_transaction, has_surplus));
            if let Some(share) = joined.flatten() {
                drop(table);
                let part = self.holder_joined(share.index());
                let joined = SharedConnection::new(self, share, part);
                if !joined.is_in_transaction() {
                    return Ok(joined);
                }
                in_transaction.insert(joined.index());
                continue; // which drops it
            }
            if at_once || deadline.has_passed() {
                drop(table);
                let search = Search::new(deadline, at_once);
                return Err(if at_once {
                    self.exhausted(&search)
                } else {
                    self.failed(self.timed_out(&search))
                });
            }
            let until = deadline.at_most(POLL_INTERVAL).instant();
            drop(self.settings.clock.wait_until(&self.sharing.changed, table, until));
            in_transaction.clear();
            may_add = true;
        }
    }

    /// Where one more connection may come from without waiting for another user, as far as the caller
    /// can see.
    fn room(&self) -> Option<Room> {
        let state = self.handoff.state.lock();
        if self.handoff.slots.any_idle() || state.last_error().is_some() {
            // With an error: the server refused the last connection that was asked for.
            Some(Room::IfIdle)
        } else {
            // One attempt at a time: it may hang, and a thread that waits for it is a waiter that
            // comes first.
            (state.connecting() == 0 && state.open < state.limits.max_size).then_some(Room::ByDial)
        }
    }

    /// Borrows a connection as `get` does, and adds it to those that other threads may join.
    fn add_shared<'p>(
        &'p self,
        mut table: Locked<'_, M::Connection>,
        search: Search,
    ) -> Result<SharedConnection<'p, M>, ShareError<M>> {
        table.begin_adding();
        drop(table);
        let got = self.search(search);
        let mut table = self.sharing.lock();
        let added = match got {
            Ok(owned) => Ok(SharedConnection::first(self, table.add(owned))),
            Err(error) => {
                table.cancel_adding();
                Err(*error)
            }
        };
        drop(table);
        self.sharing.changed.notify_all(); // there is one to join, or room for another try
        added
    }
}
