//! How connections are opened, checked, put right and closed.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::shortage;

/// Opens connections and knows everything about them that a pool must ask.
///
/// The first three methods are those of an r2d2 manager and have to be written; the others have
/// defaults that are safe for a driver that nothing more is known about. No method is ever called
/// while a lock of a pool is held, so each may take its time; what "time" it has is said below.
///
/// | method | called by | may block |
/// |---|---|---|
/// | [`connect`](Self::connect), [`connect_within`](Self::connect_within) | a pool's own dialling thread (shared pool), the borrower (queue, per-thread pool), `build()` | yes |
/// | [`is_valid`](Self::is_valid), [`is_valid_within`](Self::is_valid_within) | the borrower, as [`Validation`](crate::Validation) says | yes |
/// | [`has_broken`](Self::has_broken), [`has_changed`](Self::has_changed), [`in_transaction`](Self::in_transaction), [`last_answer`](Self::last_answer) | the borrower, on checkout and on return | no |
/// | [`reset`](Self::reset), [`reset_within`](Self::reset_within) | the thread that gives the connection back | yes |
/// | [`close`](Self::close) | whichever thread finds the connection superfluous | yes |
///
/// A manager that wraps another one forwards every method: one that it leaves out has its default, and a
/// promise of the inner manager is lost without a word. With `#[deny(clippy::missing_trait_methods)]` on the
/// `impl`, clippy names those that are missing, also when this trait gets another one.
///
/// A panic in any method costs the connection it was called for, and nothing else: the pool closes
/// that connection by dropping it and gets its capacity back.
pub trait ManageConnection: Send + Sync + 'static {
    /// What the pool lends. It moves between threads, so it is `Send`; it need not be `Sync`.
    type Connection: Send + 'static;

    /// The driver's error. One failed attempt to connect is shown to every thread that waits for
    /// it, hence `Sync`.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Opens a connection, ready for its first user.
    ///
    /// Set time-outs in here: a pool cannot interrupt a `connect` that hangs.
    ///
    /// # Errors
    ///
    /// Whatever the driver says. The pool passes the error on to those who wait, as it is.
    fn connect(&self) -> Result<Self::Connection, Self::Error>;

    /// Asks the server whether the connection works; typically costs a round trip.
    ///
    /// # Errors
    ///
    /// Any error means that the connection must not be used again; the pool closes it.
    fn is_valid(&self, conn: &mut Self::Connection) -> Result<(), Self::Error>;

    /// Whether the connection is already known to be unusable, found out without waiting: from a
    /// flag that an earlier error set, or by a look at the socket.
    ///
    /// Called on every checkout and on every return, so it should cost well under a microsecond.
    fn has_broken(&self, conn: &mut Self::Connection) -> bool;

    /// Opens a connection within `limit`.
    ///
    /// The pools that dial on the borrower's thread call this with what is left until the
    /// borrower's deadline: they are as punctual as this method. The default calls
    /// [`connect`](Self::connect) and takes as long as that takes.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), and when the time is up.
    fn connect_within(&self, limit: Duration) -> Result<Self::Connection, Self::Error> {
        let _ = limit;
        self.connect()
    }

    /// Asks the server whether the connection works, giving up after `limit`.
    ///
    /// The default calls [`is_valid`](Self::is_valid) and takes as long as that takes.
    ///
    /// # Errors
    ///
    /// As [`is_valid`](Self::is_valid), and when the time is up.
    fn is_valid_within(
        &self,
        conn: &mut Self::Connection,
        limit: Duration,
    ) -> Result<(), Self::Error> {
        let _ = limit;
        self.is_valid(conn)
    }

    /// Asks the server whether the connection works, for a caller that waits no longer than
    /// `patience`. The question itself may take `limit`.
    ///
    /// `None` means that the answer is still to come: the connection is not at fault, and stays in
    /// the pool. The next question on it must wait for that answer instead of sending another
    /// question. A manager returns `None` only if it can do that.
    ///
    /// The default calls [`is_valid_within`](Self::is_valid_within) with `limit`, and so may take
    /// longer than `patience`: a caller that is in a hurry is late, but no connection is closed for
    /// it.
    fn is_valid_patient(
        &self,
        conn: &mut Self::Connection,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<(), Self::Error>> {
        let _ = patience;
        Some(self.is_valid_within(conn, limit))
    }

    /// When the server last answered on this connection, if the manager knows. A pool takes this,
    /// and nothing else, as a sign of life: neither the use of a connection nor its return shows
    /// that the server is there.
    ///
    /// The default is `None`. The pool then goes by its own questions: it asks again once
    /// [`IdleLongerThan`](crate::Validation::IdleLongerThan) has passed since the connection was
    /// opened or last validated, even if it was in use meanwhile.
    fn last_answer(&self, conn: &Self::Connection) -> Option<Instant> {
        let _ = conn;
        None
    }

    /// Makes the session as a new one is: no open transaction, no variable, temporary table, lock,
    /// changed database, mode or character set. Called on return, as [`Reset`](crate::Reset) says.
    ///
    /// The default does nothing, which is right only for connections that carry no state.
    ///
    /// # Errors
    ///
    /// Any error costs the connection: the pool closes it rather than hand on a session that
    /// somebody else's work may be left in.
    fn reset(&self, conn: &mut Self::Connection) -> Result<(), Self::Error> {
        let _ = conn;
        Ok(())
    }

    /// Resets the session as [`reset`](Self::reset) does, giving up after `limit`. The pools call
    /// this, so that a guard's `drop` has a bound even when the server does not answer.
    ///
    /// The default calls [`reset`](Self::reset) and takes as long as that takes.
    ///
    /// # Errors
    ///
    /// As [`reset`](Self::reset), and when the time is up.
    fn reset_within(
        &self,
        conn: &mut Self::Connection,
        limit: Duration,
    ) -> Result<(), Self::Error> {
        let _ = limit;
        self.reset(conn)
    }

    /// Tells the manager that a session begins here. Called after [`connect`](Self::connect) and
    /// after [`reset`](Self::reset), each time after the `on_connect` hook has run. What ran on the
    /// connection until now belongs to every session: it does not count as a change for
    /// [`has_changed`](Self::has_changed). Must not block.
    ///
    /// The default does nothing.
    fn begin_session(&self, conn: &mut Self::Connection) {
        let _ = conn;
    }

    /// Whether the session may differ from a new one, as far as can be told without asking the
    /// server. Under [`Reset::WhenChanged`](crate::Reset::WhenChanged) `false` saves the reset.
    ///
    /// The default is `true`: what is not certainly clean is reset.
    fn has_changed(&self, conn: &mut Self::Connection) -> bool {
        let _ = conn;
        true
    }

    /// Whether a transaction is open, as far as can be told without asking the server. An open
    /// transaction is never replayed, and postpones replacement by age or use.
    ///
    /// The default is `false`.
    fn in_transaction(&self, conn: &Self::Connection) -> bool {
        let _ = conn;
        false
    }

    /// Whether `error`, met while using a connection, means that the connection is gone.
    ///
    /// A statement that failed for such a reason may be run once more on a new connection, if the
    /// user asked for that and no transaction was open. Be exact: a lock time-out or a deadlock is
    /// not a lost connection, and running its statement again may do its work twice. (DBUtils calls
    /// this `failures` and `isfatal`.)
    ///
    /// The default is `false`: nothing is ever run again.
    fn is_lost(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Whether `error`, met in `connect`, stays until somebody changes a setting or the server's
    /// accounts: access denied, unknown database, malformed address. Waiters are told of such an
    /// error at once; of any other at their deadline, since the next attempt may succeed.
    ///
    /// The default is `false`: try again.
    fn is_permanent(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Whether `error` tells of something that this process lacks: file descriptors, threads,
    /// memory, local ports. Such an error says nothing about the server or about other connections:
    /// the pool does not count it as permanent, and closes nothing because of it.
    ///
    /// The default looks for an [`std::io::Error`] with such a code in the error and its sources.
    fn is_shortage(&self, error: &Self::Error) -> bool {
        shortage::is_shortage(error)
    }

    /// Adds to `error`, with which [`steady`](crate::Guard::steady) found the connection lost, why
    /// no new connection could be opened. The result must still be [lost](Self::is_lost).
    ///
    /// The default returns `error` as it is. The cause is then only in the log and the events.
    fn not_reconnected(
        &self,
        error: Self::Error,
        cause: &(dyn std::error::Error + 'static),
    ) -> Self::Error {
        let _ = cause;
        error
    }

    /// Where the connections lead, for messages: a host and port, a path. Never a password.
    ///
    /// The default is `None`.
    fn address(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Lets go of a connection that is another process's: this one is a forked child, and the
    /// connection is its parent's. Nothing may be said to the server, and nothing that the server
    /// would take for a good-bye.
    ///
    /// The default forgets the connection: its memory and its file handle stay until the child ends
    /// or runs another program, and its destructor does not run.
    fn forget_in_child(&self, conn: Self::Connection) {
        std::mem::forget(conn);
    }

    /// The pool that is about to be built has this name: for managers that tell their server who
    /// connects. Called once at most, before anything else, if the pool has a name.
    ///
    /// The default does nothing.
    fn set_pool_name(&mut self, name: &str) {
        let _ = name;
    }

    /// Closes a connection that the pool has no more use for.
    ///
    /// The default drops it. It may block (a driver that says good-bye to its server does).
    fn close(&self, conn: Self::Connection) {
        drop(conn);
    }
}
