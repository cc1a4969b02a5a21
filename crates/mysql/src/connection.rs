//! A connection that sees every error and remembers what it may have left on its session.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Error, LocalInfileHandler, Result, SessionStateInfo, TxOpts};

use crate::catalog::Catalog;
use crate::error;
use crate::record::Record;
use crate::socket::{self, Timeouts};
use crate::traces::Traces;
use crate::transaction::Transaction;

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
    pub(crate) conn: Conn,
    pub(crate) watch: Watch,
}

/// What a [`Connection`] knows about itself; apart from the `Conn`, so that one can be written to
/// while the other is lent out.
pub(crate) struct Watch {
    health: Health,
    /// A statement of its user's, since somebody asked whether the connection is broken.
    pub(crate) has_answered: bool,
    /// When somebody asked last, if the server had answered just before.
    answered: Option<Instant>,
    pub(crate) record: Record,
    doubt: Doubt,
    timeouts: Timeouts,
}

/// For so long after an answer nobody looks whether the server has gone since. Looking takes some 0.4 µs,
/// reading the clock a tenth of it; and a server that goes in this time could as well go right after a
/// look. (HikariCP trusts a connection for 500 ms.)
const FRESH: Duration = Duration::from_micros(100);

enum Health {
    Sound,
    /// A statement is under way. Whoever finds this afterwards knows that it panicked.
    Running,
    /// Out of use since an error with this text.
    Broken(Box<str>),
}

/// Whether the connection might be out of step with the server.
#[derive(Clone, Copy)]
enum Doubt {
    None,
    /// Since this moment, code that this crate does not watch could use the connection.
    Since(Instant),
    /// It has to prove itself before anything else.
    Now,
}

impl Connection {
    pub(crate) fn new(conn: Conn, timeouts: Timeouts) -> Self {
        let watch = Watch {
            health: Health::Sound,
            has_answered: false,
            answered: None,
            record: Record::default(),
            doubt: Doubt::None,
            timeouts,
        };
        Self { conn, watch }
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
        self.run(|conn| (conn.ping(), Ok(())))
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

    /// Whether it is known to be out of use. Looks at the socket, unless the server has answered
    /// its user since the last time, as on return after a use; or has done so within [`FRESH`], as on
    /// the next checkout where connections are in demand.
    pub(crate) fn is_broken(&mut self) -> bool {
        if !matches!(self.watch.health, Health::Sound) {
            return true;
        }
        let is_fresh = self.watch.answered.take().is_some_and(|moment| moment.elapsed() < FRESH);
        if std::mem::take(&mut self.watch.has_answered) {
            self.watch.answered = Some(Instant::now());
            return false;
        }
        !is_fresh && !socket::is_quiet(&self.conn)
    }

    /// Whether anything was done with it that may have left something, going by what this server's
    /// names mean.
    pub(crate) fn has_changed(&mut self, catalog: &Catalog) -> bool {
        let Watch { record, .. } = &self.watch;
        if record.has_changed() || self.watch.is_in_doubt() {
            return true;
        }
        if record.has_plain() && !record.is_plain_by(catalog) {
            return true;
        }
        self.watch.record.forget_plain();
        false
    }

    /// Whether a transaction may be open, judging by the texts of the statements. What was open when
    /// the connection went out of use is over, and its user was told.
    pub(crate) fn may_be_in_transaction(&self) -> bool {
        let is_usable = matches!(self.watch.health, Health::Sound);
        is_usable && self.watch.record.traces().contains(Traces::TRANSACTION)
    }

    /// Asks the server for a sign of life, or for more than that where it is in doubt.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.watch.doubt {
            Doubt::None => self.ping(),
            _ => {
                self.watch.usable()?;
                self.prove()
            }
        }
    }

    /// Like [`check`](Self::check), with the socket's time-outs shortened to `timeouts` meanwhile.
    pub(crate) fn check_within(&mut self, timeouts: Timeouts) -> Result<()> {
        self.watch.usable()?;
        let usual = std::mem::replace(&mut self.watch.timeouts, timeouts);
        let outcome = self
            .set_timeouts(timeouts)
            .and_then(|()| self.check())
            .and_then(|()| self.set_timeouts(usual));
        self.watch.timeouts = usual;
        outcome
    }

    pub(crate) fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<()> {
        socket::set_timeouts(&self.conn, timeouts).map_err(|error| self.watch.note(error.into()))
    }

    /// Ends it without a word to the server, whose session is another process's.
    pub(crate) fn abandon(self) {
        match socket::part(&self.conn) {
            Ok(_nobody) => drop(self), // in this order: what it says is taken, and read by nobody
            Err(_) => std::mem::forget(self),
        }
    }

    /// Runs `work`, which returns its value and the first error that it met after it had that.
    pub(crate) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Conn) -> (Result<T>, Result<()>),
    ) -> Result<T> {
        self.get_ready()?;
        self.watch.health = Health::Running;
        let (value, rest) = work(&mut self.conn);
        self.watch.health = Health::Sound;
        if let Err(error) = rest {
            self.watch.note(error);
        }
        value.map_err(|error| self.watch.note(error))
    }

    /// Makes sure that the next answer will be the one to the next statement.
    pub(crate) fn get_ready(&mut self) -> Result<()> {
        self.watch.usable()?;
        if self.watch.is_in_doubt() && !socket::is_quiet(&self.conn) {
            let text = "the server's answer to an earlier statement was not read to its end";
            return Err(self.watch.give_up(io::Error::new(ErrorKind::InvalidData, text).into()));
        }
        if self.watch.must_prove() { self.prove() } else { Ok(()) }
    }

    /// Lets the server repeat a number that it was never sent before: any other answer is one to an
    /// earlier statement. (A ping would take whatever answer comes.)
    pub(crate) fn prove(&mut self) -> Result<()> {
        let nonce = RandomState::new().hash_one(self.connection_id());
        self.watch.health = Health::Running;
        let answer = self.conn.query_opt::<u64, _>(format!("SELECT {nonce}"));
        self.watch.health = Health::Sound;
        let rows = answer.map_err(|error| self.watch.give_up(error))?;
        if matches!(&rows[..], [Ok(number)] if *number == nonce) {
            self.watch.doubt = Doubt::None;
            return Ok(());
        }
        let text = "the server's answers are those to earlier statements";
        Err(self.watch.give_up(io::Error::new(ErrorKind::InvalidData, text).into()))
    }
}

impl Watch {
    pub(crate) fn is_in_doubt(&self) -> bool {
        !matches!(self.doubt, Doubt::None)
    }

    /// From now on, errors may be met that this crate does not see.
    pub(crate) fn out_of_sight(&mut self) {
        // What is in doubt already stays so since then.
        if !self.is_in_doubt() {
            self.doubt = Doubt::Since(Instant::now());
        }
    }

    pub(crate) fn begin(&mut self) {
        self.health = Health::Running;
    }

    pub(crate) fn end(&mut self) {
        self.health = Health::Sound;
    }

    /// Takes note of an error: the connection may be out of use from now on.
    pub(crate) fn note(&mut self, error: Error) -> Error {
        self.record.mark(Traces::NONE); // how far the statement came is not known
        if error::breaks(&error) {
            return self.give_up(error);
        }
        if error::leaves_doubt(&error) {
            self.doubt = Doubt::Now;
        }
        error
    }

    fn give_up(&mut self, error: Error) -> Error {
        let error = if error::is_timeout(&error) { self.timed_out() } else { error };
        self.health = Health::Broken(error.to_string().into());
        error
    }

    fn timed_out(&self) -> Error {
        let Timeouts { read, write } = self.timeouts;
        let show = |timeout: Option<_>| timeout.map_or("none".to_owned(), |t| format!("{t:?}"));
        let text = format!(
            "the server did not answer in time (read time-out {}, write time-out {}); this \
             connection is out of use: raise the time-outs for statements that take longer",
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
        match (self.doubt, self.timeouts.read) {
            (Doubt::None, _) | (Doubt::Since(_), None) => false,
            // Kernels round time-outs; three quarters is on the safe side.
            (Doubt::Since(moment), Some(timeout)) => moment.elapsed() >= timeout.mul_f32(0.75),
            (Doubt::Now, _) => true,
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
