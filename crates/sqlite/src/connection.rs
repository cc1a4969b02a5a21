//! rusqlite's connection, with notes on what may have changed its session.

use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::functions::{Aggregate, Context, FunctionFlags, SqlFnOutput};
use rusqlite::hooks::{Action, AuthContext, Authorization, Wal};
use rusqlite::{Error, Name, TransactionBehavior};
use threadwise_core::parts::sync::Mutex;

use crate::busy::{self, Busy};
use crate::file_check::OpenFiles;
use crate::raw;
use crate::watch::{Authorizer, Baseline, Functions, Watch};

/// A [`rusqlite::Connection`] that knows whether its session was changed, and whether it met an
/// error that makes it unusable.
///
/// Use it like a `rusqlite::Connection`: it dereferences to one, so you can pass `&conn` or `&mut
/// conn` where a function asks for that.
///
/// ```
/// use threadwise_core::ManageConnection;
/// use threadwise_sqlite::SqliteManager;
///
/// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
/// let conn = SqliteManager::memory().connect()?; // a pool does this
/// conn.execute_batch("CREATE TABLE item (name TEXT); INSERT INTO item VALUES ('tea')")?;
/// let name: String = conn.query_row("SELECT name FROM item", (), |row| row.get(0))?;
/// assert_eq!(name, "tea");
/// # Ok(())
/// # }
/// ```
///
/// It sees what SQL does to the session, in whatever code. It sees what rusqlite does without SQL
/// (functions, collations, hooks, settings) only through the methods below. These do what
/// rusqlite's do, and cost one store more. Do not swap the connection inside for another.
pub struct Connection {
    conn: rusqlite::Connection,
    watch: Arc<Watch>,
    /// The users' authorizer: the manager's, or one that was set since.
    own: Option<Arc<Authorizer>>,
    files: OpenFiles,
    session: Session,
    /// A busy handler was set since the session began.
    busy_handler: Cell<bool>,
}

impl Connection {
    /// The rusqlite connection alone, for code that takes it by value. Nothing watches it any more.
    ///
    /// To take a connection out of a pool first, use the guard's `detach`.
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::{SqliteManager, rusqlite};
    ///
    /// # fn main() -> Result<(), rusqlite::Error> {
    /// let conn: rusqlite::Connection = SqliteManager::memory().connect()?.into_inner();
    /// conn.close().map_err(|(_, error)| error)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn into_inner(mut self) -> rusqlite::Connection {
        let none = None::<fn(AuthContext<'_>) -> Authorization>;
        let _ = self.conn.authorizer(none); // nothing depends on it
        self.conn
    }
}

/// Changes of the session without SQL. The pool replaces the connection on return, unless its
/// `on_connect` hook made the change: then every user finds it.
#[expect(clippy::missing_errors_doc, reason = "they are rusqlite's")]
impl Connection {
    /// Registers an SQL function; see [`rusqlite::Connection::create_scalar_function`].
    ///
    /// To have it on every connection, register it in
    /// [`with_init`](crate::SqliteManager::with_init).
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    /// use threadwise_sqlite::rusqlite::functions::FunctionFlags;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let manager = SqliteManager::memory();
    /// let mut conn = manager.connect()?;
    /// conn.create_scalar_function("twice", 1, FunctionFlags::SQLITE_UTF8, |context| {
    ///     Ok(2 * context.get::<i64>(0)?)
    /// })?;
    /// let four: i64 = conn.query_row("SELECT twice(2)", (), |row| row.get(0))?;
    /// assert_eq!(four, 4);
    /// assert!(manager.has_changed(&mut conn)); // a pool would replace it on return
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_scalar_function<F, N, T>(
        &self,
        name: N,
        arguments: i32,
        flags: FunctionFlags,
        function: F,
    ) -> Result<(), Error>
    where
        F: Fn(&Context<'_>) -> Result<T, Error> + Send + 'static,
        N: Name,
        T: SqlFnOutput,
    {
        self.note_change().create_scalar_function(name, arguments, flags, function)
    }

    /// Registers an aggregate function; see [`rusqlite::Connection::create_aggregate_function`].
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    /// use threadwise_sqlite::rusqlite::functions::{Aggregate, Context, FunctionFlags};
    /// use threadwise_sqlite::rusqlite::Result;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// /// The length of the longest text.
    /// struct Longest;
    ///
    /// impl Aggregate<i64, i64> for Longest {
    ///     fn init(&self, _: &mut Context<'_>) -> Result<i64> {
    ///         Ok(0)
    ///     }
    ///
    ///     fn step(&self, context: &mut Context<'_>, longest: &mut i64) -> Result<()> {
    ///         let text: String = context.get(0)?;
    ///         *longest = (*longest).max(text.len() as i64);
    ///         Ok(())
    ///     }
    ///
    ///     fn finalize(&self, _: &mut Context<'_>, longest: Option<i64>) -> Result<i64> {
    ///         Ok(longest.unwrap_or(0))
    ///     }
    /// }
    ///
    /// let conn = SqliteManager::memory().connect()?;
    /// conn.create_aggregate_function("longest", 1, FunctionFlags::SQLITE_UTF8, Longest)?;
    /// let three: i64 =
    ///     conn.query_row("SELECT longest(column1) FROM (VALUES ('a'), ('bcd'))", (), |row| row.get(0))?;
    /// assert_eq!(three, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_aggregate_function<A, D, N, T>(
        &self,
        name: N,
        arguments: i32,
        flags: FunctionFlags,
        aggregate: D,
    ) -> Result<(), Error>
    where
        A: RefUnwindSafe + UnwindSafe + Send,
        D: Aggregate<A, T> + Send + 'static,
        N: Name,
        T: SqlFnOutput,
    {
        self.note_change().create_aggregate_function(name, arguments, flags, aggregate)
    }

    /// Removes an SQL function; see [`rusqlite::Connection::remove_function`].
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    /// use threadwise_sqlite::rusqlite::functions::FunctionFlags;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let conn = SqliteManager::memory().connect()?;
    /// conn.create_scalar_function("one", 0, FunctionFlags::SQLITE_UTF8, |_| Ok(1))?;
    /// conn.remove_function("one", 0)?;
    /// assert!(conn.prepare("SELECT one()").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove_function<N: Name>(&self, name: N, arguments: i32) -> Result<(), Error> {
        self.note_change().remove_function(name, arguments)
    }

    /// Registers a collation; see [`rusqlite::Connection::create_collation`].
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let conn = SqliteManager::memory().connect()?;
    /// conn.create_collation("by_length", |one: &str, other: &str| one.len().cmp(&other.len()))?;
    /// let shorter: bool =
    ///     conn.query_row("SELECT 'zz' < 'aaa' COLLATE by_length", (), |row| row.get(0))?;
    /// assert!(shorter);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_collation<C, N>(&self, name: N, compare: C) -> Result<(), Error>
    where
        C: Fn(&str, &str) -> Ordering + Send + 'static,
        N: Name,
    {
        self.note_change().create_collation(name, compare)
    }

    /// Removes a collation; see [`rusqlite::Connection::remove_collation`].
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let conn = SqliteManager::memory().connect()?;
    /// conn.create_collation("by_length", |one: &str, other: &str| one.len().cmp(&other.len()))?;
    /// conn.remove_collation("by_length")?;
    /// assert!(conn.prepare("SELECT 'a' < 'bb' COLLATE by_length").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove_collation<N: Name>(&self, name: N) -> Result<(), Error> {
        self.note_change().remove_collation(name)
    }

    /// Sets what SQLite calls for an unknown collation; see
    /// [`rusqlite::Connection::collation_needed`].
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let conn = SqliteManager::memory().connect()?;
    /// conn.collation_needed(|conn, name| {
    ///     conn.create_collation(name, |one: &str, other: &str| one.len().cmp(&other.len()))
    /// })?;
    /// assert!(conn.prepare("SELECT 'a' < 'bb' COLLATE any_name").is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn collation_needed(
        &self,
        needed: fn(&rusqlite::Connection, &str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.note_change().collation_needed(needed)
    }

    /// Changes a setting of the connection; see [`rusqlite::Connection::set_db_config`].
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    /// use threadwise_sqlite::rusqlite::config::DbConfig;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let conn = SqliteManager::memory().connect()?;
    /// conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    /// assert!(!conn.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_db_config(&self, config: DbConfig, on: bool) -> Result<bool, Error> {
        self.note_change().set_db_config(config, on)
    }

    /// Sets how `transaction()` begins; see [`rusqlite::Connection::set_transaction_behavior`].
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    /// use threadwise_sqlite::rusqlite::TransactionBehavior;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let mut conn = SqliteManager::memory().connect()?;
    /// conn.set_transaction_behavior(TransactionBehavior::Immediate);
    /// conn.transaction()?.commit()?; // BEGIN IMMEDIATE, COMMIT
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_transaction_behavior(&mut self, behavior: TransactionBehavior) {
        self.note_change_mut().set_transaction_behavior(behavior);
    }

    /// Sets what SQLite calls before a commit; see [`rusqlite::Connection::commit_hook`].
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let mut conn = SqliteManager::memory().connect()?;
    /// conn.execute_batch("CREATE TABLE item (name TEXT)")?;
    /// conn.commit_hook(Some(|| true))?; // true turns each commit into a rollback
    /// assert!(conn.execute("INSERT INTO item VALUES ('tea')", ()).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn commit_hook<F>(&mut self, hook: Option<F>) -> Result<(), Error>
    where
        F: FnMut() -> bool + Send + 'static,
    {
        self.note_change_mut().commit_hook(hook)
    }

    /// Sets what SQLite calls after a rollback; see [`rusqlite::Connection::rollback_hook`].
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let mut conn = SqliteManager::memory().connect()?;
    /// conn.rollback_hook(Some(|| println!("rolled back")))?;
    /// conn.execute_batch("BEGIN; CREATE TABLE item (name TEXT); ROLLBACK")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rollback_hook<F>(&mut self, hook: Option<F>) -> Result<(), Error>
    where
        F: FnMut() + Send + 'static,
    {
        self.note_change_mut().rollback_hook(hook)
    }

    /// Sets what SQLite calls for each changed row; see [`rusqlite::Connection::update_hook`].
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let mut conn = SqliteManager::memory().connect()?;
    /// conn.update_hook(Some(|_, _: &str, table: &str, row| println!("row {row} of {table}")))?;
    /// conn.execute_batch("CREATE TABLE item (name TEXT); INSERT INTO item VALUES ('tea')")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_hook<F>(&mut self, hook: Option<F>) -> Result<(), Error>
    where
        F: FnMut(Action, &str, &str, i64) + Send + 'static,
    {
        self.note_change_mut().update_hook(hook)
    }

    /// Sets what SQLite calls after a commit to the write-ahead log; see
    /// [`rusqlite::Connection::wal_hook`].
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    /// use threadwise_sqlite::rusqlite::hooks::Wal;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// # let folder = tempfile::tempdir().expect("a folder");
    /// # let path = folder.path().join("shop.db");
    /// let mut conn = SqliteManager::file(path).connect()?;
    /// conn.wal_hook(Some(|_: &mut Wal, pages| {
    ///     println!("{pages} pages in the log");
    ///     Ok(())
    /// }))?;
    /// conn.execute_batch("CREATE TABLE item (name TEXT)")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wal_hook<F>(&mut self, hook: Option<F>) -> Result<(), Error>
    where
        F: FnMut(&mut Wal, i32) -> Result<(), Error> + Send + 'static,
    {
        self.note_change_mut().wal_hook(hook)
    }

    /// Sets what SQLite calls at intervals while a statement runs; see
    /// [`rusqlite::Connection::progress_handler`].
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let mut conn = SqliteManager::memory().connect()?;
    /// conn.progress_handler(1_000, Some(|| true))?; // true interrupts a long statement
    /// let count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    /// assert!(conn.query_row(count, (), |_| Ok(())).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn progress_handler<F>(&mut self, steps: i32, handler: Option<F>) -> Result<(), Error>
    where
        F: FnMut() -> bool + Send + 'static,
    {
        self.note_change_mut().progress_handler(steps, handler)
    }

    /// Sets an authorizer for this connection; see [`rusqlite::Connection::authorizer`].
    ///
    /// The manager's own authorizer, which sees what changes a session, asks this one. It replaces
    /// the one that was given to
    /// [`SqliteManager::with_authorizer`](crate::SqliteManager::with_authorizer).
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    /// use threadwise_sqlite::rusqlite::hooks::{AuthAction, AuthContext, Authorization};
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let mut conn = SqliteManager::memory().connect()?;
    /// conn.execute_batch("CREATE TABLE item (name TEXT)")?;
    /// conn.authorizer(Some(|context: AuthContext<'_>| match context.action {
    ///     AuthAction::Delete { .. } => Authorization::Deny,
    ///     _ => Authorization::Allow,
    /// }))?;
    /// assert!(conn.prepare("DELETE FROM item").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn authorizer<F>(&mut self, authorizer: Option<F>) -> Result<(), Error>
    where
        F: for<'a> FnMut(AuthContext<'a>) -> Authorization + Send + 'static,
    {
        self.note_change_mut();
        self.own = authorizer.map(|authorizer| {
            let authorizer = Mutex::new(authorizer);
            let shared = move |context: AuthContext<'_>| (authorizer.lock())(context);
            Arc::new(shared) as Arc<Authorizer>
        });
        let watch = Arc::clone(&self.watch);
        // The line above has noted a change, so nothing more need be noted until the session begins
        // again.
        let everything = Baseline::default();
        watch.install(&mut self.conn, Some(everything), self.own.clone())
    }

    /// Sets what SQLite calls while another connection holds a lock; see
    /// [`rusqlite::Connection::busy_handler`]. The pool sets the busy timeout again when the
    /// connection is returned. A handler that its `on_connect` hook has set stays.
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// # fn main() -> Result<(), threadwise_sqlite::rusqlite::Error> {
    /// let mut conn = SqliteManager::memory().connect()?;
    /// conn.busy_handler(Some(|attempt| attempt < 10))?; // give up after ten attempts
    /// # Ok(())
    /// # }
    /// ```
    pub fn busy_handler<F>(&mut self, handler: Option<F>) -> Result<(), Error>
    where
        F: FnMut(i32) -> bool + Send + 'static,
    {
        self.busy_handler.set(true);
        self.note_last_error();
        self.conn.busy_handler(handler)
    }
}

impl Deref for Connection {
    type Target = rusqlite::Connection;

    #[inline]
    fn deref(&self) -> &rusqlite::Connection {
        self.note_last_error();
        &self.conn
    }
}

impl DerefMut for Connection {
    #[inline]
    fn deref_mut(&mut self) -> &mut rusqlite::Connection {
        self.note_last_error();
        &mut self.conn
    }
}

// By hand, because an authorizer has nothing to show.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("conn", &self.conn)
            .field("watch", &self.watch)
            .field("session", &self.session)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// The session's state at its beginning.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) busy: Busy,
    /// Whether a transaction is open, which all users share.
    in_transaction: bool,
    /// Whether the connection was just opened and has had no user yet.
    is_first: bool,
}

/// The manager's work on a connection.
impl Connection {
    /// A connection whose session begins here.
    pub(crate) fn new(
        conn: rusqlite::Connection,
        watch: Arc<Watch>,
        own: Option<Arc<Authorizer>>,
        files: OpenFiles,
        busy: Busy,
    ) -> Self {
        let in_transaction = !conn.is_autocommit();
        let session = Session { busy, in_transaction, is_first: true };
        Self { conn, watch, own, files, session, busy_handler: Cell::new(false) }
    }

    /// Whether the connection met an error that makes it useless, or its file is not where it was.
    /// Checks the file's path after an error that a moved file may have caused, and otherwise at
    /// most twice a second.
    pub(crate) fn is_broken(&mut self) -> bool {
        self.note_last_error();
        let file_may_have_moved = self.watch.take_must_check_file();
        if (self.files.is_check_due() || file_may_have_moved) && self.files.moved().is_some() {
            self.watch.set_broken();
        }
        self.watch.is_broken()
    }

    /// The path, if it names another file than the open one.
    pub(crate) fn moved(&self) -> Option<&Path> {
        self.files.moved()
    }

    /// Whether the session differs from what it was at its beginning. A busy timeout does not
    /// count, and is set again.
    pub(crate) fn has_changed(&self) -> bool {
        self.has_lasting_change()
            || self.conn.is_autocommit() == self.session.in_transaction
            || self.conn.is_busy()
            || self.restore_busy().is_err()
    }

    /// Whether the session was changed in a way that no reset undoes.
    pub(crate) fn has_lasting_change(&self) -> bool {
        self.watch.has_changed() || self.busy_handler_is_lost()
    }

    fn busy_handler_is_lost(&self) -> bool {
        let was_set = self.busy_handler.get();
        match self.session.busy {
            Busy::Timeout(_) => false,
            Busy::Handler => was_set || self.unwatched(|conn| !busy::waits_for_nothing(conn)),
        }
    }

    /// Sets the session's own way to wait for locks again.
    pub(crate) fn restore_busy(&self) -> Result<(), Error> {
        self.busy_handler.set(false);
        self.session.busy.restore(&self.conn)
    }

    /// Runs work of the manager, without notes and without the program's authorizer.
    pub(crate) fn unwatched<T>(&self, work: impl FnOnce(&rusqlite::Connection) -> T) -> T {
        self.note_last_error();
        self.watch.unwatched(|| work(&self.conn))
    }

    /// Runs `work` without waiting for locks, unless the program has a busy handler of its own.
    pub(crate) fn without_waiting<T>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Busy::Timeout(_) = self.session.busy {
            self.conn.busy_timeout(Duration::ZERO)?;
        }
        let outcome = self.unwatched(work);
        self.session.busy.restore(&self.conn)?;
        outcome
    }

    /// Begins a session: all changes until now belong to every session. `functions` lists the
    /// functions that exist.
    pub(crate) fn begin(
        &mut self,
        functions: impl FnOnce(&rusqlite::Connection) -> Result<Functions, Error>,
    ) -> Result<(), Error> {
        if self.watch.is_gone() {
            return Ok(()); // another authorizer counts as a change, even if the program wants it
        }
        let was_changed = self.watch.has_changed();
        if was_changed {
            self.conn.flush_prepared_statement_cache(); // what is prepared again is seen
        }
        if was_changed || self.session.is_first {
            let watch = Arc::clone(&self.watch);
            let baseline = watch.unwatched(|| {
                let functions = functions(&self.conn)?;
                Baseline::now(&self.conn, functions)
            })?;
            watch.install(&mut self.conn, Some(baseline), self.own.clone())?;
            watch.forget_changes();
        }
        let may_be_handler = self.busy_handler.replace(false) || self.session.busy == Busy::Handler;
        let busy = self.unwatched(|conn| Busy::now(conn, may_be_handler))?;
        let in_transaction = !self.conn.is_autocommit();
        self.session = Session { busy, in_transaction, is_first: false };
        Ok(())
    }

    /// Notes the error of the last call, if there was one. The next call would replace it.
    #[inline]
    fn note_last_error(&self) {
        self.watch.note_result(raw::last_result(&self.conn));
    }

    fn note_change_mut(&mut self) -> &mut rusqlite::Connection {
        self.note_last_error();
        self.watch.note_change();
        &mut self.conn
    }

    fn note_change(&self) -> &rusqlite::Connection {
        self.note_last_error();
        self.watch.note_change();
        &self.conn
    }
}
