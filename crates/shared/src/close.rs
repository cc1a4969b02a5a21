//! Closing connections, and closing the pool.

use std::time::Instant;

use threadwise_core::parts::Deadline;
use threadwise_core::parts::fork::AfterFork;
use threadwise_core::{CloseReason, ManageConnection};

use crate::background::Task;
use crate::core::{CONNECTED, Core, Lock, OwnedSlot};
use crate::holders::FIRST;
use crate::waiter::Wakeup;

/// # One connection
impl<M: ManageConnection> Core<M> {
    /// Closes a guard's connection.
    pub(crate) fn discard(&self, owned: OwnedSlot<'_, M>) {
        if self.is_forked() {
            return self.forget_in_child(owned);
        }
        self.holder_left(owned.slot().index(), FIRST);
        self.close_in_background(owned, CloseReason::Discarded);
    }

    /// Takes a guard's connection out of the pool.
    pub(crate) fn detach(&self, mut owned: OwnedSlot<'_, M>) -> M::Connection {
        let conn = owned.take_out().expect(CONNECTED);
        if self.is_forked() {
            return conn; // the caller knows that it is the parent's
        }
        self.holder_left(owned.slot().index(), FIRST);
        self.lifecycle.count_closed(&conn, CloseReason::Detached);
        self.free_capacity(owned, false);
        conn
    }

    /// Lets a thread of the pool close a connection. Its capacity becomes free when it is closed,
    /// not before, because the limit counts the connections of the server.
    #[cold]
    #[inline(never)]
    pub(crate) fn close_in_background(&self, owned: OwnedSlot<'_, M>, reason: CloseReason) {
        self.handoff.state.lock().closing += 1;
        self.close_counted(owned, reason);
    }

    /// Like [`close_in_background`](Self::close_in_background), for a connection that counts as
    /// being closed already.
    pub(crate) fn close_counted(&self, owned: OwnedSlot<'_, M>, reason: CloseReason) {
        self.submit(Task::Close(owned.hand_over(), reason));
    }

    /// Empties the slot of a connection that is closed or has left the pool, so that another one may
    /// be opened. `was_closing` says whether it counted as being closed.
    pub(crate) fn free_capacity(&self, owned: OwnedSlot<'_, M>, was_closing: bool) {
        owned.leave_empty();
        let mut state = self.handoff.state.lock();
        state.open -= 1;
        state.closing -= usize::from(was_closing);
        let (closed, probing) = (state.closed, state.probing);
        self.meet_demand(state);
        if closed {
            self.progress.notify_all();
            self.housekeeper.notify_one(); // it waits for the last task
        }
        if probing {
            self.retry.notify_one(); // no connection may be left that could come back
        }
    }
}

/// # The pool
impl<M: ManageConnection> Core<M> {
    /// Closes the pool. Waits until idle connections are closed, at the latest until `end`.
    pub(crate) fn close(&self, end: Instant) {
        self.snapshot.closed();
        let mut state = self.handoff.state.lock();
        state.closed = true;
        self.handoff.end_all_waits(state, || Wakeup::Closed);
        self.sharing.close();
        self.retry.notify_all();
        self.housekeeper.notify_all();
        let close = |owned: OwnedSlot<'_, M>| {
            self.close_in_background(owned, CloseReason::PoolClosed);
        };
        self.handoff.slots.retire_all(close);
        self.lifecycle.pool_closed();
        self.close_background(end);
    }

    /// Waits until the threads of a closed pool have ended. Returns whether they have.
    pub(crate) fn await_threads(&self, deadline: Deadline) -> bool {
        self.await_quiet(deadline, |state| state.threads == 0)
    }

    /// Waits until the connections and threads of a closed pool are gone. Returns whether they are.
    pub(crate) fn await_end(&self, deadline: Deadline) -> bool {
        self.await_quiet(deadline, |state| {
            state.threads == 0 && state.open == 0 && state.connecting() == 0
        })
    }

    fn await_quiet(&self, deadline: Deadline, is_quiet: impl Fn(&Lock<'_, M>) -> bool) -> bool {
        let mut state = self.handoff.state.lock();
        while !is_quiet(&state) && !deadline.has_passed() {
            state = self.progress.wait_until(state, deadline.instant());
        }
        is_quiet(&state)
    }
}
