//! Why a request was not answered with a score.

use std::fmt;

use threadwise::{GetError, ManageConnection, chain};
use threadwise_systems::{Database, Error};

/// Why there is no score.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no person with this number.
    Unknown(i64),
    /// The database is away, or every connection is in use. A later request may succeed.
    Away(String),
    /// The deadline passed.
    Late,
    /// A mistake in the program: a thread asked for a connection while it held one.
    Nested(String),
    /// A mistake in the program or in the database's tables.
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
fn text_of(error: &dyn std::error::Error) -> String {
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

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(person) => write!(f, "there is no user {person}"),
            Self::Away(why) | Self::Nested(why) | Self::Broken(why) => f.write_str(why),
            Self::Late => f.write_str("no score within `--deadline-ms`"),
        }
    }
}

impl std::error::Error for Refusal {}
