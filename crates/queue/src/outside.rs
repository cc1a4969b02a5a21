//! Connections that leave the pool, or come in from outside.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use threadwise_core::fork::AfterFork;
use threadwise_core::{CloseReason, GetError, ManageConnection};

use crate::place::{Entry, Place};
use crate::pool::{Core, HELD, QueuePool};

/// # Connections from outside
impl<M: ManageConnection> QueuePool<M> {
    /// Takes a connection out of the pool together with its place, waiting for it as
    /// [`get`](Self::get) does. The pool has one place less until [`put`](Self::put) gives it a
    /// connection. (A guard's `detach` leaves the place, and the pool opens another connection.)
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn take(&self) -> Result<M::Connection, GetError<M::Error>> {
        let (mut lent, core) = (self.get()?, self.core.current());
        let conn = core.let_go(&mut lent.place);
        core.taken().extend(lent.place.take());
        Ok(conn)
    }

    /// Gives the pool a connection from outside, as one that comes back: it is checked, and reset
    /// if that is due. It gets a place that [`take`](Self::take) has taken, or else one whose
    /// connection was detached or lost and not yet opened again. (The queue goes round once to find
    /// such a place, so a `try_get` may find one connection less for that moment.)
    ///
    /// # Errors
    ///
    /// The connection, if no place is free or the pool is closed.
    pub fn put(&self, conn: M::Connection) -> Result<(), M::Connection> {
        let core = self.core.current();
        let Some(mut place) = core.free_place() else { return Err(conn) };
        core.lifecycle.cells().opened();
        core.lifecycle.observer().emit(|events| events.opened(Duration::ZERO));
        core.seat(&mut place, conn);
        place.since = None; // no user has held it
        place.alive = None; // and the pool does not know when its server last answered
        core.give_back(place);
        Ok(())
    }

    /// Closes all idle connections, on this thread, one after the other. Their places stay: whoever
    /// draws one opens a fresh connection. Borrowed ones are not touched.
    pub fn evict_idle(&self) {
        let core = self.core.current();
        core.go_round(|mut place| {
            core.clear(&mut place, CloseReason::Evicted);
            Some(place)
        });
    }
}

impl<M: ManageConnection> Core<M> {
    /// The pool does not count this connection any more.
    pub(crate) fn let_go(&self, place: &mut Entry<M::Connection>) -> M::Connection {
        self.lifecycle.count_closed(CloseReason::Detached);
        self.counts.open.fetch_sub(1, Relaxed);
        place.as_mut().and_then(|place| place.conn.take()).expect(HELD)
    }

    /// A place without a connection, to put one into.
    fn free_place(&self) -> Option<Box<Place<M::Connection>>> {
        if self.is_closed() {
            return None;
        }
        let mut free = self.taken().pop();
        if free.is_none() {
            self.go_round(|place| {
                if place.conn.is_some() || free.is_some() {
                    return Some(place);
                }
                free = Some(place);
                None
            });
        }
        free
    }

    pub(crate) fn taken(&self) -> MutexGuard<'_, Vec<Box<Place<M::Connection>>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
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
