//! Runs the same steps on the handoff and on the model, and compares the two after each.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use threadwise_core::parts::Deadline;
use threadwise_core::{CloseReason, ConnectError};

use super::model::{Dial, Id, Model, ModelSlot, ModelWakeup, Name, Outcome};
use super::step::{Settings, Step};
use crate::flags::{SUSPENDED, Seen, WATCHED};
use crate::handoff::{Handoff, Joined, Looked};
use crate::origin::Origin;
use crate::slot::{Owned, Slot};
use crate::state::DialTicket;
use crate::wait_queue::{QueueEnd, SharedWaiter, Ticket};
use crate::waiter::{Waiter, Wakeup};

/// The events that a sequence may contain, besides the usual steps.
pub(super) const EVENTS: [&str; 26] = [
    "no thread waited",
    "a waiter got a returned connection",
    "a waiter got a connection that the pool had reserved",
    "a young waiter was sent to look",
    "a young waiter was on its way to look",
    "a connection to be closed was returned",
    "a surplus connection was returned",
    "a connection was returned that was surplus no longer",
    "the queue changed while a connection was returned",
    "a waiter looked and found a connection",
    "a waiter looked and found none",
    "a waiter was served on its way to look",
    "a waiter gave up too late",
    "a waiter gave up, and the next was sent to look",
    "a waiter got a new connection",
    "a new connection was closed",
    "a stale connection was borrowed",
    "the queue was full",
    "a waiter got a stale connection",
    "a borrowed connection came back stale",
    "an expired connection was returned",
    "the end of an expired connection was postponed",
    "resuming served a waiter",
    "a dial was called off",
    "a dial took too long",
    "the fast path was closed",
];

pub(super) type Real = Handoff<Id, std::convert::Infallible>;
pub(super) type Checked = Result<(), TestCaseError>;

/// Runs the steps, then lets all threads finish, then closes the pool. Returns what has happened.
pub(super) fn run(
    settings: Settings,
    steps: Vec<Step>,
) -> Result<BTreeSet<&'static str>, TestCaseError> {
    let handoff = Handoff::new(settings.limits, settings.fair_after, flags(settings.watched));
    let mut runner = Runner::new(&handoff, settings);
    for step in steps {
        runner.step(step)?;
    }
    runner.finish()?;
    runner.close()?;
    Ok(runner.happened)
}

pub(super) struct Runner<'p> {
    pub(super) handoff: &'p Real,
    pub(super) model: Model,
    watched: bool,
    now: Instant,
    opened: Id,
    /// Borrowed connections.
    pub(super) users: Vec<Owned<'p, Id>>,
    /// Reserved dials that have not begun. The second value says whether they are extra.
    pub(super) promised: Vec<(DialTicket, bool)>,
    pub(super) dialing: Vec<Dialing<'p>>,
    /// Connections that were opened and not added yet.
    pub(super) filled: Vec<Dialing<'p>>,
    pub(super) reserved: Vec<Owned<'p, Id>>,
    /// All threads that ever waited, by name.
    pub(super) waiters: Vec<WaiterThread>,
    happened: BTreeSet<&'static str>,
}

/// A slot in which a connection is opened.
pub(super) struct Dialing<'p> {
    ticket: DialTicket,
    pub(super) owned: Owned<'p, Id>,
}

pub(super) struct WaiterThread {
    pub(super) waiter: SharedWaiter<Id, std::convert::Infallible>,
    pub(super) ticket: Ticket,
    pub(super) activity: Activity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    Wait,
    /// It was sent to look, and has not looked yet.
    GoToLook,
    /// It has a connection, or was told that it gets none.
    Leave,
    /// It gave up: no thread may do anything for it any more.
    GiveUp,
}

impl<'p> Runner<'p> {
    fn new(handoff: &'p Real, settings: Settings) -> Self {
        Self {
            handoff,
            model: Model::new(settings),
            watched: settings.watched,
            // So that the clock can be turned back a little.
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
            Step::TakeAny { start } => self.take_any(start)?,
            Step::Join { waited, front, start } => self.join(waited, front, start)?,
            Step::Read(waiter) => {
                if let Some(name) = self.waiter_doing(Activity::Wait, waiter) {
                    self.read(name)?;
                }
            }
            Step::Look { waiter, start } => {
                if let Some(name) = self.waiter_doing(Activity::GoToLook, waiter) {
                    self.look(name, start)?;
                }
            }
            Step::GiveUp(waiter) => {
                if let Some(name) = self.waiter_doing(Activity::Wait, waiter) {
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
            Step::DialsOverdue => self.mark_overdue()?,
            Step::MarkExpired(slot) => {
                let slot = slot % self.model.slots.len();
                let marked = self.handoff.slots.get(slot).is_some_and(Slot::mark_expired);
                prop_assert_eq!(marked, self.model.mark_expired(slot));
            }
            Step::MarkSuspect(slot) => {
                let slot = slot % self.model.slots.len();
                let marked = self.handoff.slots.get(slot).is_some_and(Slot::mark_suspect);
                prop_assert_eq!(marked, self.model.mark_suspect(slot));
            }
            Step::Postpone(user) => self.postpone(user)?,
            Step::Suspend => {
                self.handoff.suspend();
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

    /// Connections that are open, being opened, or about to be.
    pub(super) fn connections(&self) -> usize {
        let state = self.handoff.state.lock();
        state.open + state.connecting()
    }

    fn note(&mut self, what: &'static str) {
        assert!(EVENTS.contains(&what), "not in the list: {what}");
        self.happened.insert(what);
    }
}

/// The borrowers of a run.
impl<'p> Runner<'p> {
    fn take(&mut self, slot: usize) -> Checked {
        let taken = self.handoff.slots.get(slot).and_then(Slot::take);
        let is_fresh = self.model.slots[slot].seen == Seen::Idle { stale: false };
        prop_assert_eq!(taken.is_some(), self.model.take(slot));
        if is_fresh && taken.is_none() {
            self.note("the fast path was closed");
        }
        self.users.extend(taken);
        Ok(())
    }

    fn take_any(&mut self, start: usize) -> Checked {
        let taken = self.handoff.slots.take_any(start, true);
        prop_assert_eq!(found(&taken), self.model.take_any(start));
        if let Some((owned, stale)) = taken {
            self.users.push(owned);
            if stale {
                self.note("a stale connection was borrowed");
            }
        }
        Ok(())
    }

    fn join(&mut self, waited: Duration, front: bool, start: usize) -> Checked {
        let waiter = Arc::new(Waiter::new());
        let since = self.now - waited;
        let end = if front { QueueEnd::Front } else { QueueEnd::Back };
        let (joined, state) = self.handoff.join(&waiter, since, end, start, None);
        drop(state);
        let outcome = match &joined {
            Joined::Connection(owned, stale) => {
                Outcome::Connection { slot: owned.slot().index(), stale: *stale }
            }
            Joined::Waiting(_) => Outcome::Waiting,
            Joined::Full(max) => Outcome::Full(*max),
            Joined::Closed => Outcome::Closed,
        };
        prop_assert_eq!(outcome, self.model.join(since, front, start));
        match joined {
            Joined::Connection(owned, _) => self.users.push(owned),
            Joined::Waiting(ticket) => {
                self.waiters.push(WaiterThread { waiter, ticket, activity: Activity::Wait });
                self.meet_demand()?;
            }
            Joined::Full(_) => self.note("the queue was full"),
            Joined::Closed => {}
        }
        Ok(())
    }

    fn read(&mut self, name: Name) -> Checked {
        let thread = &mut self.waiters[name];
        let wakeup = thread.waiter.wait(expired());
        prop_assert_eq!(model_wakeup(&wakeup), self.model.read(name));
        thread.activity = match wakeup {
            Wakeup::Nothing => Activity::Wait,
            Wakeup::Look => Activity::GoToLook,
            Wakeup::Connection(handed, stale) => {
                let owned = self.handoff.slots.accept(handed);
                owned.count_use();
                self.users.push(owned);
                if stale {
                    self.happened.insert("a waiter got a stale connection");
                }
                Activity::Leave
            }
            Wakeup::Failed(_) | Wakeup::Closed => Activity::Leave,
        };
        Ok(())
    }

    fn look(&mut self, name: Name, start: usize) -> Checked {
        let looked = self.handoff.look(self.waiters[name].ticket, start);
        let expected = self.model.look(name, start);
        let found = match looked {
            Looked::Connection(owned, stale) => {
                let found = (owned.slot().index(), stale);
                self.users.push(owned);
                Some(found)
            }
            Looked::Nothing => None,
        };
        prop_assert_eq!(found, expected);
        self.waiters[name].activity =
            if found.is_some() { Activity::Leave } else { Activity::Wait };
        self.note(match found {
            Some(_) => "a waiter looked and found a connection",
            None if self.model.wakeups[name] == ModelWakeup::Nothing => {
                "a waiter looked and found none"
            }
            None => "a waiter was served on its way to look",
        });
        Ok(())
    }

    fn give_up(&mut self, name: Name) -> Checked {
        let was_looking = self.model.looking == Some(name);
        let left = self.handoff.cancel_wait(self.waiters[name].ticket);
        prop_assert_eq!(left, self.model.give_up(name));
        if left {
            self.waiters[name].activity = Activity::GiveUp;
        } else {
            self.note("a waiter gave up too late");
        }
        if was_looking && self.model.idle() > 0 && !self.model.queue.is_empty() {
            self.note("a waiter gave up, and the next was sent to look");
        }
        Ok(())
    }

    fn put(&mut self, owned: Owned<'p, Id>, meanwhile: Option<Box<Step>>) -> Checked {
        let slot = owned.slot().index();
        let waiting = self.model.queue.len();
        let (mut asked, mut acted, handoff) = (false, Ok(()), self.handoff);
        let put = handoff.put(owned, || {
            asked = true;
            acted = meanwhile.map_or(Ok(()), |step| self.act(*step));
            self.model.settle(); // what happened meanwhile has ended
            self.now
        });
        acted?;
        prop_assert_eq!(asked, waiting > 0, "reads the clock only if a thread waits");
        if waiting != self.model.queue.len() {
            self.note("the queue changed while a connection was returned");
        }
        self.compare_put(slot, put)
    }

    fn compare_put(&mut self, slot: usize, put: Result<(), Owned<'p, Id>>) -> Checked {
        let before = (self.model.queue.len(), self.model.looking, self.model.slots[slot].seen);
        prop_assert_eq!(put.is_ok(), self.model.put(slot, self.now));
        if self.model.slots[slot].seen == (Seen::Idle { stale: true }) {
            self.note("a borrowed connection came back stale");
        }
        if let Err(owned) = put {
            return match self.decide(owned, false)? {
                None => Ok(()), // it is closed
                Some(owned) => self.put(owned, None),
            };
        }
        let is_served = self.model.queue.len() < before.0;
        self.note(match before {
            (0, ..) => "no thread waited",
            (_, _, Seen::Reserved) if is_served => {
                "a waiter got a connection that the pool had reserved"
            }
            _ if is_served => "a waiter got a returned connection",
            (_, None, _) => "a young waiter was sent to look",
            (_, Some(_), _) => "a young waiter was on its way to look",
        });
        Ok(())
    }

    /// Decides about a marked connection that came back. Closes it, or returns it.
    fn decide(
        &mut self,
        owned: Owned<'p, Id>,
        in_transaction: bool,
    ) -> Result<Option<Owned<'p, Id>>, TestCaseError> {
        let slot = owned.slot().index();
        let flags = owned.close_flags();
        prop_assert_eq!(flags.is_evicted(), self.model.slots[slot].retire);
        prop_assert_eq!(flags.has_expired(), self.model.slots[slot].expired);
        let reason = self.handoff.decide(&owned, flags, !in_transaction);
        prop_assert_eq!(reason, self.model.decide(slot, in_transaction));
        self.note(match reason {
            None if flags.has_expired() => "the end of an expired connection was postponed",
            None => "a connection was returned that was surplus no longer",
            Some(CloseReason::MaxLifetime) => "an expired connection was returned",
            Some(CloseReason::Surplus) => "a surplus connection was returned",
            Some(_) => "a connection to be closed was returned",
        });
        if reason.is_none() {
            return Ok(Some(owned));
        }
        self.handoff.state.lock().closing -= 1;
        self.close_connection(owned)?;
        Ok(None)
    }

    fn waiter_doing(&self, activity: Activity, number: usize) -> Option<Name> {
        let doing =
            || (0..self.waiters.len()).filter(|name| self.waiters[*name].activity == activity);
        doing().nth(number % doing().count().max(1))
    }
}

/// The pool's own part: what its methods do around the handoff.
impl<'p> Runner<'p> {
    fn meet_demand(&mut self) -> Checked {
        loop {
            let ticket = self.handoff.state.lock().reserve_dial(|| self.handoff.slots.idle());
            prop_assert_eq!(ticket.is_some(), self.model.may_dial());
            match ticket {
                Some(ticket) => self.promise(ticket, false),
                None => return Ok(()),
            }
        }
    }

    fn grow(&mut self) -> Checked {
        let ticket = self.handoff.state.lock().reserve_extra_dial();
        prop_assert_eq!(ticket.is_some(), self.model.may_grow());
        if let Some(ticket) = ticket {
            self.promise(ticket, true);
        }
        Ok(())
    }

    fn promise(&mut self, ticket: DialTicket, is_extra: bool) {
        self.model.dials.insert(ticket.number, Dial::default());
        self.promised.push((ticket, is_extra));
    }

    fn begin_dial(&mut self) -> Checked {
        let Some((ticket, is_extra)) = pick(&mut self.promised, 0) else { return Ok(()) };
        let mut state = self.handoff.state.lock();
        let begins = state.begin_dial(ticket, self.now, || self.handoff.slots.idle());
        prop_assert_eq!(begins, self.model.is_called_for(ticket.number, is_extra));
        if !begins {
            state.end_dial(ticket);
            drop(state);
            self.note("a dial was called off");
            return Ok(());
        }
        drop(state);
        let owned = self.handoff.slots.begin_dial();
        let slot = owned.as_ref().map(|owned| owned.slot().index());
        prop_assert_eq!(slot, Some(self.model.begin_dial()));
        self.dialing.extend(owned.map(|owned| Dialing { ticket, owned }));
        Ok(())
    }

    fn fill(&mut self, Dialing { ticket, owned }: Dialing<'p>) {
        self.opened += 1;
        self.model.fill(owned.slot().index(), self.opened);
        self.filled.push(Dialing {
            ticket,
            owned: owned.fill(self.opened, Origin { generation: 1, group: 0 }, u64::MAX),
        });
    }

    fn add(&mut self, Dialing { ticket, owned }: Dialing<'p>) -> Checked {
        let slot = owned.slot().index();
        let waiting = self.model.queue.len();
        let expected = self.model.add(ticket.number, slot);
        let mut state = self.handoff.state.lock();
        state.end_dial(ticket);
        state.open += 1;
        state.speed_up();
        let added = self.handoff.add(state, owned);
        prop_assert_eq!(added.is_ok(), expected);
        if self.model.queue.len() < waiting {
            self.note("a waiter got a new connection");
        }
        match added {
            Err((owned, Some(_))) => {
                self.note("a new connection was closed");
                self.close_connection(owned)?;
            }
            Err((owned, None)) => {
                let kept = self.decide(owned, false)?;
                kept.map_or(Ok(()), |owned| self.put(owned, None))?;
            }
            Ok(()) => {}
        }
        self.meet_demand()
    }

    fn fail_dial(&mut self, Dialing { ticket, owned }: Dialing<'p>, for_good: bool) -> Checked {
        self.model.fail_dial(ticket.number, owned.slot().index());
        owned.leave_empty();
        let mut state = self.handoff.state.lock();
        state.end_dial(ticket);
        state.slow_down();
        if for_good {
            self.model.end_all_waits(ModelWakeup::Failed);
            self.handoff.end_all_waits(state, || Wakeup::Failed(ConnectError::Panicked("".into())));
        } else {
            drop(state);
        }
        self.meet_demand()
    }

    fn mark_overdue(&mut self) -> Checked {
        let next = self.handoff.state.lock().mark_overdue(Duration::ZERO, self.now);
        prop_assert_eq!(next, None);
        if self.model.mark_overdue() {
            self.note("a dial took too long");
        }
        self.meet_demand()
    }

    fn postpone(&mut self, user: usize) -> Checked {
        let Some(owned) = pick(&mut self.users, user) else { return Ok(()) };
        if !owned.is_marked_to_close() {
            self.users.push(owned);
            return Ok(());
        }
        let kept = self.decide(owned, true)?;
        self.users.extend(kept);
        Ok(())
    }

    fn resume(&mut self) -> Checked {
        let waiting = self.model.queue.len();
        drop(self.handoff.resume());
        self.model.resume();
        if self.model.queue.len() < waiting {
            self.note("resuming served a waiter");
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
        let marked = self.handoff.slots.get(slot).is_some_and(Slot::mark_stale);
        prop_assert_eq!(marked, self.model.mark_stale(slot));
        Ok(())
    }

    fn reserve(&mut self, slot: usize) -> Result<Option<Owned<'p, Id>>, TestCaseError> {
        let owned = self.handoff.slots.get(slot).and_then(Slot::reserve);
        prop_assert_eq!(owned.is_some(), self.model.reserve(slot));
        Ok(owned)
    }

    fn retire(&mut self, slot: usize) -> Checked {
        let closed = Cell::new(0);
        let slots = &self.handoff.slots;
        let there = slots.get(slot).map(|slot| slot.retire(|owned| close(&closed, owned)));
        prop_assert_eq!(there, Some(self.model.retire(slot)));
        self.forget(closed.get())
    }

    fn retire_all(&mut self) -> Checked {
        let closed = Cell::new(0);
        self.handoff.slots.retire_all(|owned| close(&closed, owned));
        for slot in 0..self.model.slots.len() {
            self.model.retire(slot);
        }
        self.forget(closed.get())
    }

    fn resize(&mut self, max_size: usize) -> Checked {
        let slots = self.model.slots.len();
        let mut state = self.handoff.state.lock();
        let suspended = if self.model.suspended { SUSPENDED } else { 0 };
        self.handoff.slots.grow(max_size, flags(self.watched) | suspended);
        state.limits.max_size = max_size;
        let surplus = self.handoff.shrink(&mut state);
        state.closing -= surplus.len(); // at once
        state.open -= surplus.len();
        drop(state);
        let closed = Cell::new(0);
        surplus.into_iter().for_each(|owned| close(&closed, owned));
        let grown = self.handoff.slots.iter().count();
        prop_assert!(grown >= max_size && (slots >= max_size) == (grown == slots));
        self.model.resize(max_size, grown);
        self.model.shrink();
        self.meet_demand()
    }

    /// Counts closed connections.
    fn forget(&mut self, closed: usize) -> Checked {
        self.handoff.state.lock().open -= closed;
        self.meet_demand()
    }

    fn close_pool(&mut self) -> Checked {
        let mut state = self.handoff.state.lock();
        state.closed = true;
        self.model.closed = true;
        self.handoff.end_all_waits(state, || Wakeup::Closed);
        self.model.end_all_waits(ModelWakeup::Closed);
        self.retire_all()
    }
}

/// The end of a run.
impl Runner<'_> {
    /// Lets all threads go on while no new one comes. No thread may be left waiting.
    fn finish(&mut self) -> Checked {
        while let Some(step) = self.next_to_finish() {
            self.step(step)?;
        }
        let waiting = self.handoff.state.lock().waiting();
        prop_assert_eq!(waiting, 0, "nothing is left to do, and threads wait");
        Ok(())
    }

    fn next_to_finish(&self) -> Option<Step> {
        let mut waiting = (0..self.waiters.len()).filter(|name| self.waits(*name));
        let reader = waiting.position(|name| self.model.wakeups[name] != ModelWakeup::Nothing);
        if self.model.suspended {
            Some(Step::Resume)
        } else if !self.filled.is_empty() {
            Some(Step::Add(0))
        } else if !self.dialing.is_empty() {
            Some(Step::Fill(0))
        } else if !self.promised.is_empty() {
            Some(Step::BeginDial)
        } else if !self.reserved.is_empty() {
            Some(Step::PutReserved(0))
        } else if self.waiter_doing(Activity::GoToLook, 0).is_some() {
            Some(Step::Look { waiter: 0, start: 0 })
        } else if let Some(number) = reader {
            Some(Step::Read(number))
        } else if !self.users.is_empty() {
            Some(Step::Put { user: 0, meanwhile: None })
        } else {
            None
        }
    }

    fn waits(&self, name: Name) -> bool {
        self.waiters[name].activity == Activity::Wait
    }

    /// Closes the pool. Afterwards no connection may be open.
    fn close(&mut self) -> Checked {
        self.step(Step::ClosePool)?;
        let is_empty = |slot: &ModelSlot| slot.seen == Seen::Empty;
        prop_assert!(self.model.slots.iter().all(is_empty), "{:?}", self.model.slots);
        prop_assert_eq!(self.connections(), 0);
        Ok(())
    }
}

/// A deadline that has passed, so that no thread sleeps.
pub(super) fn expired() -> Deadline {
    Deadline::after(Some(Duration::ZERO))
}

pub(super) fn model_wakeup<T, E>(wakeup: &Wakeup<T, E>) -> ModelWakeup {
    match wakeup {
        Wakeup::Nothing => ModelWakeup::Nothing,
        Wakeup::Look => ModelWakeup::Look,
        Wakeup::Connection(handed, stale) => ModelWakeup::Connection(handed.index(), *stale),
        Wakeup::Failed(_) => ModelWakeup::Failed,
        Wakeup::Closed => ModelWakeup::Closed,
    }
}

fn found(taken: &Option<(Owned<'_, Id>, bool)>) -> Option<(usize, bool)> {
    taken.as_ref().map(|(owned, stale)| (owned.slot().index(), *stale))
}

/// The flags that slots have from the beginning.
fn flags(watched: bool) -> u32 {
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
