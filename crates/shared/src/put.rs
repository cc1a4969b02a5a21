//! Returning a connection: the fast path first.

use std::sync::atomic::Ordering;

use threadwise_core::ManageConnection;

use crate::core::{CONNECTED, Core, OwnedSlot};

impl<M: ManageConnection> Core<M> {
    /// Returns a guard's connection. Resets its session if that is due; closes it if it is broken.
    #[inline]
    pub(crate) fn give_back(&self, mut owned: OwnedSlot<'_, M>) {
        // Relaxed: only `forked` changes it, before the child has other threads.
        if self.slow_return.load(Ordering::Relaxed) {
            return self.give_back_slow(owned);
        }
        let conn = owned.content_mut().as_mut().expect(CONNECTED);
        match self.lifecycle.check_in(conn) {
            Ok(was_reset) => {
                owned.count_reset(was_reset);
                self.put(owned);
            }
            Err(reason) => self.close_in_background(owned, reason),
        }
    }

    /// Makes a connection idle, hands it off to a waiter, or closes it if it is marked.
    #[inline]
    pub(crate) fn put(&self, owned: OwnedSlot<'_, M>) {
        if let Err(owned) = self.handoff.put(owned, || self.settings.clock.now()) {
            self.put_marked(owned);
        }
    }

    /// Closes a connection that is marked to be closed, or puts it back if the reason for the mark is
    /// gone.
    #[cold]
    #[inline(never)]
    pub(crate) fn put_marked(&self, mut owned: OwnedSlot<'_, M>) {
        let flags = owned.close_flags();
        // Compared again: the mark may have been for a connection that this one has replaced.
        let is_old =
            flags.has_expired() && self.nanos(self.settings.clock.now()) >= owned.slot().expires();
        let conn = owned.content_mut().as_mut().expect(CONNECTED);
        let may_expire = is_old && !self.lifecycle.in_transaction(conn);
        match self.handoff.decide(&owned, flags, may_expire) {
            Some(reason) => self.close_counted(owned, reason),
            None => self.put(owned), // if it is old, the housekeeper comes back to it
        }
    }
}
