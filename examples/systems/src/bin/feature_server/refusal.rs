//! Why a request was not answered with a score.

use threadwise::{GetError, ManageConnection, chain};
use threadwise_systems::{Database, Error};

/// Why there is no score.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is no person with this number.
    #[error("there is no user {0}")]
    Unknown(i64),
    /// The database is away, or every connection is in use. A later request may succeed.
    #[error("{0}")]
    Away(String),
    /// The database failed while it may have been committing the row, and it has not answered since.
    #[error("{0}")]
    Unsure(String),
    /// The deadline passed.
    #[error("no score within `--deadline-ms`")]
    Late,
    /// A mistake in the program: a thread asked for a connection while it held one.
    #[error("{0}")]
    Nested(String),
    /// A mistake in the program or in the database's tables.
    #[error("{0}")]
    Broken(String),
}

impl Refusal {
    /// Sorts an error of a statement.
    pub(crate) fn of(database: &Database, error: &Error) -> Self {
        let is_busy = matches!(error, Error::Sqlite(error)
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy));
        if is_busy || database.is_lost(error) {
            return Self::Away(text_of(error));
        }
        Self::Broken(text_of(error))
    }
}

/// The error with its causes, for the log.
pub(crate) fn text_of(error: &dyn std::error::Error) -> String {
    chain(error).to_string()
}

impl From<GetError<Error>> for Refusal {
    fn from(error: GetError<Error>) -> Self {
        match error {
            GetError::TimedOut(_)
            | GetError::ConnectFailed(_)
            | GetError::QueueFull { .. }
            | GetError::Exhausted(_)
            | GetError::Closed => Self::Away(text_of(&error)),
            GetError::AlreadyBorrowed => Self::Nested(text_of(&error)),
            _ => Self::Broken(text_of(&error)),
        }
    }
}
