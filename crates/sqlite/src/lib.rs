//! SQLite connections for the threadwise pools.
//!
//! [`SqliteManager`] opens connections to a database file, or to a database in memory that all
//! connections of the manager share. Use a [`Connection`] like one of rusqlite. Give the manager to
//! any pool of the family: in write-ahead-log mode, readers on several threads run side by side
//! while a writer writes.
//!
//! ```
//! use threadwise_core::ManageConnection;
//! use threadwise_sqlite::SqliteManager;
//!
//! # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
//! let manager = SqliteManager::memory()
//!     .with_init(|conn| conn.execute_batch("CREATE TABLE IF NOT EXISTS note (text TEXT)"));
//!
//! // A pool does this, and gives the connections to its users.
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
//! The manager sets a connection up in this order:
//!
//! | step | setting | default |
//! |---|---|---|
//! | open the database | [`with_flags`](SqliteManager::with_flags) | read and write, created if missing |
//! | set how long to wait for another connection's lock | [`busy_timeout`](SqliteManager::busy_timeout) | 5 s |
//! | enforce foreign keys | `PRAGMA foreign_keys` in [`with_init`](SqliteManager::with_init) | on, whatever the SQLite library was built with |
//! | run your function, before the file is read: the key of an encrypted file; `page_size`, `auto_vacuum`, `encoding` of a new one | [`with_init`](SqliteManager::with_init) | SQLite's defaults |
//! | read the file for the first time | | |
//! | switch to the write-ahead log (files only) | [`wal`](SqliteManager::wal) | on; the file keeps the mode, so this happens once |
//! | run the pool's `on_connect` hook | | none |
//!
//! Opening reads the file. So a directory, a missing folder, a file that is not a database, or one
//! that cannot be written to is an error of `connect`, and not of the first statement. The error
//! names the path, and says what to do.
//!
//! # What the next user finds
//!
//! The next user finds a fresh session: what the manager, [`with_init`](SqliteManager::with_init)
//! and the pool's `on_connect` hook set up, and nothing of the user before. The pool makes sure of
//! that when a connection is returned, on the thread that returns it.
//!
//! | left behind | then |
//! |---|---|
//! | an open transaction or savepoint | it is rolled back |
//! | another busy timeout or busy handler | the session's own timeout is set again; if its own is a handler, the connection is replaced |
//! | a statement read in part (its `Rows` forgotten, which keeps the read snapshot) | the connection is replaced |
//! | temporary objects; rows added, changed or removed in temporary tables, or in a database in memory that `with_init` attached | it is replaced |
//! | databases attached or detached, any pragma set that is not kept in the file | it is replaced |
//! | functions, collations, hooks, `set_db_config`, `set_transaction_behavior`, by the methods of [`Connection`] | it is replaced |
//! | an authorizer | it is replaced, because SQLite has only one: see [`with_authorizer`](SqliteManager::with_authorizer) |
//!
//! The manager looks at a statement when SQLite prepares it, and not when it runs. That costs some
//! 100 ns for a statement that is not in the connection's cache (a small query takes 2.9 µs then),
//! nothing for one that is, and about 30 ns on each return. A replacement costs about 40 µs, and the
//! connection's prepared statements. So put what every user needs into `with_init`.
//!
//! The manager does not compare values. A pragma that sets the value that it already had counts as
//! a change, and so does a temporary table that was dropped again. So do `VACUUM` and `ALTER TABLE
//! … RENAME`, which look to SQLite as if they did such things.
//!
//! The manager does **not** see the following. Remove it yourself, or discard the connection:
//!
//! * functions, collations, hooks and settings made through a plain `&rusqlite::Connection`, which
//!   a [`Connection`] becomes where a function asks for one. (An SQL function that is new, and
//!   replaces none of SQLite's own, is seen when it is used.)
//! * what needs other features of rusqlite: limits, tracing, window functions, modules, extensions
//!   loaded by a method, `deserialize`, `restore`, the raw handle;
//! * `last_insert_rowid`, `changes` and `total_changes`, which continue counting, and an interrupt
//!   handle that a user kept;
//! * pragmas of the whole process, such as `soft_heap_limit`.
//!
//! If the `on_connect` hook begins a transaction, all users share it, and it stays open from user
//! to user. Tests can work in it, and nothing of them reaches the file. When a user or an error
//! ends it, the pool calls the hook again.
//!
//! Do not forget `Rows`. A connection whose `Rows` were forgotten cannot free its file handle when
//! it is dropped or closed, because SQLite refuses.
//!
//! # When the path names another file
//!
//! SQLite keeps the file that it has open when another file is renamed over the path, when the file
//! is deleted, or when a symbolic link is changed. What is written then is in no file that a path
//! leads to.
//!
//! So each validation checks whether the path, and the write-ahead log beside it, are still those
//! files. A `get` or return does the same half a second after the last check. If they are not, the
//! pool replaces the connection by one to the new file. A check costs two system calls; to know
//! that none is due costs about 5 ns at each `get` and each return. If a file system changes its
//! inode numbers by itself, connections are replaced without need.
//!
//! A connection is not used again after one of these errors, in whatever code: its file has moved
//! (`SQLITE_READONLY_DBMOVED`), is damaged (`SQLITE_CORRUPT`), is no database (`SQLITE_NOTADB`), or
//! cannot be read or written (`SQLITE_IOERR`). Such an error may go unseen only where code holds a
//! plain `&rusqlite::Connection` from before it, and then runs only cached statements with
//! parameters.
//!
//! If you replace a database in write-ahead-log mode, also move its `-wal` and `-shm` files away,
//! or empty the log first (`PRAGMA wal_checkpoint(TRUNCATE)`). SQLite takes a log that it finds
//! beside a file for that file's. [rusqlite's
//! backup](https://docs.rs/rusqlite/latest/rusqlite/backup/) replaces a database's content without
//! any of this.
//!
//! # When file descriptors run out
//!
//! SQLite then says "unable to open database file". The manager tests whether the process can open
//! anything. If it cannot, the error says so. Such an error is neither permanent nor the file's
//! fault: a pool that has a connection open waits for that one.
//!
//! # Which statements wait for a lock
//!
//! A statement that needs a lock waits for the busy timeout, with one exception: a transaction that
//! has **read** and now wants to **write**, while another connection has written or is about to. In
//! write-ahead-log mode its snapshot is old (`SQLITE_BUSY_SNAPSHOT`); otherwise the two would wait
//! for each other. It gets `SQLITE_BUSY` at once, whatever the timeout, and must be rolled back. So
//! begin a transaction that will write as a writer. Then it waits at its beginning, where the
//! timeout holds:
//!
//! ```
//! use threadwise_core::ManageConnection;
//! use threadwise_sqlite::SqliteManager;
//! use threadwise_sqlite::rusqlite::{Error, TransactionBehavior};
//!
//! # fn main() -> Result<(), Error> {
//! let manager = SqliteManager::memory()
//!     .with_init(|conn| conn.execute_batch("CREATE TABLE IF NOT EXISTS visits (count INTEGER)"));
//! let mut conn = manager.connect()?;
//! let writing = conn.transaction_with_behavior(TransactionBehavior::Immediate)?; // BEGIN IMMEDIATE
//! let visits: u32 =
//!     writing.query_row("SELECT coalesce(sum(count), 0) FROM visits", (), |row| row.get(0))?;
//! writing.execute("INSERT INTO visits VALUES (?1)", [visits + 1])?;
//! writing.commit()?;
//! # Ok(())
//! # }
//! ```
//!
//! If all transactions of a pool write, call `conn.set_transaction_behavior(Immediate)` in
//! [`with_init`](SqliteManager::with_init); then every `conn.transaction()` begins as a writer.
//! Readers should not do this, because there is one writer at a time. Give writers a pool of their
//! own with one connection, beside a larger one for readers. Writers then queue in order, instead
//! of sleeping and retrying. The repository's example `10_readers_beside_a_writer` does this.
//!
//! # Not across a fork
//!
//! SQLite keeps a list of the locks that the process has on each database file. A forked child
//! inherits the list without the locks. So a child must not use a database that its parent has
//! open, not even on connections of its own: both may write at once. Fork first, and then open. A
//! pool forgets the connections that its child inherits, and never closes them.

mod busy;
mod connection;
mod database;
mod error;
mod file_check;
mod manager;
mod raw;
mod shortage;
mod wal;
mod watch;

pub use connection::Connection;
pub use manager::SqliteManager;
pub use rusqlite;
