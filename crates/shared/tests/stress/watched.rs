//! The scripted manager with one more check: how many connections there are, against the limit in force at
//! that moment.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use threadwise_core::ManageConnection;
use threadwise_testkit::{FakeManager, Ledger, Script, Scripted, ScriptedConnection};

type Behind = Scripted<FakeManager>;
type Error = <Behind as ManageConnection>::Error;

/// Scripted, and watched.
pub(crate) struct Watched {
    behind: Behind,
    limit: Arc<Limit>,
}

/// A connection that counts until it is closed or has left the pool.
pub(crate) struct WatchedConnection {
    conn: ScriptedConnection<<FakeManager as ManageConnection>::Connection>,
    place: Place,
}

/// The limit in force, and how many connections the pool has or is opening.
pub(crate) struct Limit {
    counts: Mutex<Counts>,
}

struct Counts {
    taken: usize,
    limit: usize,
    excess: Option<String>,
}

struct Place {
    limit: Arc<Limit>,
    left: bool,
}

impl Watched {
    pub(crate) fn new(limit: usize) -> Self {
        let counts = Mutex::new(Counts { taken: 0, limit, excess: None });
        Self { behind: Scripted::new(FakeManager), limit: Arc::new(Limit { counts }) }
    }

    pub(crate) fn limit(&self) -> Arc<Limit> {
        Arc::clone(&self.limit)
    }

    pub(crate) fn ledger(&self) -> Arc<Ledger> {
        self.behind.ledger()
    }

    pub(crate) fn script(&self) -> Arc<Script> {
        self.behind.script()
    }
}

impl Limit {
    /// Sets the limit in force.
    pub(crate) fn set(&self, limit: usize) {
        self.lock().limit = limit;
    }

    /// How many connections there were at a moment with more than the limit, if there was one.
    pub(crate) fn assert_kept(&self) {
        let counts = self.lock();
        assert!(counts.excess.is_none(), "{}", counts.excess.as_deref().unwrap_or_default());
    }

    fn take(self: &Arc<Self>) -> Place {
        let mut counts = self.lock();
        counts.taken += 1;
        if counts.taken > counts.limit && counts.excess.is_none() {
            let Counts { taken, limit, .. } = *counts;
            counts.excess = Some(format!("{taken} connections, where {limit} are allowed"));
        }
        Place { limit: Arc::clone(self), left: false }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn leave(&mut self) {
        if !self.left {
            self.left = true;
            self.limit.lock().taken -= 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

impl WatchedConnection {
    /// Notes that the connection is about to leave the pool.
    pub(crate) fn is_leaving(&mut self) {
        self.place.leave();
    }
}

impl Deref for WatchedConnection {
    type Target = ScriptedConnection<<FakeManager as ManageConnection>::Connection>;

    fn deref(&self) -> &Self::Target {
        &self.conn
    }
}

impl DerefMut for WatchedConnection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.conn
    }
}

impl ManageConnection for Watched {
    type Connection = WatchedConnection;
    type Error = Error;

    fn connect(&self) -> Result<WatchedConnection, Error> {
        let place = self.limit.take();
        self.behind.connect().map(|conn| WatchedConnection { conn, place })
    }

    fn is_valid(&self, conn: &mut WatchedConnection) -> Result<(), Error> {
        self.behind.is_valid(conn)
    }

    fn has_broken(&self, conn: &mut WatchedConnection) -> bool {
        self.behind.has_broken(conn)
    }

    fn is_valid_within(&self, conn: &mut WatchedConnection, limit: Duration) -> Result<(), Error> {
        self.behind.is_valid_within(conn, limit)
    }

    fn reset(&self, conn: &mut WatchedConnection) -> Result<(), Error> {
        self.behind.reset(conn)
    }

    fn has_changed(&self, conn: &mut WatchedConnection) -> bool {
        self.behind.has_changed(conn)
    }

    fn is_permanent(&self, error: &Error) -> bool {
        self.behind.is_permanent(error)
    }

    fn close(&self, conn: WatchedConnection) {
        let WatchedConnection { conn, place } = conn;
        self.behind.close(conn);
        drop(place); // after the connection, which still counts while it is being closed
    }
}
