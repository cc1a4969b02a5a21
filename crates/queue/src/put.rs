//! A return, from a guard to the queue.

use crossbeam_channel::TrySendError;
use threadwise_core::parts::WasReset;
use threadwise_core::{CloseReason, ManageConnection};

use crate::core::{Core, increment};
use crate::flags::Flags;
use crate::place::{Entry, Place};

impl<M: ManageConnection> Core<M> {
    /// Takes back the place of a guard that was dropped. Checks and resets its connection as the
    /// settings say; a connection that fails is closed, and its place goes back empty. Never unwinds.
    #[inline]
    pub(crate) fn give_back(&self, mut place: Box<Place<M::Connection>>) {
        let flags = self.flags.at_return();
        if flags & Flags::FORKED != 0 {
            return self.clear(&mut place, CloseReason::CheckTimedOut);
        }
        if flags & Flags::PER_USE != 0 {
            self.before_return(&mut place);
        }
        self.check_in(place);
    }

    /// Checks and resets the connection of a place as after a use, and puts the place back.
    #[inline]
    pub(crate) fn check_in(&self, mut place: Box<Place<M::Connection>>) {
        if let Some(conn) = &mut place.conn {
            match self.lifecycle.check_in(conn) {
                Ok(WasReset(false)) => {}
                Ok(WasReset(true)) => increment(&self.place_counts[place.index].resets),
                Err(reason) => self.clear(&mut place, reason),
            }
        }
        self.put(Some(place));
    }

    /// Sends an entry to the queue, which wakes a waiter.
    #[inline]
    pub(crate) fn put(&self, entry: Entry<M::Connection>) {
        // The channel has room for all places and one marker. So it refuses an entry only if it
        // contains markers, which means that the pool is closed.
        let refused = self.sender.try_send(entry);
        if self.flags.is_closed_after_send() {
            self.empty_queue(refused.err().map(TrySendError::into_inner));
        }
    }
}
