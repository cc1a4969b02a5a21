//! Errors that this crate makes, as errors of SQLite.

use std::path::Path;

use rusqlite::{Error, ErrorCode, ffi};

use crate::database::Database;

/// Whether another connection holds a lock that was needed.
pub(crate) fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// The flags ask for writing, but SQLite could open the file only for reading.
pub(crate) fn opened_read_only() -> Error {
    failure(
        ffi::SQLITE_READONLY,
        "the file can be read but not written: change its permissions, or open it for reading only, \
         with `OpenFlags::SQLITE_OPEN_READ_ONLY`",
    )
}

/// The path means a database that only one connection sees.
pub(crate) fn private_database(database: &Database) -> Error {
    failure(
        ffi::SQLITE_CANTOPEN,
        format!(
            "the path {database} gives each connection an empty database of its own: use \
             `SqliteManager::memory()`, which connections share, or the path of a file"
        ),
    )
}

/// The SQLite library cannot share a database in memory.
pub(crate) fn no_shared_memory(version: &str) -> Error {
    failure(
        ffi::SQLITE_CANTOPEN,
        format!(
            "SQLite {version} cannot share a database in memory between connections: use 3.36 or \
             newer, such as the bundled one"
        ),
    )
}

/// The file kept another journal mode.
pub(crate) fn no_wal(mode: &str) -> Error {
    failure(
        ffi::SQLITE_CANTOPEN,
        format!(
            "the file stays in journal mode `{mode}`, because its file system does not support the \
             write-ahead log: use `.wal(false)`"
        ),
    )
}

/// Another thread took too long to set up the file.
pub(crate) fn wal_turn_missed() -> Error {
    failure(
        ffi::SQLITE_BUSY,
        "another thread is still setting up the file (the function given to `with_init`, then the \
         switch to the write-ahead log): raise the busy timeout, or make the function faster",
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

/// The function given to `with_init` left a transaction open or a statement unfinished.
pub(crate) fn unfinished_init() -> Error {
    failure(
        ffi::SQLITE_MISUSE,
        "the function given to `with_init` left a transaction open or a statement half-read: end it \
         there. (To have all users work in one transaction, begin it in the pool's `on_connect` hook.)",
    )
}

/// A statement has unread rows, and no code can finish it any more.
pub(crate) fn half_read() -> Error {
    failure(
        ffi::SQLITE_MISUSE,
        "a statement was left half-read on this connection and keeps its lock on the database: \
         drop its `Rows` before you return the connection",
    )
}

/// The session was changed in a way that no reset undoes.
pub(crate) fn session_changed() -> Error {
    failure(
        ffi::SQLITE_MISUSE,
        "the session was changed (a pragma, a temporary object, an attached database, a function, \
         a hook), so the connection is replaced: to have the change on every connection, use \
         `SqliteManager::with_init` or the pool's `on_connect` hook",
    )
}

/// Another authorizer took the place of the manager's own.
pub(crate) fn authorizer_in_init() -> Error {
    failure(
        ffi::SQLITE_MISUSE,
        "the function given to `with_init` set or removed the authorizer, by which the manager sees \
         what changes a session: use `SqliteManager::with_authorizer`",
    )
}

fn failure(code: i32, message: impl Into<String>) -> Error {
    Error::SqliteFailure(ffi::Error::new(code), Some(message.into()))
}
