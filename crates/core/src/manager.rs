//! The trait of a connection manager: how connections are opened, checked, reset and closed.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::{ConnectionInfo, Moment, Outcome, shortage};

/// Opens connections and answers a pool's questions about them.
///
/// The first three methods are those of an r2d2 manager and have no default. The defaults of the others
/// are safe for any driver. A pool never calls a method under a lock.
///
/// ```
/// use std::net::TcpStream;
/// use threadwise_core::ManageConnection;
///
/// struct Sockets;
///
/// impl ManageConnection for Sockets {
///     type Connection = TcpStream;
///     type Error = std::io::Error;
///
///     fn connect(&self) -> Result<TcpStream, Self::Error> {
///         TcpStream::connect("localhost:7")
///     }
///
///     fn is_valid(&self, conn: &mut TcpStream) -> Result<(), Self::Error> {
///         conn.peer_addr().map(drop) // a real manager asks the server
///     }
///
///     fn has_broken(&self, conn: &mut TcpStream) -> bool {
///         !matches!(conn.take_error(), Ok(None))
///     }
/// }
/// ```
///
/// | method | called by | may block |
/// |---|---|---|
/// | [`connect`](Self::connect), [`connect_within`](Self::connect_within) | a dialer thread (shared pool), the borrower (queue, per-thread pool), `build()` | yes |
/// | [`is_valid`](Self::is_valid), [`is_valid_within`](Self::is_valid_within) | the borrower, as [`Validation`](crate::Validation) says | yes |
/// | [`has_broken`](Self::has_broken), [`has_broken_at`](Self::has_broken_at), [`has_changed`](Self::has_changed), [`in_transaction`](Self::in_transaction), [`should_retire`](Self::should_retire), [`last_answer`](Self::last_answer) | the borrower, on `get` and on return | no |
/// | [`quick_check`](Self::quick_check) | the borrower, on a `get` after some idle time | for at most some milliseconds |
/// | [`on_error`](Self::on_error) | the borrower, in [`steady`](crate::Guard::steady) and [`outcome`](crate::Guard::outcome) | no |
/// | [`reset`](Self::reset), [`reset_within`](Self::reset_within) | the thread that returns the connection | yes |
/// | [`close`](Self::close) | the thread that removes the connection from the pool; of a shared pool, a thread of the pool | yes |
///
/// A shared pool also checks, resets and closes connections on threads of its own. So no method may
/// depend on the thread that calls it.
///
/// A manager that wraps another one must forward every method. A method that it leaves out has its
/// default, and the inner manager's own version never runs. `#[deny(clippy::missing_trait_methods)]` on
/// the `impl` names the missing ones, also after this trait gets another method.
///
/// A panic in a method costs only the connection that it was called for: the pool drops that connection
/// and gets its capacity back.
pub trait ManageConnection: Send + Sync + 'static {
    /// What the pool lends. It moves between threads, so it is `Send`. It need not be `Sync`.
    type Connection: Send + 'static;

    /// The driver's error. It is `Sync` because all waiters share the error of a failed attempt to
    /// connect.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Opens a connection that is ready for its first borrower.
    ///
    /// Set the driver's timeouts here: a pool cannot interrupt a `connect` that hangs.
    ///
    /// ```
    /// # use threadwise_core::ManageConnection;
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
    /// let extra = pool.manager().connect()?; // the pool does not count it
    /// extra.execute_batch("SELECT 1")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Whatever the driver returns. The pool passes the error on to the waiters unchanged.
    fn connect(&self) -> Result<Self::Connection, Self::Error>;

    /// Asks the server whether the connection works. Typically costs a round trip.
    ///
    /// ```
    /// # use threadwise_core::ManageConnection;
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
    /// let mut conn = pool.get()?;
    /// pool.manager().is_valid(&mut conn)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Any error makes the pool close the connection.
    fn is_valid(&self, conn: &mut Self::Connection) -> Result<(), Self::Error>;

    /// The free check: whether the manager already knows that the connection is unusable. A manager
    /// learns that from a flag that an earlier error set, or from a look at the socket. Must not
    /// wait.
    ///
    /// The pool calls it on every `get` and every return, so it should cost well under a microsecond.
    fn has_broken(&self, conn: &mut Self::Connection) -> bool;

    /// The free check, with the moment at which the pool makes it. The pools call this one.
    ///
    /// Implement it if the answer depends on the moment. A driver that counts a connection with an
    /// open transaction as broken must not say so on return if a reset is due, which rolls the
    /// transaction back ([`Moment::Return`]). A check that costs a round trip belongs on return or in
    /// [`is_valid`](Self::is_valid), because [`Moment::Checkout`] comes before each use.
    ///
    /// The default calls [`has_broken`](Self::has_broken).
    fn has_broken_at(&self, conn: &mut Self::Connection, moment: Moment) -> bool {
        let _ = moment;
        self.has_broken(conn)
    }

    /// The quick check: whether the server has closed the connection. The manager finds this out
    /// without a round trip, for example by a read that does not wait. That costs more than the
    /// free check: from 20 to 2 000 microseconds on a driver that does not expose its socket.
    ///
    /// The pool calls it on a `get` of a connection that was idle for longer than
    /// [`quick_check_after`](Self::quick_check_after), if no validation is due.
    ///
    /// The default is `Ok`.
    ///
    /// # Errors
    ///
    /// Any error makes the pool close the connection.
    fn quick_check(&self, conn: &mut Self::Connection) -> Result<(), Self::Error> {
        let _ = conn;
        Ok(())
    }

    /// How long a connection may be idle until a `get` makes a [`quick_check`](Self::quick_check). The
    /// pool asks once, when it is built. With a value, each `get` and each return reads a clock.
    ///
    /// The default is `None`: the pool never makes a quick check.
    fn quick_check_after(&self) -> Option<Duration> {
        None
    }

    /// Opens a connection within `limit`.
    ///
    /// The pools that dial on the borrower's thread pass the time until the borrower's deadline. If
    /// this method overruns `limit`, the borrower overruns its deadline. The default calls
    /// [`connect`](Self::connect) and ignores `limit`. If the driver has no timeout for its
    /// handshake, [`within`](crate::within()) bounds it.
    ///
    /// # Errors
    ///
    /// The same as [`connect`](Self::connect), and when the time is up.
    fn connect_within(&self, limit: Duration) -> Result<Self::Connection, Self::Error> {
        let _ = limit;
        self.connect()
    }

    /// Asks the server whether the connection works, and gives up after `limit`.
    ///
    /// The default calls [`is_valid`](Self::is_valid) and ignores `limit`.
    ///
    /// # Errors
    ///
    /// The same as [`is_valid`](Self::is_valid), and when the time is up.
    fn is_valid_within(
        &self,
        conn: &mut Self::Connection,
        limit: Duration,
    ) -> Result<(), Self::Error> {
        let _ = limit;
        self.is_valid(conn)
    }

    /// Asks the server whether the connection works, for a caller that waits no longer than `patience`.
    /// The question itself may take `limit`.
    ///
    /// `None` means that the answer has not come yet: the connection is not at fault and stays in the
    /// pool. The next question on it must wait for that answer instead of sending another question. A
    /// manager may return `None` only if it can do that.
    ///
    /// The default calls [`is_valid_within`](Self::is_valid_within) with `limit` and may take longer
    /// than `patience`. A caller in a hurry is then late, but costs no connection.
    fn is_valid_patient(
        &self,
        conn: &mut Self::Connection,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<(), Self::Error>> {
        let _ = patience;
        Some(self.is_valid_within(conn, limit))
    }

    /// When the server last answered on this connection, if the manager knows. Only an answer shows
    /// that the server is there. A use of the connection or its return does not.
    ///
    /// The default is `None`. The pool then relies on its own validations: it validates a connection
    /// again when [`IdleLongerThan`](crate::Validation::IdleLongerThan) has passed since it was opened
    /// or last validated, even if it was in use meanwhile.
    fn last_answer(&self, conn: &Self::Connection) -> Option<Instant> {
        let _ = conn;
        None
    }

    /// Makes the session like a new one: no open transaction, variable, temporary table or lock, and
    /// no changed database, mode or character set. The pool calls it on return, as
    /// [`Reset`](crate::Reset) says.
    ///
    /// The default does nothing, which is right only for connections without state.
    ///
    /// # Errors
    ///
    /// Any error makes the pool close the connection, because its session may hold the last borrower's
    /// work.
    fn reset(&self, conn: &mut Self::Connection) -> Result<(), Self::Error> {
        let _ = conn;
        Ok(())
    }

    /// Resets the session as [`reset`](Self::reset) does, and gives up after `limit`. The pools call
    /// this one, so that the `drop` of a guard has a limit even if the server does not answer.
    ///
    /// The default calls [`reset`](Self::reset) and ignores `limit`.
    ///
    /// # Errors
    ///
    /// The same as [`reset`](Self::reset), and when the time is up.
    fn reset_within(
        &self,
        conn: &mut Self::Connection,
        limit: Duration,
    ) -> Result<(), Self::Error> {
        let _ = limit;
        self.reset(conn)
    }

    /// Tells the manager that a session begins here. The pool calls it after
    /// [`connect`](Self::connect) and after [`reset`](Self::reset), each time after the
    /// `on_connect` hook. What ran on the connection before belongs to every session:
    /// [`has_changed`](Self::has_changed) must not count it as a change. Must not block.
    ///
    /// The default does nothing.
    fn begin_session(&self, conn: &mut Self::Connection) {
        let _ = conn;
    }

    /// Whether the session might differ from a new one, without asking the server. With
    /// [`Reset::WhenChanged`](crate::Reset::WhenChanged), `false` saves the reset.
    ///
    /// The default is `true`, so that the pool resets every session.
    fn has_changed(&self, conn: &mut Self::Connection) -> bool {
        let _ = conn;
        true
    }

    /// Whether a transaction is open, as far as the manager knows without asking the server.
    /// [`steady`](crate::Guard::steady) does not repeat work in an open transaction. Meanwhile a
    /// pool does not close the connection for its age or its number of uses.
    ///
    /// The default is `false`.
    fn in_transaction(&self, conn: &mut Self::Connection) -> bool {
        let _ = conn;
        false
    }

    /// The same as [`in_transaction`](Self::in_transaction), for a connection that several threads share
    /// at this moment. Only `share` of a shared pool asks: a thread does not join a connection on which
    /// another one has opened a transaction.
    ///
    /// The default is `false`. A manager that implements [`in_transaction`](Self::in_transaction),
    /// and whose connection is `Sync`, implements this one too.
    fn in_transaction_shared(&self, conn: &Self::Connection) -> bool {
        let _ = conn;
        false
    }

    /// Whether the pool should close this connection soon, although it works: its host is about to
    /// stop, or another host should have it. The pool asks when the connection comes back and when
    /// it checks an idle connection. It closes the connection ([`CloseReason::Retired`]) unless a
    /// transaction is open. If the pool must not lend the connection again,
    /// [`has_broken_at`](Self::has_broken_at) returns `true` instead.
    ///
    /// The default is `false`.
    ///
    /// [`CloseReason::Retired`]: crate::CloseReason::Retired
    fn should_retire(&self, conn: &mut Self::Connection) -> bool {
        let _ = conn;
        false
    }

    /// The number of the group that the connection belongs to: the host that it leads to. If a
    /// connection turns out to be dead, a shared pool suspects only the others of its group. The
    /// pool asks once for each connection.
    ///
    /// The default is 0: all connections lead to the same server.
    fn group(&self, conn: &Self::Connection) -> u64 {
        let _ = conn;
        0
    }

    /// What identifies the connection in events. The pool asks only if it has events.
    ///
    /// The default has neither a number nor a host.
    fn info<'c>(&'c self, conn: &'c Self::Connection) -> ConnectionInfo<'c> {
        let _ = conn;
        ConnectionInfo::new()
    }

    /// Whether `error`, which a use of the connection returned, means that the connection is lost.
    ///
    /// [`steady`](crate::Guard::steady) then runs the borrower's work once more on a new connection. Be
    /// exact: a lock timeout or a deadlock is not a lost connection, and running its statement again may
    /// do its work twice. (DBUtils calls this `failures` and `isfatal`.)
    ///
    /// The default is `false`: `steady` never repeats anything.
    fn is_lost(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Receives an error that a use of the connection returned, and says what it means. The pool calls
    /// it from [`steady`](crate::Guard::steady) and [`outcome`](crate::Guard::outcome), the two places
    /// where it sees such an error.
    ///
    /// Implement it if the driver does not notice by itself that the connection is lost: mark
    /// `conn` as broken, so that the pool's free check finds it on return. Implement it too if the
    /// server can fail during a commit without saying whether it has committed: return
    /// [`Outcome::Unknown`], and `steady` does not repeat the work.
    ///
    /// The default is [`Outcome::Lost`] if the error [is lost](Self::is_lost), and otherwise
    /// [`Outcome::Failed`].
    fn on_error(&self, conn: &mut Self::Connection, error: &Self::Error) -> Outcome {
        let _ = conn;
        if self.is_lost(error) { Outcome::Lost } else { Outcome::Failed }
    }

    /// Whether `error`, which `connect` returned, stays until a person changes a setting or the
    /// server's accounts: access denied, unknown database, malformed address. A shared pool passes such
    /// an error on to its waiters at once, unless an open connection may come back; after any other error
    /// it tries again until their deadlines. A queue pool does not try again after such an error while a
    /// `get` waits for an open connection. A per-thread pool returns every error at once.
    ///
    /// The default is `false`.
    fn is_permanent(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Whether `error` means that this process lacks something: file descriptors, threads, memory or
    /// local ports. Such an error says nothing about the server or about other connections. The pool
    /// does not treat it as permanent, and closes no connection because of it.
    ///
    /// The default looks for an [`std::io::Error`] with such a code in the error and its sources.
    fn is_shortage(&self, error: &Self::Error) -> bool {
        shortage::is_shortage(error)
    }

    /// Adds to `error` why [`steady`](crate::Guard::steady) could not open a new connection.
    /// `error` is that of the lost connection. The result must still be [lost](Self::is_lost).
    ///
    /// The default returns `error` unchanged. The cause is then only in the events
    /// (`connect_failed`).
    fn not_reconnected(
        &self,
        error: Self::Error,
        cause: &(dyn std::error::Error + 'static),
    ) -> Self::Error {
        let _ = cause;
        error
    }

    /// Where the connections lead, for messages: a host and port, or a path. Never a password.
    ///
    /// The default is `None`.
    fn address(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Gives up a connection of the parent process, in a forked child. The method must send nothing
    /// to the server, and do nothing that ends the session there.
    ///
    /// The default forgets the connection. Its destructor does not run, and its memory and file
    /// descriptor stay until the child ends or runs another program.
    fn forget_in_child(&self, conn: Self::Connection) {
        std::mem::forget(conn);
    }

    /// Tells the manager that its pool is closed and will open no more connections. A manager that
    /// has a thread of its own ends that thread here. The pool calls this method once.
    ///
    /// The default does nothing.
    fn pool_closed(&self) {}

    /// Tells the manager that this process is a forked child, in which the manager's threads do not
    /// run. The pool calls this method at its first use in the child, before any other method.
    ///
    /// The default does nothing.
    fn forked(&self) {}

    /// Receives the name of the pool, for managers that tell their server which program connects. The
    /// pool calls it at most once, before any other method, and only if it has a name.
    ///
    /// The default does nothing.
    fn set_pool_name(&mut self, name: &str) {
        let _ = name;
    }

    /// Closes a connection that the pool no longer needs.
    ///
    /// The default drops it. It may block, for example while the driver tells the server that it
    /// leaves.
    fn close(&self, conn: Self::Connection) {
        drop(conn);
    }
}
