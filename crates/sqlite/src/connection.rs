//! What the pools lend: rusqlite's connection, and notes on what was done to it.

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
use threadwise_core::sync::Mutex;

use crate::busy::{self, Busy};
use crate::place::Place;
use crate::raw;
use crate::watch::{Authorizer, Fresh, Functions, Watch};

/// A [`rusqlite::Connection`] that knows whether its session was changed, and whether it met an
/// error that makes it useless.
///
/// It is used as that, and lent as `&rusqlite::Connection` or `&mut rusqlite::Connection` to
/// whatever asks for one. What SQL does to the session is seen, whoever runs it. What rusqlite does
/// without SQL (functions, collations, hooks, settings) is seen through the methods below, which
/// otherwise do what rusqlite's do, at the cost of a store; it is not seen through a plain
/// `&rusqlite::Connection`. Do not swap the connection inside for another.
pub struct Connection {
    conn: rusqlite::Connection,
    watch: Arc<Watch>,
    /// The authorizer that users are bound by: the manager's, or one that was set since.
    own: Option<Arc<Authorizer>>,
    place: Place,
    session: Session,
    /// A busy handler was set since the session began.
    busy_handler: Cell<bool>,
}

/// What a session is like at its beginning.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) busy: Busy,
    /// A transaction is open, which all users share.
    in_transaction: bool,
    /// It is that of a connection that was opened, and not handed over yet.
    is_first: bool,
}

impl Connection {
    /// A connection whose session begins here.
    pub(crate) fn new(
        conn: rusqlite::Connection,
        watch: Arc<Watch>,
        own: Option<Arc<Authorizer>>,
        place: Place,
        busy: Busy,
    ) -> Self {
        let in_transaction = !conn.is_autocommit();
        let session = Session { busy, in_transaction, is_first: true };
        Self { conn, watch, own, place, session, busy_handler: Cell::new(false) }
    }

    /// The connection alone, for what takes it by value. Nothing watches it any more.
    #[must_use]
    pub fn into_inner(mut self) -> rusqlite::Connection {
        let none = None::<fn(AuthContext<'_>) -> Authorization>;
        let _ = self.conn.authorizer(none); // nothing depends on it
        self.conn
    }

    /// Whether it met an error that makes it useless, or its file is not where it was. Looks at the
    /// file's path after an error that the path may be the reason for, and twice a second at most
    /// without a reason.
    pub(crate) fn is_broken(&mut self) -> bool {
        self.look();
        let has_reason = self.watch.take_doubt();
        if (self.place.is_look_due() || has_reason) && self.place.moved().is_some() {
            self.watch.set_broken();
        }
        self.watch.is_broken()
    }

    /// The path that names another file than the one that is open, if there is one.
    pub(crate) fn moved(&self) -> Option<&Path> {
        self.place.moved()
    }

    /// Whether the session differs from what it was at its beginning, but for a busy time-out, which
    /// is put right.
    pub(crate) fn has_changed(&self) -> bool {
        self.cannot_be_put_right()
            || self.conn.is_autocommit() == self.session.in_transaction
            || self.conn.is_busy()
            || self.restore_busy().is_err()
    }

    /// Whether something was done to the session that no reset undoes.
    pub(crate) fn cannot_be_put_right(&self) -> bool {
        self.watch.has_changed() || self.busy_handler_is_lost()
    }

    fn busy_handler_is_lost(&self) -> bool {
        let was_set = self.busy_handler.get();
        match self.session.busy {
            Busy::Timeout(_) => false,
            Busy::Handler => was_set || self.quietly(|conn| !busy::waits_for_nothing(conn)),
        }
    }

    /// Sets the session's own way to wait for locks again.
    pub(crate) fn restore_busy(&self) -> Result<(), Error> {
        self.busy_handler.set(false);
        self.session.busy.restore(&self.conn)
    }

    /// Runs what the manager does, during which nothing is noted and no authorizer of a user's is asked.
    pub(crate) fn quietly<T>(&self, work: impl FnOnce(&rusqlite::Connection) -> T) -> T {
        self.look();
        self.watch.quietly(|| work(&self.conn))
    }

    /// Waits for no lock while `work` runs, unless the program has a busy handler of its own.
    pub(crate) fn without_waiting<T>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Busy::Timeout(_) = self.session.busy {
            self.conn.busy_timeout(Duration::ZERO)?;
        }
        let outcome = self.quietly(work);
        self.session.busy.restore(&self.conn)?;
        outcome
    }

    /// A session begins: what was done until now belongs to every one. `functions` lists those that
    /// there are.
    pub(crate) fn begin(
        &mut self,
        functions: impl FnOnce(&rusqlite::Connection) -> Result<Functions, Error>,
    ) -> Result<(), Error> {
        if self.watch.is_gone() {
            return Ok(()); // another authorizer is there, and may be meant to be: it counts as a change
        }
        let was_changed = self.watch.has_changed();
        if was_changed {
            self.conn.flush_prepared_statement_cache(); // what is prepared again, is seen
        }
        if was_changed || self.session.is_first {
            let watch = Arc::clone(&self.watch);
            let fresh = watch.quietly(|| {
                let functions = functions(&self.conn)?;
                Fresh::now(&self.conn, functions)
            })?;
            watch.install(&mut self.conn, Some(fresh), self.own.clone())?;
            watch.forget_changes();
        }
        let may_be_handler = self.busy_handler.replace(false) || self.session.busy == Busy::Handler;
        let busy = self.quietly(|conn| Busy::now(conn, may_be_handler))?;
        let in_transaction = !self.conn.is_autocommit();
        self.session = Session { busy, in_transaction, is_first: false };
        Ok(())
    }

    /// Notes the error of the last call, if there was one: the next call takes its place.
    #[inline]
    fn look(&self) {
        self.watch.see(raw::last_result(&self.conn));
    }

    fn changed(&mut self) -> &mut rusqlite::Connection {
        self.look();
        self.watch.note();
        &mut self.conn
    }

    fn shared_changed(&self) -> &rusqlite::Connection {
        self.look();
        self.watch.note();
        &self.conn
    }
}

impl Deref for Connection {
    type Target = rusqlite::Connection;

    #[inline]
    fn deref(&self) -> &rusqlite::Connection {
        self.look();
        &self.conn
    }
}

impl DerefMut for Connection {
    #[inline]
    fn deref_mut(&mut self) -> &mut rusqlite::Connection {
        self.look();
        &mut self.conn
    }
}

// By hand: an authorizer has nothing to show.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("conn", &self.conn)
            .field("watch", &self.watch)
            .field("session", &self.session)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// What changes the session without SQL. The pool replaces the connection on return, unless it was
/// done by the pool's `on_connect` hook: then every user finds it.
#[expect(clippy::missing_errors_doc, reason = "they are rusqlite's")]
impl Connection {
    /// See [`rusqlite::Connection::create_scalar_function`].
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
        self.shared_changed().create_scalar_function(name, arguments, flags, function)
    }

    /// See [`rusqlite::Connection::create_aggregate_function`].
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
        self.shared_changed().create_aggregate_function(name, arguments, flags, aggregate)
    }

    /// See [`rusqlite::Connection::remove_function`].
    pub fn remove_function<N: Name>(&self, name: N, arguments: i32) -> Result<(), Error> {
        self.shared_changed().remove_function(name, arguments)
    }

    /// See [`rusqlite::Connection::create_collation`].
    pub fn create_collation<C, N>(&self, name: N, compare: C) -> Result<(), Error>
    where
        C: Fn(&str, &str) -> Ordering + Send + 'static,
        N: Name,
    {
        self.shared_changed().create_collation(name, compare)
    }

    /// See [`rusqlite::Connection::remove_collation`].
    pub fn remove_collation<N: Name>(&self, name: N) -> Result<(), Error> {
        self.shared_changed().remove_collation(name)
    }

    /// See [`rusqlite::Connection::collation_needed`].
    pub fn collation_needed(
        &self,
        needed: fn(&rusqlite::Connection, &str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.shared_changed().collation_needed(needed)
    }

    /// See [`rusqlite::Connection::set_db_config`].
    pub fn set_db_config(&self, config: DbConfig, on: bool) -> Result<bool, Error> {
        self.shared_changed().set_db_config(config, on)
    }

    /// See [`rusqlite::Connection::set_transaction_behavior`].
    pub fn set_transaction_behavior(&mut self, behavior: TransactionBehavior) {
        self.changed().set_transaction_behavior(behavior);
    }

    /// See [`rusqlite::Connection::commit_hook`].
    pub fn commit_hook<F>(&mut self, hook: Option<F>) -> Result<(), Error>
    where
        F: FnMut() -> bool + Send + 'static,
    {
        self.changed().commit_hook(hook)
    }

    /// See [`rusqlite::Connection::rollback_hook`].
    pub fn rollback_hook<F>(&mut self, hook: Option<F>) -> Result<(), Error>
    where
        F: FnMut() + Send + 'static,
    {
        self.changed().rollback_hook(hook)
    }

    /// See [`rusqlite::Connection::update_hook`].
    pub fn update_hook<F>(&mut self, hook: Option<F>) -> Result<(), Error>
    where
        F: FnMut(Action, &str, &str, i64) + Send + 'static,
    {
        self.changed().update_hook(hook)
    }

    /// See [`rusqlite::Connection::wal_hook`].
    pub fn wal_hook<F>(&mut self, hook: Option<F>) -> Result<(), Error>
    where
        F: FnMut(&mut Wal, i32) -> Result<(), Error> + Send + 'static,
    {
        self.changed().wal_hook(hook)
    }

    /// See [`rusqlite::Connection::progress_handler`].
    pub fn progress_handler<F>(&mut self, steps: i32, handler: Option<F>) -> Result<(), Error>
    where
        F: FnMut() -> bool + Send + 'static,
    {
        self.changed().progress_handler(steps, handler)
    }

    /// See [`rusqlite::Connection::authorizer`]. The authorizer is asked through the manager's own,
    /// which sees what changes a session; it takes the place of the one that was given to
    /// [`SqliteManager::with_authorizer`](crate::SqliteManager::with_authorizer).
    pub fn authorizer<F>(&mut self, authorizer: Option<F>) -> Result<(), Error>
    where
        F: for<'a> FnMut(AuthContext<'a>) -> Authorization + Send + 'static,
    {
        self.changed();
        self.own = authorizer.map(|authorizer| {
            let authorizer = Mutex::new(authorizer);
            let shared = move |context: AuthContext<'_>| (authorizer.lock())(context);
            Arc::new(shared) as Arc<Authorizer>
        });
        let watch = Arc::clone(&self.watch);
        // What the user does until the session begins anew has been noted by the line above.
        let everything = Fresh::default();
        watch.install(&mut self.conn, Some(everything), self.own.clone())
    }

    /// See [`rusqlite::Connection::busy_handler`]. The pool sets the busy time-out again when the
    /// connection is given back; a handler that its `on_connect` hook has set stays.
    pub fn busy_handler<F>(&mut self, handler: Option<F>) -> Result<(), Error>
    where
        F: FnMut(i32) -> bool + Send + 'static,
    {
        self.busy_handler.set(true);
        self.look();
        self.conn.busy_handler(handler)
    }
}
