//! The threads that open connections. A borrower does not dial: while it hangs in a dial, a
//! connection that comes back could not serve it.
//!
//! The pool starts a dialer when a thread waits and the limit allows another connection. The dialer
//! checks both again just before each dial, and ends when one of them no longer holds. While the
//! server is down, one dialer, the prober, keeps trying with growing pauses, and the others end.
//! After a success two may dial at once, then four, and so on. A dial that takes longer than
//! `connect_patience` no longer keeps others from dialing; only the connection that it may open
//! still counts.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use threadwise_core::parts::foreign::dispose;
use threadwise_core::parts::fork;
use threadwise_core::parts::sync::thread;
use threadwise_core::{ConnectError, ManageConnection};

use crate::core::{Core, Lock, OwnedSlot};
use crate::flags::WATCHED;
use crate::jitter;
use crate::origin::Origin;
use crate::state::DialTicket;
use crate::waiter::Wakeup;

/// The longest pause while a thread waits, so that it is served soon after the server is back.
pub(crate) const MAX_PAUSE_WITH_WAITERS: Duration = Duration::from_millis(200);

/// How long the housekeeper waits after the system had no thread for a dialer or a worker.
pub(crate) const THREAD_RETRY_PAUSE: Duration = Duration::from_millis(50);

/// # Starting dialers
impl<M: ManageConnection> Core<M> {
    /// Starts as many dialers as are wanted and allowed. Releases the lock.
    pub(crate) fn meet_demand(&self, mut state: Lock<'_, M>) {
        let mut tickets = Vec::new(); // allocates nothing while it is empty
        while let Some(ticket) = state.reserve_dial(|| self.handoff.slots.idle()) {
            tickets.push(ticket);
        }
        state.threads += tickets.len();
        self.add_slots(&state);
        drop(state);
        for ticket in tickets {
            self.start_dialer(ticket);
        }
    }

    /// Starts a dialer for one connection if the limit allows it, even if no thread waits. Releases
    /// the lock.
    pub(crate) fn dial_extra(&self, mut state: Lock<'_, M>) {
        let ticket = state.reserve_extra_dial();
        self.start_reserved_dial(state, ticket);
    }

    /// Starts a dialer if there is a ticket for one. Releases the lock.
    pub(crate) fn start_reserved_dial(&self, mut state: Lock<'_, M>, ticket: Option<DialTicket>) {
        state.threads += usize::from(ticket.is_some());
        self.add_slots(&state);
        drop(state);
        if let Some(ticket) = ticket {
            self.start_dialer(ticket);
        }
    }

    /// Makes sure that there is a slot for each connection that is open or being opened. New slots are
    /// not suspended, because a suspended pool reserves no dials.
    fn add_slots(&self, state: &Lock<'_, M>) {
        let flags = if self.settings.per_use.watches_uses { WATCHED } else { 0 };
        self.handoff.slots.grow(state.open + state.connecting(), flags);
    }

    /// Starts a thread for a reserved dial.
    #[cold]
    fn start_dialer(&self, ticket: DialTicket) {
        let Some(core) = self.me.upgrade() else { return }; // the last guard is being dropped
        let dial = thread::Builder::new().name(self.thread_name("dial"));
        if let Err(error) = dial.spawn(fork::apart_from_forks(move || core.run_dialer(ticket))) {
            self.fail_without_thread(ticket, error);
        }
    }

    /// Called when the system has no thread for a dialer. Waiters keep waiting, because a
    /// connection may come back and the housekeeper tries again. Without either of them, waiters
    /// get the error at once.
    fn fail_without_thread(&self, ticket: DialTicket, error: io::Error) {
        let error = ConnectError::Thread(Arc::new(error));
        let mut state = self.handoff.state.lock();
        state.end_dial(ticket);
        state.threads -= 1;
        state.slow_down();
        let before = state.replace_error(Some(error.clone()));
        // Relaxed: see `start_housekeeper`.
        if state.may_come_back() || self.has_housekeeper.load(Ordering::Relaxed) {
            let again = self.settings.clock.now().checked_add(THREAD_RETRY_PAUSE);
            self.wake_housekeeper_by(&mut state, again);
            drop(state);
        } else {
            self.handoff.end_all_waits(state, || Wakeup::Failed(error.clone()));
        }
        self.progress.notify_all();
        dispose(before);
    }
}

/// # What a dialer does
impl<M: ManageConnection> Core<M> {
    fn run_dialer(&self, mut ticket: DialTicket) {
        // A child pool has no housekeeper yet. If the system has no thread, the next dial tries again.
        let _ = self.start_housekeeper();
        let mut pause = self.settings.connect_backoff.first;
        while let Some(generation) = self.begin_dial(ticket) {
            let slot = self.handoff.slots.begin_dial();
            let slot = slot.expect("a slot for each connection that may be open");
            match self.lifecycle.open(None) {
                Ok(conn) => {
                    pause = self.settings.connect_backoff.first;
                    let origin = Origin { generation, group: self.lifecycle.group(&conn) };
                    let filled = slot.fill(conn, origin, self.expires());
                    self.record_opened(&filled);
                    self.dial_succeeded(ticket, filled);
                }
                Err(error) => {
                    slot.leave_empty();
                    let is_prober = self.dial_failed(ticket, error);
                    if !is_prober || !self.pause_before_retry(&mut pause) {
                        break;
                    }
                }
            }
            let mut state = self.handoff.state.lock();
            let next = state.reserve_dial(|| self.handoff.slots.idle());
            self.meet_demand(state); // more dialers may run, after a success
            match next {
                Some(next) => ticket = next,
                None => break,
            }
        }
        self.end_thread();
    }

    /// Checks once more whether the connection is wanted. Returns the generation that it will belong
    /// to; `None` if the dial was called off.
    fn begin_dial(&self, ticket: DialTicket) -> Option<u64> {
        let mut state = self.handoff.state.lock();
        let now = self.settings.clock.now();
        let begins = state.begin_dial(ticket, now, || self.handoff.slots.idle());
        if begins {
            let overdue = now.checked_add(self.settings.connect_patience);
            self.wake_housekeeper_by(&mut state, overdue);
        } else {
            state.end_dial(ticket);
        }
        let generation = begins.then_some(state.generation);
        drop(state);
        // A thread that waits for the pool to close sees that the dial does not begin.
        self.progress.notify_all();
        generation
    }

    /// Hands a connection that was just opened to a waiter, or makes it idle.
    fn dial_succeeded(&self, ticket: DialTicket, owned: OwnedSlot<'_, M>) {
        let mut state = self.handoff.state.lock();
        state.end_dial(ticket);
        state.open += 1;
        state.opened += 1;
        let error = state.replace_error(None);
        state.has_permanent_error = false;
        state.speed_up();
        match self.handoff.add(state, owned) {
            Ok(()) => {}
            Err((owned, Some(reason))) => self.close_in_background(owned, reason),
            Err((owned, None)) => self.put_marked(owned),
        }
        self.progress.notify_all();
        self.housekeeper.notify_one();
        dispose(error);
    }

    /// Stores why no connection could be opened. Tells the waiters if waiting would not help: the
    /// error is permanent and no connection may come back.
    ///
    /// Returns whether this dialer is the prober, which tries again after a pause. It is from now on,
    /// so that no other thread assumes that no dialer tries.
    fn dial_failed(&self, ticket: DialTicket, error: ConnectError<M::Error>) -> bool {
        let is_permanent = self.lifecycle.is_permanent(&error);
        let mut state = self.handoff.state.lock();
        state.end_dial(ticket);
        let is_final = is_permanent && !state.may_come_back();
        let is_prober = !(is_final || state.probing || state.closed);
        state.probing |= is_prober;
        state.slow_down();
        let before = state.replace_error(Some(error.clone()));
        state.has_permanent_error = is_permanent;
        if is_final {
            self.handoff.end_all_waits(state, || Wakeup::Failed(error.clone()));
        } else {
            drop(state);
        }
        self.progress.notify_all();
        dispose(before);
        dispose(Some(error));
        is_prober
    }

    /// Pauses the prober before its next try, and doubles its pause. `false` if the pool was closed.
    fn pause_before_retry(&self, pause: &mut Duration) -> bool {
        let mut state = self.handoff.state.lock();
        let start = self.settings.clock.now();
        let shorter = jitter::fraction_of(*pause, jitter::fraction() / 4.0);
        let planned = pause.saturating_sub(shorter);
        loop {
            // Computed again each time: a thread may have joined the queue meanwhile. After a
            // permanent error a waiter does not make the pause shorter, unless no connection can come
            // back to serve it.
            let has_waiter = state.waiting() > 0 || state.is_building;
            if has_waiter && state.has_permanent_error && !state.may_come_back() {
                break;
            }
            let in_hurry = has_waiter && !state.has_permanent_error;
            let longest = if in_hurry { MAX_PAUSE_WITH_WAITERS } else { Duration::MAX };
            let end = start.checked_add(planned.min(longest));
            if state.closed || end.is_some_and(|end| self.settings.clock.now() >= end) {
                break;
            }
            state = self.settings.clock.wait_until(&self.retry, state, end);
        }
        state.probing = false;
        *pause = pause.saturating_mul(2).min(self.settings.connect_backoff.longest);
        !state.closed
    }
}

/// # Threads of the pool
impl<M: ManageConnection> Core<M> {
    /// Makes the housekeeper run at `moment` at the latest.
    pub(crate) fn wake_housekeeper_by(&self, state: &mut Lock<'_, M>, moment: Option<Instant>) {
        if state.wake_by(moment) {
            self.housekeeper.notify_one();
        }
    }

    pub(crate) fn end_thread(&self) {
        self.handoff.state.lock().threads -= 1;
        self.progress.notify_all();
    }
}
