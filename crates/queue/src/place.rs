//! What lies in the queue: the pool's places, one for each connection it may have; and how a
//! place comes back to it.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use crossbeam_channel::TrySendError;
use threadwise_core::{CloseReason, ManageConnection, Validation, WasReset};

use crate::pool::{CLOSED, Core};

/// The right to have one connection, with that connection or without. A guard holds it, or the
/// queue does: that is how capacity survives errors and panics.
pub(crate) struct Place<C> {
    /// The place's own number, below the pool's size.
    pub(crate) number: usize,
    /// `None` if it was lost, or never opened. Whoever draws the place opens another.
    pub(crate) conn: Option<C>,
    /// Since when it lies idle, or is lent: where the settings ask for that.
    pub(crate) since: Option<Instant>,
}

/// An entry of the queue. There are never more places than the pool's size. They are boxed, so that
/// what travels is a pointer, whatever a connection's own size. `None` is the mark of a closed pool:
/// whoever draws it puts it back, so that it wakes the next waiter.
pub(crate) type Entry<C> = Option<Box<Place<C>>>;

/// What was done with a place's connections. Only the place's holder writes to it, so counting costs
/// no locked instruction; what the channel does when a place changes hands orders the writes, hence
/// `Relaxed`. Two lines of 64 bytes, since processors fetch neighbouring lines together.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Used {
    pub(crate) gets: AtomicU64,
    pub(crate) resets: AtomicU64,
}

#[inline]
pub(crate) fn count(number: &AtomicU64) {
    number.store(number.load(Relaxed) + 1, Relaxed);
}

impl<M: ManageConnection> Core<M> {
    /// A guard has ended. Nothing in here unwinds.
    #[inline]
    pub(crate) fn give_back(&self, mut place: Box<Place<M::Connection>>) {
        if self.is_orphan() {
            return self.clear(&mut place, CloseReason::Abandoned);
        }
        if let Some(conn) = &mut place.conn {
            let watched = self.settings.watches_uses;
            let returned = if watched { self.returned(conn, place.since) } else { Ok(()) };
            match returned.and_then(|()| self.keeper.check_in(conn)) {
                Ok(WasReset(false)) => {}
                Ok(WasReset(true)) => count(&self.used[place.number].resets),
                Err(reason) => self.clear(&mut place, reason),
            }
            place.since = self.idle_from_now();
        }
        self.put(Some(place));
    }

    /// Tells hooks and events of a connection that comes back.
    #[cold]
    fn returned(&self, conn: &mut M::Connection, lent: Option<Instant>) -> Result<(), CloseReason> {
        if let Some(lent) = lent.filter(|_| self.settings.tells_uses) {
            self.keeper.observer().tell(|events| events.returned(lent.elapsed()));
        }
        self.keeper.returned(conn)
    }

    /// The time, where the validation policy asks how long a connection has been idle.
    #[inline]
    pub(crate) fn idle_from_now(&self) -> Option<Instant> {
        matches!(self.keeper.validation(), Validation::IdleLongerThan(_)).then(Instant::now)
    }

    /// Closes the place's connection, if it has one and that is not another process's.
    pub(crate) fn clear(&self, place: &mut Place<M::Connection>, reason: CloseReason) {
        match place.conn.take() {
            Some(conn) if self.is_orphan() => self.keeper.abandon(conn),
            Some(conn) => {
                self.keeper.close(conn, reason);
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
        let _ = self.entries.try_send(None); // if it is full, then of such marks
    }

    /// Draws each place once that lies in the queue. What `visit` returns goes back in, so that
    /// those keep their order.
    pub(crate) fn go_round(
        &self,
        mut visit: impl FnMut(Box<Place<M::Connection>>) -> Entry<M::Connection>,
    ) {
        for _ in 0..self.queue.len() {
            match self.queue.try_recv() {
                Ok(Some(place)) => {
                    visit(place).into_iter().for_each(|place| self.put(Some(place)));
                }
                Ok(None) => return self.put(None),
                Err(_) => return,
            }
        }
    }
}
