//! The connections that are shared: who holds which, and who may join. Plain data under a short lock
//! of its own, which is never held together with a call of the manager.

use std::collections::HashSet;

use threadwise_core::CloseReason;
use threadwise_core::sync::{Condvar, Mutex, MutexGuard};

use crate::slot::{Handed, Lent, Owned, Share, Slot};
use crate::slots::Slots;

pub(crate) struct Sharing<C> {
    pub(crate) max_sharing: usize,
    table: Mutex<Table<C>>,
    pub(crate) changed: Condvar,
}

pub(crate) struct Table<C> {
    shared: Vec<Entry<C>>,
    /// Threads that are about to add one.
    coming: usize,
    pub(crate) closed: bool,
}

struct Entry<C> {
    lent: Lent<C>,
    transactions: usize,
    /// Nobody joins it any more, and it is closed in the end, for this reason.
    spoilt: Option<CloseReason>,
}

/// A connection whose last holder has left.
pub(crate) struct Ended<C> {
    pub(crate) handed: Handed<C>,
    pub(crate) spoilt: Option<CloseReason>,
}

pub(crate) type Locked<'t, C> = MutexGuard<'t, Table<C>>;

impl<C> Sharing<C> {
    pub(crate) fn new(max_sharing: usize) -> Self {
        let table = Mutex::new(Table { shared: Vec::new(), coming: 0, closed: false });
        Self { max_sharing, table, changed: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> Locked<'_, C> {
        self.table.lock()
    }

    /// Tells those who wait that there is nothing to wait for.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// A holder is done. The last one gets the connection, to give it back.
    pub(crate) fn leave(
        &self,
        share: Share<'_, C>,
        spoilt: Option<CloseReason>,
    ) -> Option<Ended<C>> {
        let mut table = self.lock();
        let position = table.position(share.index());
        let entry = &mut table.shared[position];
        entry.lent.leave(share);
        entry.spoilt = entry.spoilt.or(spoilt);
        let ended = entry.lent.holders() == 0;
        let ended = ended.then(|| table.shared.remove(position));
        drop(table);
        ended.map(|entry| Ended { handed: entry.lent.end(), spoilt: entry.spoilt })
    }
}

impl<C> Table<C> {
    pub(crate) fn is_empty(&self) -> bool {
        self.shared.is_empty()
    }

    /// Whether another connection may become a shared one.
    pub(crate) fn has_room(&self, max_sharing: usize) -> bool {
        self.shared.len() + self.coming < max_sharing
    }

    /// Whether somebody has gone to borrow one.
    pub(crate) fn is_one_coming(&self) -> bool {
        self.coming > 0
    }

    /// The caller goes to borrow one.
    pub(crate) fn announce(&mut self) {
        self.coming += 1;
    }

    /// The caller comes back without one.
    pub(crate) fn withdraw(&mut self) {
        self.coming -= 1;
    }

    /// The caller comes back with one, and is its first holder.
    pub(crate) fn add<'p>(&mut self, owned: Owned<'p, C>) -> Share<'p, C>
    where
        C: Sync,
    {
        self.coming -= 1;
        let slot = owned.slot();
        let mut lent = Lent::new(owned);
        let share = lent.join(slot);
        self.shared.push(Entry { lent, transactions: 0, spoilt: None });
        share
    }

    /// Joins the connection with the fewest holders, the one that was shared first if there are
    /// several; none in a transaction, none of those to be passed over, and none that is to be
    /// closed: it would not come to an end.
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
        let open_to_all = self.shared.iter_mut().filter(|entry| {
            entry.transactions == 0
                && entry.spoilt.is_none()
                && !pass_over.contains(&entry.lent.index())
        });
        let entries = open_to_all.filter_map(|entry| {
            slots.get(entry.lent.index()).filter(may_join).map(|slot| (entry, slot))
        });
        let (entry, slot) = entries.min_by_key(|(entry, _)| entry.lent.holders())?;
        Some(entry.lent.join(slot))
    }

    /// A holder of the connection has declared a transaction.
    pub(crate) fn begin(&mut self, index: usize) {
        let position = self.position(index);
        self.shared[position].transactions += 1;
    }

    /// It has ended.
    pub(crate) fn end(&mut self, index: usize) {
        let position = self.position(index);
        self.shared[position].transactions -= 1;
    }

    fn position(&self, index: usize) -> usize {
        let position = self.shared.iter().position(|entry| entry.lent.index() == index);
        position.expect("a connection is shared until its last holder leaves")
    }
}
