//! An r2d2 manager as a manager of these pools.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use threadwise_core::{ManageConnection, Moment, Reset};

use crate::Error;
use crate::opener::Opener;

type ResetFn<C, E> = Box<dyn Fn(&mut C) -> Result<(), E> + Send + Sync>;
type Question<C> = Box<dyn Fn(&mut C) -> bool + Send + Sync>;

/// Puts a connection manager that was written for r2d2 into any pool of the family.
///
/// r2d2's trait says nothing of sessions, transactions, or what an error means. Without further
/// settings the pool resets nothing, as r2d2 does, and `steady` repeats nothing. The setters say the
/// rest.
///
/// ```
/// use std::io;
/// use threadwise_queue::QueuePool;
/// use threadwise_r2d2::FromR2d2;
///
/// /// A manager that was written for r2d2.
/// struct Numbers;
///
/// impl r2d2::ManageConnection for Numbers {
///     type Connection = u32;
///     type Error = io::Error;
///
///     fn connect(&self) -> io::Result<u32> {
///         Ok(0)
///     }
///
///     fn is_valid(&self, _: &mut u32) -> io::Result<()> {
///         Ok(())
///     }
///
///     fn has_broken(&self, _: &mut u32) -> bool {
///         false
///     }
/// }
///
/// let manager = FromR2d2::new(Numbers).reset_with(|number| {
///     *number = 0;
///     Ok(())
/// });
/// let pool = QueuePool::new(manager, 1)?;
/// *pool.get()? += 41;
/// assert_eq!(*pool.get()?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | question of the pool | answer |
/// |---|---|
/// | `connect`, `is_valid` | the manager's own |
/// | `connect_within` | the manager's `connect` on a thread of its own, [within](threadwise_core::within()) the limit |
/// | `has_broken_at` | the manager's `has_broken`, as in r2d2 when a connection comes back; see [`has_broken_on_checkout`](Self::has_broken_on_checkout) |
/// | `reset`, `has_changed` | [`reset_with`](Self::reset_with), [`has_changed_with`](Self::has_changed_with); without the first there is nothing to reset |
/// | `in_transaction` | [`in_transaction_with`](Self::in_transaction_with) |
/// | `is_lost`, `is_permanent` | [`is_lost_with`](Self::is_lost_with), [`is_permanent_with`](Self::is_permanent_with) |
/// | `close` | [`customizer`](Self::customizer)'s `on_release`; without it the connection is dropped |
///
/// A reset and a validation have no limit but the driver's own: set the driver's timeouts.
pub struct FromR2d2<M: r2d2::ManageConnection> {
    opener: Opener<M>,
    reset: Option<ResetFn<M::Connection, M::Error>>,
    has_changed: Option<Question<M::Connection>>,
    in_transaction: Option<Question<M::Connection>>,
    address: Option<String>,
    has_broken_on_checkout: bool,
}

impl<M: r2d2::ManageConnection> FromR2d2<M> {
    /// Wraps a manager.
    pub fn new(manager: M) -> Self {
        Self {
            opener: Opener::new(manager),
            reset: None,
            has_changed: None,
            in_transaction: None,
            address: None,
            has_broken_on_checkout: false,
        }
    }

    /// Makes a returned session like a new one. The pool calls it as its setting `reset` says; with the
    /// default, on every return, unless [`has_changed_with`](Self::has_changed_with) knows that there is
    /// nothing to reset. An error closes the connection.
    ///
    /// Default: none. The next borrower finds what the last one left.
    #[must_use]
    pub fn reset_with<F>(mut self, reset: F) -> Self
    where
        F: Fn(&mut M::Connection) -> Result<(), M::Error> + Send + Sync + 'static,
    {
        self.reset = Some(Box::new(reset));
        self
    }

    /// Whether a session might differ from a new one, found out without asking the server. `false` saves
    /// the reset, if the pool's setting `reset` is `WhenChanged`.
    ///
    /// Default: `true` with [`reset_with`](Self::reset_with).
    #[must_use]
    pub fn has_changed_with<F>(mut self, has_changed: F) -> Self
    where
        F: Fn(&mut M::Connection) -> bool + Send + Sync + 'static,
    {
        self.has_changed = Some(Box::new(has_changed));
        self
    }

    /// Whether a transaction is open, found out without asking the server. Then `steady` does not
    /// repeat work, and the pool does not replace the connection for its age.
    ///
    /// If a connection comes back in a transaction and [`reset_with`](Self::reset_with) is about to
    /// reset it, the pool asks `has_broken` after the reset: some managers count an open transaction
    /// as broken. If the pool does not reset it, the pool asks at once.
    ///
    /// Default: `false`. `share` of a shared pool always gets that answer.
    #[must_use]
    pub fn in_transaction_with<F>(mut self, in_transaction: F) -> Self
    where
        F: Fn(&mut M::Connection) -> bool + Send + Sync + 'static,
    {
        self.in_transaction = Some(Box::new(in_transaction));
        self
    }

    /// Whether an error of `connect` stays until a person changes a setting: a wrong password, an
    /// unknown database. See [`ManageConnection::is_permanent`].
    ///
    /// Default: `false`.
    #[must_use]
    pub fn is_permanent_with<F>(mut self, is_permanent: F) -> Self
    where
        F: Fn(&M::Error) -> bool + Send + Sync + 'static,
    {
        self.opener.is_permanent = Some(Arc::new(is_permanent));
        self
    }

    /// Whether an error of a use means that the connection is lost. See [`ManageConnection::is_lost`].
    /// If the manager's `has_broken` does not notice the loss, discard the connection, or use `steady`,
    /// which replaces it.
    ///
    /// Default: `false`.
    #[must_use]
    pub fn is_lost_with<F>(mut self, is_lost: F) -> Self
    where
        F: Fn(&M::Error) -> bool + Send + Sync + 'static,
    {
        self.opener.is_lost = Some(Arc::new(is_lost));
        self
    }

    /// Where the connections lead, for messages: a host and port, or a path. Never a password.
    ///
    /// Default: none.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Whether the pool calls `has_broken` also for a new connection, for one that it is about to
    /// lend, and for one that it validates while it is idle. Set it if the manager's `has_broken`
    /// asks no server: if it only reads a flag or looks at the socket.
    ///
    /// Default: `false`, as in r2d2. Some managers ask their server there.
    #[must_use]
    pub fn has_broken_on_checkout(mut self, asks: bool) -> Self {
        self.has_broken_on_checkout = asks;
        self
    }

    /// Calls the customizer's `on_acquire` with each connection that opens, and after each reset, so
    /// that every session has what it does. Calls its `on_release` with each connection that the pool
    /// gives up. An error of `on_acquire` counts as a failed attempt to connect; after a reset it closes
    /// the connection.
    ///
    /// A hook of the pool, `on_connect`, runs after it.
    #[must_use]
    pub fn customizer(
        mut self,
        customizer: Box<dyn r2d2::CustomizeConnection<M::Connection, M::Error>>,
    ) -> Self {
        self.opener.customizer = Some(Arc::from(customizer));
        self
    }

    /// The wrapped manager.
    #[must_use]
    pub fn inner(&self) -> &M {
        &self.opener.manager
    }

    /// The error as the pools keep it, for [`steady`](threadwise_core::Guard::steady):
    ///
    /// ```
    /// # use threadwise_core::{GetError, Pool};
    /// # use threadwise_r2d2::{Error, FromR2d2};
    /// # fn read<M, P>(pool: &P, query: impl Fn(&mut M::Connection) -> Result<u32, M::Error>) -> Result<u32, Box<dyn std::error::Error>>
    /// # where M: r2d2::ManageConnection, P: Pool<Manager = FromR2d2<M>> {
    /// # use threadwise_core::Guard;
    /// let manager = pool.manager();
    /// let number = pool.get()?.steady(|conn| query(conn).map_err(|error| manager.error(error)))?;
    /// # Ok(number)
    /// # }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error on by value")]
    pub fn error(&self, error: M::Error) -> Error {
        self.opener.keep(&error)
    }

    /// Whether a pool with this setting resets the returned connection, and
    /// [`reset`](ManageConnection::reset) then asks `has_broken`.
    fn asks_after_reset(&self, reset: Reset, conn: &mut M::Connection) -> bool {
        self.reset.is_some() && self.in_transaction(conn) && reset.is_due(self, conn)
    }

    pub(crate) fn opener(&self) -> &Opener<M> {
        &self.opener
    }
}

impl<M: r2d2::ManageConnection> ManageConnection for FromR2d2<M> {
    type Connection = M::Connection;
    type Error = Error;

    fn connect(&self) -> Result<M::Connection, Error> {
        self.opener.open().map_err(|error| self.opener.keep(&error))
    }

    /// Opens the connection on a thread of its own. A connection that comes too late is dropped there.
    fn connect_within(&self, limit: Duration) -> Result<M::Connection, Error> {
        let opener = self.opener.clone();
        let open = move || opener.open().map_err(|error| opener.keep(&error));
        threadwise_core::within(limit, open)
            .map_err(|error| Error::with_source("cannot open a connection", &error))?
    }

    fn is_valid(&self, conn: &mut M::Connection) -> Result<(), Error> {
        self.inner().is_valid(conn).map_err(|error| self.opener.keep(&error))
    }

    fn has_broken(&self, conn: &mut M::Connection) -> bool {
        self.inner().has_broken(conn)
    }

    fn has_broken_at(&self, conn: &mut M::Connection, moment: Moment) -> bool {
        let asks = match moment {
            Moment::Return { reset } => !self.asks_after_reset(reset, conn),
            _ => self.has_broken_on_checkout,
        };
        asks && self.has_broken(conn)
    }

    fn reset(&self, conn: &mut M::Connection) -> Result<(), Error> {
        let Some(reset) = &self.reset else { return Ok(()) };
        let asks_after_reset = self.in_transaction(conn);
        reset(conn)
            .and_then(|()| self.opener.customize(conn))
            .map_err(|error| self.opener.keep(&error))?;
        if asks_after_reset && self.has_broken(conn) {
            return Err(Error::broken_after_reset());
        }
        Ok(())
    }

    fn has_changed(&self, conn: &mut M::Connection) -> bool {
        self.reset.is_some()
            && self.has_changed.as_ref().is_none_or(|has_changed| has_changed(conn))
    }

    fn in_transaction(&self, conn: &mut M::Connection) -> bool {
        self.in_transaction.as_ref().is_some_and(|in_transaction| in_transaction(conn))
    }

    fn is_lost(&self, error: &Error) -> bool {
        error.meaning().is_lost
    }

    fn is_permanent(&self, error: &Error) -> bool {
        error.meaning().is_permanent
    }

    fn is_shortage(&self, error: &Error) -> bool {
        error.meaning().is_shortage
    }

    fn not_reconnected(&self, error: Error, cause: &(dyn std::error::Error + 'static)) -> Error {
        error.not_reconnected(cause)
    }

    fn address(&self) -> Option<Cow<'_, str>> {
        self.address.as_deref().map(Cow::from)
    }

    fn close(&self, conn: M::Connection) {
        self.opener.release(conn);
    }
}

impl<M: r2d2::ManageConnection> fmt::Debug for FromR2d2<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromR2d2")
            .field("address", &self.address)
            .field("reset_with", &self.reset.is_some())
            .field("has_changed_with", &self.has_changed.is_some())
            .field("in_transaction_with", &self.in_transaction.is_some())
            .field("has_broken_on_checkout", &self.has_broken_on_checkout)
            .finish_non_exhaustive()
    }
}
