//! The connection manager.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use diesel::connection::{Connection, TransactionManager};
use diesel::result::Error as QueryError;
use diesel::{ConnectionError, QueryResult};
use threadwise_core::{ManageConnection, Moment, Outcome};

use crate::status::{Status, roll_back};
use crate::{Error, address, error};

type Reset<C> = Box<dyn Fn(&mut C) -> QueryResult<()> + Send + Sync>;
type About<E> = Box<dyn Fn(&E) -> bool + Send + Sync>;

/// Opens diesel's connections to the database that a URL names, for any pool of the family.
///
/// ```
/// use diesel::SqliteConnection;
/// use diesel::connection::SimpleConnection;
/// use threadwise::queue::QueuePool;
/// use threadwise_diesel::DieselManager;
///
/// let pool = QueuePool::<DieselManager<SqliteConnection>>::builder()
///     .size(2)
///     .on_connect(|conn| Ok(conn.batch_execute("PRAGMA busy_timeout = 5000")?))
///     .build(DieselManager::new(":memory:"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | question of the pool | answer |
/// |---|---|
/// | `connect` | `C::establish` |
/// | `connect_within` | the same on a thread of its own, because diesel has no timeout for it |
/// | `is_valid` | `SELECT 1` |
/// | `has_broken` | whether diesel's transaction manager is broken; a flag |
/// | `in_transaction`, `has_changed` | whether diesel has a transaction open; a flag |
/// | `reset` | rolls it back, then [`reset_with`](Self::reset_with) |
/// | `is_lost` | diesel's error kind `ClosedConnection` (PostgreSQL), a broken transaction manager, or [`is_lost_with`](Self::is_lost_with) |
/// | `is_permanent` | a malformed URL, or [`is_permanent_with`](Self::is_permanent_with) |
///
/// A query and a reset have no limit but the driver's own.
pub struct DieselManager<C> {
    url: String,
    reset: Option<Reset<C>>,
    is_lost: Option<About<QueryError>>,
    is_permanent: Option<About<ConnectionError>>,
    // Says that this type makes connections and holds none, so it is `Sync` though they are not.
    _connections: PhantomData<fn() -> C>,
}

impl<C: Connection + 'static> DieselManager<C> {
    /// Opens connections to the database at `url`, which diesel's [`establish`](Connection::establish)
    /// gets unchanged.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            reset: None,
            is_lost: None,
            is_permanent: None,
            _connections: PhantomData,
        }
    }

    /// Sets a function that resets a returned session, for example by PostgreSQL's `DISCARD ALL`.
    /// Without it, the manager only rolls back an open transaction. diesel does not notice other
    /// changes, so the function runs on each return, after the rollback. An error closes the
    /// connection.
    ///
    /// Default: none.
    #[must_use]
    pub fn reset_with<F>(mut self, reset: F) -> Self
    where
        F: Fn(&mut C) -> QueryResult<()> + Send + Sync + 'static,
    {
        self.reset = Some(Box::new(reset));
        self
    }

    /// Which errors mean that the connection is lost, besides those of which diesel says so. diesel says
    /// it for PostgreSQL alone. A MySQL server's words are "has gone away" and "Lost connection".
    ///
    /// Default: none.
    #[must_use]
    pub fn is_lost_with<F>(mut self, is_lost: F) -> Self
    where
        F: Fn(&QueryError) -> bool + Send + Sync + 'static,
    {
        self.is_lost = Some(Box::new(is_lost));
        self
    }

    /// Which errors of opening a connection stay until a person changes something, besides a malformed
    /// URL: a wrong password, an unknown database. diesel has such errors as text only.
    ///
    /// Default: none.
    #[must_use]
    pub fn is_permanent_with<F>(mut self, is_permanent: F) -> Self
    where
        F: Fn(&ConnectionError) -> bool + Send + Sync + 'static,
    {
        self.is_permanent = Some(Box::new(is_permanent));
        self
    }
}

impl<C: Connection + 'static> ManageConnection for DieselManager<C> {
    type Connection = C;
    type Error = Error;

    fn connect(&self) -> Result<C, Error> {
        C::establish(&self.url).map_err(Error::Connect)
    }

    fn connect_within(&self, limit: Duration) -> Result<C, Error> {
        let url = self.url.clone();
        let opened = threadwise_core::within(limit, move || C::establish(&url));
        opened.map_err(Error::Late)?.map_err(Error::Connect)
    }

    fn is_valid(&self, conn: &mut C) -> Result<(), Error> {
        conn.batch_execute("SELECT 1").map_err(Error::Query)
    }

    fn has_broken(&self, conn: &mut C) -> bool {
        Status::of(conn) == Status::Broken
    }

    /// The same at each moment: unlike in r2d2, an open transaction is not broken, and the reset rolls
    /// it back.
    fn has_broken_at(&self, conn: &mut C, _: Moment) -> bool {
        self.has_broken(conn)
    }

    fn reset(&self, conn: &mut C) -> Result<(), Error> {
        roll_back(conn)?;
        match &self.reset {
            Some(reset) => reset(conn).map_err(Error::Query),
            None => Ok(()),
        }
    }

    fn has_changed(&self, conn: &mut C) -> bool {
        self.reset.is_some() || self.in_transaction(conn)
    }

    fn in_transaction(&self, conn: &mut C) -> bool {
        matches!(Status::of(conn), Status::InTransaction(_))
    }

    fn is_lost(&self, error: &Error) -> bool {
        let by_the_program = |error| self.is_lost.as_ref().is_some_and(|is_lost| is_lost(error));
        error.query().is_some_and(|error| error::is_lost(error) || by_the_program(error))
    }

    /// Marks a lost connection in diesel's own way, so that it is not lent again.
    fn on_error(&self, conn: &mut C, error: &Error) -> Outcome {
        if !self.is_lost(error) {
            return Outcome::Failed;
        }
        C::TransactionManager::transaction_manager_status_mut(conn).set_in_error();
        Outcome::Lost
    }

    fn is_permanent(&self, error: &Error) -> bool {
        let Error::Connect(error) = error else { return false };
        let by_the_program = self.is_permanent.as_ref().is_some_and(|is| is(error));
        error::is_permanent(error) || by_the_program
    }

    fn not_reconnected(&self, error: Error, cause: &(dyn std::error::Error + 'static)) -> Error {
        let reason = threadwise_core::chain(cause).to_string();
        Error::NotReconnected { lost: Box::new(error), reason }
    }

    fn address(&self) -> Option<Cow<'_, str>> {
        Some(address::of(&self.url).into())
    }
}

// By hand, because the URL may hold a password.
impl<C> fmt::Debug for DieselManager<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DieselManager")
            .field("address", &address::of(&self.url))
            .field("reset_with", &self.reset.is_some())
            .finish_non_exhaustive()
    }
}
