//! What connections lead to.

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
    /// Connections that do nothing: what is left is the pool.
    Synthetic,
    /// A real file with a table of 10 000 rows.
    Sqlite,
    /// A MySQL or MariaDB server, private unless named, with the same table.
    Mysql,
}

impl Backend {
    /// All of them, the quickest first.
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

    /// What it is, in one line.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Synthetic => "connections that do nothing: what is left is the pool",
            Self::Sqlite => "a SQLite file in the temporary directory, a table of 10 000 rows",
            Self::Mysql => "a private MariaDB by TCP (or --mysql-url), a table of 10 000 rows",
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
            Failure::new(format_args!("no such backend; there are {names} and all"))
        })
    }
}

/// A backend with its table filled, ready for contenders. Dropping it removes what it made.
#[derive(Debug)]
pub enum Environment {
    /// Needs nothing.
    Synthetic,
    /// A file.
    Sqlite(sqlite::SqliteEnvironment),
    /// A server.
    Mysql(Box<mysql::MysqlEnvironment>),
}

impl Environment {
    /// Makes a backend ready: creates the file or starts the private server (or looks for the one
    /// at `mysql_url`), and fills the table. Takes up to a second or two.
    ///
    /// # Errors
    ///
    /// When there is no server to be found or started, or the table cannot be made.
    pub fn open(backend: Backend, mysql_url: Option<&str>) -> Result<Self, Failure> {
        Ok(match (backend, mysql_url) {
            (Backend::Synthetic, _) => Self::Synthetic,
            (Backend::Sqlite, _) => Self::Sqlite(sqlite::SqliteEnvironment::create()?),
            (Backend::Mysql, None) => Self::Mysql(mysql::MysqlEnvironment::private()?.into()),
            (Backend::Mysql, Some(url)) => Self::Mysql(mysql::MysqlEnvironment::at(url)?.into()),
        })
    }

    /// Which backend it is.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self {
            Self::Synthetic => Backend::Synthetic,
            Self::Sqlite(_) => Backend::Sqlite,
            Self::Mysql(_) => Backend::Mysql,
        }
    }

    /// Builds a contender here, and threads that are ready to run the workload on it.
    ///
    /// # Errors
    ///
    /// When the contender cannot be built, or does not run on this backend.
    pub fn runner<W: Workload>(&self, pool: ContenderKind, workload: W) -> Result<Runner, Failure> {
        match self {
            Self::Synthetic => synthetic::runner(pool, workload),
            Self::Sqlite(sqlite) => sqlite.runner(pool, workload),
            Self::Mysql(mysql) => mysql.runner(pool, workload),
        }
    }
}
