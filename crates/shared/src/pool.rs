//! The pool's verbs. Here: borrow and give back; what is done with the pool as a whole is in
//! `operations`.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use threadwise_core::foreign;
use threadwise_core::fork::{AfterFork, ChildPool};
use threadwise_core::sync::Condvar;
use threadwise_core::{
    BuildError, CloseReason, ConnectError, Deadline, Exhausted, GetError, Lifecycle,
    ManageConnection, Patience, Refusals, Refused, State, TimedOut, Unchecked, Validation, Veto,
};

use crate::after_fork::ForkSnapshot;
use crate::builder::{Builder, Settings};
use crate::dialer::{LONGEST_PAUSE_WHEN_AWAITED, nanos_of};
use crate::handoff::{Exchange, Joined, Locked, Looked};
use crate::guard::{OwnedConnection, PooledConnection};
use crate::affinity::{self, HintKey};
use crate::holders::{FIRST, Holders};
use crate::state::{Place, Ticket};
use crate::share::table::Sharing;
use crate::slot::{Owned, Slot};
use crate::waiter::{Mail, Waiter};
use crate::background::{Job, Workshop};

/// Many threads share a few connections. Cloning gives another handle to the same pool; when the
/// last handle is dropped, the pool is closed.
pub struct SharedPool<M: ManageConnection> {
    pub(crate) core: Arc<Core<M>>,
}

/// What the handles, the guards and the pool's threads share.
pub(crate) struct Core<M: ManageConnection> {
    pub(crate) exchange: Exchange<M::Connection, M::Error>,
    pub(crate) lifecycle: Lifecycle<M>,
    pub(crate) sharing: Sharing<M::Connection>,
    pub(crate) hint: HintKey,
    pub(crate) settings: Settings,
    /// When the pool was built: its time counts from here.
    pub(crate) epoch: Instant,
    /// Whether a return looks closer: uses are watched, or the pool is an orphan.
    pub(crate) looks: AtomicBool,
    pub(crate) child_pool: ChildPool<Self>,
    pub(crate) snapshot: ForkSnapshot,
    pub(crate) holders: Holders,
    pub(crate) workshop: Workshop<M::Connection>,
    pub(crate) me: Weak<Self>,
    /// Wakes the dialer that waits for the time to try again.
    pub(crate) retry: Condvar,
    /// Wakes the housekeeper when there is something to look after again.
    pub(crate) chore: Condvar,
    /// A thread of the pool has opened a connection, failed to, or ended.
    pub(crate) progress: Condvar,
    /// As many `get`s as anybody was told of.
    pub(crate) gets_told: AtomicU64,
    /// There is a housekeeper, or one is about to start.
    pub(crate) is_kept: AtomicBool,
    pub(crate) handles: AtomicUsize,
}

pub(crate) type Lock<'a, M> =
    Locked<'a, <M as ManageConnection>::Connection, <M as ManageConnection>::Error>;
pub(crate) type OwnedSlot<'p, M> = Owned<'p, <M as ManageConnection>::Connection>;

type Result<'p, M> =
    std::result::Result<PooledConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

/// What the slow paths return: small enough for registers.
type Got<'p, M> =
    std::result::Result<OwnedSlot<'p, M>, Box<GetError<<M as ManageConnection>::Error>>>;

/// A connection that may be lent.
pub(crate) struct Found<'p, M: ManageConnection> {
    pub(crate) owned: OwnedSlot<'p, M>,
    stale: bool,
    /// It has been opened a moment ago, and handed to who waited for it.
    is_new: bool,
}

/// Why a connection is not lent to the caller who has it.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// It is to be closed.
    Close(CloseReason),
    /// The pool asks the server whether it works, since the caller's time may be too short for that.
    Ask,
    /// The server answered when the caller's time was up.
    TooLate,
    /// The `on_acquire` hook refused it.
    Refused(Veto),
}

/// What one `get` has met so far.
pub(crate) struct Search {
    deadline: Deadline,
    /// It does not wait for other threads.
    at_once: bool,
    /// It asks the server nothing itself.
    leaves_questions: bool,
    place: Place,
    /// The pool asks the server for it: whatever comes first serves it, and it has no other stale
    /// connection asked about.
    has_asked: bool,
    refusals: Refusals,
    /// How many connections were unfit as soon as they were opened.
    wasted: u32,
}

impl Search {
    pub(crate) fn new(deadline: Deadline, at_once: bool) -> Self {
        Self {
            deadline,
            at_once,
            leaves_questions: false,
            place: Place::Back,
            has_asked: false,
            refusals: Refusals::default(),
            wasted: 0,
        }
    }

    /// The same, for a caller that has something better to do than to wait for the server's answer.
    pub(crate) fn leaving_questions(self) -> Self {
        Self { leaves_questions: true, ..self }
    }

    /// Another connection was unfit as soon as it was opened: how long to wait until one more is
    /// asked for.
    fn waste(&mut self) -> Duration {
        self.wasted += 1;
        let doublings = (self.wasted - 1).min(16);
        (Duration::from_millis(10) * (1 << doublings)).min(LONGEST_PAUSE_WHEN_AWAITED)
    }
}

/// How long dropping the last handle waits for the pool's threads to end. A dialer that hangs in
/// the manager's `connect` ends when that returns.
pub(crate) const FAREWELL: Duration = Duration::from_millis(100);

pub(crate) const CONNECTED: &str = "an owned slot that is not empty has a connection";

impl<M: ManageConnection> SharedPool<M> {
    /// Sets a pool up.
    pub fn builder() -> Builder<M> {
        Builder::default()
    }

    /// A pool with default settings.
    ///
    /// # Errors
    ///
    /// See [`Builder::build`].
    pub fn new(manager: M) -> std::result::Result<Self, BuildError<M::Error>> {
        Self::builder().build(manager)
    }

    pub(crate) fn from_core(core: Arc<Core<M>>) -> Self {
        Self { core }
    }

    /// What this process may use.
    pub(crate) fn core(&self) -> &Arc<Core<M>> {
        self.core.current()
    }

    /// Borrows a connection, waiting up to the `get_timeout` setting for one to come back or to be
    /// opened. Costs two atomic exchanges, together with giving it back, while one is free.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`], [`GetError::Closed`], [`GetError::QueueFull`], or
    /// [`GetError::ConnectFailed`] if connections cannot be opened and waiting would not help.
    #[inline]
    pub fn get(&self) -> Result<'_, M> {
        self.core.get(self.core.settings.get_timeout)
    }

    /// As [`get`](Self::get), waiting up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    #[inline]
    pub fn get_timeout(&self, timeout: Duration) -> Result<'_, M> {
        self.core.get(Patience::new(Some(timeout)))
    }

    /// Borrows an idle connection, without waiting for another thread. If there is none, the pool
    /// opens another in the background if it may.
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] if there is none, otherwise as [`get`](Self::get).
    #[inline]
    pub fn try_get(&self) -> Result<'_, M> {
        self.core.get(Patience::NONE)
    }

    /// As [`get`](Self::get), for a guard that can be stored or sent to another thread.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_owned(&self) -> std::result::Result<OwnedConnection<M>, GetError<M::Error>> {
        let core = self.core();
        core.get(core.settings.get_timeout).map(|guard| guard.into_owned(Arc::clone(core)))
    }

    /// Changes the limit of open connections, at least 1. A lower one closes what is idle at once
    /// and what is borrowed when it comes back, until no more than that are open; a higher one
    /// lets waiters have more.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for zero, for less than `min_idle`, or for more than 1 048 576.
    pub fn resize(&self, max_size: usize) -> std::result::Result<(), BuildError<M::Error>> {
        self.core().resize(max_size)
    }

    /// Closes all connections that are open: idle ones now, on a thread of the pool's, and borrowed
    /// ones when they come back. Others are opened as they are wanted. For when the server has moved.
    pub fn evict(&self) {
        self.core().evict(u64::MAX);
    }

    /// Closes the connections that are idle now, on a thread of the pool's.
    pub fn evict_idle(&self) {
        self.core().evict_idle();
    }

    /// As [`evict`](Self::evict), for the connections of this generation and of earlier ones only:
    /// of all that were open when [`state`](Self::state) told it.
    pub fn evict_generation(&self, generation: u64) {
        self.core().evict(generation);
    }

    /// Lends no connection any more until [`resume`](Self::resume): from the moment at which this
    /// returns, `get`s wait, up to their deadline, and `try_get` finds nothing. Connections that are
    /// borrowed stay so. Nothing is opened meanwhile. For a failover: suspend, wait until
    /// [`state`](Self::state) shows none as borrowed, evict, resume.
    pub fn suspend(&self) {
        self.core().exchange.suspend();
    }

    /// Ends [`suspend`](Self::suspend): those who wait are served in order.
    pub fn resume(&self) {
        let core = self.core();
        core.meet_demand(core.exchange.resume());
    }

    /// What opens, checks and resets this pool's connections: for settings of it that may change.
    #[must_use]
    pub fn manager(&self) -> &M {
        self.core.lifecycle.manager()
    }

    /// What the pool holds and has counted.
    #[must_use]
    pub fn state(&self) -> State {
        self.core().state()
    }

    /// Closes the pool: waiters get [`GetError::Closed`], idle connections are closed now, borrowed
    /// ones when they come back. Returns when the idle ones are closed, or after 100 ms if that
    /// takes longer.
    pub fn close(&self) {
        self.core().close(Instant::now() + FAREWELL);
    }

    /// Closes the pool, and waits for borrowed connections to come back and be closed, and for the
    /// pool's threads to end.
    ///
    /// # Errors
    ///
    /// What is left after `timeout`.
    pub fn close_and_wait(&self, timeout: Duration) -> std::result::Result<(), Box<State>> {
        let deadline = Deadline::after(Some(timeout));
        let core = self.core();
        core.close(deadline.instant().unwrap_or_else(|| Instant::now() + FAREWELL));
        if core.await_end(deadline) { Ok(()) } else { Err(Box::new(core.state())) }
    }
}

impl<M: ManageConnection> Core<M> {
    /// The fast path: the connection that this thread used last, if it is there and in order. What
    /// else may be is dealt with out of line, and comes back in two registers: a result that had
    /// to be put together in memory would cost as much as the two exchanges.
    #[inline]
    pub(crate) fn get(&self, patience: Patience) -> Result<'_, M> {
        let Some(mut owned) = self.exchange.slots.get(self.hint.get()).and_then(Slot::take) else {
            return match self.is_forked() {
                true => self.get_in_child(patience),
                false => self.guard(self.get_any(patience)),
            };
        };
        let conn = owned.content_mut().as_mut().expect(CONNECTED);
        match self.lifecycle.free_check_out(conn) {
            Ok(()) => Ok(PooledConnection::new(self, owned)),
            Err(unchecked) => self.guard(self.get_despite(unchecked, owned, patience)),
        }
    }

    #[inline]
    fn guard<'p>(&'p self, got: Got<'p, M>) -> Result<'p, M> {
        match got {
            Ok(owned) => Ok(PooledConnection::new(self, owned)),
            Err(error) => Err(self.failed(*error)),
        }
    }

    fn search_with(&self, patience: Patience) -> Search {
        Search::new(patience.work_deadline(self.settings.clock), !patience.waits())
    }

    #[cold]
    #[inline(never)]
    fn get_any(&self, patience: Patience) -> Got<'_, M> {
        self.get_by(self.search_with(patience))
    }

    /// The connection at hand may not be fit for use.
    #[cold]
    #[inline(never)]
    fn get_despite<'p>(
        &'p self,
        unchecked: Unchecked,
        owned: OwnedSlot<'p, M>,
        patience: Patience,
    ) -> Got<'p, M> {
        let mut search = self.search_with(patience);
        let mut found = Found { owned, stale: false, is_new: false };
        let checked = match unchecked.reason() {
            Some(reason) => Err(Unfit::Close(reason)),
            None => self.ask_if_due(&mut found, &search),
        };
        match checked {
            Ok(()) => {
                self.served(search.deadline);
                return Ok(found.owned);
            }
            Err(unfit) => self.put_aside(found, unfit, &mut search).map_err(Box::new)?,
        }
        self.get_by(search)
    }

    /// Borrows any connection, waiting for one unless it is to be had at once.
    pub(crate) fn get_by(&self, mut search: Search) -> Got<'_, M> {
        loop {
            let mut found = match self.take_idle(!search.has_asked) {
                Some((owned, stale)) => Found { owned, stale, is_new: false },
                None if search.at_once => return Err(Box::new(self.exhausted(&search))),
                None if search.deadline.has_passed() => {
                    return Err(Box::new(self.timed_out(&search)));
                }
                None => self.wait(&search).map_err(Box::new)?,
            };
            self.hint.set(found.owned.slot().index());
            if found.stale {
                // It will be idle again, and no longer stale. The lock, so that the housekeeper
                // sleeps by now or sees it.
                drop(self.exchange.line.lock());
                self.chore.notify_one();
            }
            match self.check_out(&mut found, &search) {
                Ok(()) => {
                    self.served(search.deadline);
                    return Ok(found.owned);
                }
                Err(unfit) => self.put_aside(found, unfit, &mut search).map_err(Box::new)?,
            }
        }
    }

    /// Any idle connection, the one that this thread used last before others; the second value says
    /// that it is stale.
    fn take_idle(&self, stale_too: bool) -> Option<(OwnedSlot<'_, M>, bool)> {
        let last = self.exchange.slots.get(self.hint.get()).and_then(Slot::take_fresh);
        match last {
            Some(owned) => Some((owned, false)),
            None => self.exchange.slots.take_any(affinity::home(), stale_too),
        }
    }

    /// What is to be done before a connection is lent, off the fast path.
    fn check_out(
        &self,
        found: &mut Found<'_, M>,
        search: &Search,
    ) -> std::result::Result<(), Unfit> {
        // One that was just opened is lent however short its life is: no other would live longer.
        let is_old =
            !found.is_new && self.nanos(search.deadline.start()) >= found.owned.slot().expires();
        if is_old
            && !self.lifecycle.in_transaction(found.owned.content().as_ref().expect(CONNECTED))
        {
            return Err(Unfit::Close(CloseReason::MaxLifetime)); // the housekeeper is late
        }
        let conn = found.owned.content_mut().as_mut().expect(CONNECTED);
        self.lifecycle.check_new(conn).map_err(Unfit::Close)?;
        self.ask_if_due(found, search)?;
        if self.settings.watch.watches_uses {
            self.lent(&mut found.owned, search.deadline).map_err(Unfit::Refused)
        } else {
            Ok(())
        }
    }

    /// Asks the server whether the connection works, if that is due.
    fn ask_if_due(
        &self,
        found: &mut Found<'_, M>,
        search: &Search,
    ) -> std::result::Result<(), Unfit> {
        let is_due = match self.lifecycle.validation() {
            Validation::OnCheckout => {
                let was_asked = found.owned.take_answer(self.nanos(search.deadline.start()));
                !was_asked && (found.stale || !found.is_new)
            }
            Validation::IdleLongerThan(limit) => {
                found.stale && !self.has_answered_lately(&found.owned, limit)
            }
            Validation::Never | Validation::OnReturn => false,
        };
        if !is_due {
            return Ok(());
        }
        let (limit, left) = (self.lifecycle.validation_timeout(), search.deadline.remaining());
        let in_hurry = left.is_some_and(|left| limit.is_none_or(|limit| left < limit));
        if search.leaves_questions || in_hurry && !search.at_once {
            return Err(Unfit::Ask);
        }
        let conn = found.owned.content_mut().as_mut().expect(CONNECTED);
        let mut alive = None;
        let answer = self.lifecycle.validate_lend(conn, &mut alive, search.deadline);
        if alive.is_some() {
            found.owned.record_alive(self.nanos(self.settings.clock.now()));
        }
        answer.map_err(|unfit| match unfit {
            threadwise_core::Unfit::Close(reason) => Unfit::Close(reason),
            threadwise_core::Unfit::Undecided => Unfit::TooLate,
        })
    }

    /// Whether the manager knows of an answer of the server's that is not older than `limit`. Of a
    /// connection that is under suspicion, no answer counts.
    fn has_answered_lately(&self, owned: &OwnedSlot<'_, M>, limit: Duration) -> bool {
        if owned.slot().is_suspected() {
            return false;
        }
        let conn = owned.content().as_ref().expect(CONNECTED);
        let answer = foreign::call(|| self.lifecycle.manager().last_answer(conn));
        let age = answer.ok().flatten().map(|answer| answer.elapsed());
        let Some(age) = age.filter(|age| *age <= limit) else { return false };
        let now = self.settings.clock.now();
        owned.record_alive(self.nanos(now.checked_sub(age).unwrap_or(now)));
        true
    }

    /// Deals with a connection that is not lent to this caller. An error is what the caller is told
    /// instead of going on.
    #[cold]
    fn put_aside(
        &self,
        found: Found<'_, M>,
        unfit: Unfit,
        search: &mut Search,
    ) -> std::result::Result<(), GetError<M::Error>> {
        search.place = Place::Front;
        let Found { owned, is_new, .. } = found;
        match unfit {
            Unfit::Close(reason) => {
                self.give_up_unfit(owned, reason);
                if is_new {
                    let pause = search.waste();
                    self.pause_search(pause, search)?;
                }
            }
            Unfit::Ask => {
                search.has_asked = true;
                owned.count_unasked();
                self.submit(Job::Check(owned.hand_over()));
            }
            Unfit::TooLate => {
                owned.count_unasked();
                self.put(owned);
                return Err(self.timed_out(search));
            }
            Unfit::Refused(veto) => match search.refusals.add(veto) {
                Refused::Close => self.give_up_unfit(owned, CloseReason::Vetoed),
                Refused::Keep(pause) => {
                    owned.count_unasked();
                    self.put_fresh(owned);
                    self.pause_search(pause, search)?;
                }
            },
        }
        Ok(())
    }

    /// Puts back a connection that was not lent, though a hook may have changed its session.
    fn put_fresh(&self, mut owned: OwnedSlot<'_, M>) {
        match self.lifecycle.check_in(owned.content_mut().as_mut().expect(CONNECTED)) {
            Ok(was_reset) => {
                owned.count_reset(was_reset);
                self.put(owned);
            }
            Err(reason) => self.give_up(owned, reason),
        }
    }

    /// Waits before it is tried again, so that a caller who cannot be served does not use up
    /// connection after connection. An error is what the caller is told instead.
    fn pause_search(
        &self,
        pause: Duration,
        search: &Search,
    ) -> std::result::Result<(), GetError<M::Error>> {
        if search.at_once {
            return Err(self.exhausted(search));
        }
        let end = search.deadline.at_most(pause);
        let mut line = self.exchange.line.lock();
        while !line.closed && !end.has_passed() {
            line = self.settings.clock.wait_until(&self.progress, line, end.instant());
        }
        let closed = line.closed;
        drop(line);
        if closed {
            return Err(GetError::Closed);
        }
        if search.deadline.has_passed() {
            return Err(self.timed_out(search));
        }
        Ok(())
    }

    /// Closes a connection that was found unfit before it was lent. If its kind is new, there may
    /// be more.
    #[cold]
    fn give_up_unfit(&self, owned: OwnedSlot<'_, M>, reason: CloseReason) {
        if matches!(reason, CloseReason::Broken | CloseReason::Invalid) {
            self.suspect(owned.generation());
        }
        owned.count_unasked();
        self.give_up(owned, reason);
    }

    /// One connection of this generation does not work any more: the others of it are asked before
    /// anybody gets them. Those that are idle, now, by the pool's own threads, so that not each
    /// user in turn finds a dead one; those that are borrowed, when they have come back.
    pub(crate) fn suspect(&self, generation: u64) {
        let mut line = self.exchange.line.lock();
        if generation < line.generation || line.closed {
            return; // that is known
        }
        line.suspected = line.generation;
        line.generation += 1;
        drop(line);
        let is_meant = |slot: &&Slot<M::Connection>| slot.generation() <= generation;
        for slot in self.exchange.slots.iter().filter(is_meant) {
            slot.suspect(|owned| self.submit(Job::Check(owned.hand_over())));
        }
    }

    /// Waits in the line.
    fn wait(&self, search: &Search) -> std::result::Result<Found<'_, M>, GetError<M::Error>> {
        let waiter = Arc::new(Waiter::new());
        let since = search.deadline.start();
        let home = affinity::home();
        let (joined, line) =
            self.exchange.join(&waiter, since, search.place, home, !search.has_asked);
        let ticket = match joined {
            Joined::Connection(owned, stale) => return Ok(Found { owned, stale, is_new: false }),
            Joined::Full(max_waiters) => {
                let mut line = line;
                let ticket = line.reserve_dial_for_refused();
                self.begin_reserved(line, ticket);
                return Err(GetError::QueueFull { max_waiters });
            }
            Joined::Closed => return Err(GetError::Closed),
            Joined::Waiting(ticket) => ticket,
        };
        let deadlocked = self.find_deadlock(&line);
        let probing = line.probing;
        self.meet_demand(line);
        if probing {
            self.retry.notify_one(); // its pause may be shorter now that somebody waits
        }
        self.lifecycle.about_to_wait();
        if let Some(holders) = deadlocked
            && let Some(error) = self.deadlocked(holders)
            && self.exchange.give_up(ticket)
        {
            return Err(error);
        }
        self.await_mail(&waiter, ticket, search)
    }

    /// Sleeps in the line until there is a connection, or a reason why there will be none.
    fn await_mail<'p>(
        &'p self,
        waiter: &Waiter<M::Connection, M::Error>,
        ticket: Ticket,
        search: &Search,
    ) -> std::result::Result<Found<'p, M>, GetError<M::Error>> {
        loop {
            match waiter.wait(search.deadline) {
                Mail::Connection(handed, stale) => {
                    let owned = self.exchange.slots.accept(handed);
                    owned.count_use();
                    let is_new = owned.uses() == 1;
                    return Ok(Found { owned, stale, is_new });
                }
                Mail::Failed(error) => return Err(GetError::ConnectFailed(error)),
                Mail::Closed => return Err(GetError::Closed),
                Mail::Look => {
                    if let Looked::Connection(owned, stale) =
                        self.exchange.look(ticket, affinity::home())
                    {
                        return Ok(Found { owned, stale, is_new: false });
                    }
                }
                Mail::Nothing if self.exchange.give_up(ticket) => {
                    return Err(self.timed_out(search));
                }
                // It was taken out of the line at the last moment, and the message is there.
                Mail::Nothing => {}
            }
        }
    }

    /// A guard's connection came back.
    #[inline]
    pub(crate) fn give_back(&self, mut owned: OwnedSlot<'_, M>) {
        // Relaxed: see `orphan`, which alone changes it.
        if self.looks.load(Ordering::Relaxed) {
            return self.give_back_closely(owned);
        }
        let conn = owned.content_mut().as_mut().expect(CONNECTED);
        match self.lifecycle.check_in(conn) {
            Ok(was_reset) => {
                owned.count_reset(was_reset);
                self.put(owned);
            }
            Err(reason) => self.give_up(owned, reason),
        }
    }

    /// Makes a connection idle, hands it to who waits, or closes it if it was marked.
    #[inline]
    pub(crate) fn put(&self, owned: OwnedSlot<'_, M>) {
        if let Err(owned) = self.exchange.put(owned, || self.settings.clock.now()) {
            self.retired(owned);
        }
    }

    /// A connection that was marked to be closed.
    #[cold]
    #[inline(never)]
    pub(crate) fn retired(&self, owned: OwnedSlot<'_, M>) {
        let marks = owned.marks();
        let conn = || owned.content().as_ref().expect(CONNECTED);
        // Asked anew: the mark may have been meant for a connection that this one has replaced.
        let is_old = || self.nanos(self.settings.clock.now()) >= owned.slot().expires();
        let may_expire = marks.has_expired() && is_old() && !self.lifecycle.in_transaction(conn());
        match self.exchange.judge(&owned, marks, may_expire) {
            Some(reason) => self.close_off(owned, reason),
            None => self.put(owned), // if it is old, the housekeeper will come back to it
        }
    }

    /// A holder's connection is lost: opens another in its slot, on the holder's thread, whose
    /// capacity it is.
    #[cold]
    pub(crate) fn replace(
        &self,
        owned: &mut OwnedSlot<'_, M>,
    ) -> std::result::Result<(), ConnectError<M::Error>> {
        if self.is_forked() {
            return Err(ConnectError::Unavailable(
                "the connection belongs to the process that this one was forked from",
            ));
        }
        self.suspect(owned.generation());
        let line = self.exchange.line.lock();
        if line.closed {
            return Err(ConnectError::Unavailable("the pool is closed"));
        }
        if line.suspended {
            return Err(ConnectError::Unavailable("the pool is suspended"));
        }
        let generation = line.generation;
        drop(line);
        let conn = self.lifecycle.reopen(self.settings.get_timeout)?;
        let lost = owned.refill(conn, generation, self.expires());
        owned.record_alive(self.nanos(self.settings.clock.now()));
        owned.count_unasked();
        owned.count_use(); // the holder's, who asked for one before
        self.exchange.judge_replaced(owned);
        self.chore.notify_one(); // it has an age to look after
        if let Some(lost) = lost {
            self.lifecycle.close(lost, CloseReason::Broken);
        }
        Ok(())
    }

    /// A guard's connection left the pool.
    pub(crate) fn let_go(&self, mut owned: OwnedSlot<'_, M>) -> M::Connection {
        let conn = owned.take_out().expect(CONNECTED);
        if self.is_forked() {
            return conn; // its holder knows whose it is
        }
        self.holder_left(owned.slot().index(), FIRST);
        self.lifecycle.count_closed(CloseReason::Detached);
        self.free(owned, false);
        conn
    }

    /// A guard's connection is not to be used again.
    pub(crate) fn discard(&self, owned: OwnedSlot<'_, M>) {
        if self.is_forked() {
            return self.forget_in_child(owned);
        }
        self.holder_left(owned.slot().index(), FIRST);
        self.give_up(owned, CloseReason::Discarded);
    }

    /// A connection less: another may be opened for whoever waits. `was_closing` is one that has
    /// counted as being closed.
    pub(crate) fn free(&self, owned: OwnedSlot<'_, M>, was_closing: bool) {
        owned.leave_empty();
        let mut line = self.exchange.line.lock();
        line.open -= 1;
        line.closing -= usize::from(was_closing);
        let (closed, probing) = (line.closed, line.probing);
        self.meet_demand(line);
        if closed {
            self.progress.notify_all();
            self.chore.notify_one(); // the housekeeper waits for the last job
        }
        if probing {
            self.retry.notify_one(); // nothing may be left that could come back
        }
    }

    /// Counts what a borrower is told.
    #[cold]
    pub(crate) fn failed(&self, error: GetError<M::Error>) -> GetError<M::Error> {
        if let GetError::TimedOut(timed_out) = &error {
            self.lifecycle.cells().timed_out();
            let waited = timed_out.waited;
            self.lifecycle.observer().emit(|events| events.timed_out(waited));
        }
        error
    }

    #[cold]
    pub(crate) fn exhausted(&self, search: &Search) -> GetError<M::Error> {
        let line = self.exchange.line.lock();
        if line.closed {
            return GetError::Closed;
        }
        let cause = search.refusals.cause().or_else(|| line.last_error().cloned());
        self.grow(line);
        GetError::Exhausted(Box::new(Exhausted::new(self.state(), cause)))
    }

    #[cold]
    pub(crate) fn timed_out(&self, search: &Search) -> GetError<M::Error> {
        let mut line = self.exchange.line.lock();
        let cause = search.refusals.cause().or_else(|| line.last_error().cloned());
        let has_idle = self.exchange.slots.any_idle();
        let ticket = if has_idle { None } else { line.reserve_dial_after_timeout() };
        self.begin_reserved(line, ticket);
        let advice = if search.has_asked {
            "the server has not said yet whether an idle connection works: let `get_timeout` be \
             longer than the server takes to answer"
        } else {
            "hold connections for a shorter time, or raise `max_size` or `get_timeout`"
        };
        let timed_out = TimedOut::new(search.deadline.waited(), self.state(), cause, advice);
        let timed_out = timed_out.with_holders(self.list_holders());
        GetError::TimedOut(Box::new(timed_out.with_address(self.lifecycle.address())))
    }

    pub(crate) fn state(&self) -> State {
        let line = self.exchange.line.lock();
        let mut state = self.lifecycle.state();
        state.max_size = Some(line.limits.max_size);
        state.open = line.open;
        state.connecting = line.connecting();
        state.idle = self.exchange.idle().min(line.open);
        state.borrowed = line.open - state.idle;
        state.waiting = line.waiting();
        state.closed = line.closed;
        state.suspended = line.suspended;
        state.generation = line.generation;
        drop(line);
        state.counters.gets = self.gets();
        state.counters.resets = self.exchange.slots.iter().map(Slot::resets).sum();
        state
    }
}

impl<M: ManageConnection> Core<M> {
    /// Connections lent. One that is found unfit before it is lent is counted for that moment; a count
    /// that was told does not go back.
    fn gets(&self) -> u64 {
        let gets = self.exchange.slots.iter().map(Slot::lent_so_far).sum();
        self.gets_told.fetch_max(gets, Ordering::Relaxed).max(gets)
    }

    pub(crate) fn name(&self) -> &str {
        self.lifecycle.name().map_or("SharedPool", |name| name)
    }

    /// What a thread of the pool is called. The system shows the first 15 bytes of it.
    pub(crate) fn thread_name(&self, does: &str) -> String {
        format!("{}-{does}", self.lifecycle.name().map_or("threadwise", |name| name))
    }

    /// The moment as the slots record it.
    pub(crate) fn nanos(&self, moment: Instant) -> u64 {
        nanos_of(moment.saturating_duration_since(self.epoch))
    }

    /// The moment that a slot recorded; `None` is never.
    pub(crate) fn instant(&self, nanos: u64) -> Option<Instant> {
        (nanos != u64::MAX).then(|| self.epoch.checked_add(Duration::from_nanos(nanos)))?
    }
}

threadwise_core::pool_handle!(SharedPool, PooledConnection);
