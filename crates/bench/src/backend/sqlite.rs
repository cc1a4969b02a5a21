//! `sqlite`: a real file with a table of 10 000 rows.

use std::path::PathBuf;

use rusqlite::TransactionBehavior;
use tempfile::TempDir;
use threadwise_sqlite::{Connection, SqliteManager};

use super::source::Source;
use crate::dial::Dial;
use crate::queries::{Queries, ROWS};
use crate::runner::Runner;
use crate::{Failure, Result, Rng};

const SELECT: &str = "SELECT price FROM item WHERE id = ?1";
const INSERT: &str = "INSERT INTO item (name, price) VALUES ('new', ?1)";
const UPDATE: &str = "UPDATE item SET price = ?1 WHERE id = ?2";

impl Queries for Connection {
    const REAL: bool = true;

    fn point_select(&mut self, id: u32) -> Result<()> {
        select(self, id).map_err(Failure::of)
    }

    fn insert(&mut self, price: u32) -> Result<()> {
        insert(self, price).map_err(Failure::of)
    }

    fn transact(&mut self, ids: [u32; 2], price: u32) -> Result<()> {
        change(self, ids, price).map_err(Failure::of)
    }

    fn ask(&mut self, statement: &str) -> Result<u64> {
        count_rows(self, statement).map_err(Failure::of)
    }
}

fn count_rows(conn: &rusqlite::Connection, statement: &str) -> rusqlite::Result<u64> {
    let mut statement = conn.prepare_cached(statement)?;
    let columns = statement.column_count();
    let mut rows = statement.query(())?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            row.get_ref(column)?;
        }
        count += 1;
    }
    Ok(count)
}

fn select(conn: &rusqlite::Connection, id: u32) -> rusqlite::Result<()> {
    conn.prepare_cached(SELECT)?.query_row([id], |row| row.get::<_, i64>(0)).map(drop)
}

fn insert(conn: &rusqlite::Connection, price: u32) -> rusqlite::Result<()> {
    conn.prepare_cached(INSERT)?.execute([price]).map(drop)
}

/// Begins as a writer (`BEGIN IMMEDIATE`). A transaction that becomes a writer later fails at once,
/// despite the busy timeout, if another one has written since it began.
fn change(conn: &mut Connection, ids: [u32; 2], price: u32) -> rusqlite::Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for id in ids {
        select(&transaction, id)?;
    }
    insert(&transaction, price)?;
    transaction.prepare_cached(UPDATE)?.execute([price, ids[0]])?;
    transaction.commit()
}

/// A file with the table, in a temporary directory. Dropping it removes the directory.
pub struct SqliteEnvironment {
    directory: TempDir,
}

impl SqliteEnvironment {
    /// Creates the file and fills the table.
    ///
    /// # Errors
    ///
    /// If the temporary directory is not writable.
    pub fn create() -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| Failure::new(format_args!("sqlite: {error}"));
        let directory = tempfile::Builder::new()
            .prefix("threadwise-bench-")
            .tempdir()
            .map_err(|error| failed(&error))?;
        let environment = Self { directory };
        let conn = environment.plain().dial()?;
        conn.execute_batch(&filling()).map_err(|error| failed(&error))?;
        Ok(environment)
    }

    /// Starts a writer with its own connection. The seed gives it other numbers than the threads,
    /// which have smaller ones.
    ///
    /// # Errors
    ///
    /// If its connection or its thread cannot be opened.
    pub fn writer(&self, seed: u64) -> Result<Runner> {
        let file = self.file();
        Runner::writer(move || {
            let (mut conn, mut rng) = (SqliteManager::file(&file).dial()?, Rng::with_seed(seed));
            Ok(move || conn.insert(rng.u32(..1_000)))
        })
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("bench.sqlite")
    }
}

impl Source for SqliteEnvironment {
    type Manager = SqliteManager;
    type Plain = SqliteManager;
    type R2d2 = R2d2Sqlite;

    fn manager(&self) -> SqliteManager {
        self.plain()
    }

    fn plain(&self) -> SqliteManager {
        SqliteManager::file(self.file())
    }

    fn r2d2(&self) -> R2d2Sqlite {
        R2d2Sqlite(self.plain())
    }
}

/// The statements that create and fill the table.
fn filling() -> String {
    format!(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL); \
         INSERT INTO item WITH RECURSIVE n (id) AS \
         (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {ROWS}) \
         SELECT id, 'item ' || id, id % 1000 FROM n"
    )
}

/// All contenders open the file in this way, so that all have the same settings.
impl Dial for SqliteManager {
    type Connection = Connection;

    fn dial(&self) -> Result<Connection> {
        threadwise_core::ManageConnection::connect(self).map_err(Failure::of)
    }
}

/// Does what `r2d2_sqlite` does by default: `SELECT 1` on borrow, no check on return. That crate
/// cannot be linked together with this version of rusqlite, because each needs another version of
/// the SQLite library, and a program can link it only once.
pub struct R2d2Sqlite(SqliteManager);

impl r2d2::ManageConnection for R2d2Sqlite {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> Result<Connection, Self::Error> {
        threadwise_core::ManageConnection::connect(&self.0)
    }

    fn is_valid(&self, conn: &mut Connection) -> Result<(), Self::Error> {
        conn.execute_batch("SELECT 1")
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(conn: &Connection, sql: &str) -> u32 {
        conn.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_transaction_adds_a_row_and_changes_one_or_neither() {
        let environment = SqliteEnvironment::create().unwrap();
        let mut conn = environment.plain().dial().unwrap();
        let rows = |conn: &Connection| read(conn, "SELECT count(*) FROM item");
        conn.transact([7, 8], 4_321).unwrap();
        assert_eq!(rows(&conn), ROWS + 1);
        assert_eq!(read(&conn, "SELECT count(*) FROM item WHERE price = 4321"), 2);
        assert_eq!(read(&conn, "SELECT price FROM item WHERE id = 7"), 4_321);
        assert!(conn.transact([9, 2 * ROWS], 5_432).is_err(), "there is no such row");
        assert!(conn.is_autocommit(), "a failed transaction is over");
        assert_eq!(read(&conn, "SELECT count(*) FROM item WHERE price = 5432"), 0);
    }
}
