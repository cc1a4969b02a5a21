//! A connection whose wire is watched.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, Error};

use crate::cancel::CancelToken;
use crate::session::{catalog, reset};
use crate::wire::Wire;
use crate::wire::connector::Route;

/// For this long after an answer of the server the free check does not look at the socket.
const FRESH: Duration = Duration::from_micros(500);
/// How long a look at the socket may take. It takes microseconds, unless the driver has something to
/// send first.
const LOOK_LIMIT: Duration = Duration::from_millis(20);
/// How long a goodbye to the server may take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);
/// How long a connection stays open at least, whatever its server refuses: the next one would probably
/// reach the same server in the same state.
const SETTLED: Duration = Duration::from_secs(1);

/// A connection to a PostgreSQL server, as a pool lends it.
///
/// It dereferences to the driver's [`Client`], so every method of that works, and so does all code that
/// takes a `&mut Client`: transactions, COPY, notifications, and libraries. Whatever is sent, the
/// manager sees it, because it watches the bytes between the driver and the server.
///
/// ```no_run
/// use threadwise_core::ManageConnection;
/// use threadwise_postgres::PostgresManager;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let manager = PostgresManager::from_url("postgres://app:secret@db.example/shop")?;
/// let mut conn = manager.connect()?; // a pool does this
/// let changed = conn.execute("UPDATE item SET price = $1 WHERE id = $2", &[&250_i32, &7_i32])?;
/// println!("{changed} rows changed");
/// # Ok(())
/// # }
/// ```
///
/// Two things differ from a `Client` that you open yourself:
///
/// * [`cancel_token`](Self::cancel_token) returns a token of this crate, which needs no TLS connector.
///   (A token of the driver's, from a `Transaction`, does not work with `NoTls`.)
/// * Never put another `Client` in the place of this one (`std::mem::swap`): the pool would judge
///   the new one by what the old one did.
pub struct Connection {
    client: Client,
    wire: Wire,
    route: Route,
    opened: Instant,
    /// The transaction's status when the session began; see [`WireState`](crate::wire::WireState).
    initial_status: u8,
    /// Since when a check waits for its answer.
    checking_since: Option<Instant>,
}

impl Connection {
    pub(crate) fn new(client: Client, wire: Wire, route: Route) -> Self {
        Self {
            client,
            wire,
            route,
            opened: Instant::now(),
            initial_status: b'I',
            checking_since: None,
        }
    }

    /// The connect has ended: from now on only the read timeout limits a wait.
    pub(crate) fn end_connect(&mut self, read_timeout: Option<Duration>) {
        let mut wire = self.wire.lock();
        wire.set_until(None);
        wire.set_read_timeout(read_timeout);
    }

    /// The server's number for this session, as in `pg_stat_activity` and `pg_terminate_backend`.
    ///
    /// ```no_run
    /// # fn example(conn: &mut threadwise_postgres::Connection) {
    /// println!("this is the session {}", conn.process_id());
    /// # }
    /// ```
    #[must_use]
    pub fn process_id(&self) -> i32 {
        self.wire.lock().key().map_or(0, |(id, _)| id)
    }

    /// A token that cancels the statement that runs on this connection, from another thread.
    ///
    /// ```no_run
    /// # fn example(conn: &mut threadwise_postgres::Connection) -> Result<(), postgres::Error> {
    /// let token = conn.cancel_token();
    /// std::thread::scope(|threads| {
    ///     threads.spawn(move || token.cancel_query());
    ///     conn.batch_execute("SELECT pg_sleep(60)") // ends with SQLSTATE 57014
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn cancel_token(&self) -> CancelToken {
        CancelToken::new(&self.client, &self.wire, &self.route)
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// The free check, and the check that asks the server.
impl Connection {
    /// Whether the connection is known to be out of use, or should be closed instead of used again.
    pub(crate) fn is_broken(&mut self) -> bool {
        if self.client.is_closed() {
            return true;
        }
        let wire = self.wire.lock();
        let leaves = wire.refuses_writes() && self.opened.elapsed() >= SETTLED;
        if wire.has_ended() || wire.history.has_lasting() || leaves {
            return true;
        }
        if wire.answered().elapsed() < FRESH {
            return false;
        }
        drop(wire);
        !self.look(LOOK_LIMIT)
    }

    /// Looks at the socket without a round trip: has the driver ask for one, which the stream answers
    /// itself if the socket has nothing to say. Returns `false` if the server has hung up, or has said
    /// that it does.
    fn look(&mut self, limit: Duration) -> bool {
        if !self.wire.lock().want_look() {
            return true; // the server still answers something; the next wait will show
        }
        let outcome = self.client.is_valid(limit);
        self.wire.lock().end_look();
        // A late answer is no hang-up. (If the driver has a statement to close, or the server has
        // not answered a close, the question goes to the server, after that.)
        outcome.err().is_none_or(|error| is_timeout(&error))
    }

    /// Has the driver send what it has to say, such as that a statement is to be closed, so that the next
    /// look finds the answer. Waits for nothing.
    pub(crate) fn send_closes(&mut self) {
        if self.wire.lock().history.may_close() && self.client.notifications().is_empty() {
            // Nothing listens, so there is no notification that this could take. An error shows again.
            let _ = self.client.notifications().iter().next();
        }
    }

    pub(crate) fn last_answer(&self) -> Instant {
        self.wire.lock().answered()
    }

    /// Asks the server for the answer to an empty query.
    pub(crate) fn check(&mut self, limit: Duration) -> Result<(), Error> {
        let outcome = self.client.is_valid(limit);
        if outcome.is_ok() {
            self.checking_since = None;
        }
        outcome
    }

    /// Like [`check`](Self::check), for a caller that waits no longer than `patience`. The driver reads
    /// an answer that comes later, and drops it.
    pub(crate) fn check_patiently(
        &mut self,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<(), Error>> {
        let since = *self.checking_since.get_or_insert_with(Instant::now);
        let left = limit.saturating_sub(since.elapsed());
        let outcome = self.client.is_valid(patience.min(left));
        match outcome {
            Err(error) if is_timeout(&error) && since.elapsed() < limit => {
                drop(error);
                None
            }
            outcome => {
                self.checking_since = None;
                Some(outcome)
            }
        }
    }
}

/// Whether the driver's own limit for a check ended it.
fn is_timeout(error: &Error) -> bool {
    error.to_string() == "timeout waiting for server"
}

/// The session.
impl Connection {
    pub(crate) fn begin_session(&mut self) {
        let mut wire = self.wire.lock();
        wire.history.begin();
        self.initial_status = wire.status();
    }

    pub(crate) fn has_changed(&self) -> bool {
        let wire = self.wire.lock();
        !wire.is_idle()
            || wire.status() != self.initial_status
            || wire.history.has_changed(self.initial_status != b'I')
    }

    /// Whether the server may have committed something that it has not answered.
    pub(crate) fn may_have_committed(&self) -> bool {
        self.wire.lock().may_have_committed()
    }

    pub(crate) fn may_be_in_transaction(&self) -> bool {
        self.wire.lock().may_be_in_transaction()
    }

    /// Runs `work` of the manager, which ends within `limit`.
    pub(crate) fn within<T>(
        &mut self,
        limit: Option<Duration>,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        self.wire.lock().set_until(until);
        let outcome = work(self);
        self.wire.lock().set_until(None);
        outcome
    }

    /// Makes the session like a new one, but for the statements of `init`.
    pub(crate) fn reset(&mut self) -> Result<(), Error> {
        let rolls_back = self.may_be_in_transaction();
        self.unrecorded(|client| reset::reset(client, rolls_back))?;
        self.wire.lock().history.unlistened();
        Ok(())
    }

    /// Asks what the users' code may do.
    pub(crate) fn ask_about_code(&mut self, question: catalog::Question) -> Result<(), Error> {
        self.unrecorded(|client| catalog::ask(question, client))
    }

    /// Whether the server has refused to write, although its user did not ask for that.
    #[cfg(feature = "hosts")]
    pub(crate) fn refuses_writes(&self) -> bool {
        self.wire.lock().refuses_writes()
    }

    /// Asks a question of the manager itself.
    #[cfg(feature = "hosts")]
    pub(crate) fn ask_itself(
        &mut self,
        question: &str,
    ) -> Result<Vec<postgres::SimpleQueryMessage>, Error> {
        self.unrecorded(|client| client.simple_query(question))
    }

    /// Runs statements of the manager itself, which count for nothing in the session's history.
    fn unrecorded<T>(
        &mut self,
        work: impl FnOnce(&mut Client) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.wire.lock().history.pause(true);
        let outcome = work(&mut self.client);
        self.wire.lock().history.pause(false);
        outcome
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The driver says goodbye when it is dropped, and waits for that.
        self.wire.lock().set_until(Instant::now().checked_add(GOODBYE));
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("process_id", &self.process_id())
            .field("usable", &!self.client.is_closed())
            .field("changed", &self.has_changed())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use threadwise_core::ManageConnection;
    use threadwise_testkit::postgres::Postgres;

    use super::*;
    use crate::PostgresManager;

    #[test]
    fn answers_belong_to_their_questions_after_looks_that_ran_out_of_time() {
        let manager = PostgresManager::from_url(&Postgres::shared().url()).unwrap();
        let mut conn = manager.connect().unwrap();
        for number in 0..200 {
            for limit in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(10)] {
                assert!(conn.look(limit), "no answer in time is no hang-up");
            }
            let row = conn.query_one("SELECT $1::int", &[&number]).unwrap();
            assert_eq!(row.get::<_, i32>(0), number);
        }
    }
}
