//! The pool's verbs: borrow, give back, close.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use threadwise_core::sync::{Condvar, Mutex, MutexGuard};
use threadwise_core::{
    BuildError, CloseReason, ConnectError, Deadline, GetError, Keeper, ManageConnection, Pool,
    State, TimedOut,
};

use crate::builder::Builder;
use crate::guard::{OwnedConnection, PooledConnection};
use crate::line::{Idle, Line, Outcome, Place, Waiter};

/// Many threads share a few connections. Cloning gives another handle to the same pool; when the
/// last handle is dropped, the pool is closed.
pub struct SharedPool<M: ManageConnection> {
    core: Arc<Core<M>>,
}

/// What the handles, the guards and the dialers share.
pub(crate) struct Core<M: ManageConnection> {
    pub(crate) me: Weak<Self>,
    pub(crate) keeper: Keeper<M>,
    pub(crate) get_timeout: Option<Duration>,
    pub(crate) line: Mutex<Line<M::Connection, M::Error>>,
    /// Wakes the dialer that waits for the time to try again.
    pub(crate) retry: Condvar,
    /// A dialer has opened a connection, failed to, or ended.
    pub(crate) progress: Condvar,
    pub(crate) handles: AtomicUsize,
}

/// How long dropping the last handle waits for dialers to end. One that hangs in the manager's
/// `connect` ends when that returns.
const FAREWELL: Duration = Duration::from_millis(100);

pub(crate) type Lock<'a, M> =
    MutexGuard<'a, Line<<M as ManageConnection>::Connection, <M as ManageConnection>::Error>>;

type Result<'p, M> =
    std::result::Result<PooledConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

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

    pub(crate) fn core(&self) -> &Core<M> {
        &self.core
    }

    /// Borrows a connection, waiting up to the `get_timeout` setting for one to come back or to be
    /// opened, in the order in which threads came.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`], [`GetError::Closed`], [`GetError::QueueFull`], or
    /// [`GetError::ConnectFailed`] if connections cannot be opened and waiting would not help.
    pub fn get(&self) -> Result<'_, M> {
        self.core.get(self.core.get_timeout)
    }

    /// As [`get`](Self::get), waiting up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<'_, M> {
        self.core.get(Some(timeout))
    }

    /// Borrows an idle connection, without waiting for another thread. If there is none, the pool
    /// opens another in the background if it may.
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] if there is none, otherwise as [`get`](Self::get).
    pub fn try_get(&self) -> Result<'_, M> {
        self.core.try_get()
    }

    /// As [`get`](Self::get), for a guard that can be stored or sent to another thread.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_owned(&self) -> std::result::Result<OwnedConnection<M>, GetError<M::Error>> {
        self.get().map(|guard| guard.into_owned(Arc::clone(&self.core)))
    }

    /// What the pool holds and has counted.
    #[must_use]
    pub fn state(&self) -> State {
        self.core.state()
    }

    /// Closes the pool: waiters get [`GetError::Closed`], idle connections are closed on this
    /// thread, borrowed ones when they come back.
    pub fn close(&self) {
        self.core.close();
    }
}

impl<M: ManageConnection> Core<M> {
    fn get(&self, timeout: Option<Duration>) -> Result<'_, M> {
        if timeout == Some(Duration::ZERO) {
            return self.try_get();
        }
        let deadline = Deadline::after(timeout);
        let mut place = Place::Back;
        loop {
            let Idle { mut conn, since } = self.take_or_wait(deadline, place)?;
            match self.keeper.check_out(&mut conn, || since.elapsed(), || deadline) {
                Ok(()) => return Ok(PooledConnection::new(self, conn)),
                Err(reason) => self.give_up(conn, reason),
            }
            place = Place::Front;
        }
    }

    fn try_get(&self) -> Result<'_, M> {
        loop {
            let mut line = self.line.lock();
            if line.closed {
                return Err(GetError::Closed);
            }
            let Some(Idle { mut conn, since }) = line.idle.pop() else {
                self.grow(line);
                return Err(GetError::Exhausted(Box::new(self.state())));
            };
            self.meet_demand(line);
            let deadline = || Deadline::for_work(self.get_timeout);
            match self.keeper.check_out(&mut conn, || since.elapsed(), deadline) {
                Ok(()) => return Ok(PooledConnection::new(self, conn)),
                Err(reason) => self.give_up(conn, reason),
            }
        }
    }

    /// An idle connection, or the one that this thread is handed when its turn has come.
    fn take_or_wait(
        &self,
        deadline: Deadline,
        place: Place,
    ) -> std::result::Result<Idle<M::Connection>, GetError<M::Error>> {
        let mut line = self.line.lock();
        if line.closed {
            return Err(GetError::Closed);
        }
        if let Some(idle) = line.idle.pop() {
            self.meet_demand(line);
            return Ok(idle);
        }
        if let (false, Some(max_waiters)) = (line.has_room(), line.limits.max_waiters) {
            return Err(GetError::QueueFull { max_waiters });
        }
        let waiter = Arc::new(Waiter::new());
        line.join(&waiter, place);
        self.meet_demand(line);
        self.retry.notify_all();
        self.keeper.tally().waited();
        let outcome = waiter.wait(deadline).or_else(|| self.last_chance(&waiter));
        match outcome {
            Some(Outcome::Connection(idle)) => Ok(idle),
            Some(Outcome::Failed(error)) => Err(GetError::ConnectFailed(error)),
            Some(Outcome::Closed) => Err(GetError::Closed),
            None => Err(self.timed_out(deadline)),
        }
    }

    /// A waiter gives up. If it has been taken out of the line meanwhile, it is served after all:
    /// the outcome is there, or about to be.
    fn last_chance(
        &self,
        waiter: &Arc<Waiter<M::Connection, M::Error>>,
    ) -> Option<Outcome<M::Connection, M::Error>> {
        let left = self.line.lock().leave(waiter);
        if left { None } else { waiter.wait(Deadline::after(None)) }
    }

    /// A guard's connection came back.
    pub(crate) fn give_back(&self, mut conn: M::Connection) {
        if let Err(reason) = self.keeper.check_in(&mut conn) {
            return self.give_up(conn, reason);
        }
        self.hand_on(self.line.lock(), Idle { conn, since: Instant::now() });
    }

    /// A connection is there to be used: it goes to whoever has waited longest, or lies idle.
    pub(crate) fn hand_on(&self, mut line: Lock<'_, M>, idle: Idle<M::Connection>) {
        if line.closed {
            drop(line);
            return self.give_up(idle.conn, CloseReason::PoolClosed);
        }
        let Some(waiter) = line.waiters.pop_front() else { return line.idle.push(idle) };
        drop(line);
        waiter.hand(Outcome::Connection(idle));
    }

    /// Closes a connection that is not to be used again. Its capacity is free when it is closed,
    /// and not before: the limit counts what the server has to bear.
    pub(crate) fn give_up(&self, conn: M::Connection, reason: CloseReason) {
        self.keeper.close(conn, reason);
        self.free();
    }

    /// A guard's connection left the pool.
    pub(crate) fn let_go(&self) {
        self.keeper.tally().closed(CloseReason::Detached);
        self.free();
    }

    /// A connection less: another may be opened for whoever waits.
    fn free(&self) {
        let mut line = self.line.lock();
        line.open -= 1;
        self.meet_demand(line);
    }

    pub(crate) fn close(&self) {
        let mut line = self.line.lock();
        line.closed = true;
        let waiters = std::mem::take(&mut line.waiters);
        let idle = std::mem::take(&mut line.idle);
        drop(line);
        self.retry.notify_all();
        for waiter in waiters {
            waiter.hand(Outcome::Closed);
        }
        for Idle { conn, .. } in idle {
            self.give_up(conn, CloseReason::PoolClosed);
        }
    }

    /// Waits until so many connections are open; `None` if an attempt to open one failed, or the
    /// time is up.
    pub(crate) fn await_open(&self, wanted: usize, deadline: Deadline) -> Option<()> {
        let mut line = self.line.lock();
        while line.open < wanted {
            if line.last_error.is_some() || deadline.has_passed() {
                return None;
            }
            line = self.progress.wait_until(line, deadline.instant());
        }
        Some(())
    }

    /// Waits for the dialers of a closed pool to end.
    fn await_dialers(&self) {
        let deadline = Deadline::after(Some(FAREWELL));
        let mut line = self.line.lock();
        while line.dialers > 0 && !deadline.has_passed() {
            line = self.progress.wait_until(line, deadline.instant());
        }
    }

    #[cold]
    fn timed_out(&self, deadline: Deadline) -> GetError<M::Error> {
        self.keeper.tally().timed_out();
        let cause: Option<ConnectError<M::Error>> = self.line.lock().last_error.clone();
        let advice = "hold connections for a shorter time, or raise `max_size` or `get_timeout`";
        GetError::TimedOut(Box::new(TimedOut::new(deadline.waited(), self.state(), cause, advice)))
    }

    fn state(&self) -> State {
        let line = self.line.lock();
        let mut state = State::default();
        state.max_size = Some(line.limits.max_size);
        state.open = line.open;
        state.connecting = line.connecting;
        state.idle = line.idle.len();
        state.borrowed = line.open - line.idle.len();
        state.waiting = line.waiters.len();
        state.closed = line.closed;
        drop(line);
        state.counters = self.keeper.tally().read();
        state
    }
}

impl<M: ManageConnection> Pool for SharedPool<M> {
    type Manager = M;
    type Connection<'p> = PooledConnection<'p, M>;

    fn get(&self) -> Result<'_, M> {
        self.get()
    }

    fn try_get(&self) -> Result<'_, M> {
        self.try_get()
    }

    fn get_timeout(&self, timeout: Duration) -> Result<'_, M> {
        self.get_timeout(timeout)
    }

    fn state(&self) -> State {
        self.state()
    }

    fn close(&self) {
        self.close();
    }
}

impl<M: ManageConnection> Clone for SharedPool<M> {
    fn clone(&self) -> Self {
        self.core.handles.fetch_add(1, Ordering::Relaxed); // a handle exists already: this one
        Self { core: Arc::clone(&self.core) }
    }
}

impl<M: ManageConnection> Drop for SharedPool<M> {
    fn drop(&mut self) {
        // Release and Acquire, so that the last handle sees what was done through the others.
        if self.core.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.core.close();
            self.core.await_dialers();
        }
    }
}

impl<M: ManageConnection> fmt::Debug for SharedPool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedPool({})", self.state())
    }
}
