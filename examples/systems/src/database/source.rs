//! The place of the database, from the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use tempfile::TempDir;
use threadwise::chain;
use threadwise::mysql::MysqlManager;
use threadwise::sqlite::SqliteManager;

use super::Database;

/// `sqlite` (a temporary file), `sqlite:PATH` or `mysql://user:password@host:port/database`. The
/// manager reads the rest of the URL.
#[derive(Clone)]
pub struct Source(Place);

#[derive(Clone)]
enum Place {
    Temporary(Arc<TempDir>),
    File(PathBuf),
    Server(String),
}

/// A text that names no database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSource(String);

impl Source {
    /// A temporary SQLite file. Dropping the last clone of this value removes it.
    ///
    /// # Errors
    ///
    /// If the folder for temporary files cannot be written.
    pub fn temporary() -> Result<Self, BadSource> {
        let folder = tempfile::Builder::new().prefix("threadwise-").tempdir();
        let folder = folder.map_err(|error| BadSource(format!("no temporary file: {error}")))?;
        Ok(Self(Place::Temporary(Arc::new(folder))))
    }

    /// A manager for one pool.
    #[must_use]
    pub fn manager(&self) -> Database {
        match &self.0 {
            Place::Temporary(folder) => {
                // The file need not survive a power cut.
                let quick = |conn: &mut rusqlite::Connection| {
                    conn.pragma_update(None, "synchronous", "OFF")
                };
                let manager = SqliteManager::file(folder.path().join("example.db"));
                Database::Sqlite(manager.with_init(quick))
            }
            Place::File(path) => Database::Sqlite(SqliteManager::file(path)),
            Place::Server(url) => {
                let manager = MysqlManager::from_url(url).expect("it was read when it was parsed");
                Database::Mysql(manager.program_name(env!("CARGO_PKG_NAME")))
            }
        }
    }

    /// Whether the database is a server.
    #[must_use]
    pub fn is_server(&self) -> bool {
        matches!(self.0, Place::Server(_))
    }
}

impl FromStr for Source {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        if text == "sqlite" {
            return Self::temporary();
        }
        if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(Self(Place::File(path.into())));
        }
        if ["mysql", "mariadb", "jdbc:"].iter().any(|scheme| text.starts_with(scheme)) {
            // The error quotes nothing of the text, because it may contain a password.
            MysqlManager::from_url(text).map_err(|error| BadSource(chain(&error).to_string()))?;
            return Ok(Self(Place::Server(text.to_owned())));
        }
        Err(BadSource(
            "write `sqlite`, `sqlite:PATH` or `mysql://user:password@host:port/database`"
                .to_owned(),
        ))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Temporary(_) => f.write_str("SQLite (a temporary file)"),
            Place::File(path) => write!(f, "SQLite ({})", path.display()),
            Place::Server(_) => f.write_str("MySQL or MariaDB"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f) // without the password
    }
}
