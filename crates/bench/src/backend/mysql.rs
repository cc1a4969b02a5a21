//! `mysql`: a MySQL or MariaDB server with a table of 10 000 rows.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder, PooledConn};
use r2d2_mysql::MySqlConnectionManager;
use threadwise_core::{ManageConnection, chain};
use threadwise_mysql::MysqlManager;
use threadwise_testkit::mariadb::MariaDb;

use super::source::{FirstConnections, MAX_CONNECTIONS, Source, learn};
use crate::dial::Dial;
use crate::queries::{Queries, ROWS};
use crate::{Failure, Result};

const SELECT: &str = "SELECT price FROM threadwise_bench_item WHERE id = ?";
const INSERT: &str = "INSERT INTO threadwise_bench_item (name, price) VALUES ('new', ?)";
const UPDATE: &str = "UPDATE threadwise_bench_item SET price = ? WHERE id = ?";
const CREATE: &str = "CREATE TABLE threadwise_bench_item \
    (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(32) NOT NULL, price INT NOT NULL)";
const DROP: &str = "DROP TABLE threadwise_bench_item";

/// The server's error number if the table already exists.
const TABLE_EXISTS: u16 = 1050;
/// How long the harness waits for the server when it opens its own connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

// One implementation for each type: one for all `Queryable` types would overlap with the one for
// SQLite.
macro_rules! queries {
    ($($connection:ty: $ping:expr),* $(,)?) => {$(
        impl Queries for $connection {
            const REAL: bool = true;

            fn point_select(&mut self, id: u32) -> Result<()> {
                select(self, id)
            }

            fn insert(&mut self, price: u32) -> Result<()> {
                self.exec_drop(INSERT, (price,)).map_err(Failure::of)
            }

            fn ping(&mut self) -> Result<()> {
                $ping(self).map_err(Failure::of)
            }

            fn transact(&mut self, ids: [u32; 2], price: u32) -> Result<()> {
                change(self, ids, price)
            }

            fn change_session(&mut self) -> Result<()> {
                self.query_drop("SET @changed = 1").map_err(Failure::of)
            }

            fn sleep(&mut self, time: Duration) -> Result<()> {
                self.query_drop(format!("DO SLEEP({})", time.as_secs_f64())).map_err(Failure::of)
            }

            fn ask(&mut self, statement: &str) -> Result<u64> {
                let rows = self.exec::<mysql::Row, _, _>(statement, ()).map_err(refused)?;
                Ok(rows.len() as u64)
            }
        }
    )*};
}

queries!(
    Conn: Conn::ping,
    PooledConn: |conn: &mut PooledConn| conn.as_mut().ping(),
    threadwise_mysql::Connection: threadwise_mysql::Connection::ping,
);

/// The server's own message, without the driver's text around it.
fn refused(error: mysql::Error) -> Failure {
    match error {
        mysql::Error::MySqlError(answer) => Failure::of(answer),
        error => Failure::of(error),
    }
}

fn select(conn: &mut impl Queryable, id: u32) -> Result<()> {
    match conn.exec_first::<i32, _, _>(SELECT, (id,)) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Failure::new(format_args!("row {id} was not found"))),
        Err(error) => Err(Failure::of(error)),
    }
}

/// Sends the transaction's statements as text, because the transaction types of the three kinds of
/// connections have no common trait. The driver's own guards send the same.
fn change(conn: &mut impl Queryable, ids: [u32; 2], price: u32) -> Result<()> {
    conn.query_drop("BEGIN").map_err(Failure::of)?;
    let changed =
        statements(conn, ids, price).and_then(|()| conn.query_drop("COMMIT").map_err(Failure::of));
    if changed.is_err() {
        let _ = conn.query_drop("ROLLBACK"); // the caller gets the first error
    }
    changed
}

fn statements(conn: &mut impl Queryable, ids: [u32; 2], price: u32) -> Result<()> {
    for id in ids {
        select(conn, id)?;
    }
    conn.exec_drop(INSERT, (price,)).map_err(Failure::of)?;
    conn.exec_drop(UPDATE, (price, ids[0])).map_err(Failure::of)
}

/// A server with the table. Dropping it stops a private server, or drops the table on the user's.
pub struct MysqlEnvironment {
    /// May hold a password.
    opts: Opts,
    private: Option<MariaDb>,
    /// Whether this run created the table, and drops it at the end.
    owns_table: bool,
    /// `Some` if managers learn first.
    pub(super) first: FirstConnections<threadwise_mysql::Connection>,
}

impl MysqlEnvironment {
    /// Starts a private MariaDB and fills the table. Connections use TCP, as they would to a remote
    /// server. The server does not wait for the disk at a commit, so `insert` measures the server
    /// and not the disk.
    ///
    /// # Errors
    ///
    /// If there is no `mariadbd`; the text names the command that installs it.
    pub fn private() -> Result<Self> {
        let server = MariaDb::builder().max_connections(MAX_CONNECTIONS).start();
        let server = server.map_err(Failure::of)?;
        Self::filled(Opts::from_url(&server.url()).map_err(Failure::of)?, Some(server))
    }

    /// Uses the database that `url` names: creates the table `threadwise_bench_item` there, and
    /// drops it at the end. It has the account's rights, and does not touch other tables.
    ///
    /// # Errors
    ///
    /// If the URL is malformed or names no database, if the server does not answer within ten
    /// seconds, or if the table cannot be created, for instance because it exists.
    pub fn at(url: &str) -> Result<Self> {
        let opts = Opts::from_url(url).map_err(|error| {
            let error = chain(&error);
            Failure::new(format_args!("--mysql-url: {error}; write mysql://user:password@host/db"))
        })?;
        if opts.get_db_name().is_none_or(str::is_empty) {
            let problem = "--mysql-url: names no database; write mysql://user:password@host/db";
            return Err(Failure::new(problem));
        }
        Self::filled(opts, None)
    }

    fn filled(opts: Opts, private: Option<MariaDb>) -> Result<Self> {
        let mut filled = Self { opts, private, owns_table: false, first: None };
        let failed = |what: &'static str| {
            move |error: mysql::Error| {
                let error = chain(&error);
                Failure::new(format_args!("mysql: cannot {what} the table: {error}"))
            }
        };
        let mut conn = filled.connect()?;
        conn.query_drop(CREATE).map_err(|error| match &error {
            mysql::Error::MySqlError(refused) if refused.code == TABLE_EXISTS => {
                Failure::new(format_args!(
                    "mysql: another run uses or left the table here: end that run, or run `{DROP}`"
                ))
            }
            _ => failed("create")(error),
        })?;
        filled.owns_table = true;
        fill(&mut conn).map_err(failed("fill"))?;
        Ok(filled)
    }

    fn connect(&self) -> Result<Conn> {
        let opts = OptsBuilder::from_opts(self.opts.clone())
            .tcp_connect_timeout(Some(CONNECT_TIMEOUT))
            .read_timeout(Some(CONNECT_TIMEOUT));
        Conn::new(opts).map_err(|error| match self.private {
            Some(_) => Failure::new(format_args!("mysql: {}", chain(&error))),
            None => Failure::new(format_args!("--mysql-url: cannot connect: {}", chain(&error))),
        })
    }

    /// The server's address.
    ///
    /// # Errors
    ///
    /// If connections do not use TCP, or the server's name has no address.
    pub(super) fn address(&self) -> Result<SocketAddr> {
        if self.opts.get_socket().is_some() {
            return Err(Failure::new("a proxy is possible over TCP only, not on a socket"));
        }
        let address = (&*self.opts.get_ip_or_hostname(), self.opts.get_tcp_port());
        let address = address.to_socket_addrs().map_err(Failure::of)?.next();
        address.ok_or_else(|| Failure::new("the server's name has no address"))
    }

    /// The way to the same server and table through this address.
    pub(super) fn through(&self, address: SocketAddr) -> Self {
        let opts = OptsBuilder::from_opts(self.plain())
            .ip_or_hostname(Some(address.ip().to_string()))
            .tcp_port(address.port())
            .prefer_socket(false);
        Self { opts: opts.into(), private: None, owns_table: false, first: None }
    }
}

impl Source for MysqlEnvironment {
    type Manager = MysqlManager;
    type Plain = Opts;
    type R2d2 = MySqlConnectionManager;

    fn manager(&self) -> MysqlManager {
        let manager = MysqlManager::new(self.plain()).prefer_socket(self.opts.get_prefer_socket());
        learn(&manager, &self.first);
        manager
    }

    fn plain(&self) -> Opts {
        self.opts.clone()
    }

    fn r2d2(&self) -> MySqlConnectionManager {
        MySqlConnectionManager::new(OptsBuilder::from_opts(self.plain()))
    }
}

impl Drop for MysqlEnvironment {
    fn drop(&mut self) {
        if self.owns_table && self.private.is_none() {
            // A destructor cannot report an error. The next run finds the table and says how to
            // drop it.
            let _ = self.connect().map(|mut conn| conn.query_drop(DROP));
        }
    }
}

fn fill(conn: &mut Conn) -> mysql::Result<()> {
    const ROWS_PER_STATEMENT: u32 = 1_000;
    for first in (1..=ROWS).step_by(ROWS_PER_STATEMENT as usize) {
        let rows: Vec<String> = (first..first + ROWS_PER_STATEMENT)
            .map(|id| format!("({id}, 'item {id}', {})", id % 1_000))
            .collect();
        conn.query_drop(format!("INSERT INTO threadwise_bench_item VALUES {}", rows.join(",")))?;
    }
    Ok(())
}

/// Opens the driver's own connections.
impl Dial for Opts {
    type Connection = Conn;

    fn dial(&self) -> Result<Conn> {
        Conn::new(self.clone()).map_err(Failure::of)
    }
}

/// Our manager in the place of the bare driver.
impl Dial for MysqlManager {
    type Connection = threadwise_mysql::Connection;

    fn dial(&self) -> Result<Self::Connection> {
        ManageConnection::connect(self).map_err(Failure::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_adds_a_row_and_changes_one_or_neither() {
        let environment = MysqlEnvironment::private().unwrap();
        let mut conn = environment.connect().unwrap();
        let with_price = |conn: &mut Conn, price: u32| {
            let ids = "SELECT id FROM threadwise_bench_item WHERE price = ? ORDER BY id";
            conn.exec::<u32, _, _>(ids, (price,)).unwrap()
        };
        conn.transact([7, 8], 4_321).unwrap();
        assert!(matches!(with_price(&mut conn, 4_321)[..], [7, added] if added > ROWS));
        assert!(conn.transact([9, 2 * ROWS], 5_432).is_err(), "there is no such row");
        let open = conn.query_first::<u32, _>("SELECT @@in_transaction").unwrap();
        assert_eq!((open, with_price(&mut conn, 5_432)), (Some(0), Vec::new()));
    }
}
