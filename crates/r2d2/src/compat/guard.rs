//! Borrowed connections.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use r2d2::{Extensions, ManageConnection};
use threadwise_core::parts::foreign;
use threadwise_shared::OwnedConnection;

use super::adapter::Adapter;
use super::event::{CheckinEvent, HandleEvent};

/// A borrowed connection. Dropping it returns the connection to its pool. It can be stored, and sent to
/// another thread.
// Not `must_use`: a program for r2d2 should compile without new warnings.
pub struct PooledConnection<M: ManageConnection> {
    conn: OwnedConnection<Adapter<M>>,
    watched: Option<Watched>,
}

/// What a guard needs to tell that its connection has come back.
struct Watched {
    events: Arc<dyn HandleEvent>,
    since: Instant,
}

impl<M: ManageConnection> PooledConnection<M> {
    pub(super) fn new(
        conn: OwnedConnection<Adapter<M>>,
        events: Option<&Arc<dyn HandleEvent>>,
    ) -> Self {
        let watch = |events| Watched { events: Arc::clone(events), since: Instant::now() };
        Self { conn, watched: events.map(watch) }
    }

    pub(super) fn id(&self) -> u64 {
        self.conn.id()
    }

    /// The values that stay with the connection.
    #[must_use]
    pub fn extensions(this: &Self) -> &Extensions {
        &this.conn.extensions
    }

    /// The values that stay with the connection, to be changed.
    #[must_use]
    pub fn extensions_mut(this: &mut Self) -> &mut Extensions {
        &mut this.conn.extensions
    }
}

impl<M: ManageConnection> Drop for PooledConnection<M> {
    fn drop(&mut self) {
        if let Some(Watched { events, since }) = &self.watched {
            let event = CheckinEvent { id: self.id(), duration: since.elapsed() };
            // The panic hook has printed the panic; the connection goes back in any case.
            let _ = foreign::call(|| events.handle_checkin(event));
        }
    }
}

impl<M: ManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.conn
    }
}

impl<M: ManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self.conn
    }
}

impl<M: ManageConnection<Connection: fmt::Debug>> fmt::Debug for PooledConnection<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        M::Connection::fmt(self, f)
    }
}
