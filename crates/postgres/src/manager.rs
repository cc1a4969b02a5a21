//! The connection manager: what the pools ask of it.

mod open;
mod settings;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use postgres::Error;
use threadwise_core::parts::fork;
use threadwise_core::parts::sync::Mutex;
use threadwise_core::{ConnectionInfo, ManageConnection, Outcome, within};

use self::settings::Settings;
use crate::connection::GOODBYE;
use crate::credentials::{Credentials, Source};
use crate::error::{self, Own};
use crate::session::catalog::Catalog;
use crate::{Connection, ErrorClass, classify};

/// Opens, checks and resets connections to a PostgreSQL server, or to the first of several that can be
/// reached.
///
/// Make one from a URL, from libpq's `key=value` text, or from the driver's own
/// [`Config`](postgres::Config). Where these set no timeouts, the manager uses the constants below.
///
/// ```no_run
/// use std::time::Duration;
///
/// use threadwise_core::ManageConnection;
/// use threadwise_postgres::PostgresManager;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let manager = PostgresManager::from_url("postgres://app:secret@db.example/shop")?
///     .connect_timeout(Some(Duration::from_secs(2)))
///     .read_timeout(Some(Duration::from_secs(20)));
///
/// let mut conn = manager.connect()?; // a pool does this
/// conn.batch_execute("SELECT 1")?;
/// # Ok(())
/// # }
/// ```
///
/// Each method runs on the thread that calls it, and waits for the server there: one round trip for a
/// check or a reset, three to six for a new connection.
pub struct PostgresManager {
    opener: Opener,
}

/// All that is needed to open a connection, for the manager and for its thread that asks about code.
#[derive(Clone)]
struct Opener {
    settings: Arc<Settings>,
    /// Locked for a moment only, and `fork` waits meanwhile, so a forked child never finds it locked.
    credentials: Arc<Mutex<Source>>,
    catalog: Arc<Catalog>,
}

impl PostgresManager {
    /// Logs in as `user` with this password from now on. You can call it at any time, also while a pool
    /// is at work: `pool.manager().set_credentials(…)`. `None` is the user of the operating system, or
    /// no password. Open connections stay open; evict them from the pool if they must go.
    ///
    /// ```
    /// use threadwise_postgres::PostgresManager;
    ///
    /// # fn main() -> Result<(), threadwise_postgres::UrlError> {
    /// let manager = PostgresManager::from_url("postgres://app:old@db.example/shop")?;
    /// manager.set_credentials(Some("app"), Some("new")); // the next connect uses it
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_credentials(&self, user: Option<&str>, password: Option<&str>) {
        let credentials = Credentials {
            user: user.map(str::to_owned),
            password: password.map(|password| password.as_bytes().to_vec()),
        };
        self.replace_credentials(Source::Fixed(credentials));
    }

    fn source(&self) -> Source {
        fork::hold_off(|| self.opener.credentials.lock().clone())
    }

    fn replace_credentials(&self, source: Source) {
        let before =
            fork::hold_off(|| std::mem::replace(&mut *self.opener.credentials.lock(), source));
        drop(before); // outside of the lock
        self.opener.catalog.forget();
    }

    /// Makes the session like a new one.
    fn renew(&self, conn: &mut Connection) -> Result<(), Error> {
        conn.reset()?;
        self.opener.run_init(conn)
    }

    /// Asks about code on a thread of its own, if that is due. Nothing waits for the answer.
    fn ask_if_due(&self) {
        if let Some(question) = self.opener.catalog.question() {
            let opener = self.opener.clone();
            let work = fork::apart_from_forks(move || opener.answer(question));
            // Without a thread the question is dropped, which counts as a failure.
            let _ = thread::Builder::new().name("postgres-catalog".to_owned()).spawn(work);
        }
    }
}

impl Drop for PostgresManager {
    fn drop(&mut self) {
        self.opener.catalog.close();
    }
}

impl ManageConnection for PostgresManager {
    type Connection = Connection;
    type Error = Error;

    fn connect(&self) -> Result<Connection, Error> {
        let conn = self.opener.open(None)?;
        self.ask_if_due();
        Ok(conn)
    }

    /// Ends within `limit`, or within the connect timeout if that is shorter: all hosts, all their
    /// addresses, encryption and login together. Only the system's name service has no limit.
    fn connect_within(&self, limit: Duration) -> Result<Connection, Error> {
        let conn = self.opener.open(Some(limit))?;
        self.ask_if_due();
        Ok(conn)
    }

    /// An empty query. Costs one round trip.
    fn is_valid(&self, conn: &mut Connection) -> Result<(), Error> {
        conn.check(self.opener.settings.read_timeout.unwrap_or(Duration::MAX))
    }

    fn is_valid_within(&self, conn: &mut Connection, limit: Duration) -> Result<(), Error> {
        conn.check(limit)
    }

    /// An answer that does not come within `patience` stays outstanding. The driver reads it before the
    /// answer to the next question.
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

    /// Whether an error or the server has ended the connection. Looks at the socket if the server has
    /// not answered within the last 500 µs, which costs some microseconds and no round trip.
    ///
    /// Also true in two other cases. First, a statement left something that no reset removes.
    /// Second, the server has answered that it is read-only although no statement asked for that,
    /// and the connection was opened more than a second ago: another connection may reach another
    /// server.
    fn has_broken(&self, conn: &mut Connection) -> bool {
        conn.is_broken()
    }

    /// Costs one round trip, and more where needed: one for statements that SQL's `PREPARE` made, and one
    /// for each statement of `init`.
    fn reset(&self, conn: &mut Connection) -> Result<(), Error> {
        conn.within(None, |conn| self.renew(conn))
    }

    fn reset_within(&self, conn: &mut Connection, limit: Duration) -> Result<(), Error> {
        conn.within(Some(limit), |conn| self.renew(conn))
    }

    fn begin_session(&self, conn: &mut Connection) {
        conn.begin_session();
    }

    /// Whether anything ran since the session began that may have changed it; see
    /// [the crate's page](crate#what-the-next-user-finds). Costs no round trip.
    fn has_changed(&self, conn: &mut Connection) -> bool {
        self.ask_if_due();
        conn.send_closes();
        conn.has_changed()
    }

    /// Whether the server's last answer said that a transaction is open, or an answer is outstanding.
    fn in_transaction(&self, conn: &mut Connection) -> bool {
        conn.may_be_in_transaction()
    }

    fn in_transaction_shared(&self, conn: &Connection) -> bool {
        conn.may_be_in_transaction()
    }

    fn pool_closed(&self) {
        self.opener.catalog.close();
    }

    /// The address of the settings.
    fn info<'c>(&'c self, _: &'c Connection) -> ConnectionInfo<'c> {
        ConnectionInfo::new().with_host(&*self.opener.settings.address)
    }

    fn is_lost(&self, error: &Error) -> bool {
        classify(error) == ErrorClass::Lost
    }

    /// [`Outcome::Unknown`] if the connection is lost while the server may be committing: a `COMMIT`, a
    /// change outside of a transaction, or a text that this crate does not understand; see
    /// [the crate's page](crate#errors). Also if the server itself says so: SQLSTATE 08007 and 40003.
    fn on_error(&self, conn: &mut Connection, error: &Error) -> Outcome {
        let is_lost = self.is_lost(error);
        if error::says_unknown(error) || (is_lost && conn.may_have_committed()) {
            Outcome::Unknown
        } else if is_lost {
            Outcome::Lost
        } else {
            Outcome::Failed
        }
    }

    fn is_permanent(&self, error: &Error) -> bool {
        classify(error) == ErrorClass::Permanent
    }

    fn not_reconnected(&self, error: Error, cause: &(dyn std::error::Error + 'static)) -> Error {
        error::own(Own::NotReconnected {
            lost: error::explain(&error),
            cause: threadwise_core::chain(cause).to_string(),
        })
    }

    fn address(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.opener.settings.address))
    }

    /// Forgets the connection. Its memory and its descriptors stay until the child ends or runs another
    /// program. (The driver would say goodbye to the parent's session, and its runtime shares what the
    /// kernel knows of the parent's sockets.)
    fn forget_in_child(&self, conn: Connection) {
        std::mem::forget(conn);
    }

    /// The server shows it as `application_name`, unless the settings have one.
    fn set_pool_name(&mut self, name: &str) {
        let settings = Arc::make_mut(&mut self.opener.settings);
        settings.driver.application_name.get_or_insert_with(|| name.to_owned());
    }

    /// Says goodbye to the server, and waits for at most a second. On a thread that is destroying its
    /// thread-local values, as a `PersistentPool` may call this, it costs the start of a thread.
    fn close(&self, conn: Connection) {
        // The driver waits for its goodbye with tokio, which panics where its value is destroyed.
        let runtime = tokio::runtime::Handle::try_current();
        if runtime.is_err_and(|error| error.is_thread_local_destroyed()) {
            let _ = within(2 * GOODBYE, move || drop(conn));
        } else {
            drop(conn);
        }
    }
}

// By hand: without credentials.
impl fmt::Debug for PostgresManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.opener.settings;
        f.debug_struct("PostgresManager")
            .field("address", &settings.address)
            .field("connect_timeout", &settings.connect_timeout)
            .field("read_timeout", &settings.read_timeout)
            .finish_non_exhaustive()
    }
}
