//! The two kinds of errors that diesel has.

use std::fmt;

use diesel::ConnectionError;
use diesel::result::{DatabaseErrorKind, Error as QueryError};

/// An error of diesel. `?` makes one of either kind, so that `steady` can run diesel's queries:
///
/// ```
/// # use diesel::prelude::*;
/// # use threadwise::queue::QueuePool;
/// # use threadwise_diesel::DieselManager;
/// # let pool = QueuePool::new(DieselManager::<SqliteConnection>::new(":memory:"), 1)?;
/// let mut conn = pool.get()?;
/// let rows = conn.steady(|conn| Ok(diesel::sql_query("SELECT 1").execute(conn)?))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The text leaves the source out. `threadwise_core::chain` prints both.
#[non_exhaustive]
#[derive(Debug)]
pub enum Error {
    /// A connection could not be opened.
    Connect(ConnectionError),
    /// A query failed.
    Query(QueryError),
    /// No connection was open within the limit, or the system has no thread to open one on.
    Late(std::io::Error),
    /// The connection was lost, and no new one could be opened.
    NotReconnected {
        /// The error of the lost connection.
        lost: Box<Error>,
        /// Why no new connection could be opened.
        reason: String,
    },
}

impl Error {
    /// The query's error, also if it is the one of a lost connection.
    pub(crate) fn query(&self) -> Option<&QueryError> {
        match self {
            Self::Query(error) => Some(error),
            Self::NotReconnected { lost, .. } => lost.query(),
            _ => None,
        }
    }
}

/// Whether diesel says by this error that the connection cannot be used any more. It does so for
/// PostgreSQL alone.
pub(crate) fn is_lost(error: &QueryError) -> bool {
    matches!(
        error,
        QueryError::DatabaseError(DatabaseErrorKind::ClosedConnection, _)
            | QueryError::BrokenTransactionManager
    )
}

/// Whether the error stays until a person changes the URL, in all backends.
pub(crate) fn is_permanent(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::InvalidConnectionUrl(_) | ConnectionError::InvalidCString(_))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Query(error) => error.fmt(f),
            Self::Late(_) => f.write_str("cannot open a connection"),
            Self::NotReconnected { reason, .. } => {
                write!(f, "the connection is lost, and no new one could be opened: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(error) => error.source(),
            Self::Query(error) => error.source(),
            Self::Late(error) => Some(error),
            Self::NotReconnected { lost, .. } => Some(&**lost),
        }
    }
}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        Self::Connect(error)
    }
}
