//! The pool: a bounded channel that its places travel through.

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicU8, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use threadwise_core::fork::{AfterFork, ChildPool};
use threadwise_core::{
    BuildError, Deadline, GetError, Lifecycle, ManageConnection, Patience, State, Unchecked,
};

use crate::builder::{Builder, Settings};
use crate::guard::{OwnedConnection, PooledConnection};
use crate::place::{Entry, Place};
use crate::report::{Counts, Used, count};
use crate::search::Search;
use crate::watch::WATCHED;

/// A fixed number of connections behind a queue. Cloning gives another handle to the same pool;
/// when the last handle is dropped, the pool is closed.
pub struct QueuePool<M: ManageConnection> {
    pub(crate) core: Arc<Core<M>>,
}

/// What the handles and the guards share.
pub(crate) struct Core<M: ManageConnection> {
    pub(crate) lifecycle: Lifecycle<M>,
    pub(crate) settings: Settings,
    /// Both ends stay here, so the channel itself never disconnects: a mark says so ([`Entry`]).
    pub(crate) entries: Sender<Entry<M::Connection>>,
    pub(crate) queue: Receiver<Entry<M::Connection>>,
    /// Places that were taken out of the pool.
    pub(crate) taken: Mutex<Vec<Box<Place<M::Connection>>>>,
    /// For each place, by its number.
    pub(crate) used: Box<[Used]>,
    pub(crate) counts: Counts,
    pub(crate) handles: AtomicUsize,
    /// [`CLOSED`], [`ORPHANED`](crate::after_fork::ORPHANED) and [`WATCHED`]: one look tells that it is
    /// zero, as it usually is.
    pub(crate) flags: AtomicU8,
    /// In a forked child: see `fork.rs`.
    pub(crate) child_pool: ChildPool<Self>,
}

/// The pool was closed.
pub(crate) const CLOSED: u8 = 1;

pub(crate) type Got<'p, M> =
    Result<PooledConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

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
    pub fn new(manager: M, size: usize) -> Result<Self, BuildError<M::Error>> {
        Self::builder().size(size).build(manager)
    }

    /// Borrows the connection that has been idle longest, waiting up to the `get_timeout` setting.
    /// If its place turns out to be empty or its connection broken, opens another, on this thread
    /// and with what is left of the time. If that fails while the pool has other connections, waits
    /// for one of those to come back, and tries to open one again now and then.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`], [`GetError::Closed`], or [`GetError::ConnectFailed`] when the lost
    /// connection could not be opened again and the pool has no other one (the next `get` tries
    /// again).
    #[inline(always)] // see `lend`
    pub fn get(&self) -> Got<'_, M> {
        let core = self.core.current();
        core.get(core.settings.get_timeout)
    }

    /// As [`get`](Self::get), waiting up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Got<'_, M> {
        self.core.current().get(Patience::new(Some(timeout)))
    }

    /// As [`get`](Self::get), but never waits for another thread.
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] when all connections are in use, otherwise as [`get`](Self::get).
    pub fn try_get(&self) -> Got<'_, M> {
        self.core.current().get(Patience::NONE)
    }

    /// As [`get`](Self::get), for a guard that can be stored or sent to another thread.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_owned(&self) -> Result<OwnedConnection<M>, GetError<M::Error>> {
        let mut lent = self.get()?;
        Ok(OwnedConnection { place: lent.place.take(), core: Arc::clone(self.core.current()) })
    }

    /// Closes the pool: waiters get [`GetError::Closed`], idle connections are closed on this
    /// thread, borrowed ones when they come back.
    pub fn close(&self) {
        self.core.current().close();
    }

    /// What opens, checks and resets this pool's connections: for settings of it that may change.
    #[must_use]
    pub fn manager(&self) -> &M {
        self.core.lifecycle.manager()
    }

    /// What the pool holds and has counted.
    #[must_use]
    pub fn state(&self) -> State {
        self.core.current().state()
    }
}

impl<M: ManageConnection> Core<M> {
    /// A pool that has no place yet: the caller puts them in.
    pub(crate) fn new(lifecycle: Lifecycle<M>, settings: Settings) -> Arc<Self> {
        let (entries, queue) = bounded(settings.size + 1); // the places and the mark
        Arc::new(Self {
            lifecycle,
            entries,
            queue,
            taken: Mutex::default(),
            used: (0..settings.size).map(|_| Used::default()).collect(),
            counts: Counts::default(),
            handles: AtomicUsize::new(1),
            flags: AtomicU8::new(if settings.is_watched { WATCHED } else { 0 }),
            child_pool: ChildPool::new(),
            settings,
        })
    }

    #[inline(always)]
    fn get(&self, patience: Patience) -> Got<'_, M> {
        match self.queue.try_recv() {
            Ok(entry) => self.lend(entry, patience),
            Err(_) => self.wait(patience),
        }
    }

    #[cold]
    fn wait(&self, patience: Patience) -> Got<'_, M> {
        if !patience.waits() {
            return Err(self.exhausted());
        }
        let search = Search::begin(patience);
        self.lifecycle.about_to_wait();
        match self.next_entry(search.deadline) {
            Some(Some(place)) => self.search(place, None, search),
            Some(None) => Err(self.closed()),
            None => Err(self.timed_out(search.deadline, None)),
        }
    }

    /// Waits until `deadline` for an entry of the queue.
    pub(crate) fn next_entry(&self, deadline: Deadline) -> Option<Entry<M::Connection>> {
        self.counts.waiting.fetch_add(1, Relaxed);
        let entry = match deadline.instant() {
            Some(instant) => self.queue.recv_deadline(instant).ok(),
            None => self.queue.recv().ok(),
        };
        self.counts.waiting.fetch_sub(1, Relaxed);
        entry
    }

    /// What is told to a `get` that drew the mark of a closed pool.
    #[cold]
    pub(crate) fn closed(&self) -> GetError<M::Error> {
        self.put(None); // wakes the next waiter
        GetError::Closed
    }

    /// Makes a guard of what was drawn from the queue. (A search starts the clock, which a healthy
    /// connection of a pool without hooks and events does not need.)
    ///
    /// Always inlined: a guard that is returned through memory is written as two words and read as
    /// one, which a processor does not forward; that took a third of the checkout.
    #[inline(always)]
    fn lend(&self, entry: Entry<M::Connection>, patience: Patience) -> Got<'_, M> {
        let Some(mut place) = entry else { return Err(self.closed()) };
        let mut unchecked = None;
        // Acquire pairs with `close`: once that has returned, nothing is lent.
        if let (0, Some(conn)) = (self.flags.load(Acquire), &mut place.conn) {
            match self.lifecycle.free_check_out(conn) {
                Ok(()) => return Ok(self.lent(place)),
                Err(found) => unchecked = Some(found),
            }
        }
        self.begin_search(place, unchecked, patience)
    }

    #[cold]
    #[inline(never)]
    fn begin_search(
        &self,
        place: Box<Place<M::Connection>>,
        unchecked: Option<Unchecked>,
        patience: Patience,
    ) -> Got<'_, M> {
        self.search(place, unchecked, Search::begin(patience))
    }

    #[inline]
    pub(crate) fn lent(&self, place: Box<Place<M::Connection>>) -> PooledConnection<'_, M> {
        count(&self.used[place.number].gets);
        PooledConnection { place: Some(place), core: self }
    }

    /// Acquire, as in `lend`.
    pub(crate) fn is_closed(&self) -> bool {
        self.flags.load(Acquire) & CLOSED != 0
    }
}

pub(crate) const HELD: &str = "a guard holds its connection until it ends";

threadwise_core::pool_handle!(QueuePool, PooledConnection);
