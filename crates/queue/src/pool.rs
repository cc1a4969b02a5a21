//! The pool: a bounded channel that its places travel through.

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicU8, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use threadwise_core::fork::{Heir, Inherited};
use threadwise_core::{
    BuildError, CloseReason, Deadline, Doubt, GetError, Keeper, ManageConnection, State,
};

use crate::builder::{Builder, Settings};
use crate::guard::{OwnedConnection, PooledConnection};
use crate::place::{Entry, Place};
use crate::report::{Counts, Used, count};
use crate::watch::WATCHED;

/// A fixed number of connections behind a queue. Cloning gives another handle to the same pool;
/// when the last handle is dropped, the pool is closed.
pub struct QueuePool<M: ManageConnection> {
    pub(crate) core: Arc<Core<M>>,
}

/// What the handles and the guards share.
pub(crate) struct Core<M: ManageConnection> {
    pub(crate) keeper: Keeper<M>,
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
    /// [`CLOSED`], [`ORPHANED`](crate::fork::ORPHANED) and [`WATCHED`]: one look tells that it is
    /// zero, as it usually is.
    pub(crate) flags: AtomicU8,
    /// In a forked child: see `fork.rs`.
    pub(crate) heir: Heir<Self>,
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
    /// and with what is left of the time.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`], [`GetError::Closed`], or [`GetError::ConnectFailed`] when the lost
    /// connection could not be opened again (this pool does not retry; the next `get` does).
    #[inline(always)] // see `lend`
    pub fn get(&self) -> Got<'_, M> {
        let core = self.core.living();
        core.get(core.settings.get_timeout)
    }

    /// As [`get`](Self::get), waiting up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Got<'_, M> {
        self.core.living().get(Some(timeout))
    }

    /// As [`get`](Self::get), but never waits for another thread.
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] when all connections are in use, otherwise as [`get`](Self::get).
    pub fn try_get(&self) -> Got<'_, M> {
        let core = self.core.living();
        match core.queue.try_recv() {
            Ok(entry) => core.lend(entry, || Deadline::for_work(core.settings.get_timeout)),
            Err(_) => Err(core.exhausted()),
        }
    }

    /// As [`get`](Self::get), for a guard that can be stored or sent to another thread.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_owned(&self) -> Result<OwnedConnection<M>, GetError<M::Error>> {
        let mut lent = self.get()?;
        Ok(OwnedConnection { place: lent.place.take(), core: Arc::clone(self.core.living()) })
    }

    /// Closes the pool: waiters get [`GetError::Closed`], idle connections are closed on this
    /// thread, borrowed ones when they come back.
    pub fn close(&self) {
        self.core.living().close();
    }

    /// What opens, checks and resets this pool's connections: for settings of it that may change.
    #[must_use]
    pub fn manager(&self) -> &M {
        self.core.keeper.manager()
    }

    /// What the pool holds and has counted.
    #[must_use]
    pub fn state(&self) -> State {
        self.core.living().state()
    }
}

impl<M: ManageConnection> Core<M> {
    /// A pool that has no place yet: the caller puts them in.
    pub(crate) fn new(keeper: Keeper<M>, settings: Settings) -> Arc<Self> {
        let (entries, queue) = bounded(settings.size + 1); // the places and the mark
        Arc::new(Self {
            keeper,
            entries,
            queue,
            taken: Mutex::default(),
            used: (0..settings.size).map(|_| Used::default()).collect(),
            counts: Counts::default(),
            handles: AtomicUsize::new(1),
            flags: AtomicU8::new(if settings.is_watched { WATCHED } else { 0 }),
            heir: Heir::new(),
            settings,
        })
    }

    #[inline(always)]
    fn get(&self, timeout: Option<Duration>) -> Got<'_, M> {
        match self.queue.try_recv() {
            Ok(entry) => self.lend(entry, || Deadline::for_work(timeout)),
            Err(_) if timeout == Some(Duration::ZERO) => Err(self.exhausted()),
            Err(_) => self.wait(Deadline::after(timeout)),
        }
    }

    #[cold]
    fn wait(&self, deadline: Deadline) -> Got<'_, M> {
        self.keeper.tally().waited();
        self.counts.waiting.fetch_add(1, Relaxed);
        let entry = match deadline.instant() {
            Some(instant) => self.queue.recv_deadline(instant).ok(),
            None => self.queue.recv().ok(),
        };
        self.counts.waiting.fetch_sub(1, Relaxed);
        match entry {
            Some(entry) => self.lend(entry, || deadline),
            None => Err(self.timed_out(deadline, None)),
        }
    }

    /// Makes a guard of what was drawn from the queue. (`deadline` starts the clock, which a healthy
    /// connection of a pool that nobody watches does not need.)
    ///
    /// Always inlined: a guard that is returned through memory is written as two words and read as
    /// one, which a processor does not forward; that took a third of the checkout.
    #[inline(always)]
    fn lend(&self, entry: Entry<M::Connection>, deadline: impl Fn() -> Deadline) -> Got<'_, M> {
        let Some(mut place) = entry else {
            self.put(None); // wakes the next waiter
            return Err(GetError::Closed);
        };
        let mut doubt = None;
        // Acquire pairs with `close`: once that has returned, nothing is lent.
        if let (0, Some(conn)) = (self.flags.load(Acquire), &mut place.conn) {
            match self.keeper.free_check_out(conn) {
                Ok(()) => return Ok(self.lent(place)),
                Err(found) => doubt = Some(found),
            }
        }
        self.lend_checked(place, doubt, deadline())
    }

    /// As `lend`, for a place that is not as usual.
    #[cold]
    fn lend_checked(
        &self,
        mut place: Box<Place<M::Connection>>,
        doubt: Option<Doubt>,
        deadline: Deadline,
    ) -> Got<'_, M> {
        if self.is_closed() {
            self.clear(&mut place, CloseReason::PoolClosed);
            return Err(GetError::Closed);
        }
        if let Place { conn: Some(conn), since, .. } = &mut *place {
            let idle = |limit| since.is_some_and(|since| since.elapsed() > limit);
            let checked = match doubt {
                Some(doubt) => self.keeper.resolve(doubt, conn, deadline),
                None => self.keeper.check_out(conn, idle, || deadline),
            };
            match checked.and_then(|()| self.acquired(&mut place, deadline)) {
                Ok(()) => return Ok(self.lent(place)),
                Err(reason) => self.clear(&mut place, reason),
            }
        }
        self.fill(place, deadline)
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
