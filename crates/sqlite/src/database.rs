//! Which database: a file, or one in memory.

use std::borrow::Cow;
use std::fmt;
use std::path::{self, Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rusqlite::{Connection, Error, ErrorCode, OpenFlags};
use threadwise_core::fork;
use threadwise_core::sync::Mutex;

use crate::error;
use crate::lack;

/// SQLite's own in-memory file system shares a database by name from this version on.
const SHARED_MEMORY_SINCE: i32 = 3_036_000;

pub(crate) enum Database {
    File(PathBuf),
    Memory {
        /// Unique in this process, so that managers do not meet.
        name: String,
        /// The database lives while a connection to it does: this one, from the first connect on.
        lifecycle: Mutex<Option<Connection>>,
    },
}

impl Database {
    pub(crate) fn file(path: &Path) -> Self {
        Self::File(path.to_owned())
    }

    pub(crate) fn memory() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("threadwise-{}-{}", process::id(), MADE.fetch_add(1, Relaxed));
        Self::Memory { name, lifecycle: Mutex::new(None) }
    }

    /// Opens the database, which need not read it yet.
    pub(crate) fn open(&self, flags: OpenFlags) -> Result<Connection, Error> {
        match self {
            Self::File(path) => {
                if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
                    return Err(error::private_database(self));
                }
                self.open_file(path, flags)
            }
            Self::Memory { name, lifecycle } => {
                if rusqlite::version_number() < SHARED_MEMORY_SINCE {
                    return Err(error::no_shared_memory(rusqlite::version()));
                }
                // Not `mode=memory&cache=shared`: with a shared cache, a lock of another
                // connection is an error at once, which no busy time-out waits for. The slash
                // makes the database one that connections can share.
                let uri = format!("file:/{name}?vfs=memdb");
                let flags = flags | OpenFlags::SQLITE_OPEN_URI;
                // A child of this process must not find the lock taken, by a thread of its parent's.
                fork::hold_off(|| {
                    let mut lifecycle = lifecycle.lock();
                    if lifecycle.is_none() {
                        let all = OpenFlags::default();
                        *lifecycle = Some(Connection::open_with_flags(&uri, all)?);
                    }
                    Ok::<_, Error>(())
                })?;
                Connection::open_with_flags(&uri, flags)
            }
        }
    }

    /// Tries a few times where nothing explains the failure: what was lacking may be there again.
    fn open_file(&self, path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
        const ATTEMPTS: u32 = 3;
        let mut attempt = 1;
        loop {
            let error = match Connection::open_with_flags(path, flags) {
                Ok(conn) => return Ok(conn),
                Err(error) => error,
            };
            let is_explained = error.sqlite_error_code() != Some(ErrorCode::CannotOpen)
                || lack::behind(&error).is_some()
                || self.uri().is_some()
                || matches!(unopenable(path, flags), Unopenable::Known(_));
            if is_explained || attempt == ATTEMPTS {
                return Err(self.explain(error, flags));
            }
            attempt += 1;
        }
    }

    /// The path that stands for the file, wherever the working directory is later; `None` if there
    /// is no file.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        let Self::File(path) = self else { return None };
        let path = match self.uri() {
            Some(_) if !self.has_journal() => return None,
            Some(uri) => Cow::Owned(path_of_uri(uri)),
            None => Cow::Borrowed(path.as_path()),
        };
        path::absolute(path).ok()
    }

    /// What messages call it.
    pub(crate) fn address(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::File(path) => Some(match self.uri() {
                Some(uri) => Cow::Borrowed(without_parameters(uri)),
                None => path.to_string_lossy(),
            }),
            Self::Memory { .. } => None,
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
        let this = |problem| format!("cannot open the SQLite database {self}: {problem}");
        let error = Error::SqliteFailure(code, Some(message.clone()));
        if lack::is_lack(&error) {
            return error;
        }
        if let Some(lack) = lack::behind(&error) {
            return lack::error(this(lack::text(&lack)));
        }
        let problem = match (code.code, self) {
            (ErrorCode::CannotOpen, Self::File(path)) if self.uri().is_none() => {
                match unopenable(path, flags) {
                    Unopenable::Known(problem) | Unopenable::Refused(problem) => problem,
                }
            }
            (ErrorCode::NotADatabase, _) => {
                "the file is not an SQLite database, or it is encrypted: check the path, or give \
                 the key in `with_init`"
                    .to_owned()
            }
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => {
                format!("{message}: another connection held its lock for the whole busy time-out")
            }
            _ => message,
        };
        Error::SqliteFailure(code, Some(this(problem)))
    }

    /// What to make of an error of the function that sets up each connection: it knows best what its
    /// own words mean, but not that the file is no database, or that the process lacks something.
    pub(crate) fn explain_init(&self, error: Error, flags: OpenFlags) -> Error {
        let is_ours = error.sqlite_error_code() == Some(ErrorCode::NotADatabase)
            || lack::behind(&error).is_some();
        if is_ours { self.explain(error, flags) } else { error }
    }

    /// The path, if SQLite takes it as a URI.
    fn uri(&self) -> Option<&str> {
        match self {
            Self::File(path) => path.to_str().filter(|path| path.starts_with("file:")),
            Self::Memory { .. } => None,
        }
    }
}

/// What in the file system keeps SQLite from opening a path, as far as one can see.
enum Unopenable {
    /// This, certainly.
    Known(String),
    /// The system refuses to, for a reason that does not show.
    Refused(String),
}

fn unopenable(path: &Path, flags: OpenFlags) -> Unopenable {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if path.is_dir() {
        Unopenable::Known("this is a directory: give the path of a file".to_owned())
    } else if !folder.exists() {
        let folder = folder.display();
        Unopenable::Known(format!("the folder `{folder}` does not exist: create it first"))
    } else if !folder.is_dir() {
        Unopenable::Known(format!("`{}` is not a folder: check the path", folder.display()))
    } else if !path.exists() && !flags.contains(OpenFlags::SQLITE_OPEN_CREATE) {
        Unopenable::Known(
            "the file does not exist, and the flags do not allow to create it".to_owned(),
        )
    } else if path.exists() {
        Unopenable::Refused(
            "the system refuses to open the file: check its permissions, and those of the folder, \
             in which SQLite keeps the journal"
                .to_owned(),
        )
    } else {
        Unopenable::Refused(
            "the system refuses to create the file: check the permissions of its folder".to_owned(),
        )
    }
}

/// A URI without what is behind its path: a key may be among it.
fn without_parameters(uri: &str) -> &str {
    uri.split(['?', '#']).next().unwrap_or(uri)
}

/// The path that SQLite takes a URI for.
fn path_of_uri(uri: &str) -> PathBuf {
    let path = without_parameters(uri).strip_prefix("file:").unwrap_or(uri);
    // An authority is empty, or `localhost`.
    let path = match path.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or("", |slash| &rest[slash..]),
        None => path,
    };
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => match self.uri() {
                Some(uri) if without_parameters(uri) != uri => {
                    write!(f, "`{}?…`", without_parameters(uri))
                }
                _ => write!(f, "`{}`", path.display()),
            },
            Self::Memory { name, .. } => write!(f, "in memory `{name}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_taken_for_the_path_that_sqlite_takes_it_for() {
        for (uri, path) in [
            ("file:data.db", "data.db"),
            ("file:/a/b.db?mode=ro", "/a/b.db"),
            ("file:///a/b%20c.db#x", "/a/b c.db"),
            ("file://localhost/a.db", "/a.db"),
            ("file:100%.db", "100%.db"),
        ] {
            assert_eq!(path_of_uri(uri), Path::new(path), "{uri}");
        }
    }

    #[test]
    fn a_key_in_a_uri_is_shown_nowhere() {
        let database = Database::file(Path::new("file:a.db?key=secret"));
        let shown = format!("{database} {:?}", database.address());
        assert!(shown.contains("a.db") && !shown.contains("secret"), "{shown}");
        let error = Error::SqliteFailure(rusqlite::ffi::Error::new(26), None);
        let error = database.explain(error, OpenFlags::default());
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}
