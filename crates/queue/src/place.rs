//! What lies in the queue: the pool's places, one for each connection it may have.

use std::time::{Duration, Instant};

use threadwise_core::{CloseReason, ManageConnection};

use crate::pool::Core;

/// An entry of the queue. There are never more places than the pool's size, so as many entries fit
/// in the queue, and one more for the mark.
pub(crate) enum Entry<C> {
    /// A place with a connection, and since when nobody used it (where the policy wants to know).
    Filled(C, Option<Instant>),
    /// A place whose connection was lost. Whoever draws it opens another.
    Empty,
    /// The mark of a closed pool. Whoever draws it puts it back, so that it wakes the next waiter.
    Closed,
}

pub(crate) fn idle_time(since: Option<Instant>) -> Duration {
    since.map_or(Duration::ZERO, |since| since.elapsed())
}

/// The right to have one connection. However it ends, the place goes back into the queue: that is
/// how capacity survives errors and panics.
pub(crate) struct Place<'p, M: ManageConnection> {
    core: &'p Core<M>,
}

impl<'p, M: ManageConnection> Place<'p, M> {
    /// Takes charge of a place that was drawn from the queue.
    pub(crate) fn drawn_from(core: &'p Core<M>) -> Self {
        Self { core }
    }

    /// The place is in the care of a guard from now on.
    pub(crate) fn entrust(self) {
        std::mem::forget(self);
    }
}

impl<M: ManageConnection> Drop for Place<'_, M> {
    fn drop(&mut self) {
        self.core.put(Entry::Empty);
    }
}

/// The three ways in which a guard ends.
impl<M: ManageConnection> Core<M> {
    /// The connection came back.
    pub(crate) fn give_back(&self, mut conn: M::Connection) {
        match self.keeper.check_in(&mut conn) {
            Ok(was_reset) => {
                self.keeper.tally().reset(was_reset);
                self.put(Entry::Filled(conn, self.now()));
            }
            Err(reason) => self.give_up(conn, reason),
        }
    }

    /// The connection is not to be used again.
    pub(crate) fn give_up(&self, conn: M::Connection, reason: CloseReason) {
        let _place = Place::drawn_from(self); // back in the queue when the connection is closed
        self.close_connection(conn, reason);
    }

    /// The connection leaves the pool, and is not counted any more.
    pub(crate) fn let_go(&self) {
        let _place = Place::drawn_from(self);
        self.keeper.tally().closed(CloseReason::Detached);
        self.forget_connection();
    }
}
