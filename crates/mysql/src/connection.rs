//! A connection that sees every error and remembers what it may have left on its session.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Error, LocalInfileHandler, MySqlError, Result, SessionStateInfo, TxOpts};

use crate::catalog::Catalog;
use crate::error::{self, Refusal};
use crate::flags::Flags;
use crate::ping::Ping;
use crate::record::Record;
use crate::socket::{self, Timeouts};
use crate::statements::Statements;
use crate::traces::Traces;
use crate::transaction::Transaction;
use crate::watchdog::Lead;

/// A connection to a MySQL or MariaDB server: what the pools lend.
///
/// Use it as a [`mysql::Conn`]: it implements [`Queryable`](mysql::prelude::Queryable) in full.
/// Unlike that one it is not used again after an error that may have left it out of step with the
/// server. A statement that ran into its read time-out, for example, is answered later; a `Conn`
/// takes that answer for the one to its next statement. Here every statement after such an error
/// fails, and the pool replaces the connection when it comes back.
///
/// Differences to `Conn`:
///
/// * `query_drop` and `exec_drop` return an error that a later statement of the same text, or a
///   later row, met. `Conn` swallows those.
/// * `query_iter` and `exec_iter` hand out the driver's rows, whose errors nobody else sees. After
///   them the connection has to prove itself when it is reset, which costs one round trip; the
///   other methods need no proof.
/// * [`start_transaction`](Self::start_transaction) returns this crate's [`Transaction`].
/// * There is no `change_user`: a pool's connections are all alike.
///
/// For code that asks for a `Conn` there is [`as_mut_conn`](Self::as_mut_conn).
pub struct Connection {
    /// Before the `Conn`, so that it is dropped first: nothing watches a socket that is closed.
    pub(crate) watch: Watch,
    pub(crate) conn: Conn,
}

/// What a [`Connection`] knows about itself; apart from the `Conn`, so that one can be written to
/// while the other is lent out.
pub(crate) struct Watch {
    health: Health,
    /// When the server last answered, whatever it answered.
    answered: Instant,
    /// A question that it has not answered yet.
    ping: Option<Ping>,
    opened: Instant,
    /// Works, but is not to be lent again: an answer said that another server may do better.
    leaves: bool,
    pub(crate) record: Record,
    pub(crate) statements: Statements,
    sync: SyncState,
    /// Whether the last statement failed, so that the driver has forgotten the server's flags.
    has_failed: bool,
    /// A user's statement asked for a transaction, or a session, that only reads.
    pub(crate) is_read_only_by_request: bool,
    /// The time-outs of the socket, unless there is a deadline.
    usual: Timeouts,
    /// Those that it has at the moment.
    timeouts: Timeouts,
    /// When the check or reset that is under way has to be over.
    deadline: Option<Instant>,
    pub(crate) lead: Lead,
    /// The watchdog has shut the socket down.
    was_ended: bool,
    shared: Arc<Shared>,
}

/// What a manager and its connections know together.
pub(crate) struct Shared {
    /// Where the server is, for messages.
    pub(crate) address: Box<str>,
    /// A server there has said that it is not ready, on a connection that had been opened: whether a
    /// new one is ready has to be asked.
    pub(crate) asks_readiness: AtomicBool,
    /// Bytes on the wire are the protocol's: no encryption, no compression.
    pub(crate) is_plain: bool,
    /// The driver keeps prepared statements for the next call.
    pub(crate) keeps_statements: bool,
}

/// For so long after an answer no look is taken whether the server has gone since. A look takes some
/// 0.4 µs, reading the clock a tenth of it; and another session cannot end this one so soon: its `KILL`
/// takes a round trip.
const FRESH: Duration = Duration::from_micros(20);

/// A connection is not left sooner than this after it was opened, since the next one may well find the
/// same server, in the same state.
const SETTLED: Duration = Duration::from_secs(1);

enum Health {
    Sound,
    /// A statement is under way. Whoever finds this afterwards knows that it panicked.
    Running,
    /// Out of use since an error with this text.
    Broken(Box<str>),
}

/// Whether the connection might be out of step with the server.
#[derive(Clone, Copy)]
enum SyncState {
    None,
    /// Since this moment, code that this crate does not watch could use the connection.
    Since(Instant),
    /// It has to prove itself before anything else.
    Now,
}

impl Connection {
    pub(crate) fn new(conn: Conn, timeouts: Timeouts, record: Record, shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        let watch = Watch {
            health: Health::Sound,
            answered: now, // the server has accepted the login
            ping: None,
            opened: now,
            leaves: false,
            record,
            statements: Statements::new(shared.keeps_statements),
            sync: SyncState::None,
            has_failed: false,
            is_read_only_by_request: false,
            usual: timeouts,
            timeouts,
            deadline: None,
            lead: Lead::of(&conn, timeouts.read),
            was_ended: false,
            shared,
        };
        Self { watch, conn }
    }

    /// The server's number for this connection.
    #[must_use]
    pub fn connection_id(&self) -> u32 {
        self.conn.connection_id()
    }

    /// The server's version, as its handshake gives it. MariaDB 10 says 5.5.5.
    #[must_use]
    pub fn server_version(&self) -> (u16, u16, u16) {
        self.conn.server_version()
    }

    /// Rows that the last statement changed.
    #[must_use]
    pub fn affected_rows(&self) -> u64 {
        self.conn.affected_rows()
    }

    /// The id that the last statement generated, or zero.
    #[must_use]
    pub fn last_insert_id(&self) -> u64 {
        self.conn.last_insert_id()
    }

    /// How many warnings the last statement gave.
    #[must_use]
    pub fn warnings(&self) -> u16 {
        self.conn.warnings()
    }

    /// What the server noted on the last statement, as it sent it.
    #[must_use]
    pub fn info_ref(&self) -> &[u8] {
        self.conn.info_ref()
    }

    /// What the server noted on the last statement.
    #[must_use]
    pub fn info_str(&self) -> Cow<'_, str> {
        self.conn.info_str()
    }

    /// What the last statement changed in the session, if the server was asked to report that.
    ///
    /// # Errors
    ///
    /// If the report cannot be understood.
    pub fn session_state_changes(&self) -> io::Result<Vec<SessionStateInfo<'_>>> {
        self.conn.session_state_changes()
    }

    /// Whether the server takes a backslash in a literal for an ordinary character.
    #[must_use]
    pub fn no_backslash_escape(&self) -> bool {
        self.conn.no_backslash_escape()
    }

    /// Asks the server for a sign of life. One round trip.
    ///
    /// # Errors
    ///
    /// If the connection is out of use, or goes out of use now.
    pub fn ping(&mut self) -> Result<()> {
        self.get_ready()?;
        if !self.watch.can_ping_itself() {
            return self.run(|conn| (conn.ping(), Ok(())));
        }
        let limit = self.left()?;
        let ping = Ping::send(&self.conn, limit).map_err(|error| self.watch.note(error))?;
        self.watch.ping = Some(ping);
        self.finish_ping(None).map(drop)
    }

    /// Makes `database` the default database until the connection is given back.
    ///
    /// # Errors
    ///
    /// If there is no such database, or as for any statement.
    pub fn select_db(&mut self, database: &str) -> Result<()> {
        self.watch.record.mark(Traces::DATABASE);
        self.run(|conn| (conn.select_db(database), Ok(())))
    }

    /// Begins a transaction, which is rolled back unless it is committed. One round trip, and one
    /// more for an isolation level.
    ///
    /// # Errors
    ///
    /// As for any statement.
    pub fn start_transaction(&mut self, options: TxOpts) -> Result<Transaction<'_>> {
        Transaction::start(self, options)
    }

    /// Sets who provides the files that `LOAD DATA LOCAL INFILE` asks for, until the connection is
    /// given back; `None` is the handler from the options, if any.
    ///
    /// If the handler panics or returns an error, the connection is out of use.
    pub fn set_local_infile_handler(&mut self, handler: Option<LocalInfileHandler>) {
        self.watch.record.mark(Traces::NONE);
        self.conn.set_local_infile_handler(handler);
    }

    /// The driver's connection, for code that asks for one, such as
    /// `"SELECT ?".with((1,)).first(conn.as_mut_conn())`.
    ///
    /// Errors met there are not seen here. So the connection counts as changed in every respect and
    /// has to prove itself when it is reset, which costs up to three round trips more. If a
    /// statement there fails otherwise than by the server's answer, give the connection back and
    /// take another one. Never call `change_user`: no reset can undo it.
    pub fn as_mut_conn(&mut self) -> &mut Conn {
        self.watch.record.mark(Traces::ALL);
        self.watch.out_of_sight();
        &mut self.conn
    }

    /// Whether it is known to be out of use, or better not lent again. Looks at the socket, unless the
    /// server has answered within [`FRESH`].
    pub(crate) fn is_broken(&mut self) -> bool {
        if !matches!(self.watch.health, Health::Sound) || self.watch.leaves {
            return true;
        }
        if self.watch.ping.is_some() {
            // What lies ready may be its answer.
            return self.finish_ping(Some(Instant::now())).is_err();
        }
        self.watch.answered.elapsed() >= FRESH && !socket::is_quiet(&self.conn)
    }

    /// When the server last answered.
    pub(crate) fn last_answer(&self) -> Instant {
        self.watch.answered
    }

    /// The next user's session begins here: what ran until now belongs to every session.
    pub(crate) fn begin_session(&mut self) {
        if self.watch.record.has_run() {
            self.watch.record.begin_session(self.flags());
        }
        self.watch.is_read_only_by_request = false;
        self.watch.statements.begin_session();
    }

    /// Whether anything was done with it that may have left something, going by what this server's
    /// names mean.
    pub(crate) fn has_changed(&mut self, catalog: &Catalog) -> bool {
        let Watch { record, .. } = &self.watch;
        if record.has_changed() || self.watch.is_in_doubt() || self.watch.statements.is_any_loose()
        {
            return true;
        }
        if record.has_plain() && !record.is_plain_by(catalog) {
            return true;
        }
        if record.has_bounds() && !record.agrees_with(self.flags()) {
            return true;
        }
        self.watch.record.forget_plain();
        false
    }

    /// Whether a transaction may be open: if the texts of the statements leave that possible, by the
    /// server's own flags. What was open when the connection went out of use is over, and its user was
    /// told.
    pub(crate) fn may_be_in_transaction(&self) -> bool {
        let is_usable = matches!(self.watch.health, Health::Sound);
        is_usable
            && self.watch.record.may_be_in_transaction()
            && self.flags().is_none_or(|flags| flags.in_transaction)
    }

    /// What the server's last answer said, if the driver still knows.
    fn flags(&self) -> Option<Flags> {
        // After an error the driver has forgotten them; and of what is done out of sight, an error may
        // have been the end.
        if self.watch.has_failed || self.watch.is_in_doubt() {
            return None;
        }
        Flags::of(&self.conn)
    }

    /// Asks the server for a sign of life, or for more than that where it is in doubt.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.watch.sync {
            SyncState::None if self.watch.ping.is_some() => self.finish_ping(None).map(drop),
            SyncState::None => self.ping(),
            _ => {
                self.get_ready()?;
                if self.watch.is_in_doubt() { self.prove() } else { Ok(()) }
            }
        }
    }

    /// Like [`check`](Self::check), for a caller that does not wait longer than `patience`: `None` if the
    /// answer has not come until then. Where only the driver can read it, the caller waits for `limit`.
    pub(crate) fn check_patiently(
        &mut self,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<()>> {
        if self.watch.is_in_doubt() || !self.watch.can_ping_itself() {
            return Some(self.within(limit, Self::check));
        }
        let patient_until = Instant::now().checked_add(patience);
        if self.watch.ping.is_none() {
            let limit = self.watch.usual.within(limit).read;
            let sent = self.watch.usable().and_then(|()| Ping::send(&self.conn, limit));
            match sent {
                Ok(ping) => self.watch.ping = Some(ping),
                Err(error) => return Some(Err(self.watch.note(error))),
            }
        }
        self.finish_ping(patient_until).transpose()
    }

    /// Reads the answer to the last ping, if it comes before `patience` is over.
    fn finish_ping(&mut self, patience: Option<Instant>) -> Result<Option<()>> {
        let Some(ping) = &mut self.watch.ping else { return Ok(Some(())) };
        let until = patience.into_iter().chain(self.watch.deadline).min();
        match ping.finish(&self.conn, until) {
            Ok(None) if self.watch.deadline.is_none_or(|deadline| Instant::now() < deadline) => {
                Ok(None)
            }
            Ok(None) => Err(self.watch.give_up(ErrorKind::TimedOut.into())),
            Ok(Some(())) => {
                self.watch.ping = None;
                self.watch.answered = Instant::now();
                Ok(Some(()))
            }
            Err(error) => {
                self.watch.ping = None;
                Err(self.watch.note(error))
            }
        }
    }

    /// Runs `work`, which ends within `limit`, however many round trips it makes.
    pub(crate) fn within<T>(
        &mut self,
        limit: Duration,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.watch.deadline = Instant::now().checked_add(limit);
        let outcome = work(self);
        self.watch.deadline = None;
        let restored = match self.watch.health {
            Health::Sound => self.set_timeouts(self.watch.usual),
            _ => Ok(()),
        };
        outcome.and_then(|value| restored.map(|()| value))
    }

    /// When the check or reset that is under way has to be over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.watch.deadline
    }

    /// How long the next wait for the server may last.
    fn left(&mut self) -> Result<Option<Duration>> {
        let Some(deadline) = self.watch.deadline else { return Ok(self.watch.usual.read) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.watch.give_up(ErrorKind::TimedOut.into()));
        }
        Ok(self.watch.usual.within(left).read)
    }

    /// What the time-outs are between statements, from now on.
    pub(crate) fn set_usual_timeouts(&mut self, timeouts: Timeouts) -> Result<()> {
        self.watch.usual = timeouts;
        self.set_timeouts(timeouts)
    }

    fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<()> {
        if self.watch.timeouts == timeouts {
            return Ok(());
        }
        socket::set_timeouts(&self.conn, timeouts)
            .map_err(|error| self.watch.note(error.into()))?;
        self.watch.timeouts = timeouts;
        Ok(())
    }

    /// Shortens the socket's time-outs where there is a deadline.
    fn keep_deadline(&mut self) -> Result<()> {
        if self.watch.deadline.is_some() {
            let left = self.left()?.unwrap_or(Duration::MAX);
            self.set_timeouts(self.watch.usual.within(left))?;
        }
        Ok(())
    }

    /// Ends it without a word to the server, whose session is another process's.
    pub(crate) fn forget_in_child(self) {
        match socket::part(&self.conn) {
            Ok(_nobody) => drop(self), // in this order: what it says is taken, and read by nobody
            Err(_) => std::mem::forget(self),
        }
    }

    /// Runs `work`, which makes the server answer, and returns its value and the first error that it
    /// met after it had that.
    pub(crate) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Conn) -> (Result<T>, Result<()>),
    ) -> Result<T> {
        self.run_watched(|conn, _| work(conn))
    }

    /// The same for `work` that waits more than once, and says so to the watchdog.
    pub(crate) fn run_watched<T>(
        &mut self,
        work: impl FnOnce(&mut Conn, &mut Lead) -> (Result<T>, Result<()>),
    ) -> Result<T> {
        let value = self.run_unanswered(work)?;
        self.watch.answered = Instant::now();
        Ok(value)
    }

    /// The same for `work` that may get along without the server's answer.
    pub(crate) fn run_unanswered<T>(
        &mut self,
        work: impl FnOnce(&mut Conn, &mut Lead) -> (Result<T>, Result<()>),
    ) -> Result<T> {
        self.get_ready()?;
        self.keep_deadline()?;
        self.watch.begin();
        let (value, rest) = work(&mut self.conn, &mut self.watch.lead);
        self.watch.end();
        if let Err(error) = rest {
            self.watch.note(error);
        }
        value.map_err(|error| self.watch.note(error))
    }

    /// Makes sure that the next answer will be the one to the next statement.
    pub(crate) fn get_ready(&mut self) -> Result<()> {
        self.watch.usable()?;
        self.finish_ping(None)?;
        if self.watch.is_in_doubt() && !socket::is_quiet(&self.conn) {
            let text = "the server's answer to an earlier statement was not read to its end";
            return Err(self.watch.give_up(io::Error::new(ErrorKind::InvalidData, text)));
        }
        if self.watch.must_prove() {
            self.prove()?;
        }
        self.close_unkept()
    }

    /// Closes the prepared statements that nothing will ask for again. No round trip.
    fn close_unkept(&mut self) -> Result<()> {
        while let Some(statement) = self.watch.statements.take_unkept() {
            self.conn.close(statement).map_err(|error| self.watch.note(error))?;
        }
        Ok(())
    }

    /// Lets the server repeat a number that it was never sent before: any other answer is one to an
    /// earlier statement. (A ping would take whatever answer comes.)
    pub(crate) fn prove(&mut self) -> Result<()> {
        self.keep_deadline()?;
        let nonce = RandomState::new().hash_one(self.connection_id());
        self.watch.begin();
        let answer = self.conn.query_opt::<u64, _>(format!("SELECT {nonce}"));
        self.watch.end();
        let rows = match answer {
            Ok(rows) => rows,
            Err(error) => {
                let error = self.watch.note(error);
                return Err(self.watch.condemn(error));
            }
        };
        if matches!(&rows[..], [Ok(number)] if *number == nonce) {
            self.watch.usable()?; // unless the watchdog was quicker
            self.watch.answered = Instant::now();
            self.watch.has_failed = false;
            self.watch.sync = SyncState::None;
            return Ok(());
        }
        let text = "the server's answers are those to earlier statements";
        Err(self.watch.give_up(io::Error::new(ErrorKind::InvalidData, text)))
    }
}

impl Watch {
    pub(crate) fn is_in_doubt(&self) -> bool {
        !matches!(self.sync, SyncState::None)
    }

    /// From now on, errors may be met that this crate does not see.
    pub(crate) fn out_of_sight(&mut self) {
        // What is in doubt already stays so since then.
        if !self.is_in_doubt() {
            self.sync = SyncState::Since(Instant::now());
        }
    }

    /// A ping's bytes need neither a key nor a compressor, and the socket can be read without the driver.
    fn can_ping_itself(&self) -> bool {
        cfg!(unix) && self.shared.is_plain
    }

    pub(crate) fn begin(&mut self) {
        self.health = Health::Running;
        self.has_failed = false;
        self.lead.begin(self.timeouts.read);
    }

    pub(crate) fn end(&mut self) {
        self.lead.end();
        self.health = Health::Sound;
        if self.lead.take_ended() {
            self.was_ended = true;
            self.give_up(ErrorKind::TimedOut.into());
        }
    }

    /// Takes note that the server has answered.
    pub(crate) fn has_answered(&mut self) {
        self.answered = Instant::now();
    }

    /// Takes note of an error: the connection may be out of use from now on.
    pub(crate) fn note(&mut self, error: Error) -> Error {
        self.record.mark(Traces::NONE); // how far the statement came is not known
        self.has_failed = true;
        if self.was_ended {
            return self.timed_out(); // the driver met nothing but the end of a socket
        }
        if let Error::MySqlError(answer) = &error {
            self.answered = Instant::now();
            self.weigh(answer);
        }
        if error::breaks(&error) {
            return self.condemn(error);
        }
        if error::leaves_doubt(&error) {
            self.sync = SyncState::Now;
        }
        error
    }

    /// Leaves the connection, once it is given back, if its server says that it cannot do now what
    /// another one could.
    fn weigh(&mut self, answer: &MySqlError) {
        let leaves = match error::refusal(answer) {
            None => false,
            Some(Refusal::NotReady) => {
                // Relaxed: it only has to arrive some time, and nothing comes with it.
                self.shared.asks_readiness.store(true, Ordering::Relaxed);
                true
            }
            Some(Refusal::ReadOnlyServer) => true,
            Some(Refusal::ReadOnlyTransaction) => !self.is_read_only_by_request,
        };
        self.leaves |= leaves && self.opened.elapsed() >= SETTLED;
    }

    /// Puts the connection out of use, since what it did last failed in this way.
    fn give_up(&mut self, error: io::Error) -> Error {
        self.condemn(Error::IoError(error))
    }

    fn condemn(&mut self, error: Error) -> Error {
        let error = if error::is_timeout(&error) { self.timed_out() } else { error };
        self.health = Health::Broken(error.to_string().into());
        error
    }

    fn timed_out(&self) -> Error {
        let Timeouts { read, write } = self.timeouts;
        let show = |timeout: Option<_>| timeout.map_or("none".to_owned(), |t| format!("{t:?}"));
        let text = format!(
            "the server at {} did not answer in time (read time-out {}, write time-out {}); this \
             connection is out of use: raise the time-outs for statements that take longer",
            self.shared.address,
            show(read),
            show(write)
        );
        io::Error::new(ErrorKind::TimedOut, text).into()
    }

    /// Fails if the connection is out of use.
    pub(crate) fn usable(&self) -> Result<()> {
        let reason = match &self.health {
            Health::Sound => return Ok(()),
            Health::Running => "a panic interrupted a statement",
            Health::Broken(reason) => reason,
        };
        let text = format!(
            "this connection is out of use: give it back and take another one. It went out of use \
             with: {reason}"
        );
        Err(io::Error::new(ErrorKind::NotConnected, text).into())
    }

    /// Whether an error that nobody saw could make the next answer the wrong one.
    ///
    /// Of the errors that the driver's rows can meet, only a time-out leaves a connection that
    /// still answers and has nothing to be read yet. So where less time has passed than that
    /// takes, nothing can have gone wrong.
    fn must_prove(&self) -> bool {
        match (self.sync, self.timeouts.read) {
            (SyncState::None, _) | (SyncState::Since(_), None) => false,
            // Kernels round time-outs; three quarters is on the safe side.
            (SyncState::Since(moment), Some(timeout)) => moment.elapsed() >= timeout.mul_f32(0.75),
            (SyncState::Now, _) => true,
        }
    }
}

// By hand: that of `Conn` prints the password.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.connection_id())
            .field("usable", &matches!(self.watch.health, Health::Sound))
            .field("changed", &self.watch.record.has_changed())
            .finish_non_exhaustive()
    }
}
