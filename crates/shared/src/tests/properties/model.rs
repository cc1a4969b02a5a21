//! A pool as one would explain it: vectors, no atomics, one thing at a time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use threadwise_core::CloseReason;

use super::step::Settings;
use crate::state::Limits;
use crate::slot::Seen;

/// Which connection. Each is opened once.
pub(super) type Id = u32;

/// Which waiter. Each waits once.
pub(super) type Name = usize;

pub(super) struct Model {
    pub(super) slots: Vec<Place>,
    /// How many slots there were at first: threads have their homes among these.
    homes: usize,
    /// Who waits, in the order in which they are served.
    pub(super) line: Vec<Waiting>,
    /// Who is on the way to look.
    pub(super) told: Option<Name>,
    /// What each waiter has been told and has not read.
    pub(super) mail: Vec<Letter>,
    pub(super) limits: Limits,
    fair_after: Duration,
    pub(super) open: usize,
    /// Dials that are allowed or under way, by their tickets' numbers.
    pub(super) dials: BTreeMap<u64, Dial>,
    /// How many dials may be under way at once, at most.
    ramp: usize,
    /// Whether something is done at each use, so that the fast path is closed.
    watched: bool,
    pub(super) suspended: bool,
    pub(super) closed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dial {
    pub(super) begun: bool,
    /// Others need not wait for it.
    pub(super) overdue: bool,
}

/// A slot.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) seen: Seen,
    /// Whoever has it closes it.
    pub(super) retire: bool,
    /// The same, unless that is put off.
    pub(super) expired: bool,
    /// The same, if there are too many by then.
    pub(super) surplus: bool,
    /// Whoever has it is followed by a question to the server.
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
pub(super) enum Letter {
    Nothing,
    Look,
    /// The connection in this slot, which is stale if so.
    Connection(usize, bool),
    Failed,
    Closed,
}

/// What comes of joining the line.
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
            slots: vec![Place::EMPTY; limits.max_size],
            homes: limits.max_size,
            line: Vec::new(),
            told: None,
            mail: Vec::new(),
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

    /// The one rule about looking: where a connection is idle and somebody waits, somebody is on
    /// the way to look, and if nobody was, it is who has waited longest.
    pub(super) fn settle(&mut self) {
        if self.told.is_none()
            && !self.suspended
            && self.idle() > 0
            && let Some(head) = self.line.first()
        {
            self.told = Some(head.name);
            self.mail[head.name] = Letter::Look;
        }
    }

    /// Whether a thread that tries this slot gets its connection.
    pub(super) fn take(&mut self, slot: usize) -> bool {
        let is_fresh = self.slots[slot].seen == Seen::Idle { stale: false };
        let may = is_fresh && !self.watched && !self.suspended;
        if may {
            self.own(slot, Seen::Borrowed);
        }
        may
    }

    /// The first that is idle and fresh, from the thread's home on and round; otherwise the first
    /// that is idle and stale.
    pub(super) fn take_any(&mut self, home: usize) -> Option<(usize, bool)> {
        if self.suspended {
            return None;
        }
        let home = home % self.homes;
        let from_home = || (home..self.slots.len()).chain(0..home);
        let fresh = from_home().find(|slot| self.slots[*slot].seen == Seen::Idle { stale: false });
        let stale = || self.slots.iter().position(Place::is_idle);
        let (slot, stale) =
            fresh.map(|slot| (slot, false)).or_else(|| stale().map(|slot| (slot, true)))?;
        self.own(slot, Seen::Borrowed);
        Some((slot, stale))
    }

    pub(super) fn join(&mut self, since: Instant, front: bool, home: usize) -> Outcome {
        let is_full = self.limits.max_waiters.filter(|max| self.line.len() >= *max && !front);
        match (self.closed, is_full) {
            (true, _) => return Outcome::Closed,
            (_, Some(max)) => return Outcome::Full(max),
            _ => {}
        }
        if let Some((slot, stale)) = self.take_any(home) {
            return Outcome::Connection { slot, stale };
        }
        let waiting = Waiting { name: self.mail.len(), since };
        self.mail.push(Letter::Nothing);
        self.line.insert(if front { 0 } else { self.line.len() }, waiting);
        Outcome::Waiting
    }

    pub(super) fn read(&mut self, name: Name) -> Letter {
        let letter = std::mem::replace(&mut self.mail[name], Letter::Nothing);
        if let Letter::Connection(slot, _) = letter {
            self.slots[slot].uses += 1;
        }
        letter
    }

    /// What a waiter that looks finds.
    pub(super) fn look(&mut self, name: Name, home: usize) -> Option<(usize, bool)> {
        self.forget_look(name);
        let place = self.line.iter().position(|waiting| waiting.name == name)?;
        let found = self.take_any(home)?;
        self.line.remove(place);
        Some(found)
    }

    /// Whether a waiter that gives up was in the line still.
    pub(super) fn give_up(&mut self, name: Name) -> bool {
        self.forget_look(name);
        let place = self.line.iter().position(|waiting| waiting.name == name);
        place.map(|place| self.line.remove(place)).is_some()
    }

    /// Whether a connection that is given back stays in the pool: one that is to be closed comes
    /// back, one that somebody has waited for long is theirs, any other is idle.
    pub(super) fn put(&mut self, slot: usize, now: Instant) -> bool {
        if self.slots[slot].is_marked() {
            return false;
        }
        let oldest = self.line.first().map(|waiting| now.duration_since(waiting.since));
        match !self.suspended && oldest.is_some_and(|waited| waited >= self.fair_after) {
            true => self.serve(slot),
            false => self.rest(slot),
        }
        true
    }

    /// Whether a connection that was just opened stays in the pool: it is for who waits, however
    /// short a time, otherwise idle.
    pub(super) fn add(&mut self, dial: u64, slot: usize) -> bool {
        self.dials.remove(&dial);
        self.open += 1;
        self.ramp = self.ramp.saturating_mul(2);
        if self.closed || self.open > self.limits.max_size {
            return false;
        }
        if !self.line.is_empty() && !self.suspended {
            self.serve(slot);
            return true;
        }
        let may = !self.slots[slot].is_marked();
        if may {
            self.rest(slot);
        }
        may
    }

    /// A connection is idle.
    fn rest(&mut self, slot: usize) {
        let stale = std::mem::take(&mut self.slots[slot].suspect);
        self.slots[slot].seen = Seen::Idle { stale };
    }

    /// A connection is the waiter's who is first in the line.
    fn serve(&mut self, slot: usize) {
        let Waiting { name, .. } = self.line.remove(0);
        self.forget_look(name);
        self.slots[slot].seen = Seen::Borrowed;
        let stale = std::mem::take(&mut self.slots[slot].suspect);
        self.mail[name] = Letter::Connection(slot, stale);
    }

    /// What is idle is for those who wait, in order.
    pub(super) fn resume(&mut self) {
        self.suspended = false;
        while !self.line.is_empty()
            && let Some(slot) = self.slots.iter().position(Place::is_idle)
        {
            self.slots[slot].suspect = self.slots[slot].seen == Seen::Idle { stale: true };
            self.serve(slot);
        }
    }

    fn forget_look(&mut self, name: Name) {
        self.told = self.told.filter(|told| *told != name);
    }

    pub(super) fn dismiss_all(&mut self, letter: Letter) {
        self.told = None;
        for waiting in self.line.drain(..) {
            self.mail[waiting.name] = letter;
        }
    }

    /// How many connections are wanted.
    fn wanted(&self) -> usize {
        self.line.len() + self.limits.min_idle.saturating_sub(self.idle())
    }

    /// Dials that others wait for.
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

    /// Whether a dial that was allowed is still called for.
    pub(super) fn is_called_for(&mut self, dial: u64, unasked: bool) -> bool {
        let is_wanted = unasked || self.wanted() >= self.connecting_in_time();
        let is_allowed = self.open + self.dials.len() <= self.limits.max_size;
        let begins = is_wanted && is_allowed && !self.closed && !self.suspended;
        match begins {
            true => self.dials.insert(dial, Dial { begun: true, overdue: false }),
            false => self.dials.remove(&dial),
        };
        begins
    }

    /// All dials that have begun take too long. Whether there was one of which that is news.
    pub(super) fn lose_patience(&mut self) -> bool {
        let mut news = false;
        for dial in self.dials.values_mut().filter(|dial| dial.begun && !dial.overdue) {
            dial.overdue = true;
            news = true;
        }
        if news {
            self.ramp = 1;
        }
        news
    }

    /// The slot in which a connection is opened.
    pub(super) fn begin_dial(&mut self) -> usize {
        let empty = self.slots.iter().position(|place| place.seen == Seen::Empty);
        let slot = empty.expect("a slot for each connection that may be open");
        self.own(slot, Seen::Dialling);
        slot
    }

    pub(super) fn fill(&mut self, slot: usize, conn: Id) {
        let place = &mut self.slots[slot];
        (place.conn, place.seen) = (Some(conn), Seen::Borrowed);
        place.uses += 1; // so that it is seen that this is another one
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
        self.slots[slot] = Place { uses, ..Place::EMPTY };
    }

    /// Whether the pool itself gets the connection.
    pub(super) fn reserve(&mut self, slot: usize) -> bool {
        let may = self.slots[slot].is_idle();
        if may {
            self.own(slot, Seen::Reserved);
        }
        may
    }

    /// Whether there was one to mark.
    pub(super) fn mark_stale(&mut self, slot: usize) -> bool {
        let may = self.slots[slot].seen == Seen::Idle { stale: false };
        if may {
            self.slots[slot].seen = Seen::Idle { stale: true };
        }
        may
    }

    /// Whether somebody has it.
    pub(super) fn mark_expired(&mut self, slot: usize) -> bool {
        let may = self.slots[slot].is_busy();
        self.slots[slot].expired |= may;
        may
    }

    /// Why a connection that came back marked is closed, if it is; otherwise it is not marked any
    /// more.
    pub(super) fn judge(&mut self, slot: usize, in_transaction: bool) -> Option<CloseReason> {
        let place = &mut self.slots[slot];
        if self.closed {
            return Some(CloseReason::PoolClosed);
        }
        if self.open > self.limits.max_size {
            return Some(CloseReason::Surplus);
        }
        if place.retire {
            return Some(CloseReason::Evicted);
        }
        if place.expired && !in_transaction {
            return Some(CloseReason::MaxLifetime);
        }
        (place.expired, place.surplus) = (false, false);
        None
    }

    /// Whether a borrower has it.
    pub(super) fn mark_suspect(&mut self, slot: usize) -> bool {
        let may = self.slots[slot].seen == Seen::Borrowed;
        self.slots[slot].suspect |= may;
        may
    }

    pub(super) fn resize(&mut self, max_size: usize, slots: usize) {
        self.limits.max_size = max_size;
        self.slots.resize(slots, Place::EMPTY);
    }

    /// Whether there was a connection: an idle one is closed, one that somebody has is marked.
    pub(super) fn retire(&mut self, slot: usize) -> bool {
        if self.reserve(slot) {
            self.close(slot);
            return true;
        }
        let may = self.slots[slot].is_busy();
        self.slots[slot].retire |= may;
        may
    }

    /// Idle ones are closed; if too few are idle, all that somebody has are marked.
    pub(super) fn shrink(&mut self) {
        let idle: Vec<_> =
            (0..self.slots.len()).filter(|slot| self.slots[*slot].is_idle()).collect();
        for slot in idle {
            if self.open > self.limits.max_size {
                self.retire(slot);
            }
        }
        if self.open > self.limits.max_size {
            self.slots.iter_mut().for_each(|place| place.surplus |= place.is_busy());
        }
    }

    pub(super) fn idle(&self) -> usize {
        self.slots.iter().filter(|place| place.is_idle()).count()
    }

    fn own(&mut self, slot: usize, seen: Seen) {
        self.slots[slot].seen = seen;
        self.slots[slot].uses += u64::from(seen == Seen::Borrowed);
    }
}

impl Place {
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

    /// Whether somebody has it.
    fn is_busy(&self) -> bool {
        matches!(self.seen, Seen::Borrowed | Seen::Reserved)
    }

    /// Whether something is against its being idle again.
    pub(super) fn is_marked(&self) -> bool {
        self.retire || self.expired || self.surplus
    }
}
