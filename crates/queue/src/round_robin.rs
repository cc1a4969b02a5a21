//! Connections that several threads use at the same time, in turn.

use std::ops::Deref;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, mem, thread};

use threadwise_core::parts::fork::{self, AfterFork, ChildPool, ForkAware};
use threadwise_core::parts::{Backoff, LastError, Lifecycle};
use threadwise_core::{BuildError, CloseReason, Exhausted, GetError, ManageConnection, State};

use crate::builder::Builder;
use crate::flags::Flags;
use crate::guard::HELD;
use crate::settings::Settings;

/// A fixed number of connections that any number of threads use at the same time, by shared reference.
///
/// For drivers whose connections are `Sync`, because they lock internally or answer several users at
/// once. (DBUtils' `SimplePooledDB` does the same for drivers that allow it.) No thread ever waits for
/// a connection.
///
/// Each `get` borrows the next connection in turn. The pool neither checks nor resets it, since other
/// threads may be using it. A user that finds it broken calls
/// [`discard`](RoundRobinConnection::discard): the pool does not lend it any more, its last user closes
/// it, and the next `get` in its turn opens another one.
///
/// A clone is another handle to the same pool. The connections are closed when all handles and guards
/// are gone.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use threadwise_queue::{ManageConnection, RoundRobin};
///
/// /// Makes counters; yours opens connections that several threads can use at once.
/// struct Counters;
///
/// impl ManageConnection for Counters {
///     type Connection = AtomicU32;
///     type Error = std::io::Error;
///     fn connect(&self) -> Result<AtomicU32, Self::Error> { Ok(AtomicU32::new(0)) }
///     fn is_valid(&self, _: &mut AtomicU32) -> Result<(), Self::Error> { Ok(()) }
///     fn has_broken(&self, _: &mut AtomicU32) -> bool { false }
/// }
///
/// let pool = RoundRobin::new(Counters, 2)?;
/// for _ in 0..102 {
///     pool.get().unwrap().fetch_add(1, Relaxed);
/// }
/// let (one, other) = (pool.get().unwrap(), pool.get().unwrap());
/// assert_eq!((one.load(Relaxed), other.load(Relaxed)), (51, 51));
/// # Ok::<(), threadwise_core::BuildError<std::io::Error>>(())
/// ```
pub struct RoundRobin<M: ManageConnection<Connection: Sync>> {
    ring: Arc<Ring<M>>,
}

/// A connection borrowed from a [`RoundRobin`]. Other threads may be using it as well.
#[must_use = "dropping the guard returns the connection"]
pub struct RoundRobinConnection<'p, M: ManageConnection<Connection: Sync>> {
    ring: &'p Ring<M>,
    slot: &'p Slot<M::Connection>,
    conn: Option<Arc<RingConnection<M::Connection>>>, // `None` only once the guard has ended
    /// When it was borrowed, if the settings ask for events of each use.
    borrowed_at: Option<Instant>,
}

/// # Several threads on each connection
impl<M: ManageConnection<Connection: Sync>> Builder<M> {
    /// Like [`build`](Self::build), for a [`RoundRobin`].
    ///
    /// `get_timeout` limits how long a `get` may take to open a connection. The pool cannot check or
    /// reset a connection that other threads are using. So it refuses settings for that, and ignores
    /// `reset`.
    ///
    /// ```
    /// # use threadwise_queue::Builder;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = Builder::default().name("readers").size(2).build_round_robin(FakeManager)?;
    /// assert_eq!(pool.state().open, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`build`](Self::build), and [`BuildError::Setting`] if `validation`,
    /// `on_acquire` or `on_return` is set.
    pub fn build_round_robin(self, manager: M) -> Result<RoundRobin<M>, BuildError<M::Error>> {
        if let Some(name) = self.setting_for_one_user() {
            let problem = "cannot be used with `RoundRobin`, whose connections have several users at \
                           the same time; leave it unset, or use `QueuePool`";
            return Err(BuildError::setting(name, problem));
        }
        let (lifecycle, settings, opened) = self.open(manager, None)?;
        let ring = fork::watched(Ring::new(lifecycle, settings));
        for (slot, conn) in ring.slots.iter().zip(opened) {
            *slot.lock() = Content::Open(ring.share(conn));
        }
        Ok(RoundRobin { ring })
    }
}

impl<M: ManageConnection<Connection: Sync>> RoundRobin<M> {
    /// A pool of `size` connections with default settings. [`Builder::build_round_robin`] makes one
    /// with other settings.
    ///
    /// ```
    /// # use threadwise_queue::RoundRobin;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = RoundRobin::new(FakeManager, 2)?;
    /// assert_eq!(pool.state().open, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Builder::build_round_robin`].
    pub fn new(manager: M, size: usize) -> Result<Self, BuildError<M::Error>> {
        Builder::default().size(size).build_round_robin(manager)
    }

    /// Borrows the next connection, even if other threads are using it.
    ///
    /// If that connection was lost, this thread opens another one in its place; a `get` on another
    /// thread meanwhile borrows the one after it. If no other can be opened, this call borrows the
    /// next connection that is open.
    ///
    /// ```
    /// # use threadwise_queue::RoundRobin;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = RoundRobin::new(FakeManager, 1)?;
    /// let (one, other) = (pool.get()?, pool.get()?);
    /// assert!(std::ptr::eq(&*one, &*other));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`]; [`GetError::ConnectFailed`] if no connection is open and none can be
    /// opened; [`GetError::Exhausted`] if all connections are lost, and other threads are closing or
    /// opening them.
    pub fn get(&self) -> Result<RoundRobinConnection<'_, M>, GetError<M::Error>> {
        self.ring.current().get()
    }

    /// What the pool holds now, and what it has counted. A connection counts as borrowed while at least
    /// one thread uses it.
    ///
    /// ```
    /// # use threadwise_queue::RoundRobin;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = RoundRobin::new(FakeManager, 2)?;
    /// let conn = pool.get()?;
    /// assert_eq!((pool.state().borrowed, pool.state().idle), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn state(&self) -> State {
        self.ring.current().state()
    }

    /// The manager that opens this pool's connections. Use it to change settings of the manager that
    /// can change.
    ///
    /// ```
    /// # use threadwise_queue::{ManageConnection, RoundRobin};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = RoundRobin::new(FakeManager, 1)?;
    /// let not_of_the_pool = pool.manager().connect()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn manager(&self) -> &M {
        self.ring.lifecycle.manager()
    }

    /// Closes the pool. This thread closes the idle connections; the last user of each other connection
    /// closes it.
    ///
    /// ```
    /// # use threadwise_queue::{GetError, RoundRobin};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = RoundRobin::new(FakeManager, 2)?;
    /// pool.close();
    /// assert!(matches!(pool.get(), Err(GetError::Closed)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.ring.current().close();
    }
}

impl<M: ManageConnection<Connection: Sync>> RoundRobinConnection<'_, M> {
    /// Tells the pool that the connection is broken. The pool does not lend it any more, and its last
    /// user closes it.
    ///
    /// ```
    /// # use threadwise_queue::RoundRobin;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = RoundRobin::new(FakeManager, 1)?;
    /// pool.get()?.discard();
    /// assert_eq!(pool.state().open, 0);
    /// drop(pool.get()?); // opens another one
    /// assert_eq!(pool.state().open, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn discard(self) {
        self.retire(CloseReason::Discarded);
    }

    /// Takes the connection out of its slot, so that no other `get` borrows it.
    fn retire(&self, reason: CloseReason) {
        if self.ring.is_forked() {
            return;
        }
        let Some(conn) = &self.conn else { return };
        let _ = conn.close_reason.set(reason);
        let mut content = self.slot.lock();
        if matches!(&*content, Content::Open(open) if Arc::ptr_eq(open, conn)) {
            *content = Content::Busy; // closes nothing: this guard still has the connection
        }
    }
}

/// The data of a pool.
struct Ring<M: ManageConnection<Connection: Sync>> {
    lifecycle: Lifecycle<M>,
    settings: Settings,
    slots: Box<[Slot<M::Connection>]>,
    /// How many `get`s there were, which tells whose turn it is.
    turns: AtomicUsize,
    /// How many connections are open and how many are being opened.
    open: AtomicUsize,
    connecting: AtomicUsize,
    last_error: LastError<M::Error>,
    retry: Mutex<Retry>,
    flags: Flags,
    /// How many [`RoundRobin`]s there are. (A child never drops the parent's pool.)
    handles: AtomicUsize,
    /// In a forked child, the pool that replaces this one.
    child_pool: ChildPool<Self>,
}

/// When the next attempt to open a connection may be made.
#[derive(Default)]
struct Retry {
    backoff: Backoff,
    /// `None` if the latest attempt succeeded.
    at: Option<Instant>,
}

impl Retry {
    /// Notes that an attempt has failed.
    fn pause(&mut self) {
        self.at = Instant::now().checked_add(self.backoff.next_pause());
    }
}

struct Slot<C> {
    content: Mutex<Content<C>>,
    /// How often a connection of this slot was borrowed.
    gets: AtomicU64,
}

enum Content<C> {
    Open(Arc<RingConnection<C>>),
    /// The next `get` opens a connection.
    Empty,
    /// A thread is opening a connection, or a retired connection still has users.
    Busy,
}

struct RingConnection<C> {
    conn: C,
    /// Why the pool does not lend it any more: the first reason that was given.
    close_reason: OnceLock<CloseReason>,
}

type GetResult<'p, M> =
    Result<RoundRobinConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

impl<M: ManageConnection<Connection: Sync>> Ring<M> {
    fn new(lifecycle: Lifecycle<M>, settings: Settings) -> Arc<Self> {
        let slot = |_| Slot { content: Mutex::new(Content::Empty), gets: AtomicU64::new(0) };
        Arc::new(Self {
            lifecycle,
            slots: (0..settings.size).map(slot).collect(),
            settings,
            turns: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            connecting: AtomicUsize::new(0),
            last_error: LastError::default(),
            retry: Mutex::default(),
            flags: Flags::new(false),
            handles: AtomicUsize::new(1),
            child_pool: ChildPool::new(),
        })
    }

    fn get(&self) -> GetResult<'_, M> {
        let turn = self.turns.fetch_add(1, Relaxed); // nothing is ordered by it
        let mut connect_error = None;
        for offset in 0..self.slots.len() {
            let slot = &self.slots[turn.wrapping_add(offset) % self.slots.len()];
            let mut content = slot.lock();
            if self.flags.is_closed() {
                return Err(GetError::Closed);
            }
            match &*content {
                Content::Open(conn) => {
                    let conn = Arc::clone(conn);
                    drop(content);
                    return Ok(self.lend(slot, conn));
                }
                // A server that refuses one connection refuses the others, so a `get` makes one attempt.
                Content::Empty if connect_error.is_none() && self.may_dial() => {
                    *content = Content::Busy;
                    drop(content);
                    match self.fill(slot) {
                        // Another connection may be open, and serves as well.
                        Err(GetError::ConnectFailed(error)) => connect_error = Some(error),
                        result => return result,
                    }
                }
                Content::Empty | Content::Busy => {}
            }
            if connect_error.is_some() && self.open.load(Relaxed) == 0 {
                break;
            }
        }
        match connect_error {
            Some(error) => Err(GetError::ConnectFailed(error)),
            None => {
                let exhausted = Exhausted::new(self.state(), self.last_error.get());
                Err(GetError::Exhausted(Box::new(exhausted)))
            }
        }
    }

    /// Whether a `get` that meets an empty slot opens a connection: not within the pause after a failed
    /// attempt, while another connection is open.
    fn may_dial(&self) -> bool {
        // Relaxed: a number that lags behind costs one attempt more or less.
        self.open.load(Relaxed) == 0 || self.retry().at.is_none_or(|at| at <= Instant::now())
    }

    fn retry(&self) -> MutexGuard<'_, Retry> {
        self.retry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lend<'p>(
        &'p self,
        slot: &'p Slot<M::Connection>,
        conn: Arc<RingConnection<M::Connection>>,
    ) -> RoundRobinConnection<'p, M> {
        slot.gets.fetch_add(1, Relaxed);
        let mut borrowed_at = None;
        if self.settings.emits_uses {
            borrowed_at = Some(Instant::now());
            self.lifecycle
                .emit_with(&conn.conn, |events, info| events.acquired(info, Duration::ZERO));
        }
        RoundRobinConnection { ring: self, slot, conn: Some(conn), borrowed_at }
    }

    /// Opens a connection for a slot that the caller has marked as busy.
    #[cold]
    fn fill<'p>(&'p self, slot: &'p Slot<M::Connection>) -> GetResult<'p, M> {
        self.connecting.fetch_add(1, Relaxed);
        let opened = self.lifecycle.open(self.settings.get_timeout.for_work());
        self.connecting.fetch_sub(1, Relaxed);
        self.last_error.note(&opened);
        match opened {
            Ok(conn) => {
                *self.retry() = Retry::default();
                let conn = self.share(conn);
                let mut content = slot.lock();
                // `close` sets the flag before it locks each slot. So either this thread sees the flag,
                // or `close` finds the connection.
                if self.flags.is_closed() {
                    drop(content);
                    self.release(slot, conn);
                    return Err(GetError::Closed);
                }
                *content = Content::Open(Arc::clone(&conn));
                drop(content);
                Ok(self.lend(slot, conn))
            }
            Err(error) => {
                self.retry().pause();
                *slot.lock() = Content::Empty;
                Err(GetError::ConnectFailed(error))
            }
        }
    }

    fn share(&self, conn: M::Connection) -> Arc<RingConnection<M::Connection>> {
        self.open.fetch_add(1, Relaxed);
        Arc::new(RingConnection { conn, close_reason: OnceLock::new() })
    }

    /// Ends one use. The last user of a connection that is in no slot any more closes it.
    fn release(&self, slot: &Slot<M::Connection>, conn: Arc<RingConnection<M::Connection>>) {
        let Some(RingConnection { conn, close_reason }) = Arc::into_inner(conn) else { return };
        self.lifecycle.close(conn, close_reason.into_inner().unwrap_or(CloseReason::PoolClosed));
        self.open.fetch_sub(1, Relaxed);
        *slot.lock() = Content::Empty;
    }

    fn close(&self) {
        self.flags.set_closed();
        self.lifecycle.pool_closed();
        for slot in &self.slots {
            let content = mem::replace(&mut *slot.lock(), Content::Busy);
            if let Content::Open(conn) = content {
                let _ = conn.close_reason.set(CloseReason::PoolClosed);
                self.release(slot, conn);
            }
        }
    }

    fn state(&self) -> State {
        let mut state = self.lifecycle.state();
        state.max_size = Some(self.settings.size);
        state.open = self.open.load(Relaxed);
        state.connecting = self.connecting.load(Relaxed);
        state.idle = self.slots.iter().filter(|slot| slot.is_idle()).count().min(state.open);
        state.borrowed = state.open - state.idle;
        state.closed = self.flags.is_closed();
        state.counters.gets = self.slots.iter().map(|slot| slot.gets.load(Relaxed)).sum();
        state
    }
}

impl<C> Slot<C> {
    fn lock(&self) -> MutexGuard<'_, Content<C>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_idle(&self) -> bool {
        matches!(&*self.lock(), Content::Open(conn) if Arc::strong_count(conn) == 1)
    }
}

impl<M: ManageConnection<Connection: Sync>> ForkAware for Ring<M> {
    fn forked(&self) {
        self.child_pool.set_due();
    }
}

impl<M: ManageConnection<Connection: Sync>> AfterFork for Ring<M> {
    fn child_pool_cell(&self) -> &ChildPool<Self> {
        &self.child_pool
    }

    fn make_child_pool(&self) -> Arc<Self> {
        let child = Self::new(self.lifecycle.child_pool(), self.settings.clone());
        if self.flags.is_closed() {
            child.flags.set_closed();
        }
        child
    }

    fn end(&self) {
        self.close();
    }
}

impl<M: ManageConnection<Connection: Sync>> Clone for RoundRobin<M> {
    fn clone(&self) -> Self {
        // Relaxed: this handle exists, so the count is not zero.
        self.ring.handles.fetch_add(1, Relaxed);
        Self { ring: Arc::clone(&self.ring) }
    }
}

impl<M: ManageConnection<Connection: Sync>> Drop for RoundRobin<M> {
    fn drop(&mut self) {
        // AcqRel: pairs with the same operation of the other handles, so that the last one sees what
        // was done through them.
        if self.ring.handles.fetch_sub(1, AcqRel) == 1 {
            self.ring.last_handle_dropped();
        }
    }
}

impl<M: ManageConnection<Connection: Sync>> fmt::Debug for RoundRobin<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoundRobin({})", self.state())
    }
}

impl<M: ManageConnection<Connection: Sync>> Deref for RoundRobinConnection<'_, M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.conn.as_ref().expect(HELD).conn
    }
}

impl<M: ManageConnection<Connection: Sync>> Drop for RoundRobinConnection<'_, M> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.retire(CloseReason::Panicked); // it may be in the middle of an operation
        }
        let Some(conn) = self.conn.take() else { return };
        if self.ring.is_forked() {
            return mem::forget(conn); // its parent's
        }
        if let Some(borrowed_at) = self.borrowed_at {
            let held = borrowed_at.elapsed();
            self.ring.lifecycle.emit_with(&conn.conn, |events, info| events.returned(info, held));
        }
        self.ring.release(self.slot, conn);
    }
}
