//! What either database says.

use std::fmt;

use super::Value;

/// An error of SQLite's, of the server's, or a column that holds something unexpected.
#[derive(Debug)]
pub enum Error {
    /// SQLite's.
    Sqlite(rusqlite::Error),
    /// The server's, or that of the connection to it.
    Mysql(mysql::Error),
    /// A row holds what the program does not read.
    Unreadable(String),
}

impl Error {
    pub(super) fn column(column: usize, wanted: &str, found: Option<&Value>) -> Self {
        Self::Unreadable(format!("column {column} should hold {wanted}, and holds {found:?}"))
    }

    /// Whether a row with this key is there already.
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
            // What it prints is the driver's own text: the driver's causes are the next ones.
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
