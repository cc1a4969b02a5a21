//! The connection manager: its settings, and what the pools ask of it.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::{Error, ErrorCode, OpenFlags, ffi};
use threadwise_core::sync::Mutex;
use threadwise_core::{ManageConnection, fork};

use crate::Connection;
use crate::busy::Busy;
use crate::database::Database;
use crate::place::{FileId, Place};
use crate::wal::WalSwitch;
use crate::watch::{self, Authorizer, Fresh, Functions, Watch};
use crate::{error, lack};

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
    known: Mutex<Known>,
}

/// The functions of a connection.
#[derive(Default)]
struct Known {
    /// When it was opened.
    opened: Option<Functions>,
    /// When its first session began.
    begun: Option<Functions>,
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
            known: Mutex::default(),
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

    /// What to do with each new connection before the file is read: the key of an encrypted
    /// database, `page_size`, `auto_vacuum` and `encoding` of a new one; then pragmas, functions,
    /// attached databases, temporary tables, and tables that shall exist. An error or a panic closes
    /// the connection and fails the `connect`.
    ///
    /// Only `PRAGMA foreign_keys` and the busy time-out were set before; the switch to
    /// [`wal`](Self::wal) comes after. As long as no connection of this manager has found the file in
    /// that mode, the function runs on one thread at a time.
    ///
    /// What it sets up is what every user finds. It runs on the thread that connects. It must not
    /// leave a transaction open. Leave `journal_mode` to [`wal`](Self::wal), and an authorizer
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
    /// [`with_init`](Self::with_init)'s statements, nor about those with which connections are
    /// checked and reset.
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

    /// Opens a connection within `patience`, but for what the program's own function takes.
    fn open(&self, limit: Duration) -> Result<Connection, Error> {
        let patience = Instant::now() + limit;
        let path = self.database.path();
        let switches =
            self.wal && self.database.has_journal() && self.database.may_write(self.flags);
        let turn = match &path {
            Some(path) if switches => {
                let is_new = || fs::metadata(path).map_or(true, |file| file.len() == 0);
                self.wal_switch.take_turn_if_new(is_new, patience)?
            }
            _ => None,
        };
        let before = path.as_deref().and_then(FileId::of);
        let mut conn = self.database.open(self.flags)?;
        let watch = Arc::new(Watch::default());
        watch.install(&mut conn, None, None)?;
        // None of this reads the file: the function comes before, with its key and its page size.
        conn.pragma_update(None, "foreign_keys", true)?;
        if self.database.may_write(self.flags) && conn.is_readonly("main")? {
            return Err(self.database.explain(error::opened_read_only(), self.flags));
        }
        conn.busy_timeout(self.busy_timeout)?;
        self.run_init(&mut conn, &watch)?;
        let busy = Busy::now(&conn, !self.busy_timeout.is_zero())?;
        self.read(&conn, busy, patience)
            .and_then(|()| match switches {
                true => self.wal_switch.ensure(&conn, busy, turn, patience),
                false => Ok(()),
            })
            .map_err(|error| self.database.explain(error, self.flags))?;
        busy.restore(&conn)?;
        conn.flush_prepared_statement_cache(); // they were prepared unwatched
        let functions = self.functions(&conn, |known| &mut known.opened)?;
        let fresh = Fresh::now(&conn, functions)?;
        let own = self.authorizer.clone();
        watch.install(&mut conn, Some(fresh), own.clone())?;
        let place = Place::of(&conn, path, before);
        Ok(Connection::new(conn, watch, own, place, busy))
    }

    /// Runs the program's own function on a new connection.
    fn run_init(&self, conn: &mut rusqlite::Connection, watch: &Arc<Watch>) -> Result<(), Error> {
        let Some(init) = &self.init else { return Ok(()) };
        init(conn).map_err(|error| self.database.explain_init(error, self.flags))?;
        if watch.is_gone() {
            return Err(error::authorizer_in_init());
        }
        if conn.is_busy() || !conn.is_autocommit() {
            return Err(error::unfinished_init());
        }
        Ok(())
    }

    /// Reads the file for the first time, as far as the manager knows. SQLite opens lazily: that the
    /// file is no database only shows then.
    fn read(
        &self,
        conn: &rusqlite::Connection,
        busy: Busy,
        patience: Instant,
    ) -> Result<(), Error> {
        if let Busy::Timeout(timeout) = busy {
            conn.busy_timeout(timeout.min(patience.saturating_duration_since(Instant::now())))?;
        }
        touch(conn)
    }

    /// The names of all functions of a connection, which the first one stands for: all are set up
    /// by the same code. A child of this process must not find the lock taken.
    fn functions(
        &self,
        conn: &rusqlite::Connection,
        place: fn(&mut Known) -> &mut Option<Functions>,
    ) -> Result<Functions, Error> {
        let known = fork::hold_off(|| place(&mut self.known.lock()).clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let listed = Arc::new(watch::list_functions(conn)?);
        Ok(fork::hold_off(|| Arc::clone(place(&mut self.known.lock()).get_or_insert(listed))))
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

    /// Looks whether the path still names the file that is open, and reads from the file. A database
    /// that is locked is valid, and is not waited for. What this process lacks is not the
    /// connection's fault.
    fn is_valid(&self, conn: &mut Connection) -> Result<(), Error> {
        if let Some(path) = conn.moved() {
            return Err(error::moved(path));
        }
        match conn.without_waiting(touch) {
            Err(error) if error::is_busy(&error) || lack::behind(&error).is_some() => Ok(()),
            outcome => outcome,
        }
    }

    /// Whether it met an error that says that its file is gone, damaged, no database or unreadable;
    /// costs some nanoseconds. There is no peer that could go away unnoticed.
    fn has_broken(&self, conn: &mut Connection) -> bool {
        conn.is_broken()
    }

    /// Rolls back an open transaction and sets the busy time-out again. Fails if a statement was
    /// left half-read, or if the session was changed otherwise: opening another connection is
    /// cheap, and nothing else is certain.
    fn reset(&self, conn: &mut Connection) -> Result<(), Error> {
        if conn.cannot_be_put_right() {
            return Err(error::session_changed());
        }
        if conn.is_busy() {
            return Err(error::half_read());
        }
        if !conn.is_autocommit() {
            conn.quietly(|conn| conn.execute_batch("ROLLBACK"))?;
        }
        conn.restore_busy()
    }

    /// What the pool's `on_connect` hook has done belongs to every session from now on: pragmas,
    /// functions, temporary objects, its busy time-out or handler, a transaction that it began.
    fn begin_session(&self, conn: &mut Connection) {
        let functions = |conn: &_| self.functions(conn, |known| &mut known.begun);
        // If this fails, what the hook has done counts as a change, and the connection is replaced.
        let _ = conn.begin(functions);
    }

    /// Whether the session differs from what it was at its beginning, but for the busy time-out,
    /// which is set again here too; costs some 30 ns.
    fn has_changed(&self, conn: &mut Connection) -> bool {
        conn.has_changed()
    }

    fn in_transaction(&self, conn: &Connection) -> bool {
        !conn.is_autocommit()
    }

    /// File descriptors, memory: SQLite could not open the file, and this process could not open
    /// any.
    fn is_shortage(&self, error: &Error) -> bool {
        lack::is_lack(error)
    }

    fn not_reconnected(&self, error: Error, cause: &(dyn std::error::Error + 'static)) -> Error {
        match error {
            Error::SqliteFailure(code, message) => {
                let message = message.unwrap_or_else(|| code.to_string());
                let text = format!("{message}; no other connection could be opened: {cause}");
                Error::SqliteFailure(code, Some(text))
            }
            error => error,
        }
    }

    /// The path.
    fn address(&self) -> Option<Cow<'_, str>> {
        self.database.address()
    }

    /// Forgets it. SQLite forbids to close in a forked child what its parent opened: that closes a
    /// descriptor of the database's file, and with it all locks go that the child has on the file; and
    /// SQLite's own account of them, a copy of the parent's, is wrong anyway. So do not use in a child
    /// a database that the parent has open, not even on a new connection.
    fn forget_in_child(&self, conn: Connection) {
        std::mem::forget(conn);
    }

    /// The file is gone, unreadable or no longer a database. Never a lock that another connection
    /// holds, nor what this process lacks.
    fn is_lost(&self, error: &Error) -> bool {
        if lack::is_lack(error) {
            return false;
        }
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
            error if lack::is_lack(error) => false,
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
pub(crate) fn touch(conn: &rusqlite::Connection) -> Result<(), Error> {
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
