//! Connections that many threads use at the same time, in turn.

use std::ops::Deref;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, mem, thread};

use threadwise_core::fork::{self, AfterFork, ChildPool, ForkAware};
use threadwise_core::{
    BuildError, CloseReason, Exhausted, GetError, Lifecycle, ManageConnection, State,
};

use crate::builder::{Builder, Settings};
use crate::pool::CLOSED;

/// A fixed number of connections, each lent by `&` to any number of threads at once: for drivers
/// whose connections are `Sync`, because they take turns on a lock of their own or answer several
/// users at the same time. Nobody ever waits for a connection here. (DBUtils' `SimplePooledDB` does
/// this for drivers that allow it.)
///
/// Each `get` is given the next connection. None is checked, nor reset, since others may be using
/// it. Who finds one broken says so by [`discard`](RoundRobinConnection::discard); nobody is given it from
/// then on, its last user closes it, and the next `get` in its turn opens another in its place.
///
/// Cloning gives another handle; when handles and guards are gone, the connections are closed.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use threadwise_queue::{ManageConnection, RoundRobin};
///
/// /// Makes counters; yours opens connections that may be used by several threads at once.
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

/// A connection of a [`RoundRobin`], which others may be using as well.
pub struct RoundRobinConnection<'p, M: ManageConnection<Connection: Sync>> {
    ring: &'p Ring<M>,
    slot: &'p Slot<M::Connection>,
    conn: Option<Arc<Shared<M::Connection>>>, // `None` only once the guard has ended
    /// Since when, if the events ask for that.
    since: Option<Instant>,
}

struct Ring<M: ManageConnection<Connection: Sync>> {
    lifecycle: Lifecycle<M>,
    settings: Settings,
    slots: Box<[Slot<M::Connection>]>,
    /// Whose turn it is, counted on and on.
    turn: AtomicUsize,
    /// For [`State`] only.
    open: AtomicUsize,
    connecting: AtomicUsize,
    /// As those of a `QueuePool`.
    flags: AtomicU8,
    child_pool: ChildPool<Self>,
}

struct Slot<C> {
    content: Mutex<Content<C>>,
    /// How often its connections were lent.
    uses: AtomicU64,
}

enum Content<C> {
    Open(Arc<Shared<C>>),
    /// Whoever comes opens a connection.
    Vacant,
    /// Somebody opens one, or one that is not lent any more has users yet.
    Away,
}

struct Shared<C> {
    conn: C,
    /// Why it is not lent any more: what was said first.
    fate: OnceLock<CloseReason>,
}

type Got<'p, M> = Result<RoundRobinConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

/// # For several threads on each connection
impl<M: ManageConnection<Connection: Sync>> Builder<M> {
    /// As [`build`](Self::build), for a [`RoundRobin`]. `get_timeout` is how long opening another
    /// connection may take. Connections that others use cannot be asked, changed or reset, so the
    /// settings for that have to be left as they are; `reset` is ignored.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), and [`BuildError::Setting`] for `validation`, `on_acquire` and
    /// `on_return`.
    pub fn build_round_robin(self, manager: M) -> Result<RoundRobin<M>, BuildError<M::Error>> {
        if let Some(name) = self.needs_one_user() {
            return Err(BuildError::setting(name, "not for connections that several threads use"));
        }
        let (lifecycle, settings, opened) = self.open(manager)?;
        let ring = fork::watched(Ring::new(lifecycle, settings));
        for (slot, conn) in ring.slots.iter().zip(opened) {
            *slot.lock() = Content::Open(ring.share(conn));
        }
        Ok(RoundRobin { ring })
    }
}

impl<M: ManageConnection<Connection: Sync>> RoundRobin<M> {
    /// So many connections, with default settings.
    ///
    /// # Errors
    ///
    /// See [`Builder::build_round_robin`].
    pub fn new(manager: M, size: usize) -> Result<Self, BuildError<M::Error>> {
        Builder::default().size(size).build_round_robin(manager)
    }

    /// Borrows the next connection, whoever else uses it. If it was lost, opens another in its
    /// place, on this thread; a `get` meanwhile takes the one after. If that fails, takes the next
    /// connection that is open.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`]; [`GetError::ConnectFailed`] when no connection was open and none could
    /// be opened; [`GetError::Exhausted`] when all were
    /// lost, and others are closing or opening them.
    pub fn get(&self) -> Got<'_, M> {
        self.ring.current().get()
    }

    /// Closes the pool: idle connections now, on this thread, those in use when their last user is
    /// done.
    pub fn close(&self) {
        self.ring.current().close();
    }

    /// What opens this pool's connections: for settings of it that may change.
    #[must_use]
    pub fn manager(&self) -> &M {
        self.ring.lifecycle.manager()
    }

    /// What the pool holds and has counted. A connection is borrowed while one thread or more use
    /// it.
    #[must_use]
    pub fn state(&self) -> State {
        self.ring.current().state()
    }
}

impl<M: ManageConnection<Connection: Sync>> Ring<M> {
    fn new(lifecycle: Lifecycle<M>, settings: Settings) -> Arc<Self> {
        let slot = |_| Slot { content: Mutex::new(Content::Vacant), uses: AtomicU64::new(0) };
        Arc::new(Self {
            lifecycle,
            slots: (0..settings.size).map(slot).collect(),
            settings,
            turn: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            connecting: AtomicUsize::new(0),
            flags: AtomicU8::new(0),
            child_pool: ChildPool::new(),
        })
    }

    fn get(&self) -> Got<'_, M> {
        let turn = self.turn.fetch_add(1, Relaxed); // a turn stands for itself
        let mut failed = None;
        for number in 0..self.slots.len() {
            let slot = &self.slots[turn.wrapping_add(number) % self.slots.len()];
            let mut content = slot.lock();
            match &*content {
                _ if self.is(CLOSED) => return Err(GetError::Closed),
                Content::Open(conn) => {
                    let conn = Arc::clone(conn);
                    drop(content);
                    return Ok(self.lend(slot, conn));
                }
                Content::Vacant => {
                    *content = Content::Away;
                    drop(content);
                    match self.fill(slot) {
                        // Others may be open: one of them serves as well.
                        Err(GetError::ConnectFailed(error)) => failed = Some(error),
                        filled => return filled,
                    }
                }
                Content::Away => {}
            }
            if failed.is_some() && self.open.load(Relaxed) == 0 {
                break; // a server that refuses one connection refuses the others
            }
        }
        if let Some(error) = failed {
            return Err(GetError::ConnectFailed(error));
        }
        Err(GetError::Exhausted(Box::new(Exhausted::new(self.state(), None))))
    }

    fn lend<'p>(
        &'p self,
        slot: &'p Slot<M::Connection>,
        conn: Arc<Shared<M::Connection>>,
    ) -> RoundRobinConnection<'p, M> {
        slot.uses.fetch_add(1, Relaxed);
        let since = self.settings.tells_uses.then(Instant::now);
        if since.is_some() {
            self.lifecycle.observer().emit(|events| events.acquired(Duration::ZERO));
        }
        RoundRobinConnection { ring: self, slot, conn: Some(conn), since }
    }

    /// Opens a connection in a slot that the caller has marked as `Away`.
    #[cold]
    fn fill<'p>(&'p self, slot: &'p Slot<M::Connection>) -> Got<'p, M> {
        self.connecting.fetch_add(1, Relaxed);
        let opened = self.lifecycle.open(self.settings.get_timeout.for_work());
        self.connecting.fetch_sub(1, Relaxed);
        match opened {
            Ok(conn) => {
                let conn = self.share(conn);
                let mut content = slot.lock();
                // `close` sets the flag before it locks each slot: it finds this one, or is seen.
                if self.is(CLOSED) {
                    drop(content);
                    self.release(slot, conn);
                    return Err(GetError::Closed);
                }
                *content = Content::Open(Arc::clone(&conn));
                drop(content);
                Ok(self.lend(slot, conn))
            }
            Err(error) => {
                *slot.lock() = Content::Vacant;
                Err(GetError::ConnectFailed(error))
            }
        }
    }

    fn share(&self, conn: M::Connection) -> Arc<Shared<M::Connection>> {
        self.open.fetch_add(1, Relaxed);
        Arc::new(Shared { conn, fate: OnceLock::new() })
    }

    /// One user less. The last one of a connection that is not lent any more closes it.
    fn release(&self, slot: &Slot<M::Connection>, conn: Arc<Shared<M::Connection>>) {
        let Some(Shared { conn, fate }) = Arc::into_inner(conn) else { return };
        self.lifecycle.close(conn, fate.into_inner().unwrap_or(CloseReason::PoolClosed));
        self.open.fetch_sub(1, Relaxed);
        *slot.lock() = Content::Vacant;
    }

    fn close(&self) {
        self.flags.fetch_or(CLOSED, SeqCst);
        for slot in &self.slots {
            let content = mem::replace(&mut *slot.lock(), Content::Away);
            if let Content::Open(conn) = content {
                let _ = conn.fate.set(CloseReason::PoolClosed);
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
        state.closed = self.is(CLOSED);
        state.counters.gets = self.gets();
        state
    }

    fn gets(&self) -> u64 {
        self.slots.iter().map(|slot| slot.uses.load(Relaxed)).sum()
    }

    /// Whether this flag is set. Acquire pairs with `close`; what else it is for, see `fill`, and
    /// for `ORPHANED` the file `fork.rs`.
    fn is(&self, flag: u8) -> bool {
        self.flags.load(Acquire) & flag != 0
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
        child.flags.store(self.flags.load(Relaxed), Relaxed);
        child
    }

    fn end(&self) {
        self.close();
    }
}

impl<M: ManageConnection<Connection: Sync>> Drop for Ring<M> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<M: ManageConnection<Connection: Sync>> Clone for RoundRobin<M> {
    fn clone(&self) -> Self {
        Self { ring: Arc::clone(&self.ring) }
    }
}

impl<M: ManageConnection<Connection: Sync>> fmt::Debug for RoundRobin<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoundRobin({})", self.state())
    }
}

impl<M: ManageConnection<Connection: Sync>> RoundRobinConnection<'_, M> {
    /// Says that the connection is broken: nobody is given it any more, and its last user closes it.
    pub fn discard(self) {
        self.retire(CloseReason::Discarded);
    }

    fn retire(&self, reason: CloseReason) {
        let Some(conn) = self.conn.as_ref().filter(|_| !self.ring.is_forked()) else { return };
        let _ = conn.fate.set(reason);
        let mut content = self.slot.lock();
        if matches!(&*content, Content::Open(open) if Arc::ptr_eq(open, conn)) {
            *content = Content::Away; // nothing is closed here: this guard has it yet
        }
    }
}

impl<M: ManageConnection<Connection: Sync>> Drop for RoundRobinConnection<'_, M> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.retire(CloseReason::Panicked); // nobody knows what it was in the middle of
        }
        let Some(conn) = self.conn.take() else { return };
        if self.ring.is_forked() {
            return mem::forget(conn); // its parent's
        }
        if let Some(since) = self.since {
            self.ring.lifecycle.observer().emit(|events| events.returned(since.elapsed()));
        }
        self.ring.release(self.slot, conn);
    }
}

impl<M: ManageConnection<Connection: Sync>> Deref for RoundRobinConnection<'_, M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.conn.as_ref().expect("a guard holds its connection until it ends").conn
    }
}
