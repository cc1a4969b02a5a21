//! What the pools lend: rusqlite's connection, and a note on what was done to it.

use std::cmp::Ordering;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::functions::{Aggregate, Context, FunctionFlags, SqlFnOutput};
use rusqlite::hooks::{Action, AuthContext, Authorization, Wal};
use rusqlite::{Error, Name, TransactionBehavior};

use crate::watch::Watch;

/// A [`rusqlite::Connection`] that knows whether its session was changed.
///
/// It is used as that, and lent as `&rusqlite::Connection` or `&mut rusqlite::Connection` to
/// whatever asks for one. What SQL does to the session is seen, whoever runs it. What rusqlite does
/// without SQL (functions, collations, hooks, settings) is seen through the methods below, which
/// otherwise do what rusqlite's do, at the cost of a store; it is not seen through a plain
/// `&rusqlite::Connection`. Do not swap the connection inside for another.
#[derive(Debug)]
pub struct Connection {
    conn: rusqlite::Connection,
    watch: Arc<Watch>,
}

impl Connection {
    pub(crate) fn new(conn: rusqlite::Connection, watch: Arc<Watch>) -> Self {
        Self { conn, watch }
    }

    /// The connection alone, for what takes it by value. Nothing watches it any more.
    #[must_use]
    pub fn into_inner(mut self) -> rusqlite::Connection {
        let none = None::<fn(AuthContext<'_>) -> Authorization>;
        let _ = self.conn.authorizer(none); // nothing depends on it
        self.conn
    }

    /// Whether something was done that cannot be put right.
    pub(crate) fn has_changed(&self) -> bool {
        self.watch.has_changed()
    }

    fn changed(&mut self) -> &mut rusqlite::Connection {
        self.watch.note();
        &mut self.conn
    }

    fn shared_changed(&self) -> &rusqlite::Connection {
        self.watch.note();
        &self.conn
    }
}

impl Deref for Connection {
    type Target = rusqlite::Connection;

    #[inline]
    fn deref(&self) -> &rusqlite::Connection {
        &self.conn
    }
}

impl DerefMut for Connection {
    #[inline]
    fn deref_mut(&mut self) -> &mut rusqlite::Connection {
        &mut self.conn
    }
}

/// What changes the session without SQL. The pool replaces the connection on return.
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
}
