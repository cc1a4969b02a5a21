//! A plain pool: vectors, no atomics, one step at a time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use threadwise_core::CloseReason;

use super::step::Settings;
use crate::flags::Seen;
use crate::settings::Limits;

/// A connection. Each is opened once.
pub(super) type Id = u32;

/// A waiter. Each waits once.
pub(super) type Name = usize;

pub(super) struct Model {
    pub(super) slots: Vec<ModelSlot>,
    /// How many slots there were at first: threads start their searches among these.
    first_len: usize,
    /// The waiters, in the order in which they are served.
    pub(super) queue: Vec<Waiting>,
    /// The waiter that is on its way to look.
    pub(super) looking: Option<Name>,
    /// The wakeup that each waiter was sent and has not read.
    pub(super) wakeups: Vec<ModelWakeup>,
    pub(super) limits: Limits,
    fair_after: Duration,
    pub(super) open: usize,
    /// Reserved dials, by their tickets' numbers.
    pub(super) dials: BTreeMap<u64, Dial>,
    /// The most dials that may run at once.
    ramp: usize,
    /// Whether uses are watched, so that the fast path is closed.
    watched: bool,
    pub(super) suspended: bool,
    pub(super) closed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dial {
    pub(super) begun: bool,
    /// It takes too long: others need not wait for it.
    pub(super) overdue: bool,
}

#[derive(Clone, Debug)]
pub(super) struct ModelSlot {
    pub(super) seen: Seen,
    /// Its owner closes the connection on return.
    pub(super) retire: bool,
    /// The same, unless the owner postpones it.
    pub(super) expired: bool,
    /// The same, if too many connections are open by then.
    pub(super) surplus: bool,
    /// The connection is validated before its next use.
    pub(super) suspect: bool,
    pub(super) conn: Option<Id>,
    pub(super) uses: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) name: Name,
    pub(super) since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelWakeup {
    Nothing,
    Look,
    /// The connection in this slot. The second value says whether it is stale.
    Connection(usize, bool),
    Failed,
    Closed,
}

/// The result of joining the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Connection { slot: usize, stale: bool },
    Waiting,
    Full(usize),
    Closed,
}

impl Model {
    pub(super) fn new(settings: Settings) -> Self {
        let Settings { limits, fair_after, watched } = settings;
        Self {
            slots: vec![ModelSlot::EMPTY; limits.max_size],
            first_len: limits.max_size,
            queue: Vec::new(),
            looking: None,
            wakeups: Vec::new(),
            limits,
            fair_after,
            open: 0,
            dials: BTreeMap::new(),
            ramp: usize::MAX,
            watched,
            suspended: false,
            closed: false,
        }
    }

    /// The one rule about looking: while a connection is idle and a thread waits, a waiter is on
    /// its way to look. If no waiter is, the one at the head begins to look.
    pub(super) fn settle(&mut self) {
        if self.looking.is_none()
            && !self.suspended
            && self.idle() > 0
            && let Some(head) = self.queue.first()
        {
            self.looking = Some(head.name);
            self.wakeups[head.name] = ModelWakeup::Look;
        }
    }

    /// Returns whether a thread that tries this slot gets its connection.
    pub(super) fn take(&mut self, slot: usize) -> bool {
        let is_fresh = self.slots[slot].seen == Seen::Idle { stale: false };
        let may = is_fresh && !self.watched && !self.suspended;
        if may {
            self.own(slot, Seen::Borrowed);
        }
        may
    }

    /// Takes the first idle and fresh connection, searched from `start` to the end and then from the
    /// beginning; otherwise the first idle and stale one.
    pub(super) fn take_any(&mut self, start: usize) -> Option<(usize, bool)> {
        if self.suspended {
            return None;
        }
        let start = start % self.first_len;
        let from_start = || (start..self.slots.len()).chain(0..start);
        let fresh = from_start().find(|slot| self.slots[*slot].seen == Seen::Idle { stale: false });
        let stale = || self.slots.iter().position(ModelSlot::is_idle);
        let (slot, stale) =
            fresh.map(|slot| (slot, false)).or_else(|| stale().map(|slot| (slot, true)))?;
        self.own(slot, Seen::Borrowed);
        Some((slot, stale))
    }

    pub(super) fn join(&mut self, since: Instant, front: bool, start: usize) -> Outcome {
        let is_full = self.limits.max_waiters.filter(|max| self.queue.len() >= *max && !front);
        match (self.closed, is_full) {
            (true, _) => return Outcome::Closed,
            (_, Some(max)) => return Outcome::Full(max),
            _ => {}
        }
        if let Some((slot, stale)) = self.take_any(start) {
            return Outcome::Connection { slot, stale };
        }
        let waiting = Waiting { name: self.wakeups.len(), since };
        self.wakeups.push(ModelWakeup::Nothing);
        self.queue.insert(if front { 0 } else { self.queue.len() }, waiting);
        Outcome::Waiting
    }

    pub(super) fn read(&mut self, name: Name) -> ModelWakeup {
        let wakeup = std::mem::replace(&mut self.wakeups[name], ModelWakeup::Nothing);
        if let ModelWakeup::Connection(slot, _) = wakeup {
            self.slots[slot].uses += 1;
        }
        wakeup
    }

    /// The result of a waiter's look.
    pub(super) fn look(&mut self, name: Name, start: usize) -> Option<(usize, bool)> {
        self.forget_look(name);
        let position = self.queue.iter().position(|waiting| waiting.name == name)?;
        let found = self.take_any(start)?;
        self.queue.remove(position);
        Some(found)
    }

    /// Returns whether a waiter that gives up was still in the queue.
    pub(super) fn give_up(&mut self, name: Name) -> bool {
        self.forget_look(name);
        let position = self.queue.iter().position(|waiting| waiting.name == name);
        position.map(|position| self.queue.remove(position)).is_some()
    }

    /// Returns whether a returned connection stays in the pool. A marked one does not; one for a due
    /// waiter goes to that waiter; any other becomes idle.
    pub(super) fn put(&mut self, slot: usize, now: Instant) -> bool {
        if self.slots[slot].is_marked() {
            return false;
        }
        let oldest = self.queue.first().map(|waiting| now.duration_since(waiting.since));
        match !self.suspended && oldest.is_some_and(|waited| waited >= self.fair_after) {
            true => self.serve(slot),
            false => self.make_idle(slot),
        }
        true
    }

    /// Returns whether a connection that was just opened stays in the pool. It goes to a waiter, even
    /// to a young one; otherwise it becomes idle.
    pub(super) fn add(&mut self, dial: u64, slot: usize) -> bool {
        self.dials.remove(&dial);
        self.open += 1;
        self.ramp = self.ramp.saturating_mul(2);
        if self.closed || self.open > self.limits.max_size {
            return false;
        }
        if !self.queue.is_empty() && !self.suspended {
            self.serve(slot);
            return true;
        }
        let may = !self.slots[slot].is_marked();
        if may {
            self.make_idle(slot);
        }
        may
    }

    /// Makes a connection idle.
    fn make_idle(&mut self, slot: usize) {
        let stale = std::mem::take(&mut self.slots[slot].suspect);
        self.slots[slot].seen = Seen::Idle { stale };
    }

    /// Gives a connection to the waiter at the head.
    fn serve(&mut self, slot: usize) {
        let Waiting { name, .. } = self.queue.remove(0);
        self.forget_look(name);
        self.slots[slot].seen = Seen::Borrowed;
        let stale = std::mem::take(&mut self.slots[slot].suspect);
        self.wakeups[name] = ModelWakeup::Connection(slot, stale);
    }

    /// Gives the idle connections to the waiters, in order.
    pub(super) fn resume(&mut self) {
        self.suspended = false;
        while !self.queue.is_empty()
            && let Some(slot) = self.slots.iter().position(ModelSlot::is_idle)
        {
            self.slots[slot].suspect = self.slots[slot].seen == Seen::Idle { stale: true };
            self.serve(slot);
        }
    }

    fn forget_look(&mut self, name: Name) {
        self.looking = self.looking.filter(|looking| *looking != name);
    }

    pub(super) fn end_all_waits(&mut self, wakeup: ModelWakeup) {
        self.looking = None;
        for waiting in self.queue.drain(..) {
            self.wakeups[waiting.name] = wakeup;
        }
    }

    /// How many connections are wanted.
    fn wanted(&self) -> usize {
        self.queue.len() + self.limits.min_idle.saturating_sub(self.idle())
    }

    /// Dials that are not overdue.
    fn connecting_in_time(&self) -> usize {
        self.dials.values().filter(|dial| !dial.overdue).count()
    }

    /// Whether a connection is wanted and may be opened.
    pub(super) fn may_dial(&self) -> bool {
        self.wanted() > self.connecting_in_time() && self.may_grow()
    }

    /// Whether a connection may be opened.
    pub(super) fn may_grow(&self) -> bool {
        !self.closed
            && !self.suspended
            && self.connecting_in_time() < self.limits.connect_concurrency.min(self.ramp)
            && self.open + self.dials.len() < self.limits.max_size
    }

    /// Returns whether a reserved dial is still called for.
    pub(super) fn is_called_for(&mut self, dial: u64, is_extra: bool) -> bool {
        let is_wanted = is_extra || self.wanted() >= self.connecting_in_time();
        let is_allowed = self.open + self.dials.len() <= self.limits.max_size;
        let begins = is_wanted && is_allowed && !self.closed && !self.suspended;
        match begins {
            true => self.dials.insert(dial, Dial { begun: true, overdue: false }),
            false => self.dials.remove(&dial),
        };
        begins
    }

    /// All dials that have begun are overdue. Returns whether one of them was not before.
    pub(super) fn mark_overdue(&mut self) -> bool {
        let mut any = false;
        for dial in self.dials.values_mut().filter(|dial| dial.begun && !dial.overdue) {
            dial.overdue = true;
            any = true;
        }
        if any {
            self.ramp = 1;
        }
        any
    }

    /// Takes a slot to open a connection in.
    pub(super) fn begin_dial(&mut self) -> usize {
        let empty = self.slots.iter().position(|slot| slot.seen == Seen::Empty);
        let slot = empty.expect("a slot for each connection that may be open");
        self.own(slot, Seen::Dialling);
        slot
    }

    pub(super) fn fill(&mut self, slot: usize, conn: Id) {
        let slot = &mut self.slots[slot];
        (slot.conn, slot.seen) = (Some(conn), Seen::Borrowed);
        slot.uses += 1; // a use by the pool: this is another connection
    }

    pub(super) fn fail_dial(&mut self, dial: u64, slot: usize) {
        self.empty(slot);
        self.dials.remove(&dial);
        self.ramp = 1;
    }

    pub(super) fn close(&mut self, slot: usize) {
        self.empty(slot);
        self.open -= 1;
    }

    fn empty(&mut self, slot: usize) {
        let uses = self.slots[slot].uses;
        self.slots[slot] = ModelSlot { uses, ..ModelSlot::EMPTY };
    }

    /// Returns whether the pool itself gets the connection.
    pub(super) fn reserve(&mut self, slot: usize) -> bool {
        let may = self.slots[slot].is_idle();
        if may {
            self.own(slot, Seen::Reserved);
        }
        may
    }

    /// Returns whether there was an idle, fresh connection to mark.
    pub(super) fn mark_stale(&mut self, slot: usize) -> bool {
        let may = self.slots[slot].seen == Seen::Idle { stale: false };
        if may {
            self.slots[slot].seen = Seen::Idle { stale: true };
        }
        may
    }

    /// Returns whether the connection has an owner.
    pub(super) fn mark_expired(&mut self, slot: usize) -> bool {
        let may = self.slots[slot].is_busy();
        self.slots[slot].expired |= may;
        may
    }

    /// Decides about a marked connection that came back. Returns the reason to close it. If there
    /// is none, removes the marks.
    pub(super) fn decide(&mut self, slot: usize, in_transaction: bool) -> Option<CloseReason> {
        let slot = &mut self.slots[slot];
        if self.closed {
            return Some(CloseReason::PoolClosed);
        }
        if self.open > self.limits.max_size {
            return Some(CloseReason::Surplus);
        }
        if slot.retire {
            return Some(CloseReason::Evicted);
        }
        if slot.expired && !in_transaction {
            return Some(CloseReason::MaxLifetime);
        }
        (slot.expired, slot.surplus) = (false, false);
        None
    }

    /// Returns whether the connection is borrowed.
    pub(super) fn mark_suspect(&mut self, slot: usize) -> bool {
        let may = self.slots[slot].seen == Seen::Borrowed;
        self.slots[slot].suspect |= may;
        may
    }

    pub(super) fn resize(&mut self, max_size: usize, slots: usize) {
        self.limits.max_size = max_size;
        self.slots.resize(slots, ModelSlot::EMPTY);
    }

    /// Closes an idle connection, marks one that has an owner. Returns whether there was one.
    pub(super) fn retire(&mut self, slot: usize) -> bool {
        if self.reserve(slot) {
            self.close(slot);
            return true;
        }
        let may = self.slots[slot].is_busy();
        self.slots[slot].retire |= may;
        may
    }

    /// Closes idle connections. If too few are idle, marks all others.
    pub(super) fn shrink(&mut self) {
        let idle: Vec<_> =
            (0..self.slots.len()).filter(|slot| self.slots[*slot].is_idle()).collect();
        for slot in idle {
            if self.open > self.limits.max_size {
                self.retire(slot);
            }
        }
        if self.open > self.limits.max_size {
            self.slots.iter_mut().for_each(|slot| slot.surplus |= slot.is_busy());
        }
    }

    pub(super) fn idle(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_idle()).count()
    }

    fn own(&mut self, slot: usize, seen: Seen) {
        self.slots[slot].seen = seen;
        self.slots[slot].uses += u64::from(seen == Seen::Borrowed);
    }
}

impl ModelSlot {
    pub(super) const EMPTY: Self = Self {
        seen: Seen::Empty,
        retire: false,
        expired: false,
        surplus: false,
        suspect: false,
        conn: None,
        uses: 0,
    };

    fn is_idle(&self) -> bool {
        matches!(self.seen, Seen::Idle { .. })
    }

    /// Whether it has an owner.
    fn is_busy(&self) -> bool {
        matches!(self.seen, Seen::Borrowed | Seen::Reserved)
    }

    /// Whether the connection must not become idle again.
    pub(super) fn is_marked(&self) -> bool {
        self.retire || self.expired || self.surplus
    }
}
