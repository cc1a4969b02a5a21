//! The pool's verbs.

use std::sync::Arc;
use std::time::Duration;

use threadwise_core::fork::{self, AfterFork};
use threadwise_core::{BuildError, GetError, Lifecycle, ManageConnection, Patience, State};

use crate::builder::Builder;
use crate::core::{Core, Result};
use crate::guard::PooledConnection;
use crate::settings::Settings;
use crate::share::ThreadConnection;

/// A connection of its own for each thread. Cloning gives another handle to the same pool; when
/// the last handle is dropped, the pool is closed.
pub struct PersistentPool<M: ManageConnection> {
    core: Arc<Core<M>>,
}

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

    pub(crate) fn start(lifecycle: Lifecycle<M>, settings: Settings) -> Self {
        Self { core: fork::watched(Core::new(lifecycle, settings)) }
    }

    pub(crate) fn core(&self) -> &Core<M> {
        &self.core
    }

    /// Borrows this thread's connection, opening it on this thread if there is none or it was
    /// lost. With `max_threads` set, a thread's first `get` waits for another thread to end, up to
    /// the `get_timeout` setting. Together with giving it back it costs a few nanoseconds, without
    /// a lock or an atomic exchange.
    ///
    /// # Errors
    ///
    /// [`GetError::AlreadyBorrowed`] while this thread holds the guard of an earlier `get`, unless
    /// [`max_overflow`](Builder::max_overflow) allows for another connection;
    /// [`GetError::ConnectFailed`] (this pool does not retry, since no other thread's connection could
    /// serve this one; the next `get` does. Only if this process has no descriptor, thread or memory
    /// left, and other connections of the pool may give one back, it tries until the deadline);
    /// [`GetError::TimedOut`], [`GetError::Closed`]; [`GetError::ThreadEnding`] in destructors of
    /// thread-local values that run after this pool's.
    #[inline]
    pub fn get(&self) -> Result<'_, M> {
        self.core.get(|| self.core.settings.get_timeout)
    }

    /// As [`get`](Self::get), waiting up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<'_, M> {
        self.core.get(|| Patience::new(Some(timeout)))
    }

    /// As [`get`](Self::get), but never waits for another thread to end.
    ///
    /// # Errors
    ///
    /// [`GetError::Exhausted`] when as many threads as `max_threads` have a connection, otherwise
    /// as [`get`](Self::get).
    pub fn try_get(&self) -> Result<'_, M> {
        self.core.get(|| Patience::NONE)
    }

    /// Borrows this thread's connection for use by shared reference. While it is borrowed so, this
    /// thread may `share` it again, in a function further down; it comes back when all have ended.
    ///
    /// # Errors
    ///
    /// [`GetError::AlreadyBorrowed`] while this thread holds a guard of a `get`; otherwise as
    /// [`get`](Self::get).
    pub fn share(&self) -> std::result::Result<ThreadConnection<'_, M>, GetError<M::Error>> {
        self.core.share()
    }

    /// What opens, checks and resets this pool's connections: for settings of it that may change.
    #[must_use]
    pub fn manager(&self) -> &M {
        self.core.lifecycle.manager()
    }

    /// What the pool holds and has counted. Visits the entry of every thread.
    #[must_use]
    pub fn state(&self) -> State {
        self.core.current().state()
    }

    /// Closes the pool: waiters get [`GetError::Closed`], connections that their threads do not
    /// use at the moment are closed on this thread, the others when they are given back. (If a
    /// sandbox forbids membarrier(2) after the pool was built, each thread closes its own: when it
    /// comes for it or ends, at the latest when the last handle is dropped.)
    pub fn close(&self) {
        self.core.current().close();
    }
}

threadwise_core::pool_handle!(PersistentPool, PooledConnection);
