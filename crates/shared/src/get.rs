//! Borrowing: the fast path first, then the search for any connection, then waiting.

use std::sync::Arc;
use std::time::Duration;

use threadwise_core::parts::foreign;
use threadwise_core::parts::fork::AfterFork;
use threadwise_core::parts::{Backoff, Deadline, Patience, Refusals, Refused, Unchecked, Veto};
use threadwise_core::{
    CloseReason, Exhausted, GetError, ManageConnection, Moment, TimedOut, Validation,
};

use crate::affinity;
use crate::background::Task;
use crate::core::{CONNECTED, Core, OwnedSlot};
use crate::dialer::MAX_PAUSE_WITH_WAITERS;
use crate::guard::PooledConnection;
use crate::handoff::{Joined, Looked};
use crate::pool::GetResult;
use crate::slot::Slot;
use crate::wait_queue::{QueueEnd, Ticket};
use crate::waiter::{Waiter, Wakeup};

/// The result of the slow paths: small enough for registers.
type Got<'p, M> = Result<OwnedSlot<'p, M>, Box<GetError<<M as ManageConnection>::Error>>>;

impl<M: ManageConnection> Core<M> {
    /// The fast path: the connection that this thread used last, if it is idle and in order.
    ///
    /// All other cases are out of line and come back in two registers. A result that is built in
    /// memory would cost as much as the two exchanges.
    #[inline]
    pub(crate) fn get(&self, patience: Patience) -> GetResult<'_, M> {
        let Some(mut owned) = self.handoff.slots.get(self.affinity.get()).and_then(Slot::take)
        else {
            return match self.is_forked() {
                true => self.get_in_child(patience),
                false => self.guard(self.get_slow(patience)),
            };
        };
        let conn = owned.content_mut().as_mut().expect(CONNECTED);
        match self.lifecycle.free_check_out(conn) {
            Ok(()) => Ok(PooledConnection::new(self, owned)),
            Err(unchecked) => self.guard(self.get_after_failed_check(unchecked, owned, patience)),
        }
    }

    #[inline]
    fn guard<'p>(&'p self, got: Got<'p, M>) -> GetResult<'p, M> {
        match got {
            Ok(owned) => Ok(PooledConnection::new(self, owned)),
            Err(error) => Err(self.failed(*error)),
        }
    }

    /// Called when this thread's last connection is not idle, or has a flag.
    #[cold]
    #[inline(never)]
    fn get_slow(&self, patience: Patience) -> Got<'_, M> {
        self.search(self.search_with(patience))
    }

    /// Called when this thread's last connection may be unfit for use.
    #[cold]
    #[inline(never)]
    fn get_after_failed_check<'p>(
        &'p self,
        unchecked: Unchecked,
        owned: OwnedSlot<'p, M>,
        patience: Patience,
    ) -> Got<'p, M> {
        let mut search = self.search_with(patience);
        let mut found = Found { owned, stale: false, is_new: false };
        let checked = match unchecked.reason() {
            Some(reason) => Err(Unfit::Close(reason)),
            None => self.validate_if_due(&mut found, &search),
        };
        match checked {
            Ok(_) => {
                self.report_if_slow(search.deadline);
                return Ok(found.owned);
            }
            Err(unfit) => self.set_aside(found, unfit, &mut search).map_err(Box::new)?,
        }
        self.search(search)
    }

    fn search_with(&self, patience: Patience) -> Search {
        Search::new(patience.work_deadline(self.settings.clock), !patience.waits())
    }
}

/// The progress of one `get`.
pub(crate) struct Search {
    deadline: Deadline,
    /// Whether the caller does not wait for other threads.
    at_once: bool,
    /// Whether the caller leaves validations to the pool's threads.
    leaves_validation: bool,
    queue_end: QueueEnd,
    /// The slot whose connection the pool validates for this caller. Until that ends, the caller waits
    /// for the first ready connection, and makes the pool validate no other one.
    checked: Option<usize>,
    refusals: Refusals,
    /// The pauses after connections that were unfit as soon as they were opened.
    backoff: Backoff,
}

impl Search {
    pub(crate) fn new(deadline: Deadline, at_once: bool) -> Self {
        Self {
            deadline,
            at_once,
            leaves_validation: false,
            queue_end: QueueEnd::Back,
            checked: None,
            refusals: Refusals::default(),
            backoff: Backoff::default(),
        }
    }

    /// The same search for a caller that does not wait for the server's answer itself.
    pub(crate) fn leaving_validation(self) -> Self {
        Self { leaves_validation: true, ..self }
    }
}

/// A connection that a `get` has found and not checked yet.
struct Found<'p, M: ManageConnection> {
    owned: OwnedSlot<'p, M>,
    stale: bool,
    /// Whether the pool has just opened it and handed it off to this waiter.
    is_new: bool,
}

/// Why the caller does not get the connection that it has found.
#[derive(Debug)]
enum Unfit {
    /// The pool closes it.
    Close(CloseReason),
    /// The pool validates it, because the caller's time may be too short for that.
    CheckInBackground,
    /// The server answered after the caller's deadline.
    AnsweredTooLate,
    /// The `on_acquire` hook refused it.
    Vetoed(Veto),
}

impl<M: ManageConnection> Core<M> {
    /// Borrows any connection; waits for one if none is idle.
    pub(crate) fn search(&self, mut search: Search) -> Got<'_, M> {
        loop {
            let stale_too = !self.handoff.is_check_pending(search.checked);
            let mut found = match self.take_idle(stale_too) {
                Some((owned, stale)) => Found { owned, stale, is_new: false },
                None if search.at_once => return Err(Box::new(self.exhausted(&search))),
                None if search.deadline.has_passed() => {
                    return Err(Box::new(self.timed_out(&search)));
                }
                None => self.wait(&search).map_err(Box::new)?,
            };
            self.affinity.set(found.owned.slot().index());
            let checked = self.check_out(&mut found, &search);
            if found.stale {
                // The connection will be idle again without the flag, so the housekeeper must watch
                // it: after the answer, by which it judges. The lock makes sure that the housekeeper
                // sleeps by now, or sees the connection.
                drop(self.handoff.state.lock());
                self.housekeeper.notify_one();
            }
            match checked {
                Ok(()) => {
                    self.report_if_slow(search.deadline);
                    return Ok(found.owned);
                }
                Err(unfit) => self.set_aside(found, unfit, &mut search).map_err(Box::new)?,
            }
        }
    }

    /// Takes any idle connection, this thread's last one first. The second value says whether it is
    /// stale.
    fn take_idle(&self, stale_too: bool) -> Option<(OwnedSlot<'_, M>, bool)> {
        let last = self.handoff.slots.get(self.affinity.get()).and_then(Slot::take_fresh);
        match last {
            Some(owned) => Some((owned, false)),
            None => self.handoff.slots.take_any(affinity::start_index(), stale_too),
        }
    }

    /// The checks before a borrow, off the fast path.
    fn check_out(&self, found: &mut Found<'_, M>, search: &Search) -> Result<(), Unfit> {
        // A new connection is lent even if its lifetime is over: no other would live longer.
        let is_old =
            !found.is_new && self.nanos(search.deadline.start()) >= found.owned.slot().expires();
        if is_old
            && !self.lifecycle.in_transaction(found.owned.content_mut().as_mut().expect(CONNECTED))
        {
            return Err(Unfit::Close(CloseReason::MaxLifetime)); // the housekeeper is late
        }
        let conn = found.owned.content_mut().as_mut().expect(CONNECTED);
        self.lifecycle.free_check(conn, Moment::Checkout).map_err(Unfit::Close)?;
        let is_fresh = self.validate_if_due(found, search)? || found.is_new;
        if self.settings.per_use.watches_uses {
            if !is_fresh {
                self.check_after_idle(&mut found.owned).map_err(Unfit::Close)?;
            }
            self.before_use(&mut found.owned, search.deadline).map_err(Unfit::Vetoed)
        } else {
            Ok(())
        }
    }

    /// Asks the server whether the connection works, if the `validation` setting requires it. Returns
    /// whether it did.
    fn validate_if_due(&self, found: &mut Found<'_, M>, search: &Search) -> Result<bool, Unfit> {
        let is_due = match self.lifecycle.validation() {
            Validation::OnCheckout => {
                let start = self.nanos(search.deadline.start());
                let was_checked = found.owned.take_check_answer(start);
                !was_checked && (found.stale || !found.is_new)
            }
            Validation::IdleLongerThan(limit) => {
                found.stale && !self.has_recent_answer(&found.owned, limit)
            }
            Validation::Never | Validation::OnReturn => false,
        };
        if !is_due {
            return Ok(false);
        }
        let (limit, left) = (self.lifecycle.validation_timeout(), search.deadline.remaining());
        let in_hurry = left.is_some_and(|left| limit.is_none_or(|limit| left < limit));
        if search.leaves_validation || in_hurry && !search.at_once {
            return Err(Unfit::CheckInBackground);
        }
        let conn = found.owned.content_mut().as_mut().expect(CONNECTED);
        let mut answered = None;
        let result = self.lifecycle.validate_lend(conn, &mut answered, search.deadline);
        if answered.is_some() {
            found.owned.record_answer(self.nanos(self.settings.clock.now()));
        }
        result.map(|()| true).map_err(|unfit| match unfit {
            threadwise_core::parts::Unfit::Close(reason) => Unfit::Close(reason),
            threadwise_core::parts::Unfit::Undecided => Unfit::AnsweredTooLate,
        })
    }

    /// Whether the manager knows an answer of the server that is at most `limit` old. No answer counts
    /// on a suspected connection.
    fn has_recent_answer(&self, owned: &OwnedSlot<'_, M>, limit: Duration) -> bool {
        if owned.slot().is_suspected() {
            return false;
        }
        let conn = owned.content().as_ref().expect(CONNECTED);
        let answer = foreign::call(|| self.lifecycle.manager().last_answer(conn));
        let age = answer.ok().flatten().map(|answer| answer.elapsed());
        let Some(age) = age.filter(|age| *age <= limit) else { return false };
        let now = self.settings.clock.now();
        owned.record_answer(self.nanos(now.checked_sub(age).unwrap_or(now)));
        true
    }
}

/// # Connections that the caller does not get
impl<M: ManageConnection> Core<M> {
    /// Deals with a connection that this caller does not get.
    ///
    /// # Errors
    ///
    /// The error that the caller gets instead.
    #[cold]
    fn set_aside(
        &self,
        found: Found<'_, M>,
        unfit: Unfit,
        search: &mut Search,
    ) -> Result<(), GetError<M::Error>> {
        search.queue_end = QueueEnd::Front;
        let Found { owned, is_new, .. } = found;
        match unfit {
            Unfit::Close(reason) => {
                self.close_unfit(owned, reason);
                if is_new {
                    let pause = search.backoff.next_pause().min(MAX_PAUSE_WITH_WAITERS);
                    self.pause_search(pause, search)?;
                }
            }
            Unfit::CheckInBackground => {
                search.checked = Some(owned.slot().index());
                owned.count_internal_use();
                owned.reserve_for_check();
                self.submit(Task::Check(owned.hand_over()));
            }
            Unfit::AnsweredTooLate => {
                owned.count_internal_use();
                self.put(owned);
                return Err(self.timed_out(search));
            }
            Unfit::Vetoed(veto) => match self.lifecycle.refuse(&mut search.refusals, veto) {
                Refused::Close(pause) => {
                    self.close_unfit(owned, CloseReason::Vetoed);
                    if !pause.is_zero() {
                        self.pause_search(pause, search)?;
                    }
                }
                Refused::Keep(pause) => {
                    owned.count_internal_use();
                    self.put_not_lent(owned);
                    self.pause_search(pause, search)?;
                }
            },
        }
        Ok(())
    }

    /// Closes a connection that was unfit before it was lent. If it did not work, others of its
    /// generation may not work either.
    #[cold]
    fn close_unfit(&self, owned: OwnedSlot<'_, M>, reason: CloseReason) {
        if matches!(reason, CloseReason::Broken | CloseReason::Invalid) {
            self.suspect(owned.origin());
        }
        owned.count_internal_use();
        self.close_in_background(owned, reason);
    }

    /// Puts back a connection that was not lent. A hook may have changed its session.
    fn put_not_lent(&self, mut owned: OwnedSlot<'_, M>) {
        match self.lifecycle.check_in(owned.content_mut().as_mut().expect(CONNECTED)) {
            Ok(was_reset) => {
                owned.count_reset(was_reset);
                self.put(owned);
            }
            Err(reason) => self.close_in_background(owned, reason),
        }
    }

    /// Waits before the next try, so that a caller that cannot be served does not use up connection
    /// after connection.
    ///
    /// # Errors
    ///
    /// The error that the caller gets instead.
    fn pause_search(&self, pause: Duration, search: &Search) -> Result<(), GetError<M::Error>> {
        if search.at_once {
            return Err(self.exhausted(search));
        }
        let end = search.deadline.at_most(pause);
        let mut state = self.handoff.state.lock();
        while !state.closed && !end.has_passed() {
            state = self.settings.clock.wait_until(&self.progress, state, end.instant());
        }
        let closed = state.closed;
        drop(state);
        if closed {
            return Err(GetError::Closed);
        }
        if search.deadline.has_passed() {
            return Err(self.timed_out(search));
        }
        Ok(())
    }
}

/// # Waiting
impl<M: ManageConnection> Core<M> {
    /// Waits in the queue.
    fn wait(&self, search: &Search) -> Result<Found<'_, M>, GetError<M::Error>> {
        let waiter = Arc::new(Waiter::new());
        let since = search.deadline.start();
        let start = affinity::start_index();
        let (joined, state) =
            self.handoff.join(&waiter, since, search.queue_end, start, search.checked);
        let ticket = match joined {
            Joined::Connection(owned, stale) => return Ok(Found { owned, stale, is_new: false }),
            Joined::Full(max_waiters) => {
                let mut state = state;
                let ticket = state.reserve_dial_for_refused();
                self.start_reserved_dial(state, ticket);
                return Err(GetError::QueueFull { max_waiters });
            }
            Joined::Closed => return Err(GetError::Closed),
            Joined::Waiting(ticket) => ticket,
        };
        let deadlocked = self.find_deadlock(&state);
        let probing = state.probing;
        self.meet_demand(state);
        if probing {
            self.retry.notify_one(); // the prober's pause may be shorter now that a thread waits
        }
        self.lifecycle.about_to_wait();
        if let Some(holders) = deadlocked
            && let Some(error) = self.report_deadlock(holders)
            && self.handoff.cancel_wait(ticket)
        {
            return Err(error);
        }
        self.await_wakeup(&waiter, ticket, search)
    }

    /// Sleeps in the queue until there is a connection, or a reason why there will be none.
    fn await_wakeup<'p>(
        &'p self,
        waiter: &Waiter<M::Connection, M::Error>,
        ticket: Ticket,
        search: &Search,
    ) -> Result<Found<'p, M>, GetError<M::Error>> {
        loop {
            match waiter.wait(search.deadline) {
                Wakeup::Connection(handed, stale) => {
                    let owned = self.handoff.slots.accept(handed);
                    owned.count_use();
                    let is_new = owned.is_new();
                    return Ok(Found { owned, stale, is_new });
                }
                Wakeup::Failed(error) => return Err(GetError::ConnectFailed(error)),
                Wakeup::Closed => return Err(GetError::Closed),
                Wakeup::Look => {
                    if let Looked::Connection(owned, stale) =
                        self.handoff.look(ticket, affinity::start_index())
                    {
                        return Ok(Found { owned, stale, is_new: false });
                    }
                }
                Wakeup::Nothing => {
                    if self.handoff.cancel_wait(ticket) {
                        return Err(self.timed_out(search));
                    }
                    // Another thread removed this waiter at the last moment: its wakeup is there.
                }
            }
        }
    }
}

/// # Errors
impl<M: ManageConnection> Core<M> {
    /// Counts an error that a borrower gets.
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
        let state = self.handoff.state.lock();
        if state.closed {
            return GetError::Closed;
        }
        let cause = search.refusals.cause().or_else(|| state.last_error().cloned());
        self.dial_extra(state);
        GetError::Exhausted(Box::new(Exhausted::new(self.state(), cause)))
    }

    #[cold]
    pub(crate) fn timed_out(&self, search: &Search) -> GetError<M::Error> {
        let mut state = self.handoff.state.lock();
        let cause = search.refusals.cause().or_else(|| state.last_error().cloned());
        let has_idle = self.handoff.slots.any_idle();
        let ticket = if has_idle { None } else { state.reserve_dial_after_timeout() };
        self.start_reserved_dial(state, ticket);
        let advice = if self.handoff.is_check_pending(search.checked) {
            "the server has not answered the validation of an idle connection yet: make \
             `get_timeout` longer than the server takes to answer"
        } else {
            "hold connections for a shorter time, or raise `max_size` or `get_timeout`"
        };
        let timed_out = TimedOut::new(search.deadline.waited(), self.state(), cause, advice);
        let timed_out = timed_out.with_holders(self.list_holders());
        GetError::TimedOut(Box::new(timed_out.with_address(self.lifecycle.address())))
    }
}
