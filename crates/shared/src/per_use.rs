//! What is done at each use where the settings ask for it: hooks, events, limits of use, and records
//! of who has what. A pool that none of this is asked of never comes here: its slots are not marked
//! as watched.

use std::thread;
use std::time::Duration;

use threadwise_core::fork::AfterFork;
use threadwise_core::{CloseReason, Deadline, GetError, Holder, ManageConnection, Report, Veto};

use crate::holders::{FIRST, Part};
use crate::pool::{CONNECTED, Core, Lock, OwnedSlot};

/// What happens when a thread that holds a connection waits for another, and all who hold one wait
/// as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NestedGet {
    /// Nobody looks. The `get`s time out.
    #[default]
    Off,
    /// It is reported to the pool's events, which log it unless they are told otherwise.
    Warn,
    /// It is reported, and the `get` fails at once with
    /// [`GetError::Deadlock`](crate::GetError::Deadlock), so that the others go on.
    Error,
}

/// What the settings ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    /// Whether anything is done at each use.
    pub(crate) watches_uses: bool,
    /// Whether the events want to hear of each use.
    pub(crate) tells_uses: bool,
    /// Whether it is recorded who has what.
    pub(crate) traces_holders: bool,
    /// Whether that includes where they borrowed it.
    pub(crate) traces_places: bool,
    pub(crate) max_uses: Option<u64>,
    pub(crate) max_idle: Option<usize>,
    pub(crate) nested_get: NestedGet,
    pub(crate) slow_get: Option<Duration>,
}

impl<M: ManageConnection> Core<M> {
    /// A connection is about to be lent.
    ///
    /// # Errors
    ///
    /// Why the `on_acquire` hook refuses it.
    pub(crate) fn lent(
        &self,
        owned: &mut OwnedSlot<'_, M>,
        deadline: Deadline,
    ) -> Result<(), Veto> {
        self.lifecycle.on_acquire(owned.content_mut().as_mut().expect(CONNECTED))?;
        if self.settings.watch.traces_holders {
            self.holders.insert(owned.slot().index(), self.this_holder());
        }
        if self.settings.watch.tells_uses {
            let now = self.settings.clock.now();
            owned.record_lent(self.nanos(now));
            let waited = now.saturating_duration_since(deadline.start());
            self.lifecycle.observer().emit(|events| events.acquired(waited));
        }
        Ok(())
    }

    fn this_holder(&self) -> Holder {
        Holder::current(self.settings.clock.now(), self.settings.watch.traces_places)
    }

    /// This thread has joined those who share a connection. What stands for it among its holders.
    pub(crate) fn holder_joined(&self, index: usize) -> Part {
        if self.settings.watch.traces_holders {
            self.holders.join(index, self.this_holder())
        } else {
            FIRST
        }
    }

    /// Who had a connection, or this part in it, has it no more. If that was reported as a leak, so
    /// is its end.
    pub(crate) fn holder_left(&self, index: usize, part: Part) {
        if !self.settings.watch.traces_holders {
            return;
        }
        let Some(holder) = self.holders.remove(index, part) else { return };
        let held = self.settings.clock.now().saturating_duration_since(holder.since);
        let report = Report::LeakReturned { pool: self.name(), holder: &holder, held };
        self.lifecycle.observer().emit(|events| events.report(&report));
    }

    /// As `give_back`, where there is more to it.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_back_closely(&self, owned: OwnedSlot<'_, M>) {
        match self.is_forked() {
            true => self.forget_in_child(owned),
            false => self.give_back_watched(owned),
        }
    }

    /// As `give_back`, with all that is asked for.
    fn give_back_watched(&self, mut owned: OwnedSlot<'_, M>) {
        self.tell_returned(&owned);
        let conn = owned.content_mut().as_mut().expect(CONNECTED);
        let checked = self.lifecycle.returned(conn).and_then(|()| self.lifecycle.check_in(conn));
        match checked {
            Ok(was_reset) => owned.count_reset(was_reset),
            Err(reason) => return self.give_up(owned, reason),
        }
        let is_worn = self.settings.watch.max_uses.is_some_and(|max| owned.uses() >= max);
        if is_worn && !self.lifecycle.in_transaction(owned.content().as_ref().expect(CONNECTED)) {
            return self.give_up(owned, CloseReason::MaxUses);
        }
        match self.settings.watch.max_idle {
            Some(max_idle) => self.put_unless_surplus(owned, max_idle),
            None => self.put(owned),
        }
    }

    fn tell_returned(&self, owned: &OwnedSlot<'_, M>) {
        self.holder_left(owned.slot().index(), FIRST);
        if self.settings.watch.tells_uses {
            let now = self.settings.clock.now();
            let lent = self.instant(owned.lent()).unwrap_or(now);
            let held = now.saturating_duration_since(lent);
            self.lifecycle.observer().emit(|events| events.returned(held));
        }
    }

    /// Who has the connections, if that is recorded.
    pub(crate) fn list_holders(&self) -> Vec<Holder> {
        if self.settings.watch.traces_holders { self.holders.list() } else { Vec::new() }
    }

    /// Makes a connection idle unless enough are. Under the lock, so that two that come back at once
    /// count each other.
    fn put_unless_surplus(&self, owned: OwnedSlot<'_, M>, max_idle: usize) {
        let line = self.exchange.line.lock();
        if line.waiting() > 0 || line.suspended {
            drop(line);
            return self.put(owned);
        }
        if self.exchange.idle() >= max_idle {
            drop(line);
            return self.give_up(owned, CloseReason::Surplus);
        }
        let put = owned.put_back(); // under the lock: who joins the line afterwards sees it
        drop(line);
        if let Err(owned) = put {
            self.retired(owned);
        }
    }

    /// A `get` was served that did not end on the fast path.
    pub(crate) fn served(&self, deadline: Deadline) {
        let Some(limit) = self.settings.watch.slow_get else { return };
        let waited = deadline.waited();
        if waited > limit {
            let report = Report::SlowGet { pool: self.name(), waited };
            self.lifecycle.observer().emit(|events| events.report(&report));
        }
    }

    /// This thread has just joined the line. Who has the connections, if each of them has a holder
    /// who waits in it, so that none can come back.
    pub(crate) fn find_deadlock(&self, line: &Lock<'_, M>) -> Option<Vec<Holder>> {
        if self.settings.watch.nested_get == NestedGet::Off
            || !self.holders.has(thread::current().id())
        {
            return None;
        }
        if line.open < line.limits.max_size || line.connecting() > 0 {
            return None;
        }
        let waits = |holder: &Holder| line.waiters().any(|waiter| waiter.thread == holder.thread);
        (self.holders.held_by(waits) == line.open).then(|| self.holders.list())
    }

    /// Reports a deadlock; the error for the thread that would have completed it, if the settings
    /// ask for one.
    pub(crate) fn deadlocked(&self, holders: Vec<Holder>) -> Option<GetError<M::Error>> {
        let report = Report::Deadlock { pool: self.name(), holders: &holders };
        self.lifecycle.observer().emit(|events| events.report(&report));
        (self.settings.watch.nested_get == NestedGet::Error)
            .then_some(GetError::Deadlock { holders })
    }
}
