//! SQLite connections for the threadwise pools.
//!
//! [`SqliteManager`] opens connections to a database file, or to a database in memory that all
//! connections of the manager share. A [`Connection`] is used as rusqlite's. Give the manager to any
//! pool of the family: readers on several threads run side by side in write-ahead-log mode, while a
//! writer writes.
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
//! In the order in which it is done:
//!
//! | | setting | default |
//! |---|---|---|
//! | opened how | [`with_flags`](SqliteManager::with_flags) | read and write, created if missing |
//! | waits for another connection's lock | [`busy_timeout`](SqliteManager::busy_timeout) | 5 s |
//! | foreign keys enforced | `PRAGMA foreign_keys` in [`with_init`](SqliteManager::with_init) | on, whichever default the SQLite library was built with |
//! | anything else, before the file is read: the key of an encrypted file; `page_size`, `auto_vacuum`, `encoding` of a new one | [`with_init`](SqliteManager::with_init) | SQLite's defaults |
//! | the file is read for the first time | | |
//! | write-ahead log (files only) | [`wal`](SqliteManager::wal) | on; kept in the file, so set once |
//! | the pool's `on_connect` hook | | none |
//!
//! Opening reads the file. A directory, a missing folder, a file that is not a database or one that
//! cannot be written to is therefore an error of `connect`, with the path and the remedy in its
//! text, and not a surprise in the first statement.
//!
//! # What the next user finds
//!
//! A fresh session: what the manager, [`with_init`](SqliteManager::with_init) and the pool's
//! `on_connect` hook set up, and nothing of the user before. The pool sees to that when a connection
//! comes back, on the thread that gives it back.
//!
//! | left behind | then |
//! |---|---|
//! | an open transaction or savepoint | it is rolled back |
//! | another busy time-out or busy handler | the session's own time-out is set again; where its own is a handler, the connection is replaced |
//! | a statement half-read (its `Rows` forgotten, which keeps the read snapshot for ever) | the connection is replaced |
//! | temporary objects; rows added, changed or removed in temporary tables, or in a database in memory that `with_init` attached | it is replaced |
//! | databases attached or detached, any pragma set that is not kept in the file | it is replaced |
//! | functions, collations, hooks, `set_db_config`, `set_transaction_behavior`, by the methods of [`Connection`] | it is replaced |
//! | an authorizer | it is replaced, since SQLite has only one: see [`with_authorizer`](SqliteManager::with_authorizer) |
//!
//! The manager sees SQL when it is prepared, and does not look into it any more when it runs. That
//! costs some 100 ns where a statement is not in the connection's cache (a small query takes 2.9 µs
//! then), nothing where it is, and some 30 ns on each return. A replacement costs some 40 µs, and the
//! connection's prepared statements; so put what every use needs into `with_init`. To see is not to
//! compare: a pragma that sets what was set already, or a temporary table that was dropped again,
//! counts too. So do `VACUUM` and `ALTER TABLE … RENAME`, which look to SQLite as if they did such
//! things.
//!
//! What is **not** seen; remove it, or discard the connection:
//!
//! * functions, collations, hooks and settings made through a plain `&rusqlite::Connection`, which
//!   a [`Connection`] becomes where a function asks for one (an SQL function that is new, and not one
//!   of SQLite's own replaced, is seen when it is used); and at all, what needs other features
//!   of rusqlite: limits, tracing, window functions, modules, extensions loaded by a method,
//!   `deserialize`, `restore`, the raw handle;
//! * `last_insert_rowid`, `changes` and `total_changes`, which go on counting, and an interrupt
//!   handle that a user kept;
//! * pragmas of the whole process, such as `soft_heap_limit`.
//!
//! A transaction that the `on_connect` hook begins is shared by all users, and stays open from user to user:
//! tests work in it, and nothing of them reaches the file. When a user ends it, or an error does, the
//! pool calls the hook again.
//!
//! Dropping or closing a connection whose `Rows` were forgotten cannot free its file handle; SQLite
//! refuses. Do not forget `Rows`.
//!
//! # When the path names another file
//!
//! SQLite goes on with the file that it has open when another one is renamed over the path, when the
//! file is deleted, or when a symbolic link is turned: what is written then is in no file that a path
//! leads to. So each validation, and whichever `get` or return comes half a second after the last look,
//! looks whether the path, and the write-ahead log beside it, are still those files. If not, the
//! connection is replaced by one to the new file. A look costs two system calls; to know that none is
//! due costs some 5 ns at each `get` and each return. Where a file system changes its inode numbers by itself, connections are
//! replaced without need.
//!
//! A connection that was told that its file has moved (`SQLITE_READONLY_DBMOVED`), is damaged
//! (`SQLITE_CORRUPT`), no database (`SQLITE_NOTADB`) or cannot be read or written (`SQLITE_IOERR`) is not
//! lent again, whoever met the error. Such an error may go unseen only where code that holds a plain
//! `&rusqlite::Connection` from before it runs nothing after it but cached statements with parameters.
//!
//! Whoever replaces a database in write-ahead-log mode has to move its `-wal` and `-shm` files away too,
//! or to empty the log first (`PRAGMA wal_checkpoint(TRUNCATE)`): SQLite takes a log that it finds beside
//! a file for that file's. [`rusqlite`'s backup](https://docs.rs/rusqlite/latest/rusqlite/backup/) replaces
//! a database's content without any of this.
//!
//! # When file descriptors run out
//!
//! SQLite says "unable to open database file" then. The manager looks whether the process can open
//! anything; if it cannot, the error says so, and counts neither as the file's fault nor as one for
//! good: a pool that has a connection open waits for that one.
//!
//! # Who waits for a lock, and who is told at once
//!
//! A statement that needs a lock waits for the busy time-out. There is one case in which SQLite does
//! not wait, however long that is: a transaction that has **read** and now wants to **write**, while
//! another connection has written or is about to. In write-ahead-log mode its snapshot is old
//! (`SQLITE_BUSY_SNAPSHOT`); otherwise the two would wait for each other. It gets `SQLITE_BUSY` at
//! once and has to be rolled back. So begin as a writer what will write; then the wait is at the
//! beginning, where the time-out holds:
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
//! Where all of a pool's transactions write, `conn.set_transaction_behavior(Immediate)` in
//! [`with_init`](SqliteManager::with_init) makes every `conn.transaction()` begin so. Readers should
//! not: there is one writer at a time. A pool of one connection for those who write, beside a larger one
//! for those who read, lets writers wait in order instead of sleeping and trying again; the
//! repository's example `10_readers_beside_a_writer` does so.
//!
//! # Not across a fork
//!
//! SQLite keeps a list of the locks that the process has on each database file, and a forked child
//! inherits the list without the locks. So where the parent has a database open, a child must not use it,
//! not even on connections of its own: both may write at once. Fork first, and open then. What a child
//! inherits is forgotten by its pool, and never closed.

mod busy;
mod connection;
mod database;
mod error;
mod lack;
mod manager;
mod place;
mod raw;
mod wal;
mod watch;

pub use connection::Connection;
pub use manager::SqliteManager;
pub use rusqlite;
