//! Connections that leave the pool, or come in from outside.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use threadwise_core::parts::fork::AfterFork;
use threadwise_core::{CloseReason, GetError, ManageConnection};

use crate::core::Core;
use crate::guard::HELD;
use crate::place::{Entry, Place};

impl<M: ManageConnection> Core<M> {
    /// Removes a connection with its place, as [`QueuePool::remove`](crate::QueuePool::remove)
    /// says.
    pub(crate) fn remove(&self) -> Result<M::Connection, GetError<M::Error>> {
        let mut guard = self.get(self.settings.get_timeout)?;
        let conn = self.detach(&mut guard.place);
        self.removed().extend(guard.place.take());
        Ok(conn)
    }

    /// Adds a connection from outside, as [`QueuePool::add`](crate::QueuePool::add) says.
    pub(crate) fn add(&self, conn: M::Connection) -> Result<(), M::Connection> {
        let Some(mut place) = self.free_place() else { return Err(conn) };
        self.lifecycle.cells().opened();
        self.lifecycle.emit_with(&conn, |events, info| events.opened(info, Duration::ZERO));
        self.install(&mut place, conn);
        place.borrowed_at = None; // no borrower had it
        place.last_alive = None; // the pool does not know when its server last answered
        self.give_back(place);
        Ok(())
    }

    /// Takes the connection out of a guard's place. The pool does not count it any more.
    pub(crate) fn detach(&self, place: &mut Entry<M::Connection>) -> M::Connection {
        let conn = place.as_mut().and_then(|place| place.conn.take()).expect(HELD);
        if !self.is_forked() {
            self.lifecycle.count_closed(&conn, CloseReason::Detached);
        }
        self.counts.open.fetch_sub(1, Relaxed);
        conn
    }

    /// A place without a connection: one that `remove` took out, or else one in the queue.
    fn free_place(&self) -> Option<Box<Place<M::Connection>>> {
        if self.flags.is_closed() {
            return None;
        }
        let removed = self.removed().pop();
        removed.or_else(|| self.take_from_queue(|place| place.conn.is_none()))
    }

    /// Takes the first place in the queue that `is_wanted`. The others keep their order.
    pub(crate) fn take_from_queue(
        &self,
        is_wanted: impl Fn(&Place<M::Connection>) -> bool,
    ) -> Option<Box<Place<M::Connection>>> {
        let mut taken = None;
        self.visit_queue(|place| {
            if taken.is_some() || !is_wanted(&place) {
                return Some(place);
            }
            taken = Some(place);
            None
        });
        taken
    }

    /// Receives each place in the queue once, and sends back the place that `visit` returns. The places
    /// keep their order. Each is missing from the queue while `visit` has it.
    pub(crate) fn visit_queue(
        &self,
        mut visit: impl FnMut(Box<Place<M::Connection>>) -> Entry<M::Connection>,
    ) {
        for _ in 0..self.receiver.len() {
            match self.receiver.try_recv() {
                Ok(Some(place)) => {
                    if let Some(place) = visit(place) {
                        self.put(Some(place));
                    }
                }
                Ok(None) => return self.put(None), // the pool is closed
                Err(_) => return,
            }
        }
    }
}
