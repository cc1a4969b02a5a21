//! The connection manager: its settings, and what the pools ask of it.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::{Error, ErrorCode, OpenFlags, ffi};
use threadwise_core::ManageConnection;

use crate::Connection;
use crate::database::Database;
use crate::error;
use crate::wal::WalSwitch;
use crate::watch::{Authorizer, Functions, Watch};

type Init = dyn Fn(&mut rusqlite::Connection) -> Result<(), Error> + Send + Sync;

/// Opens, checks and puts right SQLite connections.
///
/// Every method runs on the thread that calls it: a pool's borrower, or the thread that gives a
/// connection back. Opening takes some tens of microseconds on a local disk, a check about one.
pub struct SqliteManager {
    database: Database,
    flags: OpenFlags,
    busy_timeout: Duration,
    wal: bool,
    wal_switch: WalSwitch,
    init: Option<Box<Init>>,
    authorizer: Option<Arc<Authorizer>>,
    /// What the first connection has, and with it all others: they are set up by the same code.
    functions: OnceLock<Functions>,
}

impl SqliteManager {
    /// The most that SQLite can wait for a lock; longer settings mean this (24 days).
    const LONGEST_BUSY_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

    /// Connections to the database file at `path`, created on the first connect if missing.
    ///
    /// A relative path means the working directory at the time of each connect. A path that begins
    /// with `file:` is a [URI](https://sqlite.org/uri.html). Nothing is opened yet, so this cannot
    /// fail. `:memory:` and the empty path are refused at connect, since every connection would
    /// have a database of its own: use [`memory`](Self::memory).
    #[must_use]
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::new(Database::file(path.as_ref()))
    }

    /// Connections to one database in memory, which all connections of this manager share and no
    /// other manager sees. It lives as long as the manager, also while no connection is open.
    ///
    /// Its connections lock each other out like those of a file without write-ahead log: one writer
    /// or several readers. Needs SQLite 3.36 or newer; the bundled one is.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(Database::memory())
    }

    fn new(database: Database) -> Self {
        Self {
            database,
            flags: OpenFlags::default(),
            busy_timeout: Duration::from_secs(5),
            wal: true,
            wal_switch: WalSwitch::default(),
            init: None,
            authorizer: None,
            functions: OnceLock::new(),
        }
    }

    /// How to open the database, instead of reading and writing, creating it, and taking `file:`
    /// paths as URIs.
    ///
    /// Where the flags ask for writing, a file that can only be read is an error of `connect`;
    /// SQLite alone would open it read-only without a word.
    #[must_use]
    pub fn with_flags(mut self, flags: OpenFlags) -> Self {
        self.flags = flags;
        self
    }

    /// What to do with each new connection, after the manager's own settings: pragmas, functions,
    /// attached databases, temporary tables. An error or a panic closes the connection and fails
    /// the `connect`.
    ///
    /// What it sets up is what every user finds. It runs on the thread that connects. It must not
    /// leave a transaction open. Leave `journal_mode` to [`wal`](Self::wal), the wait for locks to
    /// [`busy_timeout`](Self::busy_timeout), which is set again on every return, and an authorizer
    /// to [`with_authorizer`](Self::with_authorizer); `connect` fails if there is one here.
    #[must_use]
    pub fn with_init<F>(mut self, init: F) -> Self
    where
        F: Fn(&mut rusqlite::Connection) -> Result<(), Error> + Send + Sync + 'static,
    {
        self.init = Some(Box::new(init));
        self
    }

    /// What users may do, asked whenever one of their statements is prepared, on their thread. It
    /// must not use a connection. None unless set.
    ///
    /// The manager has an authorizer of its own, which sees what changes a session, and SQLite has
    /// room for one; so this one is asked through it. It is not asked about
    /// [`with_init`](Self::with_init)'s statements, nor about the `PRAGMA schema_version` and the
    /// `ROLLBACK` with which connections are checked and reset.
    #[must_use]
    pub fn with_authorizer<F>(mut self, authorizer: F) -> Self
    where
        F: Fn(AuthContext<'_>) -> Authorization + Send + Sync + 'static,
    {
        self.authorizer = Some(Arc::new(authorizer));
        self
    }

    /// How long a statement waits for a lock that another connection holds before it fails with
    /// `SQLITE_BUSY`; 5 s unless set, to the millisecond. Zero fails at once.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout.min(Self::LONGEST_BUSY_TIMEOUT);
        self
    }

    /// Whether a database file shall be in write-ahead-log mode, in which readers and a writer do
    /// not wait for each other; on unless set. Has no meaning in memory.
    ///
    /// The mode is a property of the file. A connect that finds another mode and may write switches
    /// it, one connect at a time; all later ones only look. `false` leaves the mode as it is.
    #[must_use]
    pub fn wal(mut self, wal: bool) -> Self {
        self.wal = wal;
        self
    }

    /// Opens a connection; `busy_timeout` bounds each wait for a lock until the connection is
    /// ready for `init`, and all waits for the switch to write-ahead log together.
    fn open(&self, busy_timeout: Duration) -> Result<Connection, Error> {
        let patience = Instant::now() + busy_timeout;
        let mut conn = self.database.open(self.flags)?;
        conn.busy_timeout(busy_timeout)?;
        self.set_up(&conn, patience).map_err(|error| self.database.explain(error, self.flags))?;
        conn.busy_timeout(self.busy_timeout)?;
        let watch = Watch::install(&mut conn, self.authorizer.clone())?;
        if let Some(init) = &self.init {
            init(&mut conn)?;
            if watch.is_gone() {
                return Err(error::authorizer_in_init());
            }
            conn.flush_prepared_statement_cache(); // they were prepared unwatched
        }
        watch.begin(&conn, &self.functions)?;
        Ok(Connection::new(conn, watch))
    }

    fn set_up(&self, conn: &rusqlite::Connection, patience: Instant) -> Result<(), Error> {
        // SQLite opens lazily: that the file is no database only shows when it is read.
        touch(conn)?;
        conn.pragma_update(None, "foreign_keys", true)?;
        if !self.database.may_write(self.flags) {
            return Ok(());
        }
        if conn.is_readonly("main")? {
            return Err(error::opened_read_only());
        }
        if self.wal && self.database.has_journal() {
            self.wal_switch.ensure(conn, patience)?;
        }
        Ok(())
    }
}

impl ManageConnection for SqliteManager {
    type Connection = Connection;
    type Error = Error;

    fn connect(&self) -> Result<Connection, Error> {
        self.open(self.busy_timeout)
    }

    /// Waits for locks no longer than `limit`. The function given to
    /// [`with_init`](SqliteManager::with_init) takes as long as it takes.
    fn connect_within(&self, limit: Duration) -> Result<Connection, Error> {
        self.open(self.busy_timeout.min(limit))
    }

    /// Reads from the file. A database that is locked is valid.
    fn is_valid(&self, conn: &mut Connection) -> Result<(), Error> {
        match touch(conn) {
            Err(error) if error::is_busy(&error) => Ok(()),
            outcome => outcome,
        }
    }

    fn is_valid_within(&self, conn: &mut Connection, limit: Duration) -> Result<(), Error> {
        if limit >= self.busy_timeout {
            return self.is_valid(conn);
        }
        conn.busy_timeout(limit)?;
        let outcome = self.is_valid(conn);
        conn.busy_timeout(self.busy_timeout)?;
        outcome
    }

    /// Always `false`: there is no peer that could go away unnoticed. What a holder can break is
    /// found by [`reset`](Self::reset).
    fn has_broken(&self, _conn: &mut Connection) -> bool {
        false
    }

    /// Rolls back an open transaction and sets the busy time-out again. Fails if a statement was
    /// left half-read, or if the session was changed otherwise: opening another connection is
    /// cheap, and nothing else is certain.
    fn reset(&self, conn: &mut Connection) -> Result<(), Error> {
        if conn.has_changed() {
            return Err(error::session_changed());
        }
        if conn.is_busy() {
            return Err(error::half_read());
        }
        if !conn.is_autocommit() {
            conn.execute_batch("ROLLBACK")?;
        }
        conn.busy_timeout(self.busy_timeout)
    }

    /// Whether there is something for [`reset`](Self::reset) to do but for the busy time-out, which
    /// is set again here too; costs some 30 ns.
    fn has_changed(&self, conn: &mut Connection) -> bool {
        // SQLite does not tell the busy time-out without a statement; setting it costs less.
        conn.has_changed()
            || !conn.is_autocommit()
            || conn.is_busy()
            || conn.busy_timeout(self.busy_timeout).is_err()
    }

    fn in_transaction(&self, conn: &Connection) -> bool {
        !conn.is_autocommit()
    }

    /// Forgets it. SQLite forbids to close in a forked child what its parent opened: that closes a
    /// descriptor of the database's file, and with it all locks go that the child has on the file; and
    /// SQLite's own account of them, a copy of the parent's, is wrong anyway. So do not use in a child
    /// a database that the parent has open, not even on a new connection.
    fn abandon(&self, conn: Connection) {
        std::mem::forget(conn);
    }

    /// The file is gone, unreadable or no longer a database. Never a lock that somebody else holds.
    fn is_lost(&self, error: &Error) -> bool {
        let moved = error.sqlite_extended_error_code() == Some(ffi::SQLITE_READONLY_DBMOVED);
        moved
            || matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::NotADatabase
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::CannotOpen
                        | ErrorCode::SystemIoFailure
                )
            )
    }

    /// The path, the file or its permissions have to be put right first.
    fn is_permanent(&self, error: &Error) -> bool {
        match error {
            Error::InvalidPath(_) | Error::NulError(_) => true,
            error => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::CannotOpen
                        | ErrorCode::NotADatabase
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::ReadOnly
                        | ErrorCode::PermissionDenied
                        | ErrorCode::AuthorizationForStatementDenied
                        | ErrorCode::ApiMisuse
                )
            ),
        }
    }
}

/// Reads the file's header; the cheapest statement that cannot be answered without the file.
fn touch(conn: &rusqlite::Connection) -> Result<(), Error> {
    conn.prepare_cached("PRAGMA schema_version")?.query_row((), |_| Ok(()))
}

// By hand: the functions have nothing to show.
impl fmt::Debug for SqliteManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteManager")
            .field("database", &format_args!("{}", self.database))
            .field("flags", &self.flags)
            .field("busy_timeout", &self.busy_timeout)
            .field("wal", &self.wal)
            .field("init", &self.init.is_some())
            .field("authorizer", &self.authorizer.is_some())
            .finish()
    }
}
