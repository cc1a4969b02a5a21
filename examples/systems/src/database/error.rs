//! The errors of both databases.

use std::fmt;

use super::Value;

/// An error of SQLite or of the server, or a column with an unexpected value.
#[derive(Debug)]
pub enum Error {
    /// An error of SQLite.
    Sqlite(rusqlite::Error),
    /// An error of the server, or of the connection to it.
    Mysql(mysql::Error),
    /// A row holds a value that the program does not read.
    Unreadable(String),
}

impl Error {
    pub(super) fn column(column: usize, wanted: &str, found: Option<&Value>) -> Self {
        Self::Unreadable(format!("column {column} should hold {wanted}, and holds {found:?}"))
    }

    /// Whether a row with this key exists already.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        const ER_DUP_ENTRY: u16 = 1062;
        match self {
            Self::Sqlite(error) => {
                let code = error.sqlite_error().map(|error| error.extended_code);
                use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
                matches!(code, Some(SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE))
            }
            Self::Mysql(mysql::Error::MySqlError(answer)) => answer.code == ER_DUP_ENTRY,
            Self::Mysql(_) | Self::Unreadable(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(error) => error.fmt(f),
            Self::Mysql(error) => error.fmt(f),
            Self::Unreadable(what) => write!(f, "the database holds {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // `Display` prints the driver's own text, so the source is the driver's next cause.
            Self::Sqlite(error) => error.source(),
            Self::Mysql(error) => error.source(),
            Self::Unreadable(_) => None,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<mysql::Error> for Error {
    fn from(error: mysql::Error) -> Self {
        Self::Mysql(error)
    }
}
