//! The backends: what connections connect to.

pub(crate) mod mortal;
pub mod mysql;
pub mod sqlite;
pub mod synthetic;

use std::fmt;
use std::str::FromStr;

use crate::Failure;
use crate::names::ContenderKind;
use crate::runner::Runner;
use crate::workload::Workload;

/// The kinds of connections that contenders are measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Connections that do nothing, so only the pool takes time.
    Synthetic,
    /// A real file with a table of 10 000 rows.
    Sqlite,
    /// A MySQL or MariaDB server with the same table: the user's, or a private one.
    Mysql,
}

impl Backend {
    /// All backends, the fastest first.
    pub const ALL: [Self; 3] = [Self::Synthetic, Self::Sqlite, Self::Mysql];

    /// The name in reports and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Synthetic => "synthetic",
            Self::Sqlite => "sqlite",
            Self::Mysql => "mysql",
        }
    }

    /// A description in one line.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Synthetic => "connections that do nothing, so only the pool takes time",
            Self::Sqlite => "a SQLite file in the temporary directory, with a table of 10 000 rows",
            Self::Mysql => "a private MariaDB over TCP (or --mysql-url), with the same table",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Backend {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        Self::ALL.into_iter().find(|backend| backend.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Failure::new(format_args!("unknown backend; the backends are {names} and all"))
        })
    }
}

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
