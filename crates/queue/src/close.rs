//! How connections are closed.

use std::sync::atomic::Ordering::Relaxed;

use threadwise_core::parts::foreign;
use threadwise_core::parts::fork::AfterFork;
use threadwise_core::{CloseReason, ManageConnection};

use crate::core::Core;
use crate::place::{Entry, Place};

impl<M: ManageConnection> Core<M> {
    pub(crate) fn close(&self) {
        if self.flags.set_closed() {
            self.lifecycle.pool_closed();
            self.empty_queue(None);
        }
    }

    /// Empties the queue of a closed pool and closes the connections in it. `refused` is an entry that
    /// the full queue did not take. The places end here.
    #[cold]
    pub(crate) fn empty_queue(&self, refused: Option<Entry<M::Connection>>) {
        for mut place in refused.into_iter().chain(self.receiver.try_iter()).flatten() {
            self.clear(&mut place, CloseReason::PoolClosed);
        }
        // The queue is full only if it contains other markers, or places whose senders come here too.
        let _ = self.sender.try_send(None);
    }

    /// Closes the connection of a place, if there is one. In a forked child, forgets a connection of
    /// the parent instead. Not inlined, so that a return saves fewer registers.
    #[cold]
    #[inline(never)]
    pub(crate) fn clear(&self, place: &mut Place<M::Connection>, reason: CloseReason) {
        let Some(conn) = place.conn.take() else { return };
        if self.is_forked() {
            self.lifecycle.forget_in_child(conn);
        } else {
            self.lifecycle.close(conn, reason);
            self.counts.open.fetch_sub(1, Relaxed);
        }
    }

    /// Closes the idle connections for which `is_meant` returns `true` or panics, one after the other,
    /// and keeps their places.
    pub(crate) fn evict_if(&self, mut is_meant: impl FnMut(&mut M::Connection) -> bool) {
        self.visit_queue(|mut place| {
            let asked = place.conn.as_mut().map(|conn| foreign::call(|| is_meant(conn)));
            if asked.is_some_and(|answer| answer.unwrap_or(true)) {
                self.clear(&mut place, CloseReason::Evicted);
            }
            Some(place)
        });
    }
}
