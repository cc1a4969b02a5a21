//! What the pool's one lock protects: the wait queue, how many connections there are, and what was
//! decided about them. Plain data and pure methods: no I/O and no clock.
//!
//! Always true: `open + connecting() <= max_size`, unless the limit was lowered and the pool still
//! has to close connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadwise_core::{CloseReason, ConnectError};

use crate::flags::CloseFlags;
use crate::origin::Origin;
use crate::settings::Limits;
use crate::wait_queue::{Entry, QueueEnd, SharedWaiter, Ticket, WaitQueue};
use crate::waiter::Waiter;

pub(crate) struct PoolState<T, E> {
    pub(crate) limits: Limits,
    waiters: WaitQueue<Entry<T, E>>,
    /// The waiter that was sent to look at the slots and has not reported back. There is at most
    /// one, so that a connection that threads take and return often does not wake many waiters.
    looking: Option<Ticket>,
    /// Connections that exist, in any state.
    pub(crate) open: usize,
    /// Connections that dialers have ever opened. `build` waits for this number, because a connection
    /// with a very short lifetime may be closed again before `build` looks.
    pub(crate) opened: usize,
    /// Open connections that the pool is closing, or is about to close.
    pub(crate) closing: usize,
    /// Reserved dials, begun or not.
    dials: Vec<Dial>,
    dials_reserved: u64,
    /// How many dials may run at once: one after a failure, then twice as many after each success, so
    /// that they do not overload a server that has just come back.
    ramp: usize,
    /// Threads of the pool that are alive.
    pub(crate) threads: usize,
    /// Whether the last attempt failed and one dialer, the prober, pauses before the next. No other
    /// dialer tries meanwhile.
    pub(crate) probing: bool,
    /// The error of the latest attempt to connect; `None` if it succeeded. Only
    /// [`replace_error`](Self::replace_error) changes it.
    last_error: Option<ConnectError<E>>,
    /// Whether the last error was permanent. Then `min_idle` opens nothing until the housekeeper
    /// allows it again.
    pub(crate) has_permanent_error: bool,
    /// Whether `build_within` waits for the first connections.
    pub(crate) is_building: bool,
    /// The generation of the connections that are opened now.
    pub(crate) generation: u64,
    /// The pool closes connections of this generation and of earlier ones.
    pub(crate) evicted: u64,
    /// For each group in which the pool found a dead connection, the generation of that time. The pool
    /// validates the group's connections of this generation and of earlier ones.
    suspected: Vec<Origin>,
    /// When the housekeeper runs again: the end of its sleep or, while it runs, the earliest moment
    /// that another thread has asked for.
    wake_at: Option<Instant>,
    pub(crate) suspended: bool,
    pub(crate) closed: bool,
}

/// The pool's decision about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be borrowed.
    Keep,
    /// It may be borrowed when the server has answered.
    Validate,
    Close(CloseReason),
}

/// A reserved dial.
struct Dial {
    number: u64,
    /// When it began; `None` before that.
    since: Option<Instant>,
    /// Whether it takes longer than `connect_patience`, so that other dials need not wait for it.
    overdue: bool,
    /// Whether a thread that went away without a connection wants it. Then it begins even if no
    /// waiter is left.
    is_extra: bool,
}

/// A dialer's right to open a connection. The dialer returns it to [`PoolState::end_dial`].
#[derive(Clone, Copy, Debug)]
#[must_use = "the right to open a connection must be returned"]
pub(crate) struct DialTicket {
    pub(crate) number: u64,
}

impl<T, E> PoolState<T, E> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            waiters: WaitQueue::new(),
            looking: None,
            open: 0,
            opened: 0,
            closing: 0,
            dials: Vec::new(),
            dials_reserved: 0,
            ramp: usize::MAX,
            threads: 0,
            probing: false,
            last_error: None,
            has_permanent_error: false,
            is_building: false,
            generation: 1,
            evicted: 0,
            suspected: Vec::new(),
            wake_at: None,
            suspended: false,
            closed: false,
        }
    }

    /// The pool's decision about a connection that counts as open. No other place decides it: neither
    /// for connections that were opened or replaced nor for those that come back. `flags` are those
    /// that the caller found on the connection.
    pub(crate) fn verdict(&self, origin: Origin, flags: CloseFlags) -> Verdict {
        if self.closed {
            Verdict::Close(CloseReason::PoolClosed)
        } else if self.surplus() > 0 {
            Verdict::Close(CloseReason::Surplus)
        } else if flags.is_evicted() || origin.generation <= self.evicted {
            Verdict::Close(CloseReason::Evicted)
        } else if flags.has_expired() {
            Verdict::Close(CloseReason::MaxLifetime)
        } else if self.is_suspected(origin) {
            Verdict::Validate
        } else {
            Verdict::Keep
        }
    }

    /// Whether a connection of this origin must be validated before its next use, since another one of
    /// its group was found dead.
    fn is_suspected(&self, origin: Origin) -> bool {
        let is_meant = |suspected: &Origin| {
            suspected.group == origin.group && suspected.generation >= origin.generation
        };
        self.suspected.iter().any(is_meant)
    }

    /// Suspects the connections of this group that exist now, and ends their generation. Returns
    /// `false` if the connections of this origin are suspected already.
    pub(crate) fn suspect(&mut self, origin: Origin) -> bool {
        if origin.generation <= self.evicted || self.is_suspected(origin) {
            return false;
        }
        self.suspected.retain(|suspected| suspected.group != origin.group);
        self.suspected.push(Origin { generation: self.generation, group: origin.group });
        self.generation += 1;
        true
    }

    /// Whether a connection may come back: one is open and not being closed.
    pub(crate) fn may_come_back(&self) -> bool {
        self.open > self.closing
    }

    /// How many connections are too many, without those that are being closed.
    pub(crate) fn surplus(&self) -> usize {
        (self.open - self.closing).saturating_sub(self.limits.max_size)
    }

    /// The error of the latest attempt to connect; `None` if it succeeded.
    pub(crate) fn last_error(&self) -> Option<&ConnectError<E>> {
        self.last_error.as_ref()
    }

    /// Notes the result of the latest attempt to connect. The caller drops the returned error after
    /// it has released the lock, because the error's destructor is the manager's code.
    #[must_use = "the error is dropped without the lock"]
    pub(crate) fn replace_error(
        &mut self,
        error: Option<ConnectError<E>>,
    ) -> Option<ConnectError<E>> {
        std::mem::replace(&mut self.last_error, error)
    }
}

/// # Waiting threads
impl<T, E> PoolState<T, E> {
    pub(crate) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// Whether one more thread may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.limits.max_waiters.is_none_or(|max| self.waiters.len() < max)
    }

    pub(crate) fn join(
        &mut self,
        waiter: &SharedWaiter<T, E>,
        since: Instant,
        end: QueueEnd,
    ) -> Ticket {
        self.waiters.insert(Entry { waiter: Arc::clone(waiter), since }, end)
    }

    /// When the `get` of the waiter at the head began.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.waiters.head().map(|entry| entry.since)
    }

    /// Removes the waiter at the head.
    pub(crate) fn pop(&mut self) -> Option<SharedWaiter<T, E>> {
        let (ticket, entry) = self.waiters.pop()?;
        self.forget_look(ticket);
        Some(entry.waiter)
    }

    /// Removes a waiter that gives up or has found a connection. `false` if another thread has
    /// removed it, and has sent it a wakeup.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> bool {
        self.forget_look(ticket);
        self.waiters.remove(ticket).is_some()
    }

    pub(crate) fn contains(&self, ticket: Ticket) -> bool {
        self.waiters.contains(ticket)
    }

    /// Removes all waiters.
    pub(crate) fn leave_all(&mut self) -> Vec<SharedWaiter<T, E>> {
        std::iter::from_fn(|| self.pop()).collect()
    }

    /// Returns the waiter to send to look at the slots; `None` if one is on its way.
    pub(crate) fn send_to_look(&mut self) -> Option<SharedWaiter<T, E>> {
        if self.looking.is_some() {
            return None;
        }
        self.looking = self.waiters.head_ticket();
        self.waiters.head().map(|entry| Arc::clone(&entry.waiter))
    }

    /// Notes that the waiter has looked and found nothing, or will not look any more.
    pub(crate) fn forget_look(&mut self, ticket: Ticket) {
        if self.looking == Some(ticket) {
            self.looking = None;
        }
    }

    pub(crate) fn is_looking(&self) -> bool {
        self.looking.is_some()
    }

    /// All waiters, in the order of the queue.
    pub(crate) fn waiters(&self) -> impl Iterator<Item = &Waiter<T, E>> {
        self.waiters.iter().map(|entry| &*entry.waiter)
    }
}

/// # Dials
impl<T, E> PoolState<T, E> {
    /// Connections that are being opened, or are about to be.
    pub(crate) fn connecting(&self) -> usize {
        self.dials.len()
    }

    /// The same without overdue dials.
    pub(crate) fn connecting_in_time(&self) -> usize {
        self.dials.iter().filter(|dial| !dial.overdue).count()
    }

    /// How many connections are wanted.
    fn wanted(&self, idle: impl FnOnce() -> usize) -> usize {
        let missing = match self.limits.min_idle {
            0 => 0,
            _ if self.has_permanent_error => 0,
            min_idle => min_idle.saturating_sub(idle()),
        };
        // Otherwise a dialer that has failed would end after its pause, and `build_within` would wait
        // for nothing.
        let for_build = self.is_building && self.opened == 0 && !self.has_permanent_error;
        self.waiters.len() + missing.max(usize::from(for_build))
    }

    /// Reserves a dial if a connection is wanted and allowed.
    pub(crate) fn reserve_dial(&mut self, idle: impl FnOnce() -> usize) -> Option<DialTicket> {
        if self.wanted(idle) <= self.connecting_in_time() {
            return None;
        }
        self.reserve_if_allowed(false)
    }

    /// Reserves a dial if a connection is allowed, even if none is wanted.
    pub(crate) fn reserve_extra_dial(&mut self) -> Option<DialTicket> {
        self.reserve_if_allowed(true)
    }

    /// Reserves a dial for a thread that found the queue full, unless more dials run than threads
    /// wait.
    pub(crate) fn reserve_dial_for_refused(&mut self) -> Option<DialTicket> {
        if self.connecting_in_time() > self.waiting() {
            return None;
        }
        self.reserve_extra_dial()
    }

    /// Reserves a dial for a thread whose time is up, unless one runs. Otherwise a thread with a short
    /// deadline would never have a connection opened, however often it comes.
    pub(crate) fn reserve_dial_after_timeout(&mut self) -> Option<DialTicket> {
        if let Some(dial) = self.dials.iter_mut().find(|dial| !dial.overdue) {
            dial.is_extra = true; // so that it is not called off
            return None;
        }
        self.reserve_extra_dial()
    }

    fn reserve_if_allowed(&mut self, is_extra: bool) -> Option<DialTicket> {
        let limits = self.limits;
        let allowed = !self.closed
            && !self.suspended
            && !self.probing
            && self.connecting_in_time() < limits.connect_concurrency.min(self.ramp)
            && self.open + self.connecting() < limits.max_size;
        if !allowed {
            return None;
        }
        self.dials_reserved += 1;
        let number = self.dials_reserved;
        self.dials.push(Dial { number, since: None, overdue: false, is_extra });
        Some(DialTicket { number })
    }

    /// Whether a reserved dial is still called for. Since it was reserved, a connection may have come
    /// back, all waiters may have given up, or the limit may be lower.
    pub(crate) fn begin_dial(
        &mut self,
        ticket: DialTicket,
        now: Instant,
        idle: impl FnOnce() -> usize,
    ) -> bool {
        let is_extra = self.dial(ticket).is_some_and(|dial| dial.is_extra);
        let is_wanted = is_extra || self.wanted(idle) >= self.connecting_in_time();
        let is_allowed = self.open + self.connecting() <= self.limits.max_size;
        let begins = is_wanted && is_allowed && !self.closed && !self.suspended;
        if begins && let Some(dial) = self.dial(ticket) {
            dial.since = Some(now);
        }
        begins
    }

    /// Notes that the dial has succeeded, has failed or was called off.
    pub(crate) fn end_dial(&mut self, ticket: DialTicket) {
        self.dials.retain(|dial| dial.number != ticket.number);
    }

    /// Allows more dials at once, after a success.
    pub(crate) fn speed_up(&mut self) {
        self.ramp = self.ramp.saturating_mul(2);
    }

    /// Allows one dial at a time, after a failure.
    pub(crate) fn slow_down(&mut self) {
        self.ramp = 1;
    }

    /// Marks the dials that take longer than `patience`. Returns when to look again.
    pub(crate) fn mark_overdue(&mut self, patience: Duration, now: Instant) -> Option<Instant> {
        let mut next = None;
        for dial in self.dials.iter_mut().filter(|dial| !dial.overdue) {
            let Some(end) = dial.since.and_then(|since| since.checked_add(patience)) else {
                continue;
            };
            dial.overdue = end <= now;
            if dial.overdue {
                self.ramp = 1; // the server may be slow: one dial at a time
            } else {
                next = earlier(next, Some(end));
            }
        }
        next
    }

    fn dial(&mut self, ticket: DialTicket) -> Option<&mut Dial> {
        self.dials.iter_mut().find(|dial| dial.number == ticket.number)
    }
}

/// # The housekeeper's sleep
impl<T, E> PoolState<T, E> {
    /// Notes that the housekeeper begins a round. The round may miss the deadlines that other
    /// threads write from now on.
    pub(crate) fn begin_round(&mut self) {
        self.wake_at = None;
    }

    /// Makes the housekeeper run at `moment` at the latest. Returns whether it must be woken for that.
    #[must_use = "the housekeeper may sleep for longer"]
    pub(crate) fn wake_by(&mut self, moment: Option<Instant>) -> bool {
        let is_earlier =
            moment.is_some_and(|moment| self.wake_at.is_none_or(|wake_at| moment < wake_at));
        if is_earlier {
            self.wake_at = moment;
        }
        is_earlier
    }

    /// The housekeeper ends its round and goes to sleep under this lock. Returns until when. `due` is
    /// what it found itself.
    pub(crate) fn sleep_until(&mut self, due: Option<Instant>) -> Option<Instant> {
        self.wake_at = earlier(self.wake_at, due);
        self.wake_at
    }
}

/// The earlier of two moments, where `None` is never.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
