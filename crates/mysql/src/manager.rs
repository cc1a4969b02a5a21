//! The connection manager: what the pools ask of it.

mod open;
mod options;
mod settings;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql::{Error, Opts};
use threadwise_core::{ConnectionInfo, ManageConnection, Outcome};

use crate::connection::Shared;
use crate::credentials::{Credentials, Logins, Source};
use crate::error;
use crate::session::login::Login;
use crate::session::schema::SchemaOwner;
use crate::{Connection, ErrorClass, classify};

/// Opens, checks and resets connections to one MySQL or MariaDB server.
///
/// Make one from a URL, or from the driver's own [`Opts`] or [`OptsBuilder`](mysql::OptsBuilder).
/// Where these set no timeouts, the driver waits without a limit; the manager uses the constants
/// below.
///
/// ```no_run
/// use std::time::Duration;
///
/// use threadwise_core::ManageConnection;
/// use threadwise_mysql::MysqlManager;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let manager = MysqlManager::from_url("mysql://app:secret@db.example:3306/shop")?
///     .connect_timeout(Some(Duration::from_secs(2)))
///     .read_timeout(Some(Duration::from_secs(20)));
///
/// let mut conn = manager.connect()?; // a pool does this
/// conn.ping()?;
/// # Ok(())
/// # }
/// ```
///
/// Each method runs on the thread that calls it, and waits for the server there: one round trip for a
/// check or a reset, three or four for a new connection.
pub struct MysqlManager {
    /// All options but the credentials.
    opts: Opts,
    logins: Arc<Logins>,
    login: Login,
    schema: SchemaOwner,
    shared: Arc<Shared>,
}

impl MysqlManager {
    /// Logs in as `user` with this password from now on. You can call it at any time, also while a
    /// pool is at work: `pool.manager().set_credentials(…)`. `None` is the user of the operating
    /// system, or no password. Open connections stay open; evict them from the pool if they must go.
    /// The manager does not know what names mean to their user, so it resets their sessions after each
    /// use.
    ///
    /// To change a password regularly: first give the server the new one as a second account or a
    /// second password, then tell the manager, then remove the old one from the server.
    ///
    /// ```
    /// use threadwise_mysql::MysqlManager;
    ///
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let manager = MysqlManager::from_url("mysql://app:old@db.example/shop")?;
    /// manager.set_credentials(Some("app"), Some("new")); // the next connect uses it
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_credentials(&self, user: Option<&str>, password: Option<&str>) {
        let (user, password) = (user.map(str::to_owned), password.map(str::to_owned));
        self.logins.replace(Source::Fixed(Arc::new(Credentials { user, password })));
    }
}

impl ManageConnection for MysqlManager {
    type Connection = Connection;
    type Error = Error;

    fn connect(&self) -> Result<Connection, Error> {
        self.open(None)
    }

    /// Limits each single wait for the server to `limit`, or to the configured timeout if that is
    /// shorter. So a server that stops answering ends the attempt in time, wherever it stops. A server
    /// that answers each question of the handshake just in time can take a few times `limit`. The
    /// system's name service has no limit.
    fn connect_within(&self, limit: Duration) -> Result<Connection, Error> {
        self.open(Some(limit))
    }

    /// A ping. After [`query_iter`](mysql::prelude::Queryable::query_iter) and the like, a query that
    /// proves that the connection is in step. Costs one round trip either way.
    fn is_valid(&self, conn: &mut Connection) -> Result<(), Error> {
        match self.opts.get_read_timeout() {
            Some(timeout) => conn.within(*timeout, Connection::check),
            None => conn.check(),
        }
    }

    fn is_valid_within(&self, conn: &mut Connection, limit: Duration) -> Result<(), Error> {
        conn.within(limit, Connection::check)
    }

    /// On a connection without encryption and compression, an answer that does not come within
    /// `patience` stays outstanding, and the next use of the connection reads it first. On other
    /// connections only the driver can read the answer, so this waits for `limit`.
    fn is_valid_patient(
        &self,
        conn: &mut Connection,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<(), Error>> {
        conn.check_patiently(patience, limit)
    }

    fn last_answer(&self, conn: &Connection) -> Option<Instant> {
        Some(conn.last_answer())
    }

    /// Whether an error put the connection out of use, the server has closed it, or the server has sent
    /// something without a question. Costs a look at the socket, about 0.4 µs, unless the server has
    /// answered within the last 20 µs. There is no look where the system is not a Unix.
    ///
    /// Also true if the server has answered that it is read-only or not ready, because another
    /// connection may reach another server; but not within a second after the connection was opened.
    fn has_broken(&self, conn: &mut Connection) -> bool {
        let is_broken = conn.is_broken();
        if is_broken {
            // So that the next connect asks the server for it. That question also shows whether the
            // password has expired.
            self.schema.forget_max_allowed_packet();
        }
        is_broken
    }

    /// Costs one round trip (`COM_RESET_CONNECTION`), and more where needed:
    ///
    /// * one on MySQL, for the character set, and another one after an `init_connect`;
    /// * one for the server's `init_connect`, if the server has one (the manager asks once a
    ///   minute);
    /// * one for each statement of `init`, which run again;
    /// * one or two if the default database or the role may have changed, or if the connection must
    ///   prove that it is in step.
    fn reset(&self, conn: &mut Connection) -> Result<(), Error> {
        conn.reset(&self.opts, &self.login)
    }

    fn reset_within(&self, conn: &mut Connection, limit: Duration) -> Result<(), Error> {
        conn.within(limit, |conn| conn.reset(&self.opts, &self.login))
    }

    fn begin_session(&self, conn: &mut Connection) {
        conn.begin_session();
    }

    /// Whether anything ran since the session began that may have changed it; see
    /// [the crate's page](crate#what-the-next-user-finds). Costs no round trip.
    fn has_changed(&self, conn: &mut Connection) -> bool {
        let has_changed = conn.has_changed(&self.schema);
        self.schema.ask_if_wanted(|| self.own_opts());
        has_changed
    }

    /// Whether the statements began a transaction and did not end it, by their texts. The server may
    /// have ended it all the same (a `CREATE TABLE` commits, a deadlock rolls back). If the session
    /// began with autocommit off, or after statements that may do anything, the server's own status
    /// flags decide, as far as the driver shows them.
    fn in_transaction(&self, conn: &mut Connection) -> bool {
        conn.may_be_in_transaction()
    }

    fn in_transaction_shared(&self, conn: &Connection) -> bool {
        conn.may_be_in_transaction()
    }

    /// The session's number at the server, which `SHOW PROCESSLIST` shows, and the address.
    fn info<'c>(&'c self, conn: &'c Connection) -> ConnectionInfo<'c> {
        ConnectionInfo::new().with_id(conn.connection_id().into()).with_host(&*self.shared.address)
    }

    fn is_lost(&self, error: &Error) -> bool {
        classify(error) == ErrorClass::Lost
    }

    /// [`Outcome::Unknown`] if the server may have committed the statement that met the error, or its
    /// transaction; see [`classify`]. The message says so, unless the driver's own rows or `Conn`
    /// met the error.
    fn on_error(&self, conn: &mut Connection, error: &Error) -> Outcome {
        if error::is_outcome_unknown(error, conn.state.history.at_stake_unseen()) {
            return Outcome::Unknown;
        }
        if self.is_lost(error) { Outcome::Lost } else { Outcome::Failed }
    }

    /// Also true for the server's answers to wrong statements of `init`: wrong syntax, a missing
    /// right, a missing table, an unknown variable or a wrong value. Any other
    /// [`ErrorClass::Ordinary`] error may have a cause that goes away, such as a `KILL QUERY`.
    fn is_permanent(&self, error: &Error) -> bool {
        match classify(error) {
            ErrorClass::Permanent => true,
            ErrorClass::Ordinary => error::is_about_text(error),
            ErrorClass::Lost | ErrorClass::Unknown | ErrorClass::Transient => false,
        }
    }

    /// Also finds the system's errors that the driver has turned into texts.
    fn is_shortage(&self, error: &Error) -> bool {
        error::is_shortage(error)
    }

    fn not_reconnected(&self, error: Error, cause: &(dyn std::error::Error + 'static)) -> Error {
        error::not_reconnected(error, cause)
    }

    /// The host and its port, or the path of the Unix socket.
    fn address(&self) -> Option<Cow<'_, str>> {
        Some((&*self.shared.address).into())
    }

    /// Replaces the server's socket by another one, in this process only, and then closes the
    /// connection, so that its good-bye does not reach the server. Where the system is not a Unix
    /// there is no such connection.
    fn forget_in_child(&self, conn: Connection) {
        conn.forget_in_child();
    }

    /// Sends the pool's name as the connection attribute `pool_name`.
    fn set_pool_name(&mut self, name: &str) {
        self.opts = options::with_attribute(std::mem::take(&mut self.opts), "pool_name", name);
    }
}

// By hand: the `Debug` of `Opts` prints the password.
impl fmt::Debug for MysqlManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlManager")
            .field("address", &self.shared.address)
            .field("user", &self.logins.user())
            .field("database", &self.opts.get_db_name())
            .field("connect_timeout", &self.opts.get_tcp_connect_timeout())
            .field("read_timeout", &self.opts.get_read_timeout())
            .field("write_timeout", &self.opts.get_write_timeout())
            .finish_non_exhaustive()
    }
}
