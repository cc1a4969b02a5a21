//! SQLite connections for the threadwise pools.
//!
//! [`SqliteManager`] opens [`rusqlite::Connection`]s to a database file, or to a database in memory
//! that all connections of the manager share. Give it to any pool of the family: readers on several
//! threads run side by side in write-ahead-log mode, while a writer writes.
//!
//! ```
//! use threadwise_core::ManageConnection;
//! use threadwise_sqlite::SqliteManager;
//!
//! # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
//! let manager = SqliteManager::memory()
//!     .with_init(|conn| conn.execute_batch("CREATE TABLE IF NOT EXISTS note (text TEXT)"));
//!
//! // A pool does this; the connections are what its users get.
//! let writer = manager.connect()?;
//! let reader = manager.connect()?;
//! writer.execute("INSERT INTO note VALUES ('hello')", ())?;
//! let text: String = reader.query_row("SELECT text FROM note", (), |row| row.get(0))?;
//! assert_eq!(text, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # What a new connection is like
//!
//! | | setting | default |
//! |---|---|---|
//! | opened how | [`with_flags`](SqliteManager::with_flags) | read and write, created if missing |
//! | waits for another connection's lock | [`busy_timeout`](SqliteManager::busy_timeout) | 5 s |
//! | write-ahead log (files only) | [`wal`](SqliteManager::wal) | on; kept in the file, so set once |
//! | foreign keys enforced | `PRAGMA foreign_keys` in [`with_init`](SqliteManager::with_init) | on, whichever default the SQLite library was built with |
//! | anything else | [`with_init`](SqliteManager::with_init) | SQLite's defaults |
//!
//! Opening reads the file. A directory, a missing folder, a file that is not a database or one that
//! cannot be written to is therefore an error of `connect`, with the path and the remedy in its
//! text, and not a surprise in the first statement.
//!
//! # What the next user finds
//!
//! On return an open transaction is rolled back, and a connection on which a statement was left
//! half-read (its `Rows` forgotten, which keeps the read snapshot for ever) is replaced. Temporary
//! tables, attached databases, changed pragmas and registered functions stay: SQLite cannot list
//! all of them. Remove what you add, or discard the connection.
//!
//! Dropping or closing a connection whose `Rows` were forgotten cannot free its file handle; SQLite
//! refuses. Do not forget `Rows`.

#![forbid(unsafe_code)]

mod database;
mod error;
mod manager;
mod wal;

pub use manager::SqliteManager;
pub use rusqlite;
