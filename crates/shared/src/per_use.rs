//! What the settings ask for at each use: hooks, events, limits of use, and records of holders. Not
//! reached unless one of them is set: only then do the slots have the flag `WATCHED`.

use std::thread;
use std::time::Duration;

use threadwise_core::parts::fork::AfterFork;
use threadwise_core::parts::{Deadline, Veto};
use threadwise_core::{CloseReason, GetError, Holder, ManageConnection, Report};

use crate::core::{CONNECTED, Core, Lock, OwnedSlot};
use crate::holders::{FIRST, Part};
use crate::settings::NestedGet;

/// # Before and after a use
impl<M: ManageConnection> Core<M> {
    /// Does the work of a use before a borrower gets the connection.
    ///
    /// # Errors
    ///
    /// The reason why the `on_acquire` hook refuses the connection.
    pub(crate) fn before_use(
        &self,
        owned: &mut OwnedSlot<'_, M>,
        deadline: Deadline,
    ) -> Result<(), Veto> {
        self.lifecycle.on_acquire(owned.content_mut().as_mut().expect(CONNECTED))?;
        if self.settings.per_use.records_holders {
            self.holders.insert(owned.slot().index(), self.this_holder());
        }
        if self.settings.per_use.emits_uses {
            let now = self.settings.clock.now();
            owned.record_borrowed(self.nanos(now));
            let waited = now.saturating_duration_since(deadline.start());
            let conn = owned.content().as_ref().expect(CONNECTED);
            self.lifecycle.emit_with(conn, |events, info| events.acquired(info, waited));
        }
        Ok(())
    }

    /// Makes the manager's quick check, if the connection was idle for long enough.
    ///
    /// # Errors
    ///
    /// The reason to close the connection.
    pub(crate) fn check_after_idle(&self, owned: &mut OwnedSlot<'_, M>) -> Result<(), CloseReason> {
        let returned = owned.returned_at();
        let idle = || {
            let now = self.nanos(self.settings.clock.now());
            Duration::from_nanos(now.saturating_sub(returned))
        };
        self.lifecycle.check_after_idle(owned.content_mut().as_mut().expect(CONNECTED), idle)
    }

    /// Like `give_back`, on the slow path.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_back_slow(&self, owned: OwnedSlot<'_, M>) {
        if self.is_forked() {
            self.forget_in_child(owned);
        } else {
            self.give_back_watched(owned);
        }
    }

    /// Like `give_back`, with the work of each use.
    fn give_back_watched(&self, mut owned: OwnedSlot<'_, M>) {
        self.report_return(&owned);
        if self.lifecycle.makes_quick_checks() {
            owned.record_returned(self.nanos(self.settings.clock.now()));
        }
        let conn = owned.content_mut().as_mut().expect(CONNECTED);
        let checked = self.lifecycle.returned(conn).and_then(|()| self.lifecycle.check_in(conn));
        match checked {
            Ok(was_reset) => owned.count_reset(was_reset),
            Err(reason) => return self.close_in_background(owned, reason),
        }
        let is_worn = self.settings.per_use.max_uses.is_some_and(|max| owned.gets() >= max);
        if is_worn && !self.lifecycle.in_transaction(owned.content_mut().as_mut().expect(CONNECTED))
        {
            return self.close_in_background(owned, CloseReason::MaxUses);
        }
        match self.settings.per_use.max_idle {
            Some(max_idle) => self.put_unless_surplus(owned, max_idle),
            None => self.put(owned),
        }
    }

    fn report_return(&self, owned: &OwnedSlot<'_, M>) {
        self.holder_left(owned.slot().index(), FIRST);
        if self.settings.per_use.emits_uses {
            let now = self.settings.clock.now();
            let borrowed = self.instant(owned.borrowed_at()).unwrap_or(now);
            let held = now.saturating_duration_since(borrowed);
            let conn = owned.content().as_ref().expect(CONNECTED);
            self.lifecycle.emit_with(conn, |events, info| events.returned(info, held));
        }
    }

    /// Makes a connection idle, or closes it if `max_idle` connections are idle. Counts under the
    /// lock, so that two connections that come back at once count each other.
    fn put_unless_surplus(&self, owned: OwnedSlot<'_, M>, max_idle: usize) {
        let state = self.handoff.state.lock();
        if state.waiting() > 0 || state.suspended {
            drop(state);
            return self.put(owned);
        }
        if self.handoff.slots.idle() >= max_idle {
            drop(state);
            return self.close_in_background(owned, CloseReason::Surplus);
        }
        let put = owned.put_back(); // under the lock: a thread that joins the queue later sees it
        drop(state);
        if let Err(owned) = put {
            self.put_marked(owned);
        }
    }

    /// Reports a `get` that succeeded off the fast path, if it took longer than `slow_get`.
    pub(crate) fn report_if_slow(&self, deadline: Deadline) {
        let Some(limit) = self.settings.per_use.slow_get else { return };
        let waited = deadline.waited();
        if waited > limit {
            let report = Report::SlowGet { pool: self.name(), waited };
            self.lifecycle.observer().emit(|events| events.report(&report));
        }
    }
}

/// # Holders
impl<M: ManageConnection> Core<M> {
    fn this_holder(&self) -> Holder {
        Holder::current(self.settings.clock.now(), self.settings.per_use.records_backtraces)
    }

    /// Records that this thread has joined those that share a connection. Returns its part.
    pub(crate) fn holder_joined(&self, index: usize) -> Part {
        if self.settings.per_use.records_holders {
            self.holders.join(index, self.this_holder())
        } else {
            FIRST
        }
    }

    /// Records that a holder has returned a connection, or its part in one. If the pool has reported
    /// it as a leak, it reports its return too.
    pub(crate) fn holder_left(&self, index: usize, part: Part) {
        if !self.settings.per_use.records_holders {
            return;
        }
        let Some(holder) = self.holders.remove(index, part) else { return };
        let held = self.settings.clock.now().saturating_duration_since(holder.since);
        let report = Report::LeakReturned { pool: self.name(), holder: &holder, held };
        self.lifecycle.observer().emit(|events| events.report(&report));
    }

    /// The holders, if the pool records them.
    pub(crate) fn list_holders(&self) -> Vec<Holder> {
        if self.settings.per_use.records_holders { self.holders.list() } else { Vec::new() }
    }

    /// Looks for a deadlock after this thread has joined the queue: each connection has a holder that
    /// waits in the queue, so that none can come back. Returns the holders.
    pub(crate) fn find_deadlock(&self, state: &Lock<'_, M>) -> Option<Vec<Holder>> {
        if self.settings.per_use.nested_get == NestedGet::Off
            || !self.holders.has(thread::current().id())
        {
            return None;
        }
        if state.open < state.limits.max_size || state.connecting() > 0 {
            return None;
        }
        let waits = |holder: &Holder| state.waiters().any(|waiter| waiter.thread == holder.thread);
        if self.holders.held_by(waits) != state.open {
            return None;
        }
        Some(self.holders.list())
    }

    /// Reports a deadlock. Returns the error for the thread that would have completed it, if the
    /// settings ask for one.
    pub(crate) fn report_deadlock(&self, holders: Vec<Holder>) -> Option<GetError<M::Error>> {
        let report = Report::Deadlock { pool: self.name(), holders: &holders };
        self.lifecycle.observer().emit(|events| events.report(&report));
        match self.settings.per_use.nested_get {
            NestedGet::Error => Some(GetError::Deadlock { holders }),
            NestedGet::Off | NestedGet::Warn => None,
        }
    }
}
