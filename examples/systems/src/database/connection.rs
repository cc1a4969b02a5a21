//! A connection to either database.

use mysql::Value;
use mysql::prelude::Queryable;
use threadwise::{mysql as server, sqlite};

use super::value::{from_sqlite, to_sqlite};
use super::{Error, Row};

/// The connection type of the systems' pools.
#[derive(Debug)]
pub enum Connection {
    /// A connection to a SQLite file.
    Sqlite(sqlite::Connection),
    /// A connection to a MySQL or MariaDB server.
    Mysql(Box<server::Connection>),
}

/// The SQL dialect of a database. Both dialects understand all statements of the systems, except
/// those that create tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite's dialect.
    Sqlite,
    /// The dialect of MySQL and MariaDB.
    Mysql,
}

impl Connection {
    /// The dialect of this connection.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Mysql(_) => Dialect::Mysql,
        }
    }

    /// Makes a table if it is not there. In `columns`, `{id}` stands for the type of a key that
    /// counts by itself. Text is UTF-8 and is compared byte by byte.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn create_table(&mut self, name: &str, columns: &str) -> Result<(), Error> {
        let (id, options) = match self.dialect() {
            Dialect::Sqlite => ("INTEGER PRIMARY KEY AUTOINCREMENT", ""),
            Dialect::Mysql => (
                "BIGINT PRIMARY KEY AUTO_INCREMENT",
                " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            ),
        };
        let columns = columns.replace("{id}", id);
        self.run(&format!("CREATE TABLE IF NOT EXISTS {name} ({columns}){options}"))
    }

    /// Runs a statement that has neither parameters nor rows.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn run(&mut self, sql: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite(conn) => Ok(conn.execute_batch(sql)?),
            Self::Mysql(conn) => Ok(conn.query_drop(sql)?),
        }
    }

    /// Runs a prepared statement, a `?` in it for each parameter, and says how many rows it
    /// changed.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, Error> {
        match self {
            Self::Sqlite(conn) => {
                Ok(conn.prepare_cached(sql)?.execute(parameters_of_sqlite(parameters)?)? as u64)
            }
            Self::Mysql(conn) => {
                conn.exec_drop(sql, positional(parameters))?;
                Ok(conn.affected_rows())
            }
        }
    }

    /// Runs a prepared statement and returns its rows.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite(conn) => {
                let mut statement = conn.prepare_cached(sql)?;
                let columns = statement.column_count();
                let mut rows = statement.query(parameters_of_sqlite(parameters)?)?;
                let mut read = Vec::new();
                while let Some(row) = rows.next()? {
                    let values = (0..columns).map(|column| row.get_ref(column).map(from_sqlite));
                    read.push(Row(values.collect::<Result<_, _>>()?));
                }
                Ok(read)
            }
            Self::Mysql(conn) => {
                let rows: Vec<mysql::Row> = conn.exec(sql, positional(parameters))?;
                Ok(rows.into_iter().map(|row| Row(row.unwrap())).collect())
            }
        }
    }

    /// The key that the last `INSERT` generated.
    #[must_use]
    pub fn last_id(&self) -> i64 {
        match self {
            Self::Sqlite(conn) => conn.last_insert_rowid(),
            Self::Mysql(conn) => conn.last_insert_id() as i64,
        }
    }

    /// Runs `work` in a transaction: committed if it returns `Ok`, otherwise rolled back.
    ///
    /// If the commit itself fails because the connection broke, it may or may not have happened. To
    /// find out, look for a row that only this transaction wrote.
    ///
    /// If `work` panics, the transaction is left open; the pool closes the connection of a holder
    /// that panicked, and that rolls it back.
    ///
    /// # Errors
    ///
    /// What `work` returned, or the database's.
    pub fn transaction<T, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run(match self.dialect() {
            Dialect::Sqlite => "BEGIN IMMEDIATE", // a lock that is wanted later is refused later
            Dialect::Mysql => "START TRANSACTION",
        })?;
        match work(self) {
            Ok(done) => {
                if let Err(error) = self.run("COMMIT") {
                    let _ = self.run("ROLLBACK"); // of a busy SQLite; on a lost connection it fails too
                    return Err(error.into());
                }
                Ok(done)
            }
            Err(error) => {
                // The first error is the useful one. If this rollback fails, the pool rolls back.
                let _ = self.run("ROLLBACK");
                Err(error)
            }
        }
    }
}

fn positional(parameters: &[Value]) -> mysql::Params {
    if parameters.is_empty() {
        return mysql::Params::Empty;
    }
    mysql::Params::Positional(parameters.to_vec())
}

fn parameters_of_sqlite(parameters: &[Value]) -> Result<impl rusqlite::Params + '_, Error> {
    let parameters: Vec<_> = parameters.iter().map(to_sqlite).collect::<Result<_, _>>()?;
    Ok(rusqlite::params_from_iter(parameters))
}
