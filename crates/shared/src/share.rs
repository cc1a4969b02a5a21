//! `share()`: several threads use one connection at the same time, by shared reference.
//!
//! The rules are DBUtils': as long as fewer than `max_sharing` connections are shared, whoever
//! wants to share gets one more, if the limit allows; then the one with the fewest holders, of
//! those that nobody has a transaction open on; and if there is none, waits for a transaction to
//! end or a connection to come free. What is shared counts against the pool's limit as one
//! borrowed connection, since it is one: it was borrowed like any other and is given back by its
//! last holder.

use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use threadwise_core::sync::{Condvar, Mutex, MutexGuard};
use threadwise_core::{CloseReason, Deadline, GetError, ManageConnection};

use crate::pool::{Core, SharedPool};
use crate::slot::{Lent, Share};

/// How often a thread that waits looks for what nobody tells it: that a transaction has ended which
/// was begun by a statement, and not by [`SharedConnection::transaction`], or that somebody has
/// given back a connection of their own.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The connections that are shared, and who waits for one.
pub(crate) struct Sharing<C> {
    max_sharing: usize,
    table: Mutex<Table<C>>,
    changed: Condvar,
}

struct Table<C> {
    shared: Vec<Entry<C>>,
    /// Threads that are about to add one.
    coming: usize,
    closed: bool,
}

struct Entry<C> {
    lent: Lent<C>,
    transactions: usize,
    /// A holder panicked: nobody joins, and the connection is closed in the end.
    spoilt: bool,
}

type Failed<M> = GetError<<M as ManageConnection>::Error>;

impl<M: ManageConnection> SharedPool<M>
where
    M::Connection: Sync,
{
    /// Borrows a connection together with others, waiting up to the `get_timeout` setting. For
    /// connections that are used by shared reference; what their holders do is not kept apart, so
    /// a transaction should be declared by [`SharedConnection::transaction`].
    ///
    /// Takes a short lock, unlike [`get`](Self::get).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); without `max_sharing`, [`GetError::NotShared`].
    ///
    /// ```compile_fail,E0277
    /// # use threadwise_shared::{ManageConnection, SharedPool};
    /// fn share<M: ManageConnection<Connection = std::cell::Cell<u32>>>(pool: &SharedPool<M>) {
    ///     let _ = pool.share(); // a `Cell` is not `Sync`
    /// }
    /// ```
    pub fn share(&self) -> Result<SharedConnection<'_, M>, Failed<M>> {
        let timeout = self.core().get_timeout;
        self.core().share(Deadline::for_work(timeout), timeout == Some(Duration::ZERO))
    }

    /// As [`share`](Self::share), waiting up to `timeout`; zero does not wait.
    ///
    /// # Errors
    ///
    /// As [`share`](Self::share).
    pub fn share_timeout(&self, timeout: Duration) -> Result<SharedConnection<'_, M>, Failed<M>> {
        self.core().share(Deadline::for_work(Some(timeout)), timeout.is_zero())
    }
}

impl<C> Sharing<C> {
    pub(crate) fn new(max_sharing: usize) -> Self {
        let table = Mutex::new(Table { shared: Vec::new(), coming: 0, closed: false });
        Self { max_sharing, table, changed: Condvar::new() }
    }

    /// Tells those who wait that there is nothing to wait for.
    pub(crate) fn close(&self) {
        self.table.lock().closed = true;
        self.changed.notify_all();
    }

    fn entry<'t>(table: &'t mut MutexGuard<'_, Table<C>>, index: usize) -> &'t mut Entry<C> {
        let entry = table.shared.iter_mut().find(|entry| entry.lent.index() == index);
        entry.expect("a connection is shared until its last holder leaves")
    }
}

impl<M: ManageConnection> Core<M>
where
    M::Connection: Sync,
{
    fn share(
        &self,
        deadline: Deadline,
        at_once: bool,
    ) -> Result<SharedConnection<'_, M>, Failed<M>> {
        if self.sharing.max_sharing == 0 {
            return Err(GetError::NotShared);
        }
        // Those that the manager says are in a transaction, though nobody declared one.
        let mut in_transaction = HashSet::new();
        loop {
            let mut table = self.sharing.table.lock();
            if table.closed {
                return Err(GetError::Closed);
            }
            let may_add = table.shared.len() + table.coming < self.sharing.max_sharing;
            if may_add && (table.shared.is_empty() || self.has_room()) {
                return self.add_shared(table, deadline, at_once);
            }
            if let Some(joined) = self.join_least_shared(&mut table, &in_transaction) {
                drop(table);
                if !joined.is_in_transaction() {
                    return Ok(joined);
                }
                in_transaction.insert(joined.share().index());
                continue; // and leave it
            }
            if at_once || deadline.has_passed() {
                drop(table);
                return Err(match at_once {
                    true => GetError::Exhausted(Box::new(self.state())),
                    false => self.timed_out(deadline),
                });
            }
            let again = Instant::now() + LOOK_AGAIN;
            let until = deadline.instant().map_or(again, |end| end.min(again));
            drop(self.sharing.changed.wait_until(table, Some(until)));
            in_transaction.clear();
        }
    }

    /// Whether one more connection can be had without waiting for its user.
    fn has_room(&self) -> bool {
        let line = self.exchange.line.lock();
        line.open + line.connecting < line.limits.max_size || self.exchange.slots.any_idle()
    }

    /// Borrows a connection as `get` does, and makes it one that others may join.
    fn add_shared<'p>(
        &'p self,
        mut table: MutexGuard<'_, Table<M::Connection>>,
        deadline: Deadline,
        at_once: bool,
    ) -> Result<SharedConnection<'p, M>, Failed<M>> {
        table.coming += 1;
        drop(table);
        let got = self.get_by(deadline, at_once);
        let mut table = self.sharing.table.lock();
        table.coming -= 1;
        let added = got.map_err(|error| *error).map(|owned| {
            let slot = owned.slot();
            let mut lent = Lent::new(owned);
            let share = Some(lent.join(slot));
            table.shared.push(Entry { lent, transactions: 0, spoilt: false });
            SharedConnection { core: self, share }
        });
        drop(table);
        self.sharing.changed.notify_all(); // there is one to join, or room for another to try
        added
    }

    /// Joins the connection with the fewest holders, the one that was shared first if there are
    /// several.
    fn join_least_shared(
        &self,
        table: &mut MutexGuard<'_, Table<M::Connection>>,
        in_transaction: &HashSet<usize>,
    ) -> Option<SharedConnection<'_, M>> {
        let open_to_all = |entry: &&mut Entry<M::Connection>| {
            entry.transactions == 0
                && !entry.spoilt
                && !in_transaction.contains(&entry.lent.index())
        };
        let entries = table.shared.iter_mut().filter(open_to_all);
        let entry = entries.min_by_key(|entry| entry.lent.holders())?;
        let slot = self.exchange.slots.get(entry.lent.index())?;
        Some(SharedConnection { core: self, share: Some(entry.lent.join(slot)) })
    }
}

impl<M: ManageConnection> Core<M> {
    /// A holder is done. The last one gives the connection back.
    fn leave_shared(&self, share: Share<'_, M::Connection>) {
        let index = share.index();
        let mut table = self.sharing.table.lock();
        let entry = Sharing::entry(&mut table, index);
        entry.lent.leave(share);
        entry.spoilt |= std::thread::panicking();
        let position = table.shared.iter().position(|entry| entry.lent.holders() == 0);
        let ended = position.map(|position| table.shared.remove(position));
        drop(table);
        if let Some(Entry { lent, spoilt, .. }) = ended {
            let owned = self.exchange.slots.accept(lent.end());
            match spoilt {
                true => self.give_up(owned, CloseReason::Panicked),
                false => self.give_back(owned),
            }
        }
        self.sharing.changed.notify_all();
    }
}

/// A connection that other threads may be using at the same time; dropping it leaves it to them,
/// or gives it back.
pub struct SharedConnection<'p, M: ManageConnection> {
    core: &'p Core<M>,
    share: Option<Share<'p, M::Connection>>, // `None` only once the guard has ended
}

const HELD: &str = "a guard holds its connection until it ends";

impl<'p, M: ManageConnection> SharedConnection<'p, M> {
    fn share(&self) -> &Share<'p, M::Connection> {
        self.share.as_ref().expect(HELD)
    }

    /// Declares that this holder has a transaction open, until what is returned is dropped: nobody
    /// else joins the connection meanwhile, and those who wait are told when it ends. Sends nothing
    /// to the server; those who hold the connection already go on using it.
    pub fn transaction(&self) -> SharedTransaction<'_, 'p, M> {
        let mut table = self.core.sharing.table.lock();
        Sharing::entry(&mut table, self.share().index()).transactions += 1;
        drop(table);
        SharedTransaction { conn: self }
    }
}

impl<M: ManageConnection> SharedConnection<'_, M>
where
    M::Connection: Sync,
{
    fn is_in_transaction(&self) -> bool {
        let manager = self.core.keeper.manager();
        catch_unwind(AssertUnwindSafe(|| manager.in_transaction(self))).unwrap_or(true)
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

impl<M: ManageConnection> Drop for SharedConnection<'_, M> {
    fn drop(&mut self) {
        if let Some(share) = self.share.take() {
            self.core.leave_shared(share);
        }
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

/// A transaction that a holder of a shared connection has declared; see
/// [`SharedConnection::transaction`].
#[must_use = "the transaction counts as ended when this is dropped"]
pub struct SharedTransaction<'c, 'p, M: ManageConnection> {
    conn: &'c SharedConnection<'p, M>,
}

impl<M: ManageConnection> Drop for SharedTransaction<'_, '_, M> {
    fn drop(&mut self) {
        let sharing = &self.conn.core.sharing;
        let mut table = sharing.table.lock();
        Sharing::entry(&mut table, self.conn.share().index()).transactions -= 1;
        drop(table);
        sharing.changed.notify_all();
    }
}
