//! How connections reach the threads that want them: the slots, the pool's locked state, and the
//! protocol between them. No I/O and no clock. `DESIGN.md` has the table of transitions and the proof
//! sketch.
//!
//! The protocol in four sentences. A thread that wants a connection takes an idle one by one exchange
//! on its slot. If none is idle, the thread counts itself as a waiter (`waiter_count`) and looks again
//! before it sleeps; a thread that returns a connection exchanges the slot's word first and *then*
//! reads the count, so that one of the two sees the other. A connection for a waiter that has waited
//! for `fair_after` never becomes idle: the right to it is handed off under the lock. A connection
//! that becomes idle while younger waiters wait sends one of them to look.

use std::time::{Duration, Instant};

use threadwise_core::CloseReason;
use threadwise_core::parts::sync::atomic::{AtomicUsize, Ordering};
use threadwise_core::parts::sync::{Mutex, MutexGuard, model_fence};

use crate::flags::{CloseFlags, Seen};
use crate::settings::Limits;
use crate::slot::{Owned, Slot};
use crate::slots::Slots;
use crate::state::{PoolState, Verdict};
use crate::wait_queue::{QueueEnd, SharedWaiter, Ticket};
use crate::waiter::Wakeup;

pub(crate) struct Handoff<T, E> {
    pub(crate) slots: Slots<T>,
    waiter_count: WaiterCount,
    pub(crate) fair_after: Duration,
    pub(crate) state: Mutex<PoolState<T, E>>,
}

/// How many threads wait. A thread writes it under the lock, and every thread that returns a
/// connection reads it. It has a cache line of its own, which therefore changes only when the wait
/// queue does.
#[repr(align(128))]
struct WaiterCount(AtomicUsize);

pub(crate) type Locked<'p, T, E> = MutexGuard<'p, PoolState<T, E>>;

/// The result of joining the wait queue.
pub(crate) enum Joined<'p, T> {
    /// A connection was idle after all. The second value says whether it is stale.
    Connection(Owned<'p, T>, bool),
    Waiting(Ticket),
    /// The queue is full; the value is `max_waiters`.
    Full(usize),
    Closed,
}

/// The result of a waiter's look at the slots.
pub(crate) enum Looked<'p, T> {
    /// The second value says whether the connection is stale.
    Connection(Owned<'p, T>, bool),
    /// Wait on.
    Nothing,
}

impl<T, E> Handoff<T, E> {
    /// A handoff whose slots have these `flags`.
    pub(crate) fn new(limits: Limits, fair_after: Duration, flags: u32) -> Self {
        Self {
            slots: Slots::new(limits.max_size, flags),
            waiter_count: WaiterCount(AtomicUsize::new(0)),
            fair_after,
            state: Mutex::new(PoolState::new(limits)),
        }
    }

    /// Publishes how many threads wait. The caller holds the lock and has changed the wait queue.
    fn publish_waiter_count(&self, state: &PoolState<T, E>) {
        // SeqCst: with the look at the slots that follows it in `join`, pairs with `put`.
        self.waiter_count.0.store(state.waiting(), Ordering::SeqCst);
        model_fence();
    }
}

/// # Returning a connection
impl<T, E> Handoff<T, E> {
    /// Makes a connection idle, or hands it off to a waiter that has waited for `fair_after`. Returns
    /// the connection if it is marked to be closed.
    #[inline]
    pub(crate) fn put<'p>(
        &self,
        owned: Owned<'p, T>,
        now: impl FnOnce() -> Instant,
    ) -> Result<(), Owned<'p, T>> {
        // A first look, so that a connection for an old waiter does not become idle. Relaxed: only
        // the second look decides.
        if self.waiter_count.0.load(Ordering::Relaxed) != 0 {
            return self.put_with_waiters(owned, now);
        }
        let slot = owned.slot();
        owned.put_back()?;
        model_fence();
        // SeqCst: with the exchange above, pairs with `publish_waiter_count` and the look after it.
        if self.waiter_count.0.load(Ordering::SeqCst) != 0 {
            self.serve_waiter_from(slot, now);
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn put_with_waiters<'p>(
        &self,
        owned: Owned<'p, T>,
        now: impl FnOnce() -> Instant,
    ) -> Result<(), Owned<'p, T>> {
        let now = now(); // before the lock, which other threads need
        let state = self.state.lock();
        if owned.is_marked_to_close() {
            return Err(owned);
        }
        if self.is_due(&state, now) {
            self.hand_off(state, owned);
            return Ok(());
        }
        owned.put_back()?; // no thread can join the queue meanwhile
        self.tell_to_look(state);
        Ok(())
    }

    /// Serves a waiter after a connection has become idle, because a waiter may not have seen it.
    #[cold]
    #[inline(never)]
    fn serve_waiter_from(&self, slot: &Slot<T>, now: impl FnOnce() -> Instant) {
        let now = now(); // before the lock, which other threads need
        let state = self.state.lock();
        if self.is_due(&state, now)
            && let Some(owned) = slot.take_for_waiter()
        {
            return self.hand_off(state, owned);
        }
        self.tell_to_look(state);
    }

    /// Whether a waiter has waited for `fair_after`, so that threads that come later must wait too.
    pub(crate) fn has_due_waiter(&self, now: impl FnOnce() -> Instant) -> bool {
        // Relaxed: a waiter that comes a moment later has not waited for `fair_after`.
        self.waiter_count.0.load(Ordering::Relaxed) != 0 && self.is_due(&self.state.lock(), now())
    }

    /// Whether the waiter at the head has waited for `fair_after`, so that the next connection is its
    /// own.
    fn is_due(&self, state: &PoolState<T, E>, now: Instant) -> bool {
        let has_waited =
            |since| now.saturating_duration_since(since) >= self.fair_after && !state.suspended;
        state.oldest().is_some_and(has_waited)
    }

    /// Hands a connection off to the waiter at the head, or makes it idle if no thread waits. Returns
    /// the connection if it is marked to be closed. For connections that were just opened: no running
    /// thread counts on those.
    fn hand_off_or_put_back<'p>(
        &self,
        state: Locked<'_, T, E>,
        owned: Owned<'p, T>,
    ) -> Result<(), Owned<'p, T>> {
        if state.waiting() > 0 && !state.suspended {
            self.hand_off(state, owned);
            return Ok(());
        }
        owned.put_back() // under the lock: a thread that joins the queue afterwards sees it
    }

    /// Hands the right to a connection off to the waiter at the head.
    fn hand_off(&self, mut state: Locked<'_, T, E>, owned: Owned<'_, T>) {
        let waiter = self.hand_off_to_oldest(&mut state, owned);
        // That waiter may have been on its way to look at another connection, which is idle still.
        let next = self.pass_look_on(&mut state);
        drop(state);
        waiter.wake();
        wake(next);
    }

    /// The part of [`hand_off`](Self::hand_off) under the lock. The caller wakes the waiter after it.
    fn hand_off_to_oldest(
        &self,
        state: &mut Locked<'_, T, E>,
        owned: Owned<'_, T>,
    ) -> SharedWaiter<T, E> {
        let waiter = state.pop().expect("the caller saw a waiter under this lock");
        let stale = owned.mark_borrowed();
        waiter.send(Wakeup::Connection(owned.hand_over(), stale));
        self.publish_waiter_count(state);
        waiter
    }

    /// Sends a waiter to look at an idle connection, unless one is on its way.
    fn tell_to_look(&self, mut state: Locked<'_, T, E>) {
        if state.suspended {
            return;
        }
        let told = send_to_look(&mut state);
        drop(state);
        wake(told);
    }

    /// If no waiter is on its way to look any more and a connection is idle, sends one.
    fn pass_look_on(&self, state: &mut Locked<'_, T, E>) -> Option<SharedWaiter<T, E>> {
        if state.waiting() == 0 || state.is_looking() || state.suspended || !self.slots.any_idle() {
            return None;
        }
        send_to_look(state)
    }
}

/// # Waiting for a connection
impl<T, E> Handoff<T, E> {
    /// Joins the wait queue, unless a connection is idle after all. A stale one counts only if the pool
    /// validates none for the caller, in the slot `checked`. Returns the lock too, for what the caller
    /// does next.
    pub(crate) fn join<'p>(
        &'p self,
        waiter: &SharedWaiter<T, E>,
        since: Instant,
        end: QueueEnd,
        start: usize,
        checked: Option<usize>,
    ) -> (Joined<'p, T>, Locked<'p, T, E>) {
        let mut state = self.state.lock();
        if state.closed {
            return (Joined::Closed, state);
        }
        if let (QueueEnd::Back, false, Some(max)) =
            (end, state.has_room(), state.limits.max_waiters)
        {
            return (Joined::Full(max), state);
        }
        let ticket = state.join(waiter, since, end);
        self.publish_waiter_count(&state);
        // After the publication: if the validation has not ended, its end sees the waiter.
        let stale_too = !self.is_check_pending(checked);
        let Some((owned, stale)) = self.slots.take_any(start, stale_too) else {
            return (Joined::Waiting(ticket), state);
        };
        state.leave(ticket);
        self.publish_waiter_count(&state);
        (Joined::Connection(owned, stale), state)
    }

    /// Whether the pool still validates the connection in the slot `checked`.
    pub(crate) fn is_check_pending(&self, checked: Option<usize>) -> bool {
        let slot = checked.and_then(|index| self.slots.get(index));
        slot.is_some_and(|slot| slot.seen() == Seen::Reserved)
    }

    /// Looks at the slots for a waiter that was sent to look. If it was removed from the queue
    /// meanwhile, another wakeup waits for it.
    pub(crate) fn look(&self, ticket: Ticket, start: usize) -> Looked<'_, T> {
        let mut state = self.state.lock();
        state.forget_look(ticket);
        if !state.contains(ticket) {
            return Looked::Nothing;
        }
        let Some((owned, stale)) = self.slots.take_any(start, true) else {
            return Looked::Nothing;
        };
        state.leave(ticket);
        self.publish_waiter_count(&state);
        let next = self.pass_look_on(&mut state);
        drop(state);
        wake(next);
        Looked::Connection(owned, stale)
    }

    /// Leaves the queue for good. `false` if another thread has removed the waiter and has sent it a
    /// wakeup.
    pub(crate) fn cancel_wait(&self, ticket: Ticket) -> bool {
        let mut state = self.state.lock();
        let left = state.leave(ticket);
        self.publish_waiter_count(&state);
        let next = self.pass_look_on(&mut state);
        drop(state);
        wake(next);
        left
    }

    /// Ends the wait of all threads, with the same wakeup.
    pub(crate) fn end_all_waits(
        &self,
        mut state: Locked<'_, T, E>,
        wakeup: impl Fn() -> Wakeup<T, E>,
    ) {
        let waiters = state.leave_all();
        self.publish_waiter_count(&state);
        for waiter in &waiters {
            waiter.send(wakeup());
        }
        drop(state);
        for waiter in &waiters {
            waiter.wake();
        }
    }
}

/// # Decisions about connections
impl<T, E> Handoff<T, E> {
    /// Decides about a connection that came back with these flags. If there is a reason to close
    /// it, returns the reason, and the connection counts as being closed from now on. Otherwise
    /// clears the flags and returns `None`. If `may_expire` is false, the end of its lifetime is no
    /// reason.
    pub(crate) fn decide(
        &self,
        owned: &Owned<'_, T>,
        flags: CloseFlags,
        may_expire: bool,
    ) -> Option<CloseReason> {
        let mut state = self.state.lock();
        let against = if may_expire { flags } else { flags.without_expired() };
        match state.verdict(owned.origin(), against) {
            Verdict::Close(reason) => {
                state.closing += 1;
                Some(reason)
            }
            Verdict::Keep | Verdict::Validate => {
                // Under the lock: a thread that lowers the limit comes before or after.
                owned.clear_flags(flags);
                None
            }
        }
    }

    /// Decides about a connection that has replaced a holder's lost one. Decisions about all
    /// connections, and about how many there may be, apply to it too.
    pub(crate) fn decide_replaced(&self, owned: &Owned<'_, T>) {
        let state = self.state.lock();
        // Under the lock: a thread that decides about all connections has done so before, or comes to
        // this connection afterwards and finds it.
        owned.mark_as(state.verdict(owned.origin(), CloseFlags::NONE));
    }

    /// Hands a connection that was just opened and counts as open to the waiter at the head, or
    /// makes it idle. If the pool does not want the connection, returns it with the reason to close
    /// it. If the connection was marked meanwhile, returns it without a reason.
    pub(crate) fn add<'p>(
        &self,
        state: Locked<'_, T, E>,
        owned: Owned<'p, T>,
    ) -> Result<(), (Owned<'p, T>, Option<CloseReason>)> {
        match state.verdict(owned.origin(), CloseFlags::NONE) {
            Verdict::Close(reason) => return Err((owned, Some(reason))),
            Verdict::Validate => _ = owned.slot().mark_suspect(),
            Verdict::Keep => {}
        }
        self.hand_off_or_put_back(state, owned).map_err(|owned| (owned, None))
    }

    /// Lowers the number of connections to the limit. Returns those that the caller must close now;
    /// they count as being closed.
    pub(crate) fn shrink<'p>(&'p self, state: &mut Locked<'_, T, E>) -> Vec<Owned<'p, T>> {
        let retired = self.slots.retire_surplus(state.surplus());
        state.closing += retired.len();
        retired
    }

    /// Suspends the pool: after this returns, no thread can take a connection.
    pub(crate) fn suspend(&self) {
        let mut state = self.state.lock();
        state.suspended = true;
        self.slots.iter().for_each(Slot::suspend);
    }

    /// Ends the suspension and hands idle connections off to the waiters, in order. Returns the lock,
    /// for what the caller does next.
    pub(crate) fn resume(&self) -> Locked<'_, T, E> {
        let mut state = self.state.lock();
        state.suspended = false;
        self.slots.iter().for_each(Slot::resume);
        let mut served = Vec::new();
        while state.waiting() > 0
            && let Some(owned) = self.slots.iter().find_map(Slot::take_for_waiter)
        {
            served.push(self.hand_off_to_oldest(&mut state, owned));
        }
        drop(state);
        for waiter in &served {
            waiter.wake();
        }
        self.state.lock()
    }
}

/// Tells the waiter at the head to look, unless one is on its way. The caller wakes it.
fn send_to_look<T, E>(state: &mut PoolState<T, E>) -> Option<SharedWaiter<T, E>> {
    let waiter = state.send_to_look()?;
    waiter.send(Wakeup::Look);
    Some(waiter)
}

fn wake<T, E>(waiter: Option<SharedWaiter<T, E>>) {
    if let Some(waiter) = waiter {
        waiter.wake();
    }
}
