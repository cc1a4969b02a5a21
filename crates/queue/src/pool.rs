//! The pool: a bounded channel that its places travel through.

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicU8, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use threadwise_core::{
    BuildError, CloseReason, Deadline, GetError, Keeper, ManageConnection, State, fork,
};

use crate::builder::{Builder, Settings};
use crate::guard::{OwnedConnection, PooledConnection};
use crate::place::{Entry, Place};
use crate::report::{Counts, Used};

/// A fixed number of connections behind a queue. Cloning gives another handle to the same pool;
/// when the last handle is dropped, the pool is closed.
pub struct QueuePool<M: ManageConnection> {
    pub(crate) core: Arc<Core<M>>,
}

/// What the handles and the guards share.
pub(crate) struct Core<M: ManageConnection> {
    pub(crate) keeper: Arc<Keeper<M>>,
    pub(crate) settings: Settings,
    /// Both ends stay here, so the channel itself never disconnects: [`Entry`] has a mark that says so.
    pub(crate) entries: Sender<Entry<M::Connection>>,
    pub(crate) queue: Receiver<Entry<M::Connection>>,
    /// Places that were taken out of the pool.
    pub(crate) taken: Mutex<Vec<Box<Place<M::Connection>>>>,
    /// For each place, by its number.
    pub(crate) used: Box<[Used]>,
    pub(crate) counts: Counts,
    pub(crate) handles: AtomicUsize,
    /// [`CLOSED`] and [`ORPHANED`](crate::fork::ORPHANED).
    pub(crate) flags: AtomicU8,
    pub(crate) heir: OnceLock<Arc<Self>>,
}

/// The pool was closed.
pub(crate) const CLOSED: u8 = 1;

type Got<'p, M> = Result<PooledConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

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
    #[inline]
    pub fn get(&self) -> Got<'_, M> {
        let core = self.core();
        core.get(core.settings.get_timeout)
    }

    /// As [`get`](Self::get), waiting up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Got<'_, M> {
        self.core().get(Some(timeout))
    }

    /// As [`get`](Self::get), but never waits for another thread.
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] when all connections are in use, otherwise as [`get`](Self::get).
    pub fn try_get(&self) -> Got<'_, M> {
        let core = self.core();
        match core.queue.try_recv() {
            Ok(entry) => core.lend(entry, &|| Deadline::for_work(core.settings.get_timeout)),
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
        Ok(OwnedConnection { place: lent.place.take(), core: Arc::clone(self.core()) })
    }

    /// Closes the pool: waiters get [`GetError::Closed`], idle connections are closed on this
    /// thread, borrowed ones when they come back.
    pub fn close(&self) {
        self.core().close();
    }

    /// What opens, checks and resets this pool's connections: for settings of it that may change.
    #[must_use]
    pub fn manager(&self) -> &M {
        self.core.keeper.manager()
    }

    /// What the pool holds and has counted.
    #[must_use]
    pub fn state(&self) -> State {
        self.core().state()
    }
}

impl<M: ManageConnection> Core<M> {
    /// A pool whose places are all empty.
    pub(crate) fn new(keeper: Arc<Keeper<M>>, settings: Settings) -> Arc<Self> {
        let (entries, queue) = bounded(settings.size + 1); // the places and the mark
        let core = Arc::new(Self {
            keeper,
            entries,
            queue,
            taken: Mutex::default(),
            used: (0..settings.size).map(|_| Used::default()).collect(),
            counts: Counts::default(),
            handles: AtomicUsize::new(1),
            flags: AtomicU8::new(0),
            heir: OnceLock::new(),
            settings,
        });
        let me = Arc::downgrade(&core);
        fork::watch(me);
        core
    }

    #[inline]
    fn get(&self, timeout: Option<Duration>) -> Got<'_, M> {
        match self.queue.try_recv() {
            Ok(entry) => self.lend(entry, &|| Deadline::for_work(timeout)),
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
            Some(entry) => self.lend(entry, &|| deadline),
            None => Err(self.timed_out(deadline, None)),
        }
    }

    /// Makes a guard of what was drawn from the queue. (`deadline` is asked for only where it
    /// matters: a healthy connection costs no look at the clock.)
    #[inline]
    fn lend(&self, entry: Entry<M::Connection>, deadline: &dyn Fn() -> Deadline) -> Got<'_, M> {
        let Some(mut place) = entry else {
            self.put(None); // wakes the next waiter
            return Err(GetError::Closed);
        };
        if self.is_closed() {
            self.clear(&mut place, CloseReason::PoolClosed);
            return Err(GetError::Closed);
        }
        let mut by = None;
        let mut deadline = || *by.get_or_insert_with(deadline); // once: it starts the clock
        if let Place { conn: Some(conn), since, .. } = &mut *place {
            let idle = |limit| since.is_some_and(|since| since.elapsed() > limit);
            let checked = self.keeper.check_out(conn, idle, &mut deadline);
            match checked.and_then(|()| self.acquired(&mut place, &mut deadline)) {
                Ok(()) => return Ok(PooledConnection { place: Some(place), core: self }),
                Err(reason) => self.clear(&mut place, reason),
            }
        }
        self.fill(place, deadline())
    }

    /// Opens the connection that belongs into an empty place; another one if a hook refuses it.
    #[cold]
    fn fill(&self, mut place: Box<Place<M::Connection>>, deadline: Deadline) -> Got<'_, M> {
        while !deadline.has_passed() {
            self.counts.connecting.fetch_add(1, Relaxed);
            let opened = self.keeper.open(deadline.remaining());
            self.counts.connecting.fetch_sub(1, Relaxed);
            match opened {
                Ok(conn) => self.seat(&mut place, conn),
                Err(error) => {
                    self.put(Some(place)); // before the report, which counts it
                    let timed_out = |cause| self.timed_out(deadline, cause);
                    return Err(self.keeper.connect_failed(error, deadline, timed_out));
                }
            }
            if self.is_closed() {
                self.put(Some(place)); // which closes it
                return Err(GetError::Closed);
            }
            match self.acquired(&mut place, || deadline) {
                Ok(()) => return Ok(PooledConnection { place: Some(place), core: self }),
                Err(reason) => self.clear(&mut place, reason),
            }
        }
        self.put(Some(place)); // likewise
        Err(self.timed_out(deadline, None))
    }

    /// A holder's connection is lost: opens another in its place. Whether that went well.
    #[cold]
    pub(crate) fn replace(&self, place: &mut Place<M::Connection>) -> bool {
        let may = self.flags.load(Acquire) == 0;
        let new = may.then(|| self.keeper.open_again(self.settings.get_timeout)).flatten();
        let Some(new) = new else { return false };
        let lost = place.conn.replace(new);
        lost.into_iter().for_each(|lost| self.keeper.close(lost, CloseReason::Broken));
        true
    }

    pub(crate) fn seat(&self, place: &mut Place<M::Connection>, conn: M::Connection) {
        self.counts.open.fetch_add(1, Relaxed);
        place.conn = Some(conn);
    }

    /// Whether [`CLOSED`] is set. Acquire pairs with `close`, which sets it before it empties the
    /// queue: once that has returned, nothing is lent.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.flags.load(Acquire) & CLOSED != 0
    }
}

pub(crate) const HELD: &str = "a guard holds its connection until it ends";

threadwise_core::pool_handle!(QueuePool, PooledConnection);
