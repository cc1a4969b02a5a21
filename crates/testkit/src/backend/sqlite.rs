//! A real SQLite file.

use rusqlite::Error;
use tempfile::TempDir;
use threadwise_conformance::ManagerUnderTest;
use threadwise_core::ManageConnection;
use threadwise_sqlite::{Connection, SqliteManager};

/// A SQLite database in a file of its own.
#[derive(Debug)]
pub struct Sqlite {
    folder: TempDir,
}

impl ManagerUnderTest for Sqlite {
    type Manager = SqliteManager;

    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the database");
        let this = Self { folder };
        let conn = this.manager().connect().expect("a new database");
        conn.execute_batch("CREATE TABLE work (id INTEGER PRIMARY KEY)").expect("a table");
        this
    }

    fn manager(&self) -> SqliteManager {
        SqliteManager::file(self.folder.path().join("test.db"))
    }

    fn echo(&self, conn: &mut Connection, nonce: u64) -> Result<u64, Error> {
        let nonce = nonce.cast_signed();
        conn.query_row("SELECT ?1", [nonce], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    }

    fn soil(&self, conn: &mut Connection) {
        conn.execute_batch("BEGIN IMMEDIATE; INSERT INTO work VALUES (1)").expect("a transaction");
    }

    fn is_fresh(&self, conn: &mut Connection) -> bool {
        let rows: i64 =
            conn.query_row("SELECT count(*) FROM work", [], |row| row.get(0)).expect("an answer");
        conn.is_autocommit() && rows == 0
    }

    fn begin(&self, conn: &mut Connection) {
        conn.execute_batch("BEGIN").expect("a transaction");
    }

    fn fail(&self, conn: &mut Connection) -> Error {
        conn.execute_batch("SELECT nonsense").expect_err("there is no such column")
    }

    fn refused_manager(&self) -> SqliteManager {
        SqliteManager::file(self.folder.path()) // a folder is no database
    }
}
