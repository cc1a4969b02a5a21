//! Errors of this crate's own, in SQLite's terms.

use std::path::Path;

use rusqlite::{Error, ErrorCode, ffi};

use crate::database::Database;

/// Whether another connection holds a lock that was needed.
pub(crate) fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// The flags ask for writing, but SQLite could only open for reading.
pub(crate) fn opened_read_only() -> Error {
    failure(
        ffi::SQLITE_READONLY,
        "the file can be read but not written: change its permissions, or ask for reading only \
         with `OpenFlags::SQLITE_OPEN_READ_ONLY`",
    )
}

/// The path stands for a database that only one connection would see.
pub(crate) fn private_database(database: &Database) -> Error {
    failure(
        ffi::SQLITE_CANTOPEN,
        format!(
            "the path {database} gives every connection an empty database of its own: use \
             `SqliteManager::memory()`, which is shared, or the path of a file"
        ),
    )
}

/// The SQLite library cannot share a database in memory.
pub(crate) fn no_shared_memory(version: &str) -> Error {
    failure(
        ffi::SQLITE_CANTOPEN,
        format!(
            "SQLite {version} cannot share a database in memory between connections: 3.36 or newer \
             is needed, such as the bundled one"
        ),
    )
}

/// The file did not change its journal mode.
pub(crate) fn no_wal(mode: &str) -> Error {
    failure(
        ffi::SQLITE_CANTOPEN,
        format!(
            "the file stays in journal mode `{mode}`, since its file system does not support the \
             write-ahead log: use `.wal(false)`"
        ),
    )
}

/// Another thread took too long to set up the file.
pub(crate) fn wal_turn_missed() -> Error {
    failure(
        ffi::SQLITE_BUSY,
        "another thread is still setting up the file (the function given to `with_init`, then the \
         switch to write-ahead log)",
    )
}

/// The path names another file than the one that is open.
pub(crate) fn moved(path: &Path) -> Error {
    failure(
        ffi::SQLITE_READONLY_DBMOVED,
        format!(
            "`{}` is no longer the file that this connection has open: it was replaced, renamed or \
             deleted",
            path.display()
        ),
    )
}

/// The function that sets up each connection has left it in the middle of something.
pub(crate) fn unfinished_init() -> Error {
    failure(
        ffi::SQLITE_MISUSE,
        "the function given to `with_init` left a transaction open or a statement half-read: end it \
         there. (A transaction in which all users shall work begins in the pool's `on_connect` hook.)",
    )
}

/// A statement is in the middle of its rows, and no code can finish it any more.
pub(crate) fn half_read() -> Error {
    failure(
        ffi::SQLITE_MISUSE,
        "a statement was left half-read on this connection, and keeps its lock on the database: \
         drop `Rows` before giving the connection back",
    )
}

/// Something was done to the session that stays in it.
pub(crate) fn session_changed() -> Error {
    failure(
        ffi::SQLITE_MISUSE,
        "the session was changed (a pragma, a temporary object, an attached database, a function, \
         a hook), and is not handed on: to have it on every connection, use \
         `SqliteManager::with_init` or the pool's `on_connect` hook",
    )
}

/// The place that the manager needs for its own authorizer is taken.
pub(crate) fn authorizer_in_init() -> Error {
    failure(
        ffi::SQLITE_MISUSE,
        "the function given to `with_init` set an authorizer, or removed the manager's, which sees \
         what changes a session: use `SqliteManager::with_authorizer`",
    )
}

fn failure(code: i32, message: impl Into<String>) -> Error {
    Error::SqliteFailure(ffi::Error::new(code), Some(message.into()))
}
