//! The pool: the calling thread's connection, found, checked, opened or closed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use thread_local::ThreadLocal;
use threadwise_core::{
    BuildError, CloseReason, ConnectError, Deadline, GetError, Keeper, ManageConnection, State,
    TimedOut, Validation,
};

use crate::builder::Builder;
use crate::exit::{OnThreadExit, ThreadKey, on_exit, this_thread};
use crate::guard::PooledConnection;
use crate::registry::{Refused, Registry};
use crate::slot::{Found, Held, Slot};

/// A connection of its own for each thread. Cloning gives another handle to the same pool; when
/// the last handle is dropped, the pool is closed.
pub struct PersistentPool<M: ManageConnection> {
    core: Arc<Core<M>>,
}

/// What the handles, the guards and the ends of threads share.
pub(crate) struct Core<M: ManageConnection> {
    pub(crate) keeper: Keeper<M>,
    pub(crate) get_timeout: Option<Duration>,
    pub(crate) max_threads: Option<usize>,
    pub(crate) slots: ThreadLocal<ThreadSlot<M>>,
    pub(crate) registry: Registry<Parked<M::Connection>>,
    /// For [`State`] only, hence `Relaxed`.
    pub(crate) connecting: AtomicUsize,
    pub(crate) handles: AtomicUsize,
    pub(crate) closed: AtomicBool,
}

pub(crate) type ThreadSlot<M> = Arc<Slot<Parked<<M as ManageConnection>::Connection>>>;

/// A connection that its thread does not use, and since when (where the policy wants to know).
pub(crate) struct Parked<C> {
    conn: C,
    since: Option<Instant>,
}

type Result<'p, M> =
    std::result::Result<PooledConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

impl<M: ManageConnection> PersistentPool<M> {
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

    pub(crate) fn from_core(core: Core<M>) -> Self {
        Self { core: Arc::new(core) }
    }

    pub(crate) fn core(&self) -> &Core<M> {
        &self.core
    }

    /// Borrows this thread's connection, opening it on this thread if there is none or it was
    /// lost. With `max_threads` set, a thread's first `get` waits for another thread to end, up to
    /// the `get_timeout` setting.
    ///
    /// # Errors
    ///
    /// [`GetError::AlreadyBorrowed`] while this thread holds the guard of an earlier `get`;
    /// [`GetError::ConnectFailed`] (this pool does not retry; the next `get` does),
    /// [`GetError::TimedOut`], [`GetError::Closed`]; [`GetError::ThreadEnding`] in destructors of
    /// thread-local values that run after this pool's.
    #[inline]
    pub fn get(&self) -> Result<'_, M> {
        self.get_by(|| wait_until(self.core.get_timeout))
    }

    /// As [`get`](Self::get), waiting up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<'_, M> {
        self.get_by(|| wait_until(Some(timeout)))
    }

    /// As [`get`](Self::get), but never waits for another thread to end.
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] when as many threads as `max_threads` have a connection, otherwise
    /// as [`get`](Self::get).
    pub fn try_get(&self) -> Result<'_, M> {
        self.get_by(|| None)
    }

    /// What opens, checks and resets this pool's connections: for settings of it that may change.
    #[must_use]
    pub fn manager(&self) -> &M {
        self.core.keeper.manager()
    }

    /// What the pool holds and has counted. Visits the entry of every thread.
    #[must_use]
    pub fn state(&self) -> State {
        self.core.state()
    }

    /// Closes the pool: waiters get [`GetError::Closed`], connections that their threads do not
    /// use at the moment are closed on this thread, the others when they are given back.
    pub fn close(&self) {
        self.core.close();
    }

    /// `deadline` is asked only where it matters; `None` is not to wait for another thread.
    #[inline]
    fn get_by(&self, deadline: impl FnOnce() -> Option<Deadline>) -> Result<'_, M> {
        let thread = this_thread().ok_or(GetError::ThreadEnding)?;
        let slot = self.core.slots.get_or(|| Arc::new(Slot::new()));
        match slot.borrow(thread) {
            Found::Connection(parked) => self.core.lend(slot, thread, parked, deadline),
            Found::Borrowed => Err(GetError::AlreadyBorrowed),
            Found::Vacancy => self.core.enter_and_open(slot, thread, deadline()),
            Found::FirstUse(left_behind) => {
                if let Some((previous, held)) = left_behind {
                    self.core.bury(previous, held);
                }
                let core: Weak<Core<M>> = Arc::downgrade(&self.core);
                on_exit(core);
                self.core.enter_and_open(slot, thread, deadline())
            }
        }
    }
}

/// A time-out of zero is not to wait.
fn wait_until(timeout: Option<Duration>) -> Option<Deadline> {
    (timeout != Some(Duration::ZERO)).then(|| Deadline::after(timeout))
}

impl<M: ManageConnection> Core<M> {
    #[inline]
    fn lend<'p>(
        &'p self,
        slot: &'p ThreadSlot<M>,
        thread: ThreadKey,
        parked: Parked<M::Connection>,
        deadline: impl FnOnce() -> Option<Deadline>,
    ) -> Result<'p, M> {
        let Parked { mut conn, since } = parked;
        // Pairs with the store in `close`: once that has returned, nothing is lent.
        if self.closed.load(Ordering::Acquire) {
            self.end(slot, thread, conn, CloseReason::PoolClosed);
            return Err(GetError::Closed);
        }
        let idle = |limit| since.is_some_and(|since| since.elapsed() > limit);
        let mut by = None;
        let until =
            || *by.insert(deadline().unwrap_or_else(|| Deadline::for_work(self.get_timeout)));
        match self.keeper.check_out(&mut conn, idle, until) {
            Ok(()) => Ok(PooledConnection::new(self, slot, thread, conn)),
            Err(reason) => {
                let entry = Entry { core: self, slot, thread };
                self.keeper.close(conn, reason);
                self.open(entry, by.unwrap_or_else(|| Deadline::for_work(self.get_timeout)))
            }
        }
    }

    #[cold]
    fn enter_and_open<'p>(
        &'p self,
        slot: &'p ThreadSlot<M>,
        thread: ThreadKey,
        deadline: Option<Deadline>,
    ) -> Result<'p, M> {
        let on_wait = || self.keeper.tally().waited();
        if let Err(refused) = self.registry.enter(thread, slot, deadline, on_wait) {
            slot.vacate(thread);
            return Err(match (refused, deadline) {
                (Refused::Closed, _) => GetError::Closed,
                (Refused::Full, Some(deadline)) => self.timed_out(deadline, None),
                (Refused::Full, None) => GetError::Exhausted(Box::new(self.state())),
            });
        }
        let entry = Entry { core: self, slot, thread };
        self.open(entry, deadline.unwrap_or_else(|| Deadline::for_work(self.get_timeout)))
    }

    /// Opens the connection of a thread that has been entered.
    #[cold]
    fn open<'p>(&'p self, entry: Entry<'p, M>, deadline: Deadline) -> Result<'p, M> {
        if deadline.has_passed() {
            drop(entry); // before the report, which counts it
            return Err(self.timed_out(deadline, None));
        }
        self.connecting.fetch_add(1, Ordering::Relaxed);
        let opened = self.keeper.open(deadline.remaining());
        self.connecting.fetch_sub(1, Ordering::Relaxed);
        match opened {
            Ok(conn) => {
                let guard = entry.into_guard(conn);
                if self.closed.load(Ordering::Acquire) { Err(GetError::Closed) } else { Ok(guard) }
            }
            Err(error) => {
                drop(entry); // before the report, which counts it
                let timed_out = |cause| self.timed_out(deadline, cause);
                Err(self.keeper.connect_failed(error, deadline, timed_out))
            }
        }
    }

    /// A guard's connection came back.
    #[inline]
    pub(crate) fn give_back(
        &self,
        slot: &ThreadSlot<M>,
        thread: ThreadKey,
        mut conn: M::Connection,
    ) {
        match self.keeper.check_in(&mut conn) {
            Ok(was_reset) => self.keeper.tally().reset(was_reset),
            Err(reason) => return self.end(slot, thread, conn, reason),
        }
        let parked = Parked { conn, since: self.now() };
        let is_closed = || self.closed.load(Ordering::Acquire);
        if let Err(parked) = slot.put_back(thread, parked, is_closed) {
            let reason =
                if is_closed() { CloseReason::PoolClosed } else { CloseReason::ThreadEnded };
            self.end(slot, thread, parked.conn, reason);
        }
    }

    /// Closes a connection of `thread`, which has none any more.
    #[cold]
    pub(crate) fn end(
        &self,
        slot: &ThreadSlot<M>,
        thread: ThreadKey,
        conn: M::Connection,
        reason: CloseReason,
    ) {
        let _entry = Entry { core: self, slot, thread }; // ends when the connection is closed
        self.keeper.close(conn, reason);
    }

    /// A holder's connection is lost: opens another in its place. Whether that went well.
    #[cold]
    pub(crate) fn replace(&self, conn: &mut M::Connection) -> bool {
        if self.closed.load(Ordering::Acquire) {
            return false;
        }
        let Some(new) = self.keeper.open_again(self.get_timeout) else { return false };
        self.keeper.close(std::mem::replace(conn, new), CloseReason::Broken);
        true
    }

    /// `thread`'s connection left the pool.
    pub(crate) fn let_go(&self, slot: &ThreadSlot<M>, thread: ThreadKey) {
        self.keeper.tally().closed(CloseReason::Detached);
        drop(Entry { core: self, slot, thread });
    }

    /// Closes what a thread left behind whose end this pool has not been told of yet.
    #[cold]
    fn bury(&self, previous: ThreadKey, held: Held<Parked<M::Connection>>) {
        // A connection that is still borrowed is with a guard, which closes it when it ends.
        if let Held::Idle(parked) = held {
            self.keeper.close(parked.conn, CloseReason::ThreadEnded);
            self.registry.leave(previous);
        }
    }

    pub(crate) fn last_handle_dropped(&self) {
        self.close();
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for (thread, slot) in self.registry.close() {
            if let Some(parked) = slot.take_idle(thread) {
                self.end(&slot, thread, parked.conn, CloseReason::PoolClosed);
            }
        }
    }

    /// The time, where the validation policy asks how long a connection has been idle.
    #[inline]
    fn now(&self) -> Option<Instant> {
        matches!(self.keeper.validation(), Validation::IdleLongerThan(_)).then(Instant::now)
    }

    fn timed_out(
        &self,
        deadline: Deadline,
        cause: Option<ConnectError<M::Error>>,
    ) -> GetError<M::Error> {
        self.keeper.tally().timed_out();
        let advice = "raise `max_threads` or `get_timeout`, end threads that need no connection, \
                      or share connections between threads with a shared pool";
        GetError::TimedOut(Box::new(TimedOut::new(deadline.waited(), self.state(), cause, advice)))
    }

    pub(crate) fn state(&self) -> State {
        let counts = self.registry.counts();
        let connecting = self.connecting.load(Ordering::Relaxed).min(counts.entries);
        let mut state = State::default();
        state.max_size = self.max_threads;
        state.open = counts.entries - connecting;
        state.connecting = connecting;
        state.idle = counts.idle;
        state.borrowed = state.open.saturating_sub(counts.idle);
        state.waiting = counts.waiting;
        state.closed = self.closed.load(Ordering::Acquire);
        state.counters = self.keeper.tally().read();
        state
    }
}

impl<M: ManageConnection> OnThreadExit for Core<M> {
    fn thread_ended(&self, thread: ThreadKey) {
        let Some(slot) = self.registry.slot_of(thread) else { return };
        if let Some(parked) = slot.retire(thread) {
            self.end(&slot, thread, parked.conn, CloseReason::ThreadEnded);
        }
    }
}

/// A thread's right to have a connection. However it ends, another thread may have one then: that
/// is how capacity survives errors and panics.
struct Entry<'p, M: ManageConnection> {
    core: &'p Core<M>,
    slot: &'p ThreadSlot<M>,
    thread: ThreadKey,
}

impl<'p, M: ManageConnection> Entry<'p, M> {
    /// The entry is in the care of the guard from now on.
    fn into_guard(self, conn: M::Connection) -> PooledConnection<'p, M> {
        let guard = PooledConnection::new(self.core, self.slot, self.thread, conn);
        std::mem::forget(self);
        guard
    }
}

impl<M: ManageConnection> Drop for Entry<'_, M> {
    fn drop(&mut self) {
        self.slot.vacate(self.thread);
        self.core.registry.leave(self.thread);
    }
}

threadwise_core::pool_handle!(PersistentPool, PooledConnection);
