//! What the pool's one lock protects: plain data, pure methods, no I/O, no clock.
//!
//! Always holds: `open + connecting <= max_size`, and if anybody waits, nothing is idle.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use threadwise_core::sync::{Condvar, Mutex};
use threadwise_core::{ConnectError, Deadline};

/// The limits that decide whether to open a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_size: usize,
    pub(crate) min_idle: usize,
    pub(crate) max_waiters: Option<usize>,
    pub(crate) connect_concurrency: usize,
}

pub(crate) struct Line<C, E> {
    pub(crate) limits: Limits,
    /// The one used last is lent first: its caches are warm, and the others may grow old.
    pub(crate) idle: Vec<Idle<C>>,
    /// Those who wait, the oldest first.
    pub(crate) waiters: VecDeque<Arc<Waiter<C, E>>>,
    /// Connections that exist, wherever they are.
    pub(crate) open: usize,
    /// Connections that a dialer has the right to open, and is opening or about to.
    pub(crate) connecting: usize,
    /// Threads of the pool that are alive.
    pub(crate) dialers: usize,
    /// The last attempt failed, and one dialer waits for the time to try again: no other tries.
    pub(crate) probing: bool,
    /// Why the last attempt failed, if the latest one did.
    pub(crate) last_error: Option<ConnectError<E>>,
    pub(crate) closed: bool,
}

pub(crate) struct Idle<C> {
    pub(crate) conn: C,
    pub(crate) since: Instant,
}

/// A thread that waits. What it waits for is handed to it, not left lying for it to find: nobody
/// else can take it.
pub(crate) struct Waiter<C, E> {
    outcome: Mutex<Option<Outcome<C, E>>>,
    came: Condvar,
}

pub(crate) enum Outcome<C, E> {
    Connection(Idle<C>),
    Failed(ConnectError<E>),
    Closed,
}

/// Where a thread joins the line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has waited already, and what it was given turned out to be dead.
    Front,
    Back,
}

impl<C, E> Waiter<C, E> {
    pub(crate) fn new() -> Self {
        Self { outcome: Mutex::new(None), came: Condvar::new() }
    }

    /// Ends the wait. Called once, by whoever took the waiter out of the line.
    pub(crate) fn hand(&self, outcome: Outcome<C, E>) {
        *self.outcome.lock() = Some(outcome);
        self.came.notify_one();
    }

    /// Waits for the outcome, or until `deadline`.
    pub(crate) fn wait(&self, deadline: Deadline) -> Option<Outcome<C, E>> {
        let mut outcome = self.outcome.lock();
        while outcome.is_none() && !deadline.has_passed() {
            outcome = self.came.wait_until(outcome, deadline.instant());
        }
        outcome.take()
    }
}

impl<C, E> Line<C, E> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            idle: Vec::with_capacity(limits.max_size.min(64)),
            waiters: VecDeque::new(),
            open: 0,
            connecting: 0,
            dialers: 0,
            probing: false,
            last_error: None,
            closed: false,
        }
    }

    /// Whether one more thread may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.limits.max_waiters.is_none_or(|max| self.waiters.len() < max)
    }

    pub(crate) fn join(&mut self, waiter: &Arc<Waiter<C, E>>, place: Place) {
        match place {
            Place::Front => self.waiters.push_front(Arc::clone(waiter)),
            Place::Back => self.waiters.push_back(Arc::clone(waiter)),
        }
    }

    /// Takes a waiter that gave up out of the line; `false` if somebody has done so already, and
    /// has handed it an outcome.
    pub(crate) fn leave(&mut self, waiter: &Arc<Waiter<C, E>>) -> bool {
        let position = self.waiters.iter().position(|other| Arc::ptr_eq(other, waiter));
        position.and_then(|position| self.waiters.remove(position)).is_some()
    }

    /// Reserves the right to open a connection if one is wanted and allowed.
    #[must_use]
    pub(crate) fn reserve_dial(&mut self) -> bool {
        let missing = self.limits.min_idle.saturating_sub(self.idle.len());
        let wanted = self.waiters.len() + missing > self.connecting;
        wanted && self.reserve_unwanted_dial()
    }

    /// Reserves the right to open a connection if one is allowed.
    #[must_use]
    pub(crate) fn reserve_unwanted_dial(&mut self) -> bool {
        let limits = self.limits;
        let allowed = !self.closed
            && !self.probing
            && self.connecting < limits.connect_concurrency
            && self.open + self.connecting < limits.max_size;
        self.connecting += usize::from(allowed);
        allowed
    }
}
