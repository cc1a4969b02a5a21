//! How connections are closed, and how they leave the pool.
#![allow(unsafe_code)]

use std::sync::atomic::Ordering;

use threadwise_core::{CloseReason, ManageConnection};

use crate::core::{Core, Tracked};
use crate::flags::SeenByAll;
use crate::open::{EntryGuard, OpenPermit};
use crate::this_thread::ThreadKey;
use crate::thread_slot::{Borrowed, OwnerRef};

/// # The pool
impl<M: ManageConnection> Core<M> {
    /// Closes the pool. If the system refuses the barrier, this leaves idle connections of other threads
    /// to their owners. Each is closed by its owner's next `get`, by the end of its thread, or by the
    /// drop of the last handle.
    pub(crate) fn close(&self) {
        let seen = self.flags.close();
        self.close_slots(seen);
    }

    /// Closes the pool after its last handle was dropped. Needs nothing of the system, so it cannot fail.
    pub(crate) fn close_unused(&self) {
        // SAFETY: this is called by the drop of the last handle, which has synchronised with the drop of
        // each other handle (their count is decremented with AcqRel). Every guard borrows a handle, and
        // only a thread with a handle borrows a connection. A thread that ends takes its connection out
        // under the slot's lock.
        let seen = unsafe { self.flags.close_unused() };
        self.close_slots(Some(seen));
    }

    /// Wakes the waiters and closes idle connections: all of them, or without `seen` this thread's own.
    fn close_slots(&self, seen: Option<SeenByAll>) {
        let slots = self.registry.close(); // wakes the waiters, whatever happens next
        self.lifecycle.pool_closed();
        match seen {
            Some(seen) => {
                for slot in slots {
                    if let Some(tracked) = slot.slot.take_idle(seen) {
                        self.close_taken(tracked, slot.slot.owner());
                    }
                }
            }
            None => {
                if let Some(owner) = self.slot_of_this_thread() {
                    self.close_idle(owner);
                }
            }
        }
    }

    /// Closes this thread's idle connection in a closed pool, unless the closing thread was faster.
    #[cold]
    #[inline(never)]
    pub(crate) fn close_idle(&self, owner: OwnerRef<'_, M>) {
        if let Some(tracked) = owner.take_idle() {
            self.close_taken(tracked, owner.owner());
        }
    }

    fn close_taken(&self, tracked: Tracked<M::Connection>, thread: ThreadKey) {
        let _entry = EntryGuard { core: self, thread };
        self.lifecycle.close(tracked.conn, CloseReason::PoolClosed);
    }
}

/// # A borrowed connection
impl<M: ManageConnection> Core<M> {
    /// Closes a thread's own connection, at the end of its guard.
    #[cold]
    #[inline(never)]
    pub(crate) fn end(&self, borrowed: Borrowed<'_, M>, reason: CloseReason) {
        let (empty, tracked) = borrowed.take_out();
        if self.flags.is_forked() {
            return self.lifecycle.forget_in_child(tracked.conn);
        }
        let _permit = OpenPermit::new(self, empty); // ends when the connection is closed
        self.lifecycle.close(tracked.conn, reason);
    }

    /// Closes an overflow connection, at the end of its guard.
    #[cold]
    #[inline(never)]
    pub(crate) fn end_overflow(&self, tracked: Tracked<M::Connection>, reason: CloseReason) {
        if self.flags.is_forked() {
            return self.lifecycle.forget_in_child(tracked.conn);
        }
        self.lifecycle.close(tracked.conn, reason);
        self.overflow_ended();
    }

    /// Takes a thread's own connection out of the pool.
    pub(crate) fn detach(&self, borrowed: Borrowed<'_, M>) -> M::Connection {
        let (empty, tracked) = borrowed.take_out();
        if !self.flags.is_forked() {
            let _permit = OpenPermit::new(self, empty);
            self.lifecycle.count_closed(&tracked.conn, CloseReason::Detached);
        }
        tracked.conn
    }

    /// Takes an overflow connection out of the pool.
    pub(crate) fn detach_overflow(&self, tracked: Tracked<M::Connection>) -> M::Connection {
        if !self.flags.is_forked() {
            self.lifecycle.count_closed(&tracked.conn, CloseReason::Detached);
            self.overflow_ended();
        }
        tracked.conn
    }

    /// Counts one overflow connection less.
    pub(crate) fn overflow_ended(&self) {
        self.counts.overflow.fetch_sub(1, Ordering::Relaxed);
        self.registry.wake_pausing();
    }
}
