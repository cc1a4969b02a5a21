//! A real SQLite file.

use tempfile::TempDir;
use threadwise_core::ManageConnection;
use threadwise_sqlite::{Connection, SqliteManager};

use super::Backend;

/// A SQLite database in a file of its own.
#[derive(Debug)]
pub struct Sqlite {
    folder: TempDir,
}

impl Backend for Sqlite {
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

    fn hopeless_manager(&self) -> Option<SqliteManager> {
        Some(SqliteManager::file(self.folder.path())) // a folder is no database
    }

    fn echo(conn: &mut Connection, nonce: u64) -> u64 {
        conn.query_row("SELECT ?1", [nonce as i64], |row| row.get::<_, i64>(0)).expect("an answer")
            as u64
    }

    fn soil(conn: &mut Connection) {
        conn.execute_batch("BEGIN IMMEDIATE; INSERT INTO work VALUES (1)").expect("a transaction");
    }

    fn is_fresh(conn: &mut Connection) -> bool {
        let rows: i64 =
            conn.query_row("SELECT count(*) FROM work", [], |row| row.get(0)).expect("an answer");
        conn.is_autocommit() && rows == 0
    }

    fn cut(&self, _: &mut Connection) -> bool {
        false
    }
}
