//! The same steps on the exchange and on the model, compared after each.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use threadwise_core::{CloseReason, ConnectError, Deadline};

use super::model::{Dial, Id, Letter, Model, Name, Outcome};
use super::step::{Settings, Step};
use crate::handoff::{Exchange, Joined, Looked};
use crate::state::{DialTicket, Place, SharedWaiter, Ticket};
use crate::slot::{Owned, SUSPENDED, Seen, Slot, WATCHED};
use crate::waiter::{Mail, Waiter};

/// What a play can come upon, besides the plain course of things.
pub(super) const EVENTS: [&str; 26] = [
    "nobody waited",
    "a waiter was handed a connection",
    "a waiter was handed what the pool had reserved",
    "a young waiter was told to look",
    "a young waiter was on the way to look",
    "a connection to be closed was given back",
    "one too many was given back",
    "one that had been too many was kept",
    "the line changed while a connection was given back",
    "a look found one",
    "a look was in vain",
    "one was served on the way to look",
    "one gave up too late",
    "one gave up, and the next was told to look",
    "a waiter was handed a new connection",
    "a new connection was closed",
    "a stale connection was lent",
    "the line was full",
    "a waiter was handed a stale connection",
    "a borrower's connection came back as stale",
    "one whose time was up was given back",
    "the end of one was put off",
    "a waiter was handed a connection by resuming",
    "a dial was called off",
    "a dial took too long",
    "the fast path was closed",
];

pub(super) type Real = Exchange<Id, std::convert::Infallible>;
pub(super) type Checked = Result<(), TestCaseError>;

/// Plays the steps, then lets everybody finish, then closes the pool; what has happened in between.
pub(super) fn play(
    settings: Settings,
    steps: Vec<Step>,
) -> Result<BTreeSet<&'static str>, TestCaseError> {
    let exchange = Exchange::new(settings.limits, settings.fair_after, marks(settings.watched));
    let mut play = Play::new(&exchange, settings);
    for step in steps {
        play.step(step)?;
    }
    play.finish()?;
    play.close()?;
    Ok(play.happened)
}

pub(super) struct Play<'p> {
    pub(super) exchange: &'p Real,
    pub(super) model: Model,
    watched: bool,
    now: Instant,
    opened: Id,
    /// Who has a connection.
    pub(super) users: Vec<Owned<'p, Id>>,
    /// Dials that are allowed and have not begun.
    pub(super) promised: Vec<(DialTicket, bool)>,
    pub(super) dialing: Vec<Dialing<'p>>,
    /// Connections that were opened and not put to use yet.
    pub(super) filled: Vec<Dialing<'p>>,
    pub(super) reserved: Vec<Owned<'p, Id>>,
    /// All who ever waited, by name.
    pub(super) waiters: Vec<Thread>,
    happened: BTreeSet<&'static str>,
}

/// A slot in which a connection is opened.
pub(super) struct Dialing<'p> {
    ticket: DialTicket,
    pub(super) owned: Owned<'p, Id>,
}

pub(super) struct Thread {
    pub(super) waiter: SharedWaiter<Id, std::convert::Infallible>,
    pub(super) ticket: Ticket,
    pub(super) does: Does,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Wait,
    /// It has read that it should look, and has not done so yet.
    GoToLook,
    /// It has what it came for, or was told that it will not get it.
    Leave,
    /// It gave up, and nothing may be done for it any more.
    GiveUp,
}

impl<'p> Play<'p> {
    fn new(exchange: &'p Real, settings: Settings) -> Self {
        Self {
            exchange,
            model: Model::new(settings),
            watched: settings.watched,
            // The clock can be turned back a little without falling off its beginning.
            now: Instant::now() + Duration::from_secs(3600),
            opened: 0,
            users: Vec::new(),
            promised: Vec::new(),
            dialing: Vec::new(),
            filled: Vec::new(),
            reserved: Vec::new(),
            waiters: Vec::new(),
            happened: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: Step) -> Checked {
        let connections = self.connections();
        self.act(step)?;
        self.model.settle();
        self.compare()?;
        let (now, max_size) = (self.connections(), self.model.limits.max_size);
        prop_assert!(now <= connections || now <= max_size, "{now} connections of {max_size}");
        Ok(())
    }

    fn act(&mut self, step: Step) -> Checked {
        match step {
            Step::Advance(time) => self.now += time,
            Step::Take(slot) => self.take(slot % self.model.slots.len())?,
            Step::TakeAny { home } => self.take_any(home)?,
            Step::Join { waited, front, home } => self.join(waited, front, home)?,
            Step::Read(waiter) => {
                if let Some(name) = self.one_who(Does::Wait, waiter) {
                    self.read(name)?;
                }
            }
            Step::Look { waiter, home } => {
                if let Some(name) = self.one_who(Does::GoToLook, waiter) {
                    self.look(name, home)?;
                }
            }
            Step::GiveUp(waiter) => {
                if let Some(name) = self.one_who(Does::Wait, waiter) {
                    self.give_up(name)?;
                }
            }
            Step::Put { user, meanwhile } => {
                if let Some(owned) = pick(&mut self.users, user) {
                    self.put(owned, meanwhile)?;
                }
            }
            Step::Discard(user) => {
                if let Some(owned) = pick(&mut self.users, user) {
                    self.close_connection(owned)?;
                }
            }
            Step::Grow => self.grow()?,
            Step::BeginDial => self.begin_dial()?,
            Step::Fill(dialer) => {
                if let Some(dialing) = pick(&mut self.dialing, dialer) {
                    self.fill(dialing);
                }
            }
            Step::Add(dialer) => {
                if let Some(dialing) = pick(&mut self.filled, dialer) {
                    self.add(dialing)?;
                }
            }
            Step::FailDial { dialer, for_good } => {
                if let Some(dialing) = pick(&mut self.dialing, dialer) {
                    self.fail_dial(dialing, for_good)?;
                }
            }
            Step::LosePatience => self.lose_patience()?,
            Step::MarkExpired(slot) => {
                let slot = slot % self.model.slots.len();
                let marked = self.exchange.slots.get(slot).is_some_and(Slot::mark_expired);
                prop_assert_eq!(marked, self.model.mark_expired(slot));
            }
            Step::MarkSuspect(slot) => {
                let slot = slot % self.model.slots.len();
                let marked = self.exchange.slots.get(slot).is_some_and(Slot::mark_suspect);
                prop_assert_eq!(marked, self.model.mark_suspect(slot));
            }
            Step::Postpone(user) => self.postpone(user)?,
            Step::Suspend => {
                self.exchange.suspend();
                self.model.suspended = true;
            }
            Step::Resume => self.resume()?,
            Step::MarkStale(slot) => self.mark_stale(slot % self.model.slots.len())?,
            Step::Reserve(slot) => {
                if let Some(owned) = self.reserve(slot % self.model.slots.len())? {
                    self.reserved.push(owned);
                }
            }
            Step::PutReserved(one) => {
                if let Some(owned) = pick(&mut self.reserved, one) {
                    self.put(owned, None)?;
                }
            }
            Step::CloseReserved(one) => {
                if let Some(owned) = pick(&mut self.reserved, one) {
                    self.close_connection(owned)?;
                }
            }
            Step::Retire(slot) => self.retire(slot % self.model.slots.len())?,
            Step::Evict => self.retire_all()?,
            Step::Resize(max_size) => self.resize(max_size)?,
            Step::ClosePool => self.close_pool()?,
        }
        Ok(())
    }

    /// Those that are open, being opened, or about to be.
    pub(super) fn connections(&self) -> usize {
        let line = self.exchange.line.lock();
        line.open + line.connecting()
    }

    fn note(&mut self, what: &'static str) {
        assert!(EVENTS.contains(&what), "not in the list: {what}");
        self.happened.insert(what);
    }
}

/// Borrowers.
impl<'p> Play<'p> {
    fn take(&mut self, slot: usize) -> Checked {
        let taken = self.exchange.slots.get(slot).and_then(Slot::take);
        let is_fresh = self.model.slots[slot].seen == Seen::Idle { stale: false };
        prop_assert_eq!(taken.is_some(), self.model.take(slot));
        if is_fresh && taken.is_none() {
            self.note("the fast path was closed");
        }
        self.users.extend(taken);
        Ok(())
    }

    fn take_any(&mut self, home: usize) -> Checked {
        let taken = self.exchange.slots.take_any(home, true);
        prop_assert_eq!(found(&taken), self.model.take_any(home));
        if let Some((owned, stale)) = taken {
            self.users.push(owned);
            if stale {
                self.note("a stale connection was lent");
            }
        }
        Ok(())
    }

    fn join(&mut self, waited: Duration, front: bool, home: usize) -> Checked {
        let waiter = Arc::new(Waiter::new());
        let since = self.now - waited;
        let place = if front { Place::Front } else { Place::Back };
        let (joined, line) = self.exchange.join(&waiter, since, place, home, true);
        drop(line);
        let outcome = match &joined {
            Joined::Connection(owned, stale) => {
                Outcome::Connection { slot: owned.slot().index(), stale: *stale }
            }
            Joined::Waiting(_) => Outcome::Waiting,
            Joined::Full(max) => Outcome::Full(*max),
            Joined::Closed => Outcome::Closed,
        };
        prop_assert_eq!(outcome, self.model.join(since, front, home));
        match joined {
            Joined::Connection(owned, _) => self.users.push(owned),
            Joined::Waiting(ticket) => {
                self.waiters.push(Thread { waiter, ticket, does: Does::Wait });
                self.meet_demand()?;
            }
            Joined::Full(_) => self.note("the line was full"),
            Joined::Closed => {}
        }
        Ok(())
    }

    fn read(&mut self, name: Name) -> Checked {
        let thread = &mut self.waiters[name];
        let mail = thread.waiter.wait(expired());
        prop_assert_eq!(letter(&mail), self.model.read(name));
        thread.does = match mail {
            Mail::Nothing => Does::Wait,
            Mail::Look => Does::GoToLook,
            Mail::Connection(handed, stale) => {
                let owned = self.exchange.slots.accept(handed);
                owned.count_use();
                self.users.push(owned);
                if stale {
                    self.happened.insert("a waiter was handed a stale connection");
                }
                Does::Leave
            }
            Mail::Failed(_) | Mail::Closed => Does::Leave,
        };
        Ok(())
    }

    fn look(&mut self, name: Name, home: usize) -> Checked {
        let looked = self.exchange.look(self.waiters[name].ticket, home);
        let expected = self.model.look(name, home);
        let found = match looked {
            Looked::Connection(owned, stale) => {
                let found = (owned.slot().index(), stale);
                self.users.push(owned);
                Some(found)
            }
            Looked::Nothing => None,
        };
        prop_assert_eq!(found, expected);
        self.waiters[name].does = if found.is_some() { Does::Leave } else { Does::Wait };
        self.note(match found {
            Some(_) => "a look found one",
            None if self.model.mail[name] == Letter::Nothing => "a look was in vain",
            None => "one was served on the way to look",
        });
        Ok(())
    }

    fn give_up(&mut self, name: Name) -> Checked {
        let was_told = self.model.told == Some(name);
        let left = self.exchange.give_up(self.waiters[name].ticket);
        prop_assert_eq!(left, self.model.give_up(name));
        if left {
            self.waiters[name].does = Does::GiveUp;
        } else {
            self.note("one gave up too late");
        }
        if was_told && self.model.idle() > 0 && !self.model.line.is_empty() {
            self.note("one gave up, and the next was told to look");
        }
        Ok(())
    }

    fn put(&mut self, owned: Owned<'p, Id>, meanwhile: Option<Box<Step>>) -> Checked {
        let slot = owned.slot().index();
        let waiting = self.model.line.len();
        let (mut asked, mut acted, exchange) = (false, Ok(()), self.exchange);
        let put = exchange.put(owned, || {
            asked = true;
            acted = meanwhile.map_or(Ok(()), |step| self.act(*step));
            self.model.settle(); // what happened meanwhile has ended
            self.now
        });
        acted?;
        prop_assert_eq!(asked, waiting > 0, "the clock is read where somebody waits");
        if waiting != self.model.line.len() {
            self.note("the line changed while a connection was given back");
        }
        self.compare_put(slot, put)
    }

    fn compare_put(&mut self, slot: usize, put: Result<(), Owned<'p, Id>>) -> Checked {
        let before = (self.model.line.len(), self.model.told, self.model.slots[slot].seen);
        prop_assert_eq!(put.is_ok(), self.model.put(slot, self.now));
        if self.model.slots[slot].seen == (Seen::Idle { stale: true }) {
            self.note("a borrower's connection came back as stale");
        }
        if let Err(owned) = put {
            return match self.judge(owned, false)? {
                None => Ok(()), // it is closed
                Some(owned) => self.put(owned, None),
            };
        }
        let is_served = self.model.line.len() < before.0;
        self.note(match before {
            (0, ..) => "nobody waited",
            (_, _, Seen::Reserved) if is_served => "a waiter was handed what the pool had reserved",
            _ if is_served => "a waiter was handed a connection",
            (_, None, _) => "a young waiter was told to look",
            (_, Some(_), _) => "a young waiter was on the way to look",
        });
        Ok(())
    }

    /// A connection came back marked. It is handed back if nothing is against it after all.
    fn judge(
        &mut self,
        owned: Owned<'p, Id>,
        in_transaction: bool,
    ) -> Result<Option<Owned<'p, Id>>, TestCaseError> {
        let slot = owned.slot().index();
        let marks = owned.marks();
        prop_assert_eq!(marks.is_evicted(), self.model.slots[slot].retire);
        prop_assert_eq!(marks.has_expired(), self.model.slots[slot].expired);
        let reason = self.exchange.judge(&owned, marks, !in_transaction);
        prop_assert_eq!(reason, self.model.judge(slot, in_transaction));
        self.note(match reason {
            None if marks.has_expired() => "the end of one was put off",
            None => "one that had been too many was kept",
            Some(CloseReason::MaxLifetime) => "one whose time was up was given back",
            Some(CloseReason::Surplus) => "one too many was given back",
            Some(_) => "a connection to be closed was given back",
        });
        if reason.is_none() {
            return Ok(Some(owned));
        }
        self.exchange.line.lock().closing -= 1;
        self.close_connection(owned)?;
        Ok(None)
    }

    fn one_who(&self, does: Does, number: usize) -> Option<Name> {
        let those = || (0..self.waiters.len()).filter(|name| self.waiters[*name].does == does);
        those().nth(number % those().count().max(1))
    }
}

/// The pool's own part: what its verbs do around the exchange.
impl<'p> Play<'p> {
    fn meet_demand(&mut self) -> Checked {
        loop {
            let ticket = self.exchange.line.lock().reserve_dial(|| self.exchange.idle());
            prop_assert_eq!(ticket.is_some(), self.model.may_dial());
            match ticket {
                Some(ticket) => self.promise(ticket, false),
                None => return Ok(()),
            }
        }
    }

    fn grow(&mut self) -> Checked {
        let ticket = self.exchange.line.lock().reserve_unwanted_dial();
        prop_assert_eq!(ticket.is_some(), self.model.may_grow());
        ticket.into_iter().for_each(|ticket| self.promise(ticket, true));
        Ok(())
    }

    fn promise(&mut self, ticket: DialTicket, unasked: bool) {
        self.model.dials.insert(ticket.number, Dial::default());
        self.promised.push((ticket, unasked));
    }

    fn begin_dial(&mut self) -> Checked {
        let Some((ticket, unasked)) = pick(&mut self.promised, 0) else { return Ok(()) };
        let mut line = self.exchange.line.lock();
        let begins = line.begin_dial(ticket, self.now, || self.exchange.idle());
        prop_assert_eq!(begins, self.model.is_called_for(ticket.number, unasked));
        if !begins {
            line.end_dial(ticket);
            drop(line);
            self.note("a dial was called off");
            return Ok(());
        }
        drop(line);
        let owned = self.exchange.slots.begin_dial();
        let slot = owned.as_ref().map(|owned| owned.slot().index());
        prop_assert_eq!(slot, Some(self.model.begin_dial()));
        self.dialing.extend(owned.map(|owned| Dialing { ticket, owned }));
        Ok(())
    }

    fn fill(&mut self, Dialing { ticket, owned }: Dialing<'p>) {
        self.opened += 1;
        self.model.fill(owned.slot().index(), self.opened);
        self.filled.push(Dialing { ticket, owned: owned.fill(self.opened, 1, u64::MAX) });
    }

    fn add(&mut self, Dialing { ticket, owned }: Dialing<'p>) -> Checked {
        let slot = owned.slot().index();
        let waiting = self.model.line.len();
        let expected = self.model.add(ticket.number, slot);
        let mut line = self.exchange.line.lock();
        line.end_dial(ticket);
        line.open += 1;
        line.speed_up();
        let added = self.exchange.add(line, owned);
        prop_assert_eq!(added.is_ok(), expected);
        if self.model.line.len() < waiting {
            self.note("a waiter was handed a new connection");
        }
        match added {
            Err((owned, Some(_))) => {
                self.note("a new connection was closed");
                self.close_connection(owned)?;
            }
            Err((owned, None)) => {
                let kept = self.judge(owned, false)?;
                kept.map_or(Ok(()), |owned| self.put(owned, None))?;
            }
            Ok(()) => {}
        }
        self.meet_demand()
    }

    fn fail_dial(&mut self, Dialing { ticket, owned }: Dialing<'p>, for_good: bool) -> Checked {
        self.model.fail_dial(ticket.number, owned.slot().index());
        owned.leave_empty();
        let mut line = self.exchange.line.lock();
        line.end_dial(ticket);
        line.slow_down();
        if for_good {
            self.model.dismiss_all(Letter::Failed);
            self.exchange.dismiss_all(line, || Mail::Failed(ConnectError::Panicked("".into())));
        } else {
            drop(line);
        }
        self.meet_demand()
    }

    fn lose_patience(&mut self) -> Checked {
        let next = self.exchange.line.lock().mark_overdue(Duration::ZERO, self.now);
        prop_assert_eq!(next, None);
        if self.model.lose_patience() {
            self.note("a dial took too long");
        }
        self.meet_demand()
    }

    fn postpone(&mut self, user: usize) -> Checked {
        let Some(owned) = pick(&mut self.users, user) else { return Ok(()) };
        if !owned.is_retired() {
            self.users.push(owned);
            return Ok(());
        }
        let kept = self.judge(owned, true)?;
        self.users.extend(kept);
        Ok(())
    }

    fn resume(&mut self) -> Checked {
        let waiting = self.model.line.len();
        drop(self.exchange.resume());
        self.model.resume();
        if self.model.line.len() < waiting {
            self.note("a waiter was handed a connection by resuming");
        }
        self.meet_demand()
    }

    fn close_connection(&mut self, owned: Owned<'p, Id>) -> Checked {
        self.model.close(owned.slot().index());
        let closed = Cell::new(0);
        close(&closed, owned);
        self.forget(closed.get())
    }

    fn mark_stale(&mut self, slot: usize) -> Checked {
        let marked = self.exchange.slots.get(slot).is_some_and(Slot::mark_stale);
        prop_assert_eq!(marked, self.model.mark_stale(slot));
        Ok(())
    }

    fn reserve(&mut self, slot: usize) -> Result<Option<Owned<'p, Id>>, TestCaseError> {
        let owned = self.exchange.slots.get(slot).and_then(Slot::reserve);
        prop_assert_eq!(owned.is_some(), self.model.reserve(slot));
        Ok(owned)
    }

    fn retire(&mut self, slot: usize) -> Checked {
        let closed = Cell::new(0);
        let slots = &self.exchange.slots;
        let there = slots.get(slot).map(|slot| slot.retire(|owned| close(&closed, owned)));
        prop_assert_eq!(there, Some(self.model.retire(slot)));
        self.forget(closed.get())
    }

    fn retire_all(&mut self) -> Checked {
        let closed = Cell::new(0);
        self.exchange.slots.retire_all(|owned| close(&closed, owned));
        (0..self.model.slots.len()).for_each(|slot| {
            self.model.retire(slot);
        });
        self.forget(closed.get())
    }

    fn resize(&mut self, max_size: usize) -> Checked {
        let slots = self.model.slots.len();
        let mut line = self.exchange.line.lock();
        let suspended = if self.model.suspended { SUSPENDED } else { 0 };
        self.exchange.slots.grow(max_size, marks(self.watched) | suspended);
        line.limits.max_size = max_size;
        let surplus = self.exchange.shrink(&mut line);
        line.closing -= surplus.len(); // at once
        line.open -= surplus.len();
        drop(line);
        let closed = Cell::new(0);
        surplus.into_iter().for_each(|owned| close(&closed, owned));
        let grown = self.exchange.slots.iter().count();
        prop_assert!(grown >= max_size && (slots >= max_size) == (grown == slots));
        self.model.resize(max_size, grown);
        self.model.shrink();
        self.meet_demand()
    }

    /// So many connections are closed.
    fn forget(&mut self, closed: usize) -> Checked {
        self.exchange.line.lock().open -= closed;
        self.meet_demand()
    }

    fn close_pool(&mut self) -> Checked {
        let mut line = self.exchange.line.lock();
        line.closed = true;
        self.model.closed = true;
        self.exchange.dismiss_all(line, || Mail::Closed);
        self.model.dismiss_all(Letter::Closed);
        self.retire_all()
    }
}

/// The end.
impl Play<'_> {
    /// Everybody goes on and nobody new comes: nobody may be left waiting.
    fn finish(&mut self) -> Checked {
        while let Some(step) = self.next_to_finish() {
            self.step(step)?;
        }
        let waiting = self.exchange.line.lock().waiting();
        prop_assert_eq!(waiting, 0, "nothing is left to do, and they wait");
        Ok(())
    }

    fn next_to_finish(&self) -> Option<Step> {
        let has_mail = |name: &Name| {
            self.waiters[*name].does == Does::Wait && self.model.mail[*name] != Letter::Nothing
        };
        let reader = || {
            let waiting = (0..self.waiters.len()).filter(|name| self.waits(*name));
            waiting.enumerate().find(|(_, name)| has_mail(name)).map(|(number, _)| number)
        };
        match () {
            () if self.model.suspended => Some(Step::Resume),
            () if !self.filled.is_empty() => Some(Step::Add(0)),
            () if !self.dialing.is_empty() => Some(Step::Fill(0)),
            () if !self.promised.is_empty() => Some(Step::BeginDial),
            () if !self.reserved.is_empty() => Some(Step::PutReserved(0)),
            () if self.one_who(Does::GoToLook, 0).is_some() => {
                Some(Step::Look { waiter: 0, home: 0 })
            }
            () if reader().is_some() => reader().map(Step::Read),
            () if !self.users.is_empty() => Some(Step::Put { user: 0, meanwhile: None }),
            () => None,
        }
    }

    fn waits(&self, name: Name) -> bool {
        self.waiters[name].does == Does::Wait
    }

    /// A closed pool has nothing that is open.
    fn close(&mut self) -> Checked {
        self.step(Step::ClosePool)?;
        let is_empty = |place: &super::model::Place| place.seen == Seen::Empty;
        prop_assert!(self.model.slots.iter().all(is_empty), "{:?}", self.model.slots);
        prop_assert_eq!(self.connections(), 0);
        Ok(())
    }
}

/// A time that has passed, so that nobody sleeps.
pub(super) fn expired() -> Deadline {
    Deadline::after(Some(Duration::ZERO))
}

pub(super) fn letter<T, E>(mail: &Mail<T, E>) -> Letter {
    match mail {
        Mail::Nothing => Letter::Nothing,
        Mail::Look => Letter::Look,
        Mail::Connection(handed, stale) => Letter::Connection(handed.index(), *stale),
        Mail::Failed(_) => Letter::Failed,
        Mail::Closed => Letter::Closed,
    }
}

fn found(taken: &Option<(Owned<'_, Id>, bool)>) -> Option<(usize, bool)> {
    taken.as_ref().map(|(owned, stale)| (owned.slot().index(), *stale))
}

/// The marks that slots have from the beginning.
fn marks(watched: bool) -> u32 {
    if watched { WATCHED } else { 0 }
}

fn pick<T>(from: &mut Vec<T>, number: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.remove(number % from.len()))
}

/// Closes the connection, if there is one, and counts it.
fn close(closed: &Cell<usize>, mut owned: Owned<'_, Id>) {
    closed.set(closed.get() + usize::from(owned.take_out().is_some()));
    owned.leave_empty();
}
