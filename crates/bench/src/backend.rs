//! The backends: what connections connect to.

pub mod mysql;
pub mod postgres;
pub mod simulated;
pub mod source;
pub mod sqlite;
pub mod synthetic;

use std::net::SocketAddr;
use std::sync::Mutex;

use threadwise_figures::Backend;
use threadwise_testkit::Proxy;

use crate::{Failure, Result};

/// A backend with a filled table, ready for contenders. Dropping it removes what it created.
pub enum Environment {
    /// Nothing is needed.
    Synthetic,
    /// A file.
    Sqlite(sqlite::SqliteEnvironment),
    /// A server.
    Mysql(Box<mysql::MysqlEnvironment>),
    /// A private server.
    Postgres(Box<postgres::PostgresEnvironment>),
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
            (Backend::Postgres, _) => {
                Self::Postgres(postgres::PostgresEnvironment::private()?.into())
            }
        })
    }

    /// Returns the server's address; `None` if connections do not go to a server over TCP.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Synthetic | Self::Sqlite(_) => None,
            Self::Mysql(server) => server.address().ok(),
            Self::Postgres(server) => Some(server.address()),
        }
    }

    /// Returns the same server and table behind a new proxy, which can count round trips, delay, cut
    /// and refuse; `None` without a server. A proxy makes round trips slower, so do not time anything
    /// behind it.
    ///
    /// # Errors
    ///
    /// If the connection to the server does not use TCP, or there is no free port for the proxy.
    pub(crate) fn behind_proxy(&self) -> Result<Option<(Self, Proxy)>> {
        match self {
            Self::Synthetic | Self::Sqlite(_) => Ok(None),
            Self::Mysql(server) => {
                proxied(server.address()?, |at| Self::Mysql(server.through(at).into()))
            }
            Self::Postgres(server) => {
                proxied(server.address(), |at| Self::Postgres(server.through(at).into()))
            }
        }
    }

    /// Lets a manager lend no connection before it knows what the names in the database mean. A busy
    /// server may answer that late. Until then each use costs a reset, which later uses do not need.
    pub(crate) fn managers_learn_first(&mut self) {
        match self {
            Self::Synthetic | Self::Sqlite(_) => {}
            Self::Mysql(server) => server.first = Some(Mutex::default()),
            Self::Postgres(server) => server.first = Some(Mutex::default()),
        }
    }
}

fn proxied(
    server: SocketAddr,
    through: impl FnOnce(SocketAddr) -> Environment,
) -> Result<Option<(Environment, Proxy)>> {
    let proxy = Proxy::before(server).map_err(Failure::of)?;
    Ok(Some((through(proxy.address()), proxy)))
}
