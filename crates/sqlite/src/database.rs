//! Which database: a file, or one in memory.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rusqlite::{Connection, Error, ErrorCode, OpenFlags};
use threadwise_core::sync::Mutex;

use crate::error;

/// SQLite's own in-memory file system shares a database by name from this version on.
const SHARED_MEMORY_SINCE: i32 = 3_036_000;

pub(crate) enum Database {
    File(PathBuf),
    Memory {
        /// Unique in this process, so that managers do not meet.
        name: String,
        /// The database lives while a connection to it does: this one, from the first connect on.
        keeper: Mutex<Option<Connection>>,
    },
}

impl Database {
    pub(crate) fn file(path: &Path) -> Self {
        Self::File(path.to_owned())
    }

    pub(crate) fn memory() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("threadwise-{}-{}", process::id(), MADE.fetch_add(1, Relaxed));
        Self::Memory { name, keeper: Mutex::new(None) }
    }

    /// Opens the database, which need not read it yet.
    pub(crate) fn open(&self, flags: OpenFlags) -> Result<Connection, Error> {
        match self {
            Self::File(path) => {
                if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
                    return Err(error::private_database(self));
                }
                Connection::open_with_flags(path, flags).map_err(|error| self.explain(error, flags))
            }
            Self::Memory { name, keeper } => {
                if rusqlite::version_number() < SHARED_MEMORY_SINCE {
                    return Err(error::no_shared_memory(rusqlite::version()));
                }
                // Not `mode=memory&cache=shared`: with a shared cache, a lock of another
                // connection is an error at once, which no busy time-out waits for. The slash
                // makes the database one that connections can share.
                let uri = format!("file:/{name}?vfs=memdb");
                let flags = flags | OpenFlags::SQLITE_OPEN_URI;
                let mut keeper = keeper.lock();
                if keeper.is_none() {
                    let all = OpenFlags::default();
                    *keeper = Some(Connection::open_with_flags(&uri, all)?);
                }
                Connection::open_with_flags(&uri, flags)
            }
        }
    }

    /// Whether these flags, or the URI that overrides them, ask for writing.
    pub(crate) fn may_write(&self, flags: OpenFlags) -> bool {
        let asked_by_uri = match self.uri() {
            Some(uri) => !(uri.contains("mode=ro") || uri.contains("immutable=1")),
            None => true,
        };
        flags.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) && asked_by_uri
    }

    /// Whether there is a journal on disk whose mode can be chosen.
    pub(crate) fn has_journal(&self) -> bool {
        match self.uri() {
            Some(uri) => !(uri.contains("mode=memory") || uri.contains("vfs=memdb")),
            None => matches!(self, Self::File(_)),
        }
    }

    /// Replaces SQLite's words for an error met while opening by the path, what is wrong with it,
    /// and what to do.
    pub(crate) fn explain(&self, error: Error, flags: OpenFlags) -> Error {
        let Error::SqliteFailure(code, message) = error else { return error };
        let message = message.unwrap_or_else(|| code.to_string());
        let problem = match (code.code, self) {
            (ErrorCode::CannotOpen, Self::File(path)) if self.uri().is_none() => {
                unopenable(path, flags).unwrap_or(message)
            }
            (ErrorCode::NotADatabase, _) => {
                "the file is not an SQLite database, or it is encrypted: check the path".to_owned()
            }
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => {
                format!("{message}: another connection held its lock for the whole busy time-out")
            }
            _ => message,
        };
        let text = format!("cannot open the SQLite database {self}: {problem}");
        Error::SqliteFailure(code, Some(text))
    }

    /// The path, if SQLite takes it as a URI.
    fn uri(&self) -> Option<&str> {
        match self {
            Self::File(path) => path.to_str().filter(|path| path.starts_with("file:")),
            Self::Memory { .. } => None,
        }
    }
}

/// What in the file system keeps SQLite from opening this path, as far as one can see.
fn unopenable(path: &Path, flags: OpenFlags) -> Option<String> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if path.is_dir() {
        Some("this is a directory: give the path of a file".to_owned())
    } else if !folder.exists() {
        Some(format!("the folder `{}` does not exist: create it first", folder.display()))
    } else if !folder.is_dir() {
        Some(format!("`{}` is not a folder: check the path", folder.display()))
    } else if !path.exists() && !flags.contains(OpenFlags::SQLITE_OPEN_CREATE) {
        Some("the file does not exist, and the flags do not allow to create it".to_owned())
    } else if path.exists() {
        Some(
            "the system refuses to open the file: check its permissions, and those of the folder, \
             in which SQLite keeps the journal"
                .to_owned(),
        )
    } else {
        Some(
            "the system refuses to create the file: check the permissions of its folder".to_owned(),
        )
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "`{}`", path.display()),
            Self::Memory { name, .. } => write!(f, "in memory `{name}`"),
        }
    }
}
