//! What lies in the queue: the pool's places, one for each connection it may have; and how a
//! place comes back to it.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use crossbeam_channel::TrySendError;
use threadwise_core::fork::AfterFork;
use threadwise_core::{CloseReason, ManageConnection, WasReset};

use crate::after_fork::ORPHANED;
use crate::pool::{CLOSED, Core};
use crate::report::count;
use crate::watch::WATCHED;

/// The right to have one connection, with that connection or without. A guard holds it, or the
/// queue does: that is how capacity survives errors and panics.
pub(crate) struct Place<C> {
    /// The place's own number, below the pool's size.
    pub(crate) number: usize,
    /// `None` if it was lost, or never opened. Whoever draws the place opens another.
    pub(crate) conn: Option<C>,
    /// Since when it is lent, if the events ask for that.
    pub(crate) since: Option<Instant>,
    /// When the connection was opened or last validated.
    pub(crate) alive: Option<Instant>,
}

/// An entry of the queue. There are never more places than the pool's size. They are boxed, so that
/// what travels is a pointer, whatever a connection's own size. `None` is the mark of a closed pool:
/// whoever draws it puts it back, so that it wakes the next waiter.
pub(crate) type Entry<C> = Option<Box<Place<C>>>;

impl<M: ManageConnection> Core<M> {
    /// A guard has ended. Nothing in here unwinds.
    #[inline]
    pub(crate) fn give_back(&self, mut place: Box<Place<M::Connection>>) {
        let flags = self.flags.load(Relaxed); // those that matter here do not change in one process
        if flags & ORPHANED != 0 {
            return self.clear(&mut place, CloseReason::CheckTimedOut);
        }
        if flags & WATCHED != 0 {
            self.returned(&mut place);
        }
        if let Some(conn) = &mut place.conn {
            match self.lifecycle.check_in(conn) {
                Ok(WasReset(false)) => {}
                Ok(WasReset(true)) => count(&self.used[place.number].resets),
                Err(reason) => self.clear(&mut place, reason),
            }
        }
        self.put(Some(place));
    }

    /// Closes the place's connection, if it has one and that is not another process's.
    pub(crate) fn clear(&self, place: &mut Place<M::Connection>, reason: CloseReason) {
        match place.conn.take() {
            Some(conn) if self.is_forked() => self.lifecycle.forget_in_child(conn),
            Some(conn) => {
                self.lifecycle.close(conn, reason);
                self.counts.open.fetch_sub(1, Relaxed);
            }
            None => {}
        }
    }

    /// Puts an entry into the queue and wakes a waiter.
    #[inline]
    pub(crate) fn put(&self, entry: Entry<M::Connection>) {
        // There is room for all places and a mark, so what is refused met marks of a closed pool.
        let refused = self.entries.try_send(entry);
        // A pool that was closed meanwhile may have been emptied before this entry came. The
        // channel's `try_send` advances its tail by a sequentially consistent exchange before this
        // load, `close` stores before it looks at the tail: one of the two sees the other.
        if self.flags.load(SeqCst) & CLOSED != 0 {
            self.empty(refused.err().map(TrySendError::into_inner));
        }
    }

    pub(crate) fn close(&self) {
        if self.flags.fetch_or(CLOSED, SeqCst) & CLOSED == 0 {
            self.empty(None);
        }
    }

    /// Closes what lies in the queue of a closed pool, or was refused; its places end here.
    #[cold]
    fn empty(&self, refused: Option<Entry<M::Connection>>) {
        for mut place in refused.into_iter().chain(self.queue.try_iter()).flatten() {
            self.clear(&mut place, CloseReason::PoolClosed);
        }
        // If there is no room, then because of other marks, or of places whose givers come here too.
        let _ = self.entries.try_send(None);
    }
}
