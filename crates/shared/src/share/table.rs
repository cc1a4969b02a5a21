//! The shared connections: how many threads hold each, and which ones others may join. Plain data
//! under a short lock of its own. The manager is never called under it.

use std::collections::HashSet;

use threadwise_core::CloseReason;
use threadwise_core::parts::sync::{Condvar, Mutex, MutexGuard};

use crate::slot::{Handed, Owned, Share, SharedOwned, Slot};
use crate::slots::Slots;

pub(crate) struct Sharing<C> {
    pub(crate) max_sharing: usize,
    table: Mutex<Table<C>>,
    pub(crate) changed: Condvar,
}

pub(crate) struct Table<C> {
    shared: Vec<Entry<C>>,
    /// Threads that are about to add a connection.
    adding: usize,
    pub(crate) closed: bool,
}

struct Entry<C> {
    owned: SharedOwned<C>,
    transactions: usize,
    /// Set if no other thread may join it. Its last holder closes it for this reason.
    poisoned: Option<CloseReason>,
}

/// A connection whose last holder has left.
pub(crate) struct Ended<C> {
    pub(crate) handed: Handed<C>,
    pub(crate) poisoned: Option<CloseReason>,
}

pub(crate) type Locked<'t, C> = MutexGuard<'t, Table<C>>;

impl<C> Sharing<C> {
    pub(crate) fn new(max_sharing: usize) -> Self {
        let table = Mutex::new(Table { shared: Vec::new(), adding: 0, closed: false });
        Self { max_sharing, table, changed: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> Locked<'_, C> {
        self.table.lock()
    }

    /// Ends the wait of all threads.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Removes a holder. The last one gets the connection, to return it.
    pub(crate) fn leave(
        &self,
        share: Share<'_, C>,
        poisoned: Option<CloseReason>,
    ) -> Option<Ended<C>> {
        let mut table = self.lock();
        let position = table.position(share.index());
        let entry = &mut table.shared[position];
        entry.owned.leave(share);
        entry.poisoned = entry.poisoned.or(poisoned);
        let is_last = entry.owned.holders() == 0;
        if !is_last {
            return None;
        }
        let entry = table.shared.remove(position);
        drop(table);
        Some(Ended { handed: entry.owned.end(), poisoned: entry.poisoned })
    }
}

impl<C> Table<C> {
    pub(crate) fn is_empty(&self) -> bool {
        self.shared.is_empty()
    }

    /// Whether another connection may become a shared one.
    pub(crate) fn has_room(&self, max_sharing: usize) -> bool {
        self.shared.len() + self.adding < max_sharing
    }

    /// Whether a thread is about to add a connection.
    pub(crate) fn is_adding(&self) -> bool {
        self.adding > 0
    }

    /// Notes that the caller begins to borrow a connection, to add it.
    pub(crate) fn begin_adding(&mut self) {
        self.adding += 1;
    }

    /// Notes that the caller has no connection to add.
    pub(crate) fn cancel_adding(&mut self) {
        self.adding -= 1;
    }

    /// Adds the caller's connection, with the caller as its first holder.
    pub(crate) fn add<'p>(&mut self, owned: Owned<'p, C>) -> Share<'p, C>
    where
        C: Sync,
    {
        self.adding -= 1;
        let slot = owned.slot();
        let mut owned = SharedOwned::new(owned);
        let share = owned.join(slot);
        self.shared.push(Entry { owned, transactions: 0, poisoned: None });
        share
    }

    /// Joins the connection with the fewest holders; of several, the one that was shared first.
    /// Skips connections in a transaction, those in `pass_over`, and those that are marked to be
    /// closed, which would otherwise never end.
    pub(crate) fn join_least_shared<'p>(
        &mut self,
        slots: &'p Slots<C>,
        pass_over: &HashSet<usize>,
        has_surplus: impl Fn() -> bool,
    ) -> Option<Share<'p, C>>
    where
        C: Sync,
    {
        let may_join =
            |slot: &&Slot<C>| slot.may_be_joined() && !(slot.may_be_surplus() && has_surplus());
        let free = self.shared.iter_mut().filter(|entry| {
            entry.transactions == 0
                && entry.poisoned.is_none()
                && !pass_over.contains(&entry.owned.index())
        });
        let entries = free.filter_map(|entry| {
            slots.get(entry.owned.index()).filter(may_join).map(|slot| (entry, slot))
        });
        let (entry, slot) = entries.min_by_key(|(entry, _)| entry.owned.holders())?;
        Some(entry.owned.join(slot))
    }

    /// Notes that a holder of the connection has declared a transaction.
    pub(crate) fn begin(&mut self, index: usize) {
        let position = self.position(index);
        self.shared[position].transactions += 1;
    }

    /// Notes that the transaction has ended.
    pub(crate) fn end(&mut self, index: usize) {
        let position = self.position(index);
        self.shared[position].transactions -= 1;
    }

    fn position(&self, index: usize) -> usize {
        let position = self.shared.iter().position(|entry| entry.owned.index() == index);
        position.expect("a connection is shared until its last holder leaves")
    }
}
