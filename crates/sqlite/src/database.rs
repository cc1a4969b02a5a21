//! The database: a file, or one in memory.

use std::borrow::Cow;
use std::fmt;
use std::path::{self, Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rusqlite::{Connection, Error, ErrorCode, OpenFlags};
use threadwise_core::parts::fork;
use threadwise_core::parts::sync::Mutex;

use crate::error;
use crate::shortage;

/// The first SQLite version whose in-memory file system shares a database by name.
const SHARED_MEMORY_SINCE: i32 = 3_036_000;

pub(crate) enum Database {
    File(PathBuf),
    Memory {
        /// Unique in this process, so that each manager has its own database.
        name: String,
        /// The database lives while a connection to it is open: this one, from the first connect
        /// on.
        keep_alive: Mutex<Option<Connection>>,
    },
}

impl Database {
    pub(crate) fn file(path: &Path) -> Self {
        Self::File(path.to_owned())
    }

    pub(crate) fn memory() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("threadwise-{}-{}", process::id(), MADE.fetch_add(1, Relaxed));
        Self::Memory { name, keep_alive: Mutex::new(None) }
    }

    /// Opens the database. SQLite may not read it yet.
    pub(crate) fn open(&self, flags: OpenFlags) -> Result<Connection, Error> {
        match self {
            Self::File(path) => {
                if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
                    return Err(error::private_database(self));
                }
                self.open_file(path, flags)
            }
            Self::Memory { name, keep_alive } => {
                if rusqlite::version_number() < SHARED_MEMORY_SINCE {
                    return Err(error::no_shared_memory(rusqlite::version()));
                }
                // Not `mode=memory&cache=shared`: with a shared cache another connection's lock is
                // an error at once, which no busy timeout waits for. The slash makes the database
                // one that connections can share.
                let uri = format!("file:/{name}?vfs=memdb");
                let flags = flags | OpenFlags::SQLITE_OPEN_URI;
                // `fork` waits while the lock is held, so a forked child never finds it locked.
                fork::hold_off(|| {
                    let mut keep_alive = keep_alive.lock();
                    if keep_alive.is_none() {
                        let all = OpenFlags::default();
                        *keep_alive = Some(Connection::open_with_flags(&uri, all)?);
                    }
                    Ok::<_, Error>(())
                })?;
                Connection::open_with_flags(&uri, flags)
            }
        }
    }

    /// Opens the file. Tries up to three times if nothing explains the failure: what was lacking
    /// may be available again.
    fn open_file(&self, path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
        const ATTEMPTS: u32 = 3;
        let mut attempt = 1;
        loop {
            let error = match Connection::open_with_flags(path, flags) {
                Ok(conn) => return Ok(conn),
                Err(error) => error,
            };
            let is_explained = error.sqlite_error_code() != Some(ErrorCode::CannotOpen)
                || shortage::behind(&error).is_some()
                || self.uri().is_some()
                || matches!(unopenable(path, flags), Unopenable::Known(_));
            if is_explained || attempt == ATTEMPTS {
                return Err(self.explain(error, flags));
            }
            attempt += 1;
        }
    }

    /// The absolute path of the file, which holds whatever the working directory is later; `None`
    /// if there is no file.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        let Self::File(path) = self else { return None };
        let path = match self.uri() {
            Some(_) if !self.has_journal() => return None,
            Some(uri) => Cow::Owned(path_of_uri(uri)),
            None => Cow::Borrowed(path.as_path()),
        };
        path::absolute(path).ok()
    }

    /// The name in messages.
    pub(crate) fn address(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::File(path) => Some(match self.uri() {
                Some(uri) => Cow::Borrowed(without_parameters(uri)),
                None => path.to_string_lossy(),
            }),
            Self::Memory { .. } => None,
        }
    }

    /// Whether the flags ask for writing, and a URI does not forbid it.
    pub(crate) fn may_write(&self, flags: OpenFlags) -> bool {
        let asked_by_uri = match self.uri() {
            Some(uri) => !(uri.contains("mode=ro") || uri.contains("immutable=1")),
            None => true,
        };
        flags.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) && asked_by_uri
    }

    /// Whether the database has a journal on disk, whose mode can be chosen.
    pub(crate) fn has_journal(&self) -> bool {
        match self.uri() {
            Some(uri) => !(uri.contains("mode=memory") || uri.contains("vfs=memdb")),
            None => matches!(self, Self::File(_)),
        }
    }

    /// Replaces SQLite's text of an error that `open` met by the path, what is wrong, and what to
    /// do.
    pub(crate) fn explain(&self, error: Error, flags: OpenFlags) -> Error {
        let Error::SqliteFailure(code, message) = error else { return error };
        let message = message.unwrap_or_else(|| code.to_string());
        let this = |problem| format!("cannot open the SQLite database {self}: {problem}");
        let error = Error::SqliteFailure(code, Some(message.clone()));
        if shortage::is_shortage(&error) {
            return error;
        }
        if let Some(found) = shortage::behind(&error) {
            return shortage::error(this(shortage::text(&found)));
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
                format!(
                    "{message}: another connection held its lock for the whole busy timeout: raise \
                     `busy_timeout`, or end transactions sooner"
                )
            }
            _ => message,
        };
        Error::SqliteFailure(code, Some(this(problem)))
    }

    /// Like [`explain`](Self::explain), for an error of the program's own function. Its text stays,
    /// unless the file is no database or the process lacks something: the function cannot know
    /// these.
    pub(crate) fn explain_init(&self, error: Error, flags: OpenFlags) -> Error {
        let is_ours = error.sqlite_error_code() == Some(ErrorCode::NotADatabase)
            || shortage::behind(&error).is_some();
        if is_ours { self.explain(error, flags) } else { error }
    }

    /// The path, if SQLite reads it as a URI.
    fn uri(&self) -> Option<&str> {
        match self {
            Self::File(path) => path.to_str().filter(|path| path.starts_with("file:")),
            Self::Memory { .. } => None,
        }
    }
}

/// The reason in the file system why SQLite cannot open a path, as far as this crate can see.
enum Unopenable {
    /// The reason is known.
    Known(String),
    /// The system refuses, and does not show why.
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
            "the file does not exist, and the flags do not let SQLite create it".to_owned(),
        )
    } else if path.exists() {
        Unopenable::Refused(
            "the system refuses to open the file: check its permissions, and those of its folder, \
             where SQLite keeps the journal"
                .to_owned(),
        )
    } else {
        Unopenable::Refused(
            "the system refuses to create the file: check the permissions of its folder".to_owned(),
        )
    }
}

/// A URI without its parameters: a key may be among them.
fn without_parameters(uri: &str) -> &str {
    uri.split(['?', '#']).next().unwrap_or(uri)
}

/// The path that a URI means to SQLite.
fn path_of_uri(uri: &str) -> PathBuf {
    let path = without_parameters(uri).strip_prefix("file:").unwrap_or(uri);
    // The authority is empty or `localhost`.
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
    fn a_uri_means_the_same_path_as_to_sqlite() {
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
    fn a_key_in_a_uri_is_never_shown() {
        let database = Database::file(Path::new("file:a.db?key=secret"));
        let shown = format!("{database} {:?}", database.address());
        assert!(shown.contains("a.db") && !shown.contains("secret"), "{shown}");
        let error = Error::SqliteFailure(rusqlite::ffi::Error::new(26), None);
        let error = database.explain(error, OpenFlags::default());
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}
