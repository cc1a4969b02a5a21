//! The errors of both databases.

use mysql::Value;

/// An error of SQLite or of the server, or a column with an unexpected value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An error of SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// An error of the server, or of the connection to it.
    #[error(transparent)]
    Mysql(#[from] mysql::Error),
    /// A row holds a value that the program does not read.
    #[error("the database holds {0}")]
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
