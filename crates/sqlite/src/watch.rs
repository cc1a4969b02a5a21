//! Notes which changes a session has, and which errors its connection has met.
//!
//! SQLite cannot list everything that a session carries, so a look afterwards would miss things.
//! But SQLite asks an authorizer about every step of a statement while it prepares it. The
//! authorizer here never forbids anything by itself: it only notes. SQLite does not ask about a
//! prepared statement that runs again, so the usual path costs nothing. For the same reason a note
//! about a user's statement is never taken back: the connection's cache may hold the statement, and
//! the next user would run it unseen. Such a connection is replaced. What the program does to every
//! session is different: that happens before a session begins, and then everything that was
//! prepared until then is forgotten.
//!
//! rusqlite returns an error only to its caller. SQLite keeps it until the next call on the
//! connection. So a look before each call finds it: when the guard is dereferenced, when a
//! statement is prepared, and when the connection is returned.

use std::collections::HashSet;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Error, ffi};

use crate::raw;

/// An authorizer of the program.
pub(crate) type Authorizer = dyn Fn(AuthContext<'_>) -> Authorization + Send + Sync;

/// The notes on one connection, shared by the connection and its authorizer.
// Relaxed, all of them: a connection is used by one thread at a time, and pools hand it on in order.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    changed: AtomicBool,
    /// Whether the connection met an error after which it must not be used again.
    broken: AtomicBool,
    /// Whether the connection met an error that a moved file may have caused.
    must_check_file: AtomicBool,
    /// Whether the manager uses the connection, and not a user.
    is_unwatched: AtomicBool,
}

/// What a fresh session has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Baseline {
    /// The databases that no other connection sees, as far as one can tell: all that are in no
    /// file.
    private: Vec<String>,
    functions: Functions,
}

/// The names of all functions.
pub(crate) type Functions = Arc<HashSet<String>>;

impl Watch {
    /// Replaces the connection's authorizer. With a `baseline` it notes what changes the session,
    /// and asks `own`; without one it does neither.
    pub(crate) fn install(
        self: &Arc<Self>,
        conn: &mut Connection,
        baseline: Option<Baseline>,
        own: Option<Arc<Authorizer>>,
    ) -> Result<(), Error> {
        let watch = Arc::clone(self);
        raw::set_authorizer(conn, move |context, last_result| {
            watch.note_result(last_result);
            let Some(baseline) = &baseline else { return Authorization::Allow };
            if watch.is_unwatched.load(Relaxed) {
                return Authorization::Allow;
            }
            if changes_session(&context, baseline) {
                watch.note_change();
            }
            match &own {
                Some(own) => own(context),
                None => Authorization::Allow,
            }
        })
    }

    /// Notes that the session was changed.
    pub(crate) fn note_change(&self) {
        self.changed.store(true, Relaxed);
    }

    /// Whether the session may have been changed: a statement that changes it was prepared, or the
    /// authorizer that would have noted that is gone.
    pub(crate) fn has_changed(self: &Arc<Self>) -> bool {
        self.changed.load(Relaxed) || self.is_gone()
    }

    /// Whether another authorizer replaced this one. SQLite has only one, and rusqlite drops the
    /// replaced one, with its handle on the notes.
    pub(crate) fn is_gone(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
    }

    /// Forgets the noted changes: they belong to every session. Returns whether there were any.
    pub(crate) fn forget_changes(&self) -> bool {
        self.changed.swap(false, Relaxed)
    }

    /// Runs work of the manager, during which nothing is noted.
    pub(crate) fn unwatched<T>(&self, work: impl FnOnce() -> T) -> T {
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(false, Relaxed);
            }
        }
        self.is_unwatched.store(true, Relaxed);
        let _end = End(&self.is_unwatched);
        work()
    }

    /// Notes the result of a call on the connection.
    #[inline]
    pub(crate) fn note_result(&self, result: c_int) {
        if !matches!(result & 0xff, ffi::SQLITE_OK | ffi::SQLITE_ROW | ffi::SQLITE_DONE) {
            self.note_error(result);
        }
    }

    #[cold]
    fn note_error(&self, result: c_int) {
        match meaning(result) {
            ErrorMeaning::Broken => self.broken.store(true, Relaxed),
            ErrorMeaning::FileMayHaveMoved => self.must_check_file.store(true, Relaxed),
            ErrorMeaning::Ordinary => {}
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Relaxed)
    }

    pub(crate) fn set_broken(&self) {
        self.broken.store(true, Relaxed);
    }

    /// Whether an error is a reason to check if the file has moved. The next call returns `false`.
    pub(crate) fn take_must_check_file(&self) -> bool {
        self.must_check_file.load(Relaxed) && self.must_check_file.swap(false, Relaxed)
    }
}

/// What an error means for the connection that met it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ErrorMeaning {
    /// It means nothing for the connection.
    Ordinary,
    /// The connection's file may have been moved or replaced.
    FileMayHaveMoved,
    /// The connection cannot be trusted: its file is gone, damaged, no database, or unreadable.
    Broken,
}

fn meaning(result: c_int) -> ErrorMeaning {
    match result {
        ffi::SQLITE_READONLY_DBMOVED => ErrorMeaning::Broken,
        // A shortage of the process, or a lock of another connection, is not this connection's
        // fault.
        ffi::SQLITE_IOERR_NOMEM | ffi::SQLITE_IOERR_BLOCKED | ffi::SQLITE_IOERR_LOCK => {
            ErrorMeaning::Ordinary
        }
        // A missing file descriptor may cause these.
        ffi::SQLITE_IOERR_SHMOPEN | ffi::SQLITE_IOERR_GETTEMPPATH | ffi::SQLITE_IOERR_DIR_FSYNC => {
            ErrorMeaning::FileMayHaveMoved
        }
        _ => match result & 0xff {
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB | ffi::SQLITE_IOERR => ErrorMeaning::Broken,
            ffi::SQLITE_CANTOPEN | ffi::SQLITE_READONLY | ffi::SQLITE_PERM => {
                ErrorMeaning::FileMayHaveMoved
            }
            _ => ErrorMeaning::Ordinary,
        },
    }
}

fn private_databases(conn: &Connection) -> Result<Vec<String>, Error> {
    let mut statement = conn.prepare("PRAGMA database_list")?;
    let mut rows = statement.query(())?;
    let mut private = vec!["temp".to_owned()];
    while let Some(row) = rows.next()? {
        let (name, file): (String, Option<String>) = (row.get(1)?, row.get(2)?);
        if name != "main" && file.is_none_or(|file| file.is_empty()) {
            private.push(name);
        }
    }
    Ok(private)
}

pub(crate) fn list_functions(conn: &Connection) -> Result<HashSet<String>, Error> {
    let mut statement = conn.prepare("PRAGMA function_list")?;
    statement.query_map((), |row| row.get("name"))?.collect()
}

impl Baseline {
    /// The present baseline. `functions` are those of all connections of the manager: there are
    /// some hundred, so they are listed once.
    pub(crate) fn now(conn: &Connection, functions: Functions) -> Result<Self, Error> {
        Ok(Self { private: private_databases(conn)?, functions })
    }

    fn is_private(&self, database: &str) -> bool {
        self.private.iter().any(|known| known.eq_ignore_ascii_case(database))
    }

    /// Whether a function was there from the start and is harmless. SQLite gives the name by which
    /// it was registered, and lists all but those that it keeps for itself.
    fn has_function(&self, name: &str) -> bool {
        let is_known = self.functions.contains(name) || name.starts_with("sqlite_");
        is_known && name != "load_extension"
    }
}

/// Whether this step leaves something in the session after the statement and its transaction.
fn changes_session(context: &AuthContext<'_>, baseline: &Baseline) -> bool {
    match context.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Recursive
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::Pragma { pragma_value: None, .. } => false,
        // A new function was registered by a user.
        AuthAction::Function { function_name } => !baseline.has_function(function_name),
        // In a private database the file is the session's own. Without a name it is `main`.
        AuthAction::Pragma { pragma_name, .. } if is_kept_in_file(pragma_name) => {
            context.database_name.is_some_and(|name| baseline.is_private(name))
        }
        AuthAction::Pragma { pragma_name, .. } => !does_not_change_session(pragma_name),
        AuthAction::AlterTable { database_name, .. } => baseline.is_private(database_name),
        AuthAction::Insert { .. }
        | AuthAction::Update { .. }
        | AuthAction::Delete { .. }
        | AuthAction::CreateIndex { .. }
        | AuthAction::CreateTable { .. }
        | AuthAction::CreateTrigger { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::CreateVtable { .. }
        | AuthAction::DropIndex { .. }
        | AuthAction::DropTable { .. }
        | AuthAction::DropTrigger { .. }
        | AuthAction::DropView { .. }
        | AuthAction::DropVtable { .. }
        | AuthAction::Reindex { .. }
        | AuthAction::Analyze { .. } => {
            context.database_name.is_none_or(|name| baseline.is_private(name))
        }
        // Temporary objects, attached databases, and what this version of SQLite has that this
        // crate does not know. (An ATTACH whose file is a parameter is among these.)
        _ => true,
    }
}

/// Pragmas whose argument is kept in the file of a database.
fn is_kept_in_file(pragma: &str) -> bool {
    ["application_id", "user_version"].iter().any(|known| known.eq_ignore_ascii_case(pragma))
}

/// Pragmas whose argument says what to look at or to do. Without an argument, pragmas only ask.
fn does_not_change_session(pragma: &str) -> bool {
    const KNOWN: &[&str] = &[
        "busy_timeout", // set again on every return
        "foreign_key_check",
        "foreign_key_list",
        "incremental_vacuum",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "optimize",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
        "wal_checkpoint",
    ];
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(pragma))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_the_file_breaks_the_connection_and_one_about_a_statement_does_not() {
        for broken in [
            ffi::SQLITE_READONLY_DBMOVED,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_CORRUPT_INDEX,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR_SHORT_READ,
        ] {
            assert_eq!(meaning(broken), ErrorMeaning::Broken, "{broken}");
        }
        for ordinary in [
            ffi::SQLITE_CONSTRAINT_UNIQUE,
            ffi::SQLITE_BUSY_SNAPSHOT,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_FULL,
            ffi::SQLITE_ERROR,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_IOERR_NOMEM,
            ffi::SQLITE_INTERRUPT,
        ] {
            assert_eq!(meaning(ordinary), ErrorMeaning::Ordinary, "{ordinary}");
        }
        assert_eq!(
            meaning(ffi::SQLITE_CANTOPEN),
            ErrorMeaning::FileMayHaveMoved,
            "a missing descriptor may cause it"
        );
    }
}
