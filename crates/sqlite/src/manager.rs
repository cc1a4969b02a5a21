//! The connection manager: its settings, and what the pools ask of it.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::{Error, ErrorCode, OpenFlags, ffi};
use threadwise_core::ManageConnection;
use threadwise_core::parts::sync::Mutex;
use threadwise_core::parts::{Setting, fork};

use crate::Connection;
use crate::busy::Busy;
use crate::database::Database;
use crate::file_check::{FileId, OpenFiles};
use crate::wal::WalSwitch;
use crate::watch::{self, Authorizer, Baseline, Functions, Watch};
use crate::{error, shortage};

type Init = dyn Fn(&mut rusqlite::Connection) -> Result<(), Error> + Send + Sync;

/// Opens, checks and resets SQLite connections.
///
/// ```
/// use std::time::Duration;
///
/// use threadwise_core::ManageConnection;
/// use threadwise_sqlite::SqliteManager;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("shop.db");
/// let manager = SqliteManager::file(path)
///     .busy_timeout(Duration::from_secs(2))
///     .with_init(|conn| conn.execute_batch("CREATE TABLE IF NOT EXISTS item (name TEXT)"));
///
/// let conn = manager.connect()?; // a pool does this
/// conn.execute("INSERT INTO item VALUES ('tea')", ())?;
/// # Ok(())
/// # }
/// ```
///
/// Each method runs on the thread that calls it: a borrower's, or the one that returns a
/// connection. Opening takes some tens of microseconds on a local disk, a check about one.
pub struct SqliteManager {
    database: Database,
    flags: OpenFlags,
    busy_timeout: Duration,
    wal: bool,
    wal_switch: WalSwitch,
    init: Option<Box<Init>>,
    authorizer: Option<Arc<Authorizer>>,
    function_lists: Mutex<FunctionLists>,
}

/// The functions of a connection, which are the same on all of them.
#[derive(Default)]
struct FunctionLists {
    /// The functions that existed when the connection was opened.
    at_open: Option<Functions>,
    /// The functions that existed when its first session began.
    at_session: Option<Functions>,
}

impl SqliteManager {
    /// The longest time that SQLite can wait for a lock, 24 days. Longer settings mean this.
    const LONGEST_BUSY_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

    /// Connects to the database file at `path`. The first connect creates it if it is missing.
    ///
    /// A relative path counts from the working directory at each connect. A path that begins with
    /// `file:` is a [URI](https://sqlite.org/uri.html). This opens nothing yet, so it cannot fail.
    /// `connect` refuses `:memory:` and the empty path, because each connection would have a
    /// database of its own: use [`memory`](Self::memory).
    ///
    /// ```
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// let manager = SqliteManager::file("data/shop.db");
    /// let read_only = SqliteManager::file("file:data/shop.db?mode=ro");
    /// ```
    #[must_use]
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::new(Database::file(path.as_ref()))
    }

    /// Connects to one database in memory. All connections of this manager share it, and no other
    /// manager sees it. It lives as long as the manager, also while no connection is open.
    ///
    /// Its connections lock each other out like those of a file without a write-ahead log: one
    /// writer or several readers. Needs SQLite 3.36 or newer; the bundled one is.
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let manager = SqliteManager::memory();
    /// manager.connect()?.execute_batch("CREATE TABLE item (name TEXT)")?;
    /// manager.connect()?.execute("INSERT INTO item VALUES ('tea')", ())?; // the same database
    /// # Ok(())
    /// # }
    /// ```
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
            function_lists: Mutex::default(),
        }
    }

    /// Sets how to open the database. The default is to read and write, to create the file, and to
    /// read `file:` paths as URIs.
    ///
    /// If the flags ask for writing and the file can only be read, `connect` fails. SQLite alone
    /// would silently open it read-only.
    ///
    /// ```
    /// use threadwise_sqlite::SqliteManager;
    /// use threadwise_sqlite::rusqlite::OpenFlags;
    ///
    /// let reader = SqliteManager::file("shop.db").with_flags(OpenFlags::SQLITE_OPEN_READ_ONLY);
    /// ```
    #[must_use]
    pub fn with_flags(mut self, flags: OpenFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Sets what to run on each new connection before the file is read. First the key of an
    /// encrypted database, and `page_size`, `auto_vacuum` and `encoding` of a new one; then
    /// pragmas, functions, attached databases, temporary tables, and tables that must exist.
    ///
    /// Every user finds what the function sets up. It runs on the thread that connects. Only
    /// `PRAGMA foreign_keys` and the busy timeout are set before it; the switch to
    /// [`wal`](Self::wal) comes after it. Until a connection of this manager has found the file in
    /// that mode, the function runs on one thread at a time.
    ///
    /// If the function returns an error or panics, the connection is closed and `connect` fails.
    /// The function must not leave a transaction open. Leave `journal_mode` to [`wal`](Self::wal),
    /// and an authorizer to [`with_authorizer`](Self::with_authorizer): if the function sets one,
    /// `connect` fails.
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let manager = SqliteManager::memory().with_init(|conn| {
    ///     conn.pragma_update(None, "cache_size", -16_000)?;
    ///     conn.execute_batch("CREATE TABLE IF NOT EXISTS item (name TEXT)")
    /// });
    /// manager.connect()?.execute("INSERT INTO item VALUES ('tea')", ())?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_init<F>(mut self, init: F) -> Self
    where
        F: Fn(&mut rusqlite::Connection) -> Result<(), Error> + Send + Sync + 'static,
    {
        self.init = Some(Box::new(init));
        self
    }

    /// Sets an authorizer: it decides what users may do. SQLite asks it whenever it prepares one of
    /// their statements, on their thread. It must not use a connection. There is none unless set.
    ///
    /// SQLite has room for one authorizer, and the manager has its own, which sees what changes a
    /// session. So the manager's own asks this one. It does not ask about statements of
    /// [`with_init`](Self::with_init), nor about those that check and reset connections.
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    /// use threadwise_sqlite::rusqlite::hooks::{AuthAction, Authorization};
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let manager = SqliteManager::memory()
    ///     .with_init(|conn| conn.execute_batch("CREATE TABLE IF NOT EXISTS item (name TEXT)"))
    ///     .with_authorizer(|context| match context.action {
    ///         AuthAction::Select | AuthAction::Read { .. } => Authorization::Allow,
    ///         _ => Authorization::Deny,
    ///     });
    /// let conn = manager.connect()?;
    /// assert!(conn.prepare("SELECT name FROM item").is_ok());
    /// assert!(conn.prepare("DELETE FROM item").is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_authorizer<F>(mut self, authorizer: F) -> Self
    where
        F: Fn(AuthContext<'_>) -> Authorization + Send + Sync + 'static,
    {
        self.authorizer = Some(Arc::new(authorizer));
        self
    }

    /// Sets how long a statement waits for another connection's lock before it fails with
    /// `SQLITE_BUSY`: 5 s unless set, with a precision of a millisecond. With zero it fails at
    /// once.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// let manager = SqliteManager::file("shop.db").busy_timeout(Duration::from_millis(500));
    /// ```
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout.min(Self::LONGEST_BUSY_TIMEOUT);
        self
    }

    /// Sets whether the manager switches a database file to write-ahead-log mode, in which readers
    /// and a writer do not wait for each other. On unless set. Has no meaning in memory.
    ///
    /// The mode is a property of the file. A connect that finds another mode, and may write,
    /// switches it, one connect at a time. All later ones only look. `false` leaves the mode as it
    /// is.
    ///
    /// ```
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// let manager = SqliteManager::file("/mnt/network/shop.db").wal(false);
    /// ```
    #[must_use]
    pub fn wal(mut self, wal: bool) -> Self {
        self.wal = wal;
        self
    }

    /// All settings with their values as texts, for a log.
    ///
    /// ```
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// let settings = SqliteManager::file("shop.db").settings();
    /// assert!(settings.contains(&("path", "shop.db".to_owned())));
    /// assert!(settings.contains(&("busy_timeout", "5s".to_owned())));
    /// ```
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mode = if self.flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY) {
            "read_only"
        } else if self.flags.contains(OpenFlags::SQLITE_OPEN_CREATE) {
            "read_write_create"
        } else {
            "read_write"
        };
        let own = [
            ("mode", Setting::Word(mode)),
            ("busy_timeout", Setting::from(self.busy_timeout)),
            ("wal", Setting::from(self.wal)),
            ("init", Setting::from(self.init.is_some())),
            ("authorizer", Setting::from(self.authorizer.is_some())),
        ];
        let path = self.address().unwrap_or("memory".into()).into_owned();
        [("path", path)].into_iter().chain(Setting::list(None, own)).collect()
    }

    /// Opens a connection within `limit`. The limit does not apply to the program's own function.
    fn open(&self, limit: Duration) -> Result<Connection, Error> {
        let deadline = Instant::now() + limit;
        let path = self.database.path();
        let switches =
            self.wal && self.database.has_journal() && self.database.may_write(self.flags);
        let turn = match &path {
            Some(path) if switches => {
                let is_new = || fs::metadata(path).map_or(true, |file| file.len() == 0);
                self.wal_switch.take_turn_if_new(is_new, deadline)?
            }
            _ => None,
        };
        let before = path.as_deref().and_then(FileId::of);
        let mut conn = self.database.open(self.flags)?;
        let watch = Arc::new(Watch::default());
        watch.install(&mut conn, None, None)?;
        // None of this reads the file: the program's function comes first, with its key and its
        // page size.
        conn.pragma_update(None, "foreign_keys", true)?;
        if self.database.may_write(self.flags) && conn.is_readonly("main")? {
            return Err(self.database.explain(error::opened_read_only(), self.flags));
        }
        conn.busy_timeout(self.busy_timeout)?;
        self.run_init(&mut conn, &watch)?;
        let busy = Busy::now(&conn, !self.busy_timeout.is_zero())?;
        let read_and_switch = || -> Result<(), Error> {
            self.read(&conn, busy, deadline)?;
            if switches {
                self.wal_switch.ensure(&conn, busy, turn, deadline)?;
            }
            Ok(())
        };
        read_and_switch().map_err(|error| self.database.explain(error, self.flags))?;
        busy.restore(&conn)?;
        conn.flush_prepared_statement_cache(); // these statements were prepared unwatched
        let functions = self.functions(&conn, |lists| &mut lists.at_open)?;
        let baseline = Baseline::now(&conn, functions)?;
        let own = self.authorizer.clone();
        watch.install(&mut conn, Some(baseline), own.clone())?;
        let files = OpenFiles::of(&conn, path, before);
        Ok(Connection::new(conn, watch, own, files, busy))
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

    /// Reads the file for the first time, as far as the manager knows. SQLite opens lazily, so only
    /// this shows that the file is no database.
    fn read(
        &self,
        conn: &rusqlite::Connection,
        busy: Busy,
        deadline: Instant,
    ) -> Result<(), Error> {
        if let Busy::Timeout(timeout) = busy {
            conn.busy_timeout(timeout.min(deadline.saturating_duration_since(Instant::now())))?;
        }
        touch(conn)
    }

    /// The names of all functions. The first connection stands for all, because the same code sets
    /// them up. `fork` waits while the lock is held, so a forked child never finds it locked.
    fn functions(
        &self,
        conn: &rusqlite::Connection,
        list: fn(&mut FunctionLists) -> &mut Option<Functions>,
    ) -> Result<Functions, Error> {
        let known = fork::hold_off(|| list(&mut self.function_lists.lock()).clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let listed = Arc::new(watch::list_functions(conn)?);
        Ok(fork::hold_off(|| {
            Arc::clone(list(&mut self.function_lists.lock()).get_or_insert(listed))
        }))
    }
}

impl ManageConnection for SqliteManager {
    type Connection = Connection;
    type Error = Error;

    fn connect(&self) -> Result<Connection, Error> {
        self.open(self.busy_timeout)
    }

    /// Waits for locks no longer than `limit`. The limit does not apply to the function given to
    /// [`with_init`](SqliteManager::with_init).
    fn connect_within(&self, limit: Duration) -> Result<Connection, Error> {
        self.open(self.busy_timeout.min(limit))
    }

    /// Checks whether the path still names the open file, and reads from the file. A locked
    /// database is valid, and the check does not wait for its lock. A shortage of this process is
    /// not the connection's fault.
    fn is_valid(&self, conn: &mut Connection) -> Result<(), Error> {
        if let Some(path) = conn.moved() {
            return Err(error::moved(path));
        }
        match conn.without_waiting(touch) {
            Err(error) if error::is_busy(&error) || shortage::behind(&error).is_some() => Ok(()),
            outcome => outcome,
        }
    }

    /// Whether the connection met an error that says that its file is gone, damaged, no database or
    /// unreadable. Costs some nanoseconds. There is no server that could go away unnoticed.
    fn has_broken(&self, conn: &mut Connection) -> bool {
        conn.is_broken()
    }

    /// Rolls back an open transaction and sets the busy timeout again. Fails if a statement was
    /// left half-read, or if the session was changed otherwise: opening another connection is
    /// cheap, and nothing else is certain.
    fn reset(&self, conn: &mut Connection) -> Result<(), Error> {
        if conn.has_lasting_change() {
            return Err(error::session_changed());
        }
        if conn.is_busy() {
            return Err(error::half_read());
        }
        if !conn.is_autocommit() {
            conn.unwatched(|conn| conn.execute_batch("ROLLBACK"))?;
        }
        conn.restore_busy()
    }

    /// Treats what the pool's `on_connect` hook has done as part of every session: pragmas,
    /// functions, temporary objects, the busy timeout or handler, and a transaction that it began.
    fn begin_session(&self, conn: &mut Connection) {
        let functions = |conn: &_| self.functions(conn, |lists| &mut lists.at_session);
        // If this fails, the hook's changes count as a user's, and the connection is replaced.
        let _ = conn.begin(functions);
    }

    /// Whether the session differs from what it was at its beginning. The busy timeout does not
    /// count; it is set again here too. Costs about 30 ns.
    fn has_changed(&self, conn: &mut Connection) -> bool {
        conn.has_changed()
    }

    fn in_transaction(&self, conn: &mut Connection) -> bool {
        !conn.is_autocommit()
    }

    /// A shortage of file descriptors or memory: SQLite could not open the file, and this process
    /// could not open any.
    fn is_shortage(&self, error: &Error) -> bool {
        shortage::is_shortage(error)
    }

    fn not_reconnected(&self, error: Error, cause: &(dyn std::error::Error + 'static)) -> Error {
        match error {
            Error::SqliteFailure(code, message) => {
                let message = message.unwrap_or_else(|| code.to_string());
                let text = format!("{message}; no new connection could be opened: {cause}");
                Error::SqliteFailure(code, Some(text))
            }
            error => error,
        }
    }

    /// The path.
    fn address(&self) -> Option<Cow<'_, str>> {
        self.database.address()
    }

    /// Forgets the connection. SQLite forbids a forked child to close what its parent opened: that
    /// closes a descriptor of the database's file, and releases all locks that the child has on the
    /// file. SQLite's own list of the locks, a copy of the parent's, is wrong anyway. So a child
    /// must not use a database that its parent has open, not even on a new connection.
    fn forget_in_child(&self, conn: Connection) {
        std::mem::forget(conn);
    }

    /// The file is gone, unreadable or no longer a database. Never a lock of another connection,
    /// nor a shortage of this process.
    fn is_lost(&self, error: &Error) -> bool {
        if shortage::is_shortage(error) {
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

    /// The path, the file or its permissions must be corrected first.
    fn is_permanent(&self, error: &Error) -> bool {
        match error {
            error if shortage::is_shortage(error) => false,
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

/// Reads the file's header: the cheapest statement that needs the file.
pub(crate) fn touch(conn: &rusqlite::Connection) -> Result<(), Error> {
    conn.prepare_cached("PRAGMA schema_version")?.query_row((), |_| Ok(()))
}

// By hand, because the functions have nothing to show.
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
