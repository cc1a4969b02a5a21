//! The pool: a bounded channel that its places travel through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use threadwise_core::{
    CloseReason, Deadline, GetError, Keeper, ManageConnection, State, TimedOut, Validation,
};

use crate::builder::Builder;
use crate::guard::{OwnedConnection, PooledConnection};
use crate::place::{Entry, Place, idle_time};

/// A fixed number of connections behind a queue. Cloning gives another handle to the same pool;
/// when the last handle is dropped, the pool is closed.
pub struct QueuePool<M: ManageConnection> {
    core: Arc<Core<M>>,
}

/// What the handles and the guards share.
pub(crate) struct Core<M: ManageConnection> {
    pub(crate) keeper: Keeper<M>,
    pub(crate) size: usize,
    pub(crate) get_timeout: Option<Duration>,
    /// Both ends stay here, so the channel itself never disconnects: [`Entry::Closed`] says so.
    pub(crate) entries: Sender<Entry<M::Connection>>,
    pub(crate) queue: Receiver<Entry<M::Connection>>,
    pub(crate) counts: Counts,
    pub(crate) handles: AtomicUsize,
    pub(crate) closed: AtomicBool,
}

/// For [`State`] only; nothing is decided by these numbers, hence `Relaxed` throughout.
#[derive(Default)]
pub(crate) struct Counts {
    open: AtomicUsize,
    connecting: AtomicUsize,
    waiting: AtomicUsize,
}

type Result<'p, M> =
    std::result::Result<PooledConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

impl<M: ManageConnection> QueuePool<M> {
    /// Sets a pool up.
    pub fn builder() -> Builder<M> {
        Builder::default()
    }

    /// A pool of `size` connections with default settings.
    ///
    /// # Errors
    ///
    /// See [`Builder::build`].
    pub fn new(
        manager: M,
        size: usize,
    ) -> std::result::Result<Self, threadwise_core::BuildError<M::Error>> {
        Self::builder().size(size).build(manager)
    }

    pub(crate) fn from_core(core: Core<M>) -> Self {
        Self { core: Arc::new(core) }
    }

    /// Borrows the connection that has been idle longest, waiting up to the `get_timeout` setting.
    /// If its place turns out to be empty or its connection broken, opens another, on this thread
    /// and with what is left of the time.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`], [`GetError::Closed`], or [`GetError::ConnectFailed`] when the lost
    /// connection could not be opened again (this pool does not retry; the next `get` does).
    #[inline]
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

    /// As [`get`](Self::get), but never waits for another thread.
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] when all connections are in use, otherwise as [`get`](Self::get).
    pub fn try_get(&self) -> Result<'_, M> {
        match self.core.queue.try_recv() {
            Ok(entry) => self.core.take(entry, &|| Deadline::for_work(self.core.get_timeout)),
            Err(_) => Err(self.core.exhausted()),
        }
    }

    /// As [`get`](Self::get), for a guard that can be stored or sent to another thread.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_owned(&self) -> std::result::Result<OwnedConnection<M>, GetError<M::Error>> {
        self.get().map(|guard| guard.into_owned(Arc::clone(&self.core)))
    }

    /// What opens, checks and resets this pool's connections: for settings of it that may change.
    #[must_use]
    pub fn manager(&self) -> &M {
        self.core.keeper.manager()
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
    #[inline]
    fn get(&self, timeout: Option<Duration>) -> Result<'_, M> {
        match self.queue.try_recv() {
            Ok(entry) => self.take(entry, &|| Deadline::for_work(timeout)),
            Err(_) if timeout == Some(Duration::ZERO) => Err(self.exhausted()),
            Err(_) => self.wait(Deadline::after(timeout)),
        }
    }

    #[cold]
    fn wait(&self, deadline: Deadline) -> Result<'_, M> {
        self.keeper.tally().waited();
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        let entry = match deadline.instant() {
            Some(instant) => self.queue.recv_deadline(instant).ok(),
            None => self.queue.recv().ok(),
        };
        self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
        match entry {
            Some(entry) => self.take(entry, &|| deadline),
            None => Err(self.timed_out(deadline, None)),
        }
    }

    /// Makes a guard of what was drawn from the queue. (`deadline` is asked for only where it
    /// matters: a healthy connection costs no look at the clock.)
    #[inline]
    fn take(&self, entry: Entry<M::Connection>, deadline: &dyn Fn() -> Deadline) -> Result<'_, M> {
        let Entry::Filled(mut conn, since) = entry else {
            return self.take_other(entry, deadline());
        };
        // Pairs with the store in `close`: once that has returned, nothing is lent.
        if self.closed.load(Ordering::Acquire) {
            self.close_connection(conn, CloseReason::PoolClosed);
            return Err(GetError::Closed);
        }
        let mut by = None; // asked once: asking again would start the clock again
        let idle = |limit| idle_time(since) > limit;
        match self.keeper.check_out(&mut conn, idle, || *by.insert(deadline())) {
            Ok(()) => Ok(PooledConnection::new(self, conn)),
            Err(reason) => {
                let place = Place::drawn_from(self);
                self.close_connection(conn, reason);
                self.fill(place, by.unwrap_or_else(deadline))
            }
        }
    }

    #[cold]
    fn take_other(&self, entry: Entry<M::Connection>, deadline: Deadline) -> Result<'_, M> {
        if matches!(entry, Entry::Closed) {
            self.put(Entry::Closed); // wakes the next waiter
            return Err(GetError::Closed);
        }
        self.fill(Place::drawn_from(self), deadline)
    }

    /// Opens the connection that belongs into an empty place.
    #[cold]
    fn fill<'p>(&'p self, place: Place<'p, M>, deadline: Deadline) -> Result<'p, M> {
        if self.closed.load(Ordering::Acquire) {
            return Err(GetError::Closed);
        }
        if deadline.has_passed() {
            drop(place); // before the report, which counts it
            return Err(self.timed_out(deadline, None));
        }
        self.counts.connecting.fetch_add(1, Ordering::Relaxed);
        let opened = self.keeper.open(deadline.remaining());
        self.counts.connecting.fetch_sub(1, Ordering::Relaxed);
        match opened {
            Ok(conn) => {
                self.counts.open.fetch_add(1, Ordering::Relaxed);
                place.entrust();
                let guard = PooledConnection::new(self, conn);
                if self.closed.load(Ordering::Acquire) { Err(GetError::Closed) } else { Ok(guard) }
            }
            Err(error) => {
                drop(place); // before the report, which counts it
                let timed_out = |cause| self.timed_out(deadline, cause);
                Err(self.keeper.connect_failed(error, deadline, timed_out))
            }
        }
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

    /// Puts an entry into the queue and wakes a waiter.
    #[inline]
    pub(crate) fn put(&self, entry: Entry<M::Connection>) {
        // There is room: see `Entry`.
        let sent = self.entries.try_send(entry);
        debug_assert!(sent.is_ok(), "the queue holds all places and the mark");
        // A pool that was closed meanwhile may have been emptied before this entry came. The
        // channel's `try_send` advances its tail by a sequentially consistent exchange before this
        // load, `close` stores before it looks at the tail: one of the two sees the other.
        if self.closed.load(Ordering::SeqCst) {
            self.empty();
        }
    }

    pub(crate) fn last_handle_dropped(&self) {
        self.close();
    }

    pub(crate) fn close(&self) {
        if !self.closed.swap(true, Ordering::SeqCst) {
            self.empty();
            // Not through `put`, which would come back here.
            let _ = self.entries.try_send(Entry::Closed);
        }
    }

    /// Closes what lies in the queue of a closed pool; its places end here.
    #[cold]
    fn empty(&self) {
        let mut mark = false;
        loop {
            match self.queue.try_recv() {
                Ok(Entry::Filled(conn, _)) => self.close_connection(conn, CloseReason::PoolClosed),
                Ok(Entry::Empty) => {}
                Ok(Entry::Closed) => mark = true,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        if mark {
            let _ = self.entries.try_send(Entry::Closed);
        }
    }

    pub(crate) fn close_connection(&self, conn: M::Connection, reason: CloseReason) {
        self.keeper.close(conn, reason);
        self.forget_connection();
    }

    pub(crate) fn forget_connection(&self) {
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn add_opened(&self, conn: M::Connection) {
        self.counts.open.fetch_add(1, Ordering::Relaxed);
        self.put(Entry::Filled(conn, self.now()));
    }

    /// The time, where the validation policy asks how long a connection has been idle.
    #[inline]
    pub(crate) fn now(&self) -> Option<Instant> {
        matches!(self.keeper.validation(), Validation::IdleLongerThan(_)).then(Instant::now)
    }

    #[cold]
    fn exhausted(&self) -> GetError<M::Error> {
        GetError::Exhausted(Box::new(self.state()))
    }

    #[cold]
    fn timed_out(
        &self,
        deadline: Deadline,
        cause: Option<threadwise_core::ConnectError<M::Error>>,
    ) -> GetError<M::Error> {
        self.keeper.tally().timed_out();
        let advice = "hold connections for a shorter time, or raise `size` or `get_timeout`";
        GetError::TimedOut(Box::new(TimedOut::new(deadline.waited(), self.state(), cause, advice)))
    }

    fn state(&self) -> State {
        let closed = self.closed.load(Ordering::Acquire);
        let open = self.counts.open.load(Ordering::Relaxed);
        let connecting = self.counts.connecting.load(Ordering::Relaxed);
        // A place that does not lie in the queue is with a borrower or being filled; those of a
        // closed pool do not come back, and its connections are all borrowed.
        let away = self.size.saturating_sub(self.queue.len());
        let borrowed = if closed { open } else { away.saturating_sub(connecting).min(open) };
        let mut state = State::default();
        state.max_size = Some(self.size);
        state.open = open;
        state.connecting = connecting;
        state.idle = open - borrowed;
        state.borrowed = borrowed;
        state.waiting = self.counts.waiting.load(Ordering::Relaxed);
        state.closed = closed;
        state.counters = self.keeper.tally().read();
        state
    }
}

threadwise_core::pool_handle!(QueuePool, PooledConnection);
