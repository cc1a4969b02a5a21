//! The backends: what connections connect to.

pub(crate) mod mortal;
pub mod mysql;
pub mod sqlite;
pub mod synthetic;

use threadwise_figures::{Backend, ContenderKind};

use crate::Failure;
use crate::runner::Runner;
use crate::workload::Workload;

/// A backend with a filled table, ready for contenders. Dropping it removes what it created.
#[derive(Debug)]
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
    pub fn open(backend: Backend, mysql_url: Option<&str>) -> Result<Self, Failure> {
        Ok(match (backend, mysql_url) {
            (Backend::Synthetic, _) => Self::Synthetic,
            (Backend::Sqlite, _) => Self::Sqlite(sqlite::SqliteEnvironment::create()?),
            (Backend::Mysql, None) => Self::Mysql(mysql::MysqlEnvironment::private()?.into()),
            (Backend::Mysql, Some(url)) => Self::Mysql(mysql::MysqlEnvironment::at(url)?.into()),
        })
    }

    /// Returns the backend.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self {
            Self::Synthetic => Backend::Synthetic,
            Self::Sqlite(_) => Backend::Sqlite,
            Self::Mysql(_) => Backend::Mysql,
        }
    }

    /// Builds a contender, and threads that are ready to run the workload on it.
    ///
    /// # Errors
    ///
    /// If the contender cannot be built, or does not run on this backend.
    pub fn runner<W: Workload>(&self, pool: ContenderKind, workload: W) -> Result<Runner, Failure> {
        match self {
            Self::Synthetic => synthetic::runner(pool, workload),
            Self::Sqlite(sqlite) => sqlite.runner(pool, workload),
            Self::Mysql(mysql) => mysql.runner(pool, workload),
        }
    }
}
