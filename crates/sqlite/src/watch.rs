//! What changes a session, seen when the statement that will do it is prepared; and the errors that
//! a connection has met.
//!
//! SQLite cannot list all that a session carries, so looking afterwards would miss things. It does
//! ask an authorizer about every step of a statement that it prepares, and this one never forbids:
//! it only notes. A prepared statement that runs again is not asked about, so this costs nothing on
//! the usual path. For the same reason a note that a user caused is never taken back: the
//! connection's cache may hold the statement, and the next user would run it unseen. Such a
//! connection is replaced. What the program does to every session is another matter: it is done
//! before a session begins, and then all that was prepared until then is forgotten.
//!
//! rusqlite tells of an error only the one who met it. SQLite keeps it until the next call on the
//! connection, so it is found by a look before each: whenever the connection is reached through the
//! pool's guard, whenever a statement is prepared, and when the connection is given back.

use std::collections::HashSet;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Error, ffi};

use crate::raw;

/// An authorizer of the user's.
pub(crate) type Authorizer = dyn Fn(AuthContext<'_>) -> Authorization + Send + Sync;

/// The notes on one connection, kept by the connection and by the authorizer in it.
// Relaxed, all of them: a connection is used by one thread at a time, and pools hand it on in order.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    changed: AtomicBool,
    /// An error was met after which the connection is not to be lent again.
    broken: AtomicBool,
    /// An error was met whose reason may be that the path names another file.
    doubtful: AtomicBool,
    /// The manager is at work, and no user.
    is_quiet: AtomicBool,
}

/// What a fresh session has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fresh {
    /// The databases that nobody else sees, as far as one can tell: all that are in no file.
    private: Vec<String>,
    functions: Functions,
}

/// The names of all functions.
pub(crate) type Functions = Arc<HashSet<String>>;

impl Watch {
    /// Puts an authorizer into the connection, in place of the one that is there. With `fresh` it
    /// notes what makes the session another one, and asks the user's; without it does neither.
    pub(crate) fn install(
        self: &Arc<Self>,
        conn: &mut Connection,
        fresh: Option<Fresh>,
        own: Option<Arc<Authorizer>>,
    ) -> Result<(), Error> {
        let watch = Arc::clone(self);
        raw::set_authorizer(conn, move |context, last_result| {
            watch.see(last_result);
            let Some(fresh) = &fresh else { return Authorization::Allow };
            if watch.is_quiet.load(Relaxed) {
                return Authorization::Allow;
            }
            if changes_session(&context, fresh) {
                watch.note();
            }
            match &own {
                Some(own) => own(context),
                None => Authorization::Allow,
            }
        })
    }

    /// Something was done that makes the session another one.
    pub(crate) fn note(&self) {
        self.changed.store(true, Relaxed);
    }

    /// Whether the session may have been changed: a statement was prepared that does so, or what
    /// would have noted that is gone.
    pub(crate) fn has_changed(self: &Arc<Self>) -> bool {
        self.changed.load(Relaxed) || self.is_gone()
    }

    /// Whether another authorizer has taken the place of this one: SQLite has only one, and rusqlite
    /// drops the one before, with its handle on the notes.
    pub(crate) fn is_gone(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
    }

    /// What was done until now belongs to every session. Says whether anything was.
    pub(crate) fn forget_changes(&self) -> bool {
        self.changed.swap(false, Relaxed)
    }

    /// Runs what the manager does on a connection that may be in use.
    pub(crate) fn quietly<T>(&self, work: impl FnOnce() -> T) -> T {
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(false, Relaxed);
            }
        }
        self.is_quiet.store(true, Relaxed);
        let _end = End(&self.is_quiet);
        work()
    }

    /// Notes the result of a call on the connection.
    #[inline]
    pub(crate) fn see(&self, result: c_int) {
        if !matches!(result & 0xff, ffi::SQLITE_OK | ffi::SQLITE_ROW | ffi::SQLITE_DONE) {
            self.judge(result);
        }
    }

    #[cold]
    fn judge(&self, result: c_int) {
        match verdict(result) {
            Verdict::Broken => self.broken.store(true, Relaxed),
            Verdict::Doubtful => self.doubtful.store(true, Relaxed),
            Verdict::Ordinary => {}
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Relaxed)
    }

    pub(crate) fn set_broken(&self) {
        self.broken.store(true, Relaxed);
    }

    /// Whether there is a reason to look whether the file has moved. There is none any more then.
    pub(crate) fn take_doubt(&self) -> bool {
        self.doubtful.load(Relaxed) && self.doubtful.swap(false, Relaxed)
    }
}

/// What an error says about the connection that met it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// Nothing.
    Ordinary,
    /// Its file may have been moved, or replaced.
    Doubtful,
    /// It cannot be trusted: its file is gone, damaged or no database, or cannot be read.
    Broken,
}

fn verdict(result: c_int) -> Verdict {
    match result {
        ffi::SQLITE_READONLY_DBMOVED => Verdict::Broken,
        // What the process lacks, and what another connection holds, is not the connection's fault.
        ffi::SQLITE_IOERR_NOMEM | ffi::SQLITE_IOERR_BLOCKED | ffi::SQLITE_IOERR_LOCK => {
            Verdict::Ordinary
        }
        // These may be for want of a file descriptor.
        ffi::SQLITE_IOERR_SHMOPEN | ffi::SQLITE_IOERR_GETTEMPPATH | ffi::SQLITE_IOERR_DIR_FSYNC => {
            Verdict::Doubtful
        }
        _ => match result & 0xff {
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB | ffi::SQLITE_IOERR => Verdict::Broken,
            ffi::SQLITE_CANTOPEN | ffi::SQLITE_READONLY | ffi::SQLITE_PERM => Verdict::Doubtful,
            _ => Verdict::Ordinary,
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

impl Fresh {
    /// What is there now. `functions` are those of all connections of the manager: there are some
    /// hundred to list, so it is done once.
    pub(crate) fn now(conn: &Connection, functions: Functions) -> Result<Self, Error> {
        Ok(Self { private: private_databases(conn)?, functions })
    }

    fn is_private(&self, database: &str) -> bool {
        self.private.iter().any(|known| known.eq_ignore_ascii_case(database))
    }

    /// Whether a function was there from the start and does no harm. SQLite gives the name that it
    /// was registered by, and lists all but those that it keeps for itself.
    fn has_function(&self, name: &str) -> bool {
        let is_known = self.functions.contains(name) || name.starts_with("sqlite_");
        is_known && name != "load_extension"
    }
}

/// Whether something remains of this in the session, after the statement and its transaction.
fn changes_session(context: &AuthContext<'_>, fresh: &Fresh) -> bool {
    match context.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Recursive
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::Pragma { pragma_value: None, .. } => false,
        // One that is new: its user registered it.
        AuthAction::Function { function_name } => !fresh.has_function(function_name),
        AuthAction::Pragma { pragma_name, .. } => !leaves_session_alone(pragma_name),
        AuthAction::AlterTable { database_name, .. } => fresh.is_private(database_name),
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
            context.database_name.is_none_or(|name| fresh.is_private(name))
        }
        // Temporary objects, attached databases, and what this version of SQLite has that we do not
        // know (an ATTACH whose file is a parameter is among it).
        _ => true,
    }
}

/// Pragmas whose argument says what to look at, or is kept in the file. Without an argument all
/// only ask.
fn leaves_session_alone(pragma: &str) -> bool {
    const KNOWN: &[&str] = &[
        "application_id",
        "busy_timeout", // put right on every return
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
        "user_version",
        "wal_checkpoint",
    ];
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(pragma))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_the_file_condemns_the_connection_and_one_about_a_statement_does_not() {
        for broken in [
            ffi::SQLITE_READONLY_DBMOVED,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_CORRUPT_INDEX,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR_SHORT_READ,
        ] {
            assert_eq!(verdict(broken), Verdict::Broken, "{broken}");
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
            assert_eq!(verdict(ordinary), Verdict::Ordinary, "{ordinary}");
        }
        assert_eq!(verdict(ffi::SQLITE_CANTOPEN), Verdict::Doubtful, "for want of a descriptor?");
    }
}
