//! The backends: what connections connect to.

pub mod mysql;
pub(crate) mod private;
pub mod simulated;
pub mod source;
pub mod sqlite;
pub mod synthetic;

use threadwise_figures::Backend;

use crate::Result;

/// A backend with a filled table, ready for contenders. Dropping it removes what it created.
pub enum Environment {
    /// Nothing is needed.
    Synthetic,
    /// A file.
    Sqlite(sqlite::SqliteEnvironment),
    /// A server.
    Mysql(Box<mysql::MysqlEnvironment>),
}

impl Environment {
    /// Prepares a backend: creates the file, starts the private server or connects to the one at
    /// `mysql_url`, and fills the table. This takes up to two seconds.
    ///
    /// # Errors
    ///
    /// If the server cannot be started or does not answer, or the table cannot be created.
    pub fn open(backend: Backend, mysql_url: Option<&str>) -> Result<Self> {
        Ok(match (backend, mysql_url) {
            (Backend::Synthetic, _) => Self::Synthetic,
            (Backend::Sqlite, _) => Self::Sqlite(sqlite::SqliteEnvironment::create()?),
            (Backend::Mysql, None) => Self::Mysql(mysql::MysqlEnvironment::private()?.into()),
            (Backend::Mysql, Some(url)) => Self::Mysql(mysql::MysqlEnvironment::at(url)?.into()),
        })
    }
}
