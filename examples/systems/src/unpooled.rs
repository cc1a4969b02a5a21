//! The comparison without a pool: a connection for each use.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use threadwise::{
    BuildError, ConnectError, GetError, GetResult, Guard, ManageConnection, Pool, State,
};

use crate::Database;

/// Opens a connection for each `get`, and closes it when its user is done. It has no limit: as many
/// connections are open as threads use one.
pub struct Unpooled<M: ManageConnection = Database>(Arc<Core<M>>);

struct Core<M> {
    manager: M,
    borrowed: AtomicUsize,
    opened: AtomicU64,
    is_closed: AtomicBool,
}

/// One user's connection.
pub struct Alone<'p, M: ManageConnection = Database> {
    conn: Option<M::Connection>, // `None` once it was taken out
    owner: &'p Core<M>,
}

impl<M: ManageConnection> Unpooled<M> {
    /// Opens one connection, to see that it can be done.
    ///
    /// # Errors
    ///
    /// If it cannot.
    pub fn build(manager: M) -> Result<Self, BuildError<M::Error>> {
        let conn = manager
            .connect()
            .map_err(|error| BuildError::ConnectFailed(ConnectError::failed(error)))?;
        manager.close(conn);
        let (borrowed, opened) = (AtomicUsize::new(0), AtomicU64::new(1));
        let is_closed = AtomicBool::new(false);
        Ok(Self(Arc::new(Core { manager, borrowed, opened, is_closed })))
    }
}

impl<M: ManageConnection> Clone for Unpooled<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: ManageConnection> Pool for Unpooled<M> {
    type Manager = M;
    type Connection<'p> = Alone<'p, M>;

    fn get(&self) -> GetResult<'_, Self> {
        self.get_timeout(Duration::from_secs(30))
    }

    fn try_get(&self) -> GetResult<'_, Self> {
        self.get()
    }

    fn get_timeout(&self, timeout: Duration) -> GetResult<'_, Self> {
        // Relaxed: nothing but the flag itself is read after it.
        if self.0.is_closed.load(Ordering::Relaxed) {
            return Err(GetError::Closed);
        }
        let conn = self.0.manager.connect_within(timeout);
        let conn = conn.map_err(|error| GetError::ConnectFailed(ConnectError::failed(error)))?;
        self.0.opened.fetch_add(1, Ordering::Relaxed); // numbers, for `state`
        self.0.borrowed.fetch_add(1, Ordering::Relaxed);
        Ok(Alone { conn: Some(conn), owner: &self.0 })
    }

    fn manager(&self) -> &M {
        &self.0.manager
    }

    fn state(&self) -> State {
        let mut state = State::default();
        state.borrowed = self.0.borrowed.load(Ordering::Relaxed);
        state.open = state.borrowed;
        state.counters.opened = self.0.opened.load(Ordering::Relaxed);
        state.closed = self.0.is_closed.load(Ordering::Relaxed);
        state
    }

    fn close(&self) {
        self.0.is_closed.store(true, Ordering::Relaxed);
    }
}

impl<M: ManageConnection> Deref for Alone<'_, M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.conn.as_ref().expect("it is there until the guard ends")
    }
}

impl<M: ManageConnection> DerefMut for Alone<'_, M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.conn.as_mut().expect("it is there until the guard ends")
    }
}

impl<M: ManageConnection> Guard for Alone<'_, M> {
    type Error = M::Error;

    fn discard(self) {} // dropping it closes it

    fn detach(mut self) -> M::Connection {
        self.conn.take().expect("it is there until the guard ends")
    }

    fn steady<T>(
        &mut self,
        mut work: impl FnMut(&mut M::Connection) -> Result<T, M::Error>,
    ) -> Result<T, M::Error> {
        let manager = &self.owner.manager;
        match work(self) {
            Err(error) if manager.is_lost(&error) && !manager.in_transaction(self) => {
                **self = manager.connect()?;
                self.owner.opened.fetch_add(1, Ordering::Relaxed);
                work(self)
            }
            done => done,
        }
    }
}

impl<M: ManageConnection> Drop for Alone<'_, M> {
    fn drop(&mut self) {
        self.owner.borrowed.fetch_sub(1, Ordering::Relaxed);
        if let Some(conn) = self.conn.take() {
            self.owner.manager.close(conn);
        }
    }
}
