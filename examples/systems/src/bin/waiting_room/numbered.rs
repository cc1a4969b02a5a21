//! Connections with a number, to show which thread has which one, and that they are reused.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use threadwise::ManageConnection;
use threadwise_systems::{Connection, Database, Error};

/// Opens a database's connections, numbers them from 0, and counts the open ones. So the picture
/// does not depend on the pool's own counts.
pub(crate) struct NumberedManager {
    database: Database,
    ledger: Arc<Ledger>,
}

/// Counts all connections. (Relaxed throughout: the program reads the numbers when no thread runs.)
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    opened: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
}

/// A connection. The ledger counts it until it is dropped.
pub(crate) struct Numbered {
    pub(crate) number: usize,
    conn: Connection,
    open: Open,
}

struct Open(Arc<Ledger>);

impl NumberedManager {
    pub(crate) fn new(database: Database) -> (Self, Arc<Ledger>) {
        let ledger = Arc::new(Ledger::default());
        (Self { database, ledger: Arc::clone(&ledger) }, ledger)
    }

    fn number(&self, conn: Connection) -> Numbered {
        let ledger = &self.ledger;
        let open = ledger.open.fetch_add(1, Relaxed) + 1;
        ledger.most.fetch_max(open, Relaxed);
        let number = ledger.opened.fetch_add(1, Relaxed);
        Numbered { number, conn, open: Open(Arc::clone(ledger)) }
    }
}

impl Ledger {
    /// Connections opened so far.
    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Relaxed)
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// The most that were open at the same time.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Relaxed)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// Each method calls the manager of the inner connection. A method that is not here would have the
/// trait's default, which promises less.
#[deny(clippy::missing_trait_methods)]
impl ManageConnection for NumberedManager {
    type Connection = Numbered;
    type Error = Error;

    fn connect(&self) -> Result<Numbered, Error> {
        self.database.connect().map(|conn| self.number(conn))
    }

    fn connect_within(&self, limit: Duration) -> Result<Numbered, Error> {
        self.database.connect_within(limit).map(|conn| self.number(conn))
    }

    fn is_valid(&self, conn: &mut Numbered) -> Result<(), Error> {
        self.database.is_valid(conn)
    }

    fn is_valid_within(&self, conn: &mut Numbered, limit: Duration) -> Result<(), Error> {
        self.database.is_valid_within(conn, limit)
    }

    fn is_valid_patient(
        &self,
        conn: &mut Numbered,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<(), Error>> {
        self.database.is_valid_patient(conn, patience, limit)
    }

    fn last_answer(&self, conn: &Numbered) -> Option<Instant> {
        self.database.last_answer(conn)
    }

    fn has_broken(&self, conn: &mut Numbered) -> bool {
        self.database.has_broken(conn)
    }

    fn reset(&self, conn: &mut Numbered) -> Result<(), Error> {
        self.database.reset(conn)
    }

    fn reset_within(&self, conn: &mut Numbered, limit: Duration) -> Result<(), Error> {
        self.database.reset_within(conn, limit)
    }

    fn begin_session(&self, conn: &mut Numbered) {
        self.database.begin_session(conn);
    }

    fn has_changed(&self, conn: &mut Numbered) -> bool {
        self.database.has_changed(conn)
    }

    fn in_transaction(&self, conn: &Numbered) -> bool {
        self.database.in_transaction(conn)
    }

    fn is_lost(&self, error: &Error) -> bool {
        self.database.is_lost(error)
    }

    fn is_permanent(&self, error: &Error) -> bool {
        self.database.is_permanent(error)
    }

    fn is_shortage(&self, error: &Error) -> bool {
        self.database.is_shortage(error)
    }

    fn not_reconnected(&self, error: Error, cause: &(dyn StdError + 'static)) -> Error {
        self.database.not_reconnected(error, cause)
    }

    fn address(&self) -> Option<Cow<'_, str>> {
        self.database.address()
    }

    fn forget_in_child(&self, conn: Numbered) {
        self.database.forget_in_child(conn.conn);
    }

    fn set_pool_name(&mut self, name: &str) {
        self.database.set_pool_name(name);
    }

    fn close(&self, conn: Numbered) {
        let Numbered { conn, open, .. } = conn;
        self.database.close(conn);
        drop(open); // not before it is closed
    }
}

impl Deref for Numbered {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl DerefMut for Numbered {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }
}
