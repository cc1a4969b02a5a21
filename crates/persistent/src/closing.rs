//! Giving a connection back, and closing it.

use std::sync::atomic::Ordering;

use threadwise_core::{CloseReason, ConnectError, ManageConnection};

use crate::core::{Core, Held, Lent, Own};
use crate::exit::ThreadKey;
use crate::flags::SeenByAll;
use crate::opening::{Entry, Room};
use crate::slot::Back;

impl<M: ManageConnection> Core<M> {
    /// A guard's connection came back.
    #[inline(always)] // all but what is out of line is a dozen loads, stores and tests
    pub(crate) fn give_back(&self, mut lent: Lent<'_, M>) {
        if !self.flags.are_quiet() {
            return self.give_back_watched(lent);
        }
        match self.lifecycle.check_in(&mut lent.content_mut().conn) {
            Ok(was_reset) => {
                lent.count_reset(was_reset);
                self.put_back(lent);
            }
            Err(reason) => self.end(lent, reason),
        }
    }

    #[inline(always)]
    pub(crate) fn put_back(&self, lent: Lent<'_, M>) {
        match lent.put_back(&self.flags) {
            Back::Idle => {}
            Back::Disturbed(_) if !self.flags.is_closed() => {}
            Back::Disturbed(own) => self.close_idle(own),
            Back::Ended(lent) => self.end(lent, CloseReason::ThreadEnded),
        }
    }

    /// This thread's connection is idle in a closed pool; who closes the pool may be at it too.
    #[cold]
    #[inline(never)]
    pub(crate) fn close_idle(&self, own: Own<'_, M>) {
        if let Some(held) = own.take_idle() {
            self.close_taken(held, own.owner());
        }
    }

    fn close_taken(&self, held: Held<M::Connection>, thread: ThreadKey) {
        let _entry = Entry { core: self, thread };
        self.lifecycle.close(held.conn, CloseReason::PoolClosed);
    }

    /// Closes a connection of `thread`, which has none any more.
    #[cold]
    #[inline(never)]
    pub(crate) fn end(&self, lent: Lent<'_, M>, reason: CloseReason) {
        let (vacant, held) = lent.take_out();
        if self.flags.is_forked() {
            return self.lifecycle.forget_in_child(held.conn);
        }
        let _room = Room::new(self, vacant); // ends when the connection is closed
        self.lifecycle.close(held.conn, reason);
    }

    /// `thread`'s connection leaves the pool.
    pub(crate) fn let_go(&self, lent: Lent<'_, M>) -> M::Connection {
        let (vacant, held) = lent.take_out();
        if !self.flags.is_forked() {
            let _room = Room::new(self, vacant);
            self.lifecycle.count_closed(CloseReason::Detached);
        }
        held.conn
    }

    /// Closes a connection beside a thread's own.
    #[cold]
    #[inline(never)]
    pub(crate) fn end_overflow(&self, held: Held<M::Connection>, reason: CloseReason) {
        if self.flags.is_forked() {
            return self.lifecycle.forget_in_child(held.conn);
        }
        self.lifecycle.close(held.conn, reason);
        self.overflow_ended();
    }

    /// There is one connection less beside the threads' own.
    pub(crate) fn overflow_ended(&self) {
        self.counts.overflow.fetch_sub(1, Ordering::Relaxed);
        self.registry.tell_pausing();
    }

    /// A connection beside a thread's own leaves the pool.
    pub(crate) fn let_overflow_go(&self, held: Held<M::Connection>) -> M::Connection {
        if !self.flags.is_forked() {
            self.lifecycle.count_closed(CloseReason::Detached);
            self.overflow_ended();
        }
        held.conn
    }

    /// A holder's connection is lost: opens another in its place.
    #[cold]
    #[inline(never)]
    pub(crate) fn replace(
        &self,
        held: &mut Held<M::Connection>,
    ) -> Result<(), ConnectError<M::Error>> {
        if self.flags.is_forked() {
            return Err(ConnectError::Unavailable("the connection belongs to the parent process"));
        }
        if self.flags.is_closed() {
            return Err(ConnectError::Unavailable("the pool is closed"));
        }
        let conn = self.lifecycle.reopen(self.settings.get_timeout)?;
        let lost = std::mem::replace(held, Held::new(conn, self.settings.clock.now()));
        self.lifecycle.close(lost.conn, CloseReason::Broken);
        Ok(())
    }

    /// A thread has no connection any more.
    pub(crate) fn leave(&self, thread: ThreadKey) {
        self.registry.leave(thread, |slot| {
            let (gets, resets) = slot.slot.take_counts();
            self.counts.gets.fetch_add(gets, Ordering::Relaxed);
            self.counts.resets.fetch_add(resets, Ordering::Relaxed);
        });
    }

    /// Closes the pool. If the system refuses the barrier, idle connections of other threads are left
    /// to these: each closes its own when it comes for it or ends, at the latest the last handle does.
    pub(crate) fn close(&self) {
        let seen = self.flags.close();
        self.close_slots(seen);
    }

    /// Tells those who wait, and closes what is idle: all of it, or this thread's own.
    pub(crate) fn close_slots(&self, seen: Option<SeenByAll>) {
        let slots = self.registry.close(); // tells those who wait, whatever comes next
        match seen {
            Some(seen) => {
                for slot in slots {
                    if let Some(held) = slot.slot.take_idle(seen) {
                        self.close_taken(held, slot.slot.owner());
                    }
                }
            }
            None => {
                if let Some(own) = self.find_or_make() {
                    self.close_idle(own);
                }
            }
        }
    }
}
