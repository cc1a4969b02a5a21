//! The pool's verbs: borrow, give back, close, resize, evict.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use threadwise_core::sync::Condvar;
use threadwise_core::{
    BuildError, CloseReason, Deadline, Doubt, GetError, Keeper, ManageConnection, State, TimedOut,
};

use crate::builder::Builder;
use crate::exchange::{Exchange, Joined, Locked, Looked};
use crate::guard::{OwnedConnection, PooledConnection};
use crate::hint::{self, HintKey};
use crate::line::Place;
use crate::sharing::Sharing;
use crate::slot::{Owned, Slot};
use crate::waiter::{Mail, Waiter};

/// Many threads share a few connections. Cloning gives another handle to the same pool; when the
/// last handle is dropped, the pool is closed.
pub struct SharedPool<M: ManageConnection> {
    core: Arc<Core<M>>,
}

/// What the handles, the guards and the pool's threads share.
pub(crate) struct Core<M: ManageConnection> {
    pub(crate) exchange: Exchange<M::Connection, M::Error>,
    pub(crate) keeper: Keeper<M>,
    pub(crate) sharing: Sharing<M::Connection>,
    pub(crate) hint: HintKey,
    pub(crate) get_timeout: Option<Duration>,
    pub(crate) me: Weak<Self>,
    /// Wakes the dialer that waits for the time to try again.
    pub(crate) retry: Condvar,
    /// Wakes the housekeeper when there is something to look after again.
    pub(crate) chore: Condvar,
    /// A thread of the pool has opened a connection, failed to, or ended.
    pub(crate) progress: Condvar,
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

/// How long dropping the last handle waits for the pool's threads to end. A dialer that hangs in
/// the manager's `connect` ends when that returns.
const FAREWELL: Duration = Duration::from_millis(100);

const CONNECTED: &str = "an owned slot that is not empty has a connection";

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
    /// opened. Costs two atomic exchanges, together with giving it back, while one is free.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`], [`GetError::Closed`], [`GetError::QueueFull`], or
    /// [`GetError::ConnectFailed`] if connections cannot be opened and waiting would not help.
    #[inline]
    pub fn get(&self) -> Result<'_, M> {
        self.core.get(self.core.get_timeout)
    }

    /// As [`get`](Self::get), waiting up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    #[inline]
    pub fn get_timeout(&self, timeout: Duration) -> Result<'_, M> {
        self.core.get(Some(timeout))
    }

    /// Borrows an idle connection, without waiting for another thread. If there is none, the pool
    /// opens another in the background if it may.
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] if there is none, otherwise as [`get`](Self::get).
    #[inline]
    pub fn try_get(&self) -> Result<'_, M> {
        self.core.get(Some(Duration::ZERO))
    }

    /// As [`get`](Self::get), for a guard that can be stored or sent to another thread.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_owned(&self) -> std::result::Result<OwnedConnection<M>, GetError<M::Error>> {
        self.get().map(|guard| guard.into_owned(Arc::clone(&self.core)))
    }

    /// Changes the limit of open connections, at least 1. A lower one closes what is idle at once
    /// and what is borrowed when it comes back, until no more than that are open; a higher one
    /// lets waiters have more.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for zero, for less than `min_idle`, or after the limit was raised
    /// dozens of times beyond what it ever was.
    pub fn resize(&self, max_size: usize) -> std::result::Result<(), BuildError<M::Error>> {
        self.core.resize(max_size)
    }

    /// Closes all connections: idle ones at once, on this thread, and borrowed ones when they come
    /// back. Others are opened as they are wanted. For when the server has moved.
    pub fn evict(&self) {
        self.core.retire_all(CloseReason::Evicted);
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
    /// The fast path: the connection that this thread used last, if it is there and in order. What
    /// else may be is dealt with out of line, and comes back in two registers: a result that had
    /// to be put together in memory would cost as much as the two exchanges.
    #[inline]
    fn get(&self, timeout: Option<Duration>) -> Result<'_, M> {
        let Some(mut owned) = self.exchange.slots.get(self.hint.get()).and_then(Slot::take) else {
            return self.guard(self.get_any(timeout));
        };
        let conn = owned.content_mut().as_mut().expect(CONNECTED);
        match self.keeper.free_check_out(conn) {
            Ok(()) => Ok(PooledConnection::new(self, owned)),
            Err(doubt) => self.guard(self.get_despite(doubt, owned, timeout)),
        }
    }

    #[inline]
    fn guard<'p>(&'p self, got: Got<'p, M>) -> Result<'p, M> {
        match got {
            Ok(owned) => Ok(PooledConnection::new(self, owned)),
            Err(error) => Err(self.failed(*error)),
        }
    }

    #[cold]
    #[inline(never)]
    fn get_any(&self, timeout: Option<Duration>) -> Got<'_, M> {
        self.get_by(Deadline::for_work(timeout), timeout == Some(Duration::ZERO))
    }

    /// The connection at hand may not be fit for use.
    #[cold]
    #[inline(never)]
    fn get_despite<'p>(
        &'p self,
        doubt: Doubt,
        mut owned: OwnedSlot<'p, M>,
        timeout: Option<Duration>,
    ) -> Got<'p, M> {
        let deadline = Deadline::for_work(timeout);
        let conn = owned.content_mut().as_mut().expect(CONNECTED);
        match self.keeper.resolve(doubt, conn, deadline) {
            Ok(()) => Ok(owned),
            Err(reason) => {
                self.give_up(owned, reason);
                self.get_by(deadline, timeout == Some(Duration::ZERO))
            }
        }
    }

    /// Borrows any connection, waiting for one unless it is to be had at once.
    pub(crate) fn get_by(&self, deadline: Deadline, at_once: bool) -> Got<'_, M> {
        let mut place = Place::Back;
        loop {
            let (mut owned, stale) = match self.exchange.slots.take_any(hint::home()) {
                Some(taken) => taken,
                None if at_once => return Err(Box::new(self.exhausted())),
                None if deadline.has_passed() => return Err(Box::new(self.timed_out(deadline))),
                None => self.wait(deadline, place).map_err(Box::new)?,
            };
            self.hint.set(owned.slot().index());
            if stale {
                // It will be idle again, and no longer stale. The lock, so that the housekeeper
                // sleeps by now or sees it.
                drop(self.exchange.line.lock());
                self.chore.notify_one();
            }
            let conn = owned.content_mut().as_mut().expect(CONNECTED);
            match self.keeper.check_out(conn, |_| stale, || deadline) {
                Ok(()) => return Ok(owned),
                Err(reason) => self.give_up(owned, reason),
            }
            place = Place::Front;
        }
    }

    /// Waits in the line; the second value says that the connection is stale.
    fn wait(
        &self,
        deadline: Deadline,
        place: Place,
    ) -> std::result::Result<(OwnedSlot<'_, M>, bool), GetError<M::Error>> {
        let waiter = Arc::new(Waiter::new());
        let (joined, line) = self.exchange.join(&waiter, deadline.start(), place, hint::home());
        let ticket = match joined {
            Joined::Connection(owned, stale) => return Ok((owned, stale)),
            Joined::Full(max_waiters) => return Err(GetError::QueueFull { max_waiters }),
            Joined::Closed => return Err(GetError::Closed),
            Joined::Waiting(ticket) => ticket,
        };
        let probing = line.probing;
        self.meet_demand(line);
        if probing {
            self.retry.notify_one(); // its pause may be shorter now that somebody waits
        }
        self.keeper.tally().waited();
        loop {
            match waiter.wait(deadline) {
                Mail::Connection(handed) => return Ok((self.exchange.slots.accept(handed), false)),
                Mail::Failed(error) => return Err(GetError::ConnectFailed(error)),
                Mail::Closed => return Err(GetError::Closed),
                Mail::Look => {
                    if let Looked::Connection(owned, stale) =
                        self.exchange.look(ticket, hint::home())
                    {
                        return Ok((owned, stale));
                    }
                }
                Mail::Nothing if self.exchange.give_up(ticket) => {
                    return Err(self.timed_out(deadline));
                }
                // It was taken out of the line at the last moment, and the message is there.
                Mail::Nothing => {}
            }
        }
    }

    /// A guard's connection came back.
    #[inline]
    pub(crate) fn give_back(&self, mut owned: OwnedSlot<'_, M>) {
        let conn = owned.content_mut().as_mut().expect(CONNECTED);
        match self.keeper.check_in(conn) {
            Ok(was_reset) => {
                owned.count_reset(was_reset);
                if let Err(owned) = self.exchange.put(owned, Instant::now) {
                    self.give_up_retired(owned);
                }
            }
            Err(reason) => self.give_up(owned, reason),
        }
    }

    /// Closes a connection that is not to be used again. Its capacity is free when it is closed,
    /// and not before: the limit counts what the server has to bear.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_up(&self, mut owned: OwnedSlot<'_, M>, reason: CloseReason) {
        self.keeper.close(owned.take_out().expect(CONNECTED), reason);
        self.free(owned);
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn give_up_retired(&self, owned: OwnedSlot<'_, M>) {
        let line = self.exchange.line.lock();
        let reason = match () {
            () if line.closed => CloseReason::PoolClosed,
            () if line.open > line.limits.max_size => CloseReason::Surplus,
            () => CloseReason::Evicted,
        };
        drop(line);
        self.give_up(owned, reason);
    }

    /// A guard's connection left the pool.
    pub(crate) fn let_go(&self, mut owned: OwnedSlot<'_, M>) -> M::Connection {
        let conn = owned.take_out().expect(CONNECTED);
        self.keeper.tally().closed(CloseReason::Detached);
        self.free(owned);
        conn
    }

    /// A connection less: another may be opened for whoever waits.
    fn free(&self, owned: OwnedSlot<'_, M>) {
        owned.leave_empty();
        let mut line = self.exchange.line.lock();
        line.open -= 1;
        self.meet_demand(line);
    }

    pub(crate) fn last_handle_dropped(&self) {
        self.close();
        self.await_threads();
    }

    pub(crate) fn close(&self) {
        let mut line = self.exchange.line.lock();
        line.closed = true;
        self.exchange.dismiss_all(line, || Mail::Closed);
        self.sharing.close();
        self.retry.notify_all();
        self.chore.notify_all();
        self.retire_all(CloseReason::PoolClosed);
    }

    /// Closes all idle connections, and marks the borrowed ones.
    fn retire_all(&self, reason: CloseReason) {
        self.exchange.slots.retire_all(|owned| self.give_up(owned, reason));
    }

    fn resize(&self, max_size: usize) -> std::result::Result<(), BuildError<M::Error>> {
        let mut line = self.exchange.line.lock();
        let min_idle = line.limits.min_idle;
        if max_size == 0 || max_size < min_idle {
            let problem = format!("{max_size} is less than 1 or than `min_idle`, {min_idle}");
            return Err(BuildError::setting("max_size", problem));
        }
        if !self.exchange.slots.grow(max_size) {
            let problem = "raised too often: build another pool";
            return Err(BuildError::setting("max_size", problem));
        }
        line.limits.max_size = max_size;
        let surplus = (line.open + line.connecting).saturating_sub(max_size);
        self.meet_demand(line);
        let close = |owned: OwnedSlot<'_, M>| self.give_up(owned, CloseReason::Surplus);
        self.exchange.slots.retire_surplus(surplus, close);
        Ok(())
    }

    /// Waits until so many connections are open; `None` if an attempt to open one failed, or the
    /// time is up.
    pub(crate) fn await_open(&self, wanted: usize, deadline: Deadline) -> Option<()> {
        let mut line = self.exchange.line.lock();
        while line.open < wanted {
            if line.last_error.is_some() || deadline.has_passed() {
                return None;
            }
            line = self.progress.wait_until(line, deadline.instant());
        }
        Some(())
    }

    /// Waits for the threads of a closed pool to end.
    fn await_threads(&self) {
        let deadline = Deadline::after(Some(FAREWELL));
        let mut line = self.exchange.line.lock();
        while line.threads > 0 && !deadline.has_passed() {
            line = self.progress.wait_until(line, deadline.instant());
        }
    }

    /// Counts what a borrower is told.
    #[cold]
    pub(crate) fn failed(&self, error: GetError<M::Error>) -> GetError<M::Error> {
        if let GetError::TimedOut(_) = error {
            self.keeper.tally().timed_out();
        }
        error
    }

    #[cold]
    fn exhausted(&self) -> GetError<M::Error> {
        let line = self.exchange.line.lock();
        if line.closed {
            return GetError::Closed;
        }
        self.grow(line);
        GetError::Exhausted(Box::new(self.state()))
    }

    #[cold]
    pub(crate) fn timed_out(&self, deadline: Deadline) -> GetError<M::Error> {
        let cause = self.exchange.line.lock().last_error.clone();
        let advice = "hold connections for a shorter time, or raise `max_size` or `get_timeout`";
        GetError::TimedOut(Box::new(TimedOut::new(deadline.waited(), self.state(), cause, advice)))
    }

    pub(crate) fn state(&self) -> State {
        let line = self.exchange.line.lock();
        let mut state = State::default();
        state.max_size = Some(line.limits.max_size);
        state.open = line.open;
        state.connecting = line.connecting;
        state.idle = self.exchange.idle().min(line.open);
        state.borrowed = line.open - state.idle;
        state.waiting = line.waiting();
        state.closed = line.closed;
        drop(line);
        state.counters = self.keeper.tally().read();
        state.counters.resets = self.exchange.slots.iter().map(Slot::resets).sum();
        state
    }
}

threadwise_core::pool_handle!(SharedPool, PooledConnection);
