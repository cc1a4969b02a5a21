//! The handle to a pool.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use r2d2::ManageConnection;
use threadwise_core::GetError;
use threadwise_core::parts::foreign;
use threadwise_shared::{OwnedConnection, SharedPool};

use super::adapter::Adapter;
use super::builder::Config;
use super::event::{CheckoutEvent, HandleEvent, TimeoutEvent};
use super::{Builder, Error, PooledConnection};

/// A pool with r2d2's methods. A clone is another handle to the same pool. When the last handle is
/// dropped, the pool closes; borrowed connections stay usable until they come back.
pub struct Pool<M: ManageConnection> {
    shared: SharedPool<Adapter<M>>,
    config: Arc<Config>,
    events: Option<Arc<dyn HandleEvent>>,
}

/// How many connections a pool has.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Open connections.
    pub connections: u32,
    /// Open connections that no thread holds.
    pub idle_connections: u32,
}

impl<M: ManageConnection> Pool<M> {
    /// A pool with r2d2's default settings.
    ///
    /// # Errors
    ///
    /// See [`Builder::build`].
    pub fn new(manager: M) -> Result<Self, Error> {
        Self::builder().build(manager)
    }

    /// A builder with r2d2's default settings.
    pub fn builder() -> Builder<M> {
        Builder::new()
    }

    /// Borrows a connection. Waits up to `connection_timeout`.
    ///
    /// # Errors
    ///
    /// If no connection was free in time.
    pub fn get(&self) -> Result<PooledConnection<M>, Error> {
        self.get_timeout(self.config.connection_timeout)
    }

    /// Borrows a connection. Waits up to `timeout`.
    ///
    /// # Errors
    ///
    /// If no connection was free in time.
    pub fn get_timeout(&self, timeout: Duration) -> Result<PooledConnection<M>, Error> {
        let start = self.events.as_ref().map(|_| Instant::now());
        match self.shared.get_owned_timeout(timeout) {
            Ok(conn) => Ok(self.lend(conn, start)),
            Err(error) => {
                if matches!(error, GetError::TimedOut(_) | GetError::Exhausted(_)) {
                    self.emit(|events| events.handle_timeout(TimeoutEvent { timeout }));
                }
                Err(Error::of_get(error, self.shared.manager().last_error()))
            }
        }
    }

    /// Borrows an idle connection. `None` if there is none.
    #[must_use]
    pub fn try_get(&self) -> Option<PooledConnection<M>> {
        let start = self.events.as_ref().map(|_| Instant::now());
        self.shared.try_get_owned().ok().map(|conn| self.lend(conn, start))
    }

    /// How many connections the pool has.
    #[must_use]
    pub fn state(&self) -> State {
        let state = self.shared.state();
        let count = |connections| u32::try_from(connections).unwrap_or(u32::MAX);
        State { connections: count(state.open), idle_connections: count(state.idle) }
    }

    /// The setting [`Builder::max_size`].
    #[must_use]
    pub fn max_size(&self) -> u32 {
        self.config.max_size
    }

    /// The setting [`Builder::min_idle`].
    #[must_use]
    pub fn min_idle(&self) -> Option<u32> {
        self.config.min_idle
    }

    /// The setting [`Builder::test_on_check_out`].
    #[must_use]
    pub fn test_on_check_out(&self) -> bool {
        self.config.test_on_check_out
    }

    /// The setting [`Builder::max_lifetime`].
    #[must_use]
    pub fn max_lifetime(&self) -> Option<Duration> {
        self.config.max_lifetime
    }

    /// The setting [`Builder::idle_timeout`].
    #[must_use]
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.config.idle_timeout
    }

    /// The setting [`Builder::connection_timeout`].
    #[must_use]
    pub fn connection_timeout(&self) -> Duration {
        self.config.connection_timeout
    }

    /// The pool behind this one, with all that r2d2 has not: `close`, `resize`, `evict`, counters. What
    /// is borrowed there causes no checkout or checkin event.
    #[must_use]
    pub fn shared(&self) -> &SharedPool<Adapter<M>> {
        &self.shared
    }

    pub(super) fn new_from(
        shared: SharedPool<Adapter<M>>,
        config: Config,
        events: Option<Arc<dyn HandleEvent>>,
    ) -> Self {
        Self { shared, config: Arc::new(config), events }
    }

    fn lend(
        &self,
        conn: OwnedConnection<Adapter<M>>,
        start: Option<Instant>,
    ) -> PooledConnection<M> {
        if let Some(start) = start {
            let event = CheckoutEvent { id: conn.id(), duration: start.elapsed() };
            self.emit(|events| events.handle_checkout(event));
        }
        PooledConnection::new(conn, self.events.as_ref())
    }

    fn emit(&self, emit: impl FnOnce(&dyn HandleEvent)) {
        if let Some(events) = &self.events {
            // The panic hook has printed the panic; the pool finishes its own work.
            let _ = foreign::call(|| emit(&**events));
        }
    }
}

// By hand, because a derived one would require `M: Clone`.
impl<M: ManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            config: Arc::clone(&self.config),
            events: self.events.clone(),
        }
    }
}

impl<M: ManageConnection> fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("state", &self.state()).field("config", &self.config).finish()
    }
}
