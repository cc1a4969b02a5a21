//! What changes a session, seen when the statement that will do it is prepared.
//!
//! SQLite cannot list all that a session carries, so looking afterwards would miss things. It does
//! ask an authorizer about every step of a statement that it prepares, and this one never forbids:
//! it only notes. A prepared statement that runs again is not asked about, so this costs nothing on
//! the usual path. For the same reason a note is never taken back: the connection's cache may hold
//! the statement, and the next user would run it unseen. Such a connection is replaced.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};
use rusqlite::{Connection, Error};

/// An authorizer of the user's.
pub(crate) type Authorizer = dyn Fn(AuthContext<'_>) -> Authorization + Send + Sync;

/// The note on one connection, kept by the connection and by the authorizer in it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    // Relaxed: a connection is used by one thread at a time, and pools hand it on in order.
    changed: AtomicBool,
    /// From when the session begins to be its user's.
    fresh: OnceLock<Fresh>,
}

/// What a fresh session has.
#[derive(Debug)]
struct Fresh {
    /// The databases that nobody else sees, as far as one can tell: all that are in no file.
    private: Vec<String>,
    functions: Functions,
}

/// The names of all functions.
pub(crate) type Functions = Arc<HashSet<String>>;

impl Watch {
    /// Puts an authorizer into the connection that notes nothing until [`begin`](Self::begin).
    pub(crate) fn install(
        conn: &mut Connection,
        own: Option<Arc<Authorizer>>,
    ) -> Result<Arc<Self>, Error> {
        let watch = Arc::new(Self::default());
        let installed = Arc::clone(&watch);
        conn.authorizer(Some(move |context: AuthContext<'_>| {
            let Some(fresh) = installed.fresh.get() else { return Authorization::Allow };
            if changes_session(&context, fresh) {
                installed.note();
            }
            match &own {
                Some(own) if !is_the_managers(&context.action) => own(context),
                _ => Authorization::Allow,
            }
        }))?;
        Ok(watch)
    }

    /// What is there now is what a fresh session has. `functions` are those of all connections of
    /// the manager: there are some hundred to list, so it is done once.
    pub(crate) fn begin(
        &self,
        conn: &Connection,
        functions: &OnceLock<Functions>,
    ) -> Result<(), Error> {
        let functions = match functions.get() {
            Some(known) => known,
            None => {
                let listed = Arc::new(list_functions(conn)?);
                functions.get_or_init(|| listed)
            }
        };
        let fresh = Fresh { private: private_databases(conn)?, functions: Arc::clone(functions) };
        let _ = self.fresh.set(fresh); // nobody else does
        Ok(())
    }

    pub(crate) fn note(&self) {
        self.changed.store(true, Relaxed);
    }

    /// Whether the session may have been changed: a statement was prepared that does so, or what
    /// would have noted that is gone.
    pub(crate) fn has_changed(self: &Arc<Self>) -> bool {
        self.changed.load(Relaxed) || self.is_gone()
    }

    /// Whether another authorizer has taken the place of this one: SQLite has only one, and rusqlite
    /// drops the one before, with its handle on the note.
    pub(crate) fn is_gone(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
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

fn list_functions(conn: &Connection) -> Result<HashSet<String>, Error> {
    let mut statement = conn.prepare("PRAGMA function_list")?;
    statement.query_map((), |row| row.get("name"))?.collect()
}

impl Fresh {
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

/// What the manager itself runs on a connection that is in use: the check and the reset.
fn is_the_managers(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::Pragma { pragma_name, pragma_value: None } => *pragma_name == "schema_version",
        AuthAction::Transaction { operation } => *operation == TransactionOperation::Rollback,
        _ => false,
    }
}
