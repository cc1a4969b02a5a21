//! What a connection knows about itself: whether it can be used, whether it is in step with its
//! server, its timeouts, and what ran on its session.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mysql::{Conn, Error, MySqlError, Result};

use super::Connection;
use crate::error::{self, Refusal};
use crate::ping::Ping;
use crate::session::effects::SessionEffects;
use crate::session::history::History;
use crate::session::prepared::PreparedStatements;
use crate::socket::Timeouts;
use crate::watchdog::WatchHandle;

/// What a [`Connection`] knows about itself. It is separate from the `Conn`, so that code can
/// change it while the `Conn` is borrowed.
pub(crate) struct ConnState {
    health: Health,
    /// When the server last answered, whatever the answer was.
    pub(super) answered: Instant,
    /// The last ping, if the server has not answered it yet.
    pub(super) ping: Option<Ping>,
    opened: Instant,
    /// Whether the connection closes on return although it works: an answer said that another
    /// server may work better.
    pub(super) closes_on_return: bool,
    pub(crate) history: History,
    pub(crate) prepared: PreparedStatements,
    pub(super) sync: SyncState,
    /// Whether the last statement failed, so that the driver has forgotten the server's status
    /// flags.
    pub(crate) has_failed: bool,
    /// Whether a statement of the user asked for a read-only transaction or session.
    pub(crate) asked_for_read_only: bool,
    /// The socket's timeouts where there is no deadline.
    pub(super) usual_timeouts: Timeouts,
    /// The socket's present timeouts.
    pub(super) timeouts: Timeouts,
    /// When the running check or reset must end.
    pub(super) deadline: Option<Instant>,
    pub(crate) watch: WatchHandle,
    /// Whether the watchdog has shut the socket down.
    was_shut_down: bool,
    pub(super) shared: Arc<Shared>,
}

/// The parts that a manager and its connections share.
pub(crate) struct Shared {
    /// The server's address, for messages.
    pub(crate) address: Box<str>,
    /// Whether new connections ask if their server is ready. A server at this address has said on
    /// an open connection that it is not.
    pub(crate) asks_readiness: AtomicBool,
    /// Whether the wire carries the plain protocol: no encryption, no compression.
    pub(crate) is_plain: bool,
    /// Whether the driver caches prepared statements.
    pub(crate) caches_statements: bool,
}

/// How long a connection stays open at least, whatever its server refuses: the next one would
/// probably reach the same server in the same state.
const SETTLED: Duration = Duration::from_secs(1);

enum Health {
    Usable,
    /// A statement runs. If a later call finds this, the statement panicked.
    Running,
    OutOfUse {
        /// The text of the error since which it is.
        reason: Box<str>,
        /// Whether the server may have committed when that error came.
        is_outcome_unknown: bool,
    },
}

/// Whether the next answer of the server is the one to the next statement.
#[derive(Clone, Copy)]
pub(super) enum SyncState {
    InSync,
    /// Since this moment, code that this crate does not watch could use the connection.
    UnseenSince(Instant),
    /// The connection must prove that it is in sync before its next statement.
    MustProve,
}

impl ConnState {
    pub(super) fn new(
        conn: &Conn,
        timeouts: Timeouts,
        history: History,
        shared: Arc<Shared>,
    ) -> Self {
        let now = Instant::now();
        Self {
            health: Health::Usable,
            answered: now, // the server has accepted the login
            ping: None,
            opened: now,
            closes_on_return: false,
            history,
            prepared: PreparedStatements::new(shared.caches_statements),
            sync: SyncState::InSync,
            has_failed: false,
            asked_for_read_only: false,
            usual_timeouts: timeouts,
            timeouts,
            deadline: None,
            watch: WatchHandle::of(conn, timeouts.read),
            was_shut_down: false,
            shared,
        }
    }

    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.health, Health::Usable)
    }

    /// Fails if the connection is out of use.
    pub(crate) fn check_usable(&self) -> Result<()> {
        let (reason, is_outcome_unknown) = match &self.health {
            Health::Usable => return Ok(()),
            Health::Running => ("a statement panicked", false),
            Health::OutOfUse { reason, is_outcome_unknown } => (&**reason, *is_outcome_unknown),
        };
        let text = format!(
            "this connection cannot be used again: return it and borrow another one. The cause: \
             {reason}"
        );
        let error = io::Error::new(ErrorKind::NotConnected, text).into();
        // The program may overlook the first error. It must not take this one for a certain one.
        Err(if is_outcome_unknown { error::unknown_outcome(error) } else { error })
    }

    /// Called when a statement starts. The watchdog then watches the wait for its answer.
    pub(crate) fn begin(&mut self) {
        self.health = Health::Running;
        self.has_failed = false;
        self.watch.begin(self.timeouts.read);
    }

    /// Called when the statement has ended.
    pub(crate) fn end(&mut self) {
        self.watch.end();
        self.health = Health::Usable;
        if self.watch.take_shut_down() {
            self.was_shut_down = true;
            self.put_out_of_use_by_io(ErrorKind::TimedOut.into());
        }
    }

    /// Records that the server has answered.
    pub(crate) fn has_answered(&mut self) {
        self.answered = Instant::now();
    }
}

/// Whether the connection is in step with the server.
impl ConnState {
    pub(crate) fn may_be_out_of_sync(&self) -> bool {
        !matches!(self.sync, SyncState::InSync)
    }

    /// Called when the connection may meet errors that this crate does not see.
    pub(crate) fn use_goes_unseen(&mut self) {
        // If it is unseen already, the earlier moment counts.
        if !self.may_be_out_of_sync() {
            self.sync = SyncState::UnseenSince(Instant::now());
        }
    }

    /// Whether an unseen error could make the next answer the wrong one.
    ///
    /// Of the errors that the driver's rows can meet, only a timeout leaves a connection that still
    /// answers and has nothing to read yet. So if less time has passed than a timeout takes, nothing
    /// can have gone wrong.
    pub(super) fn must_prove_sync(&self) -> bool {
        match (self.sync, self.timeouts.read) {
            (SyncState::InSync, _) | (SyncState::UnseenSince(_), None) => false,
            // Kernels round timeouts; three quarters is on the safe side.
            (SyncState::UnseenSince(moment), Some(timeout)) => {
                moment.elapsed() >= timeout.mul_f32(0.75)
            }
            (SyncState::MustProve, _) => true,
        }
    }

    /// Whether this crate can send pings and read their answers without the driver: their bytes need
    /// neither a key nor a compressor, and it can read the socket.
    pub(super) fn can_ping_itself(&self) -> bool {
        cfg!(unix) && self.shared.is_plain
    }
}

/// What an error means for the connection.
impl ConnState {
    /// Records an error, which may put the connection out of use, and returns it. If the server may
    /// have committed the running statement, the error says so.
    pub(crate) fn note(&mut self, error: Error) -> Error {
        let error = self.note_for_connection(error);
        if !error::is_outcome_unknown(&error, self.history.at_stake()) {
            return error;
        }
        if let Health::OutOfUse { is_outcome_unknown, .. } = &mut self.health {
            *is_outcome_unknown = true;
        }
        error::unknown_outcome(error)
    }

    fn note_for_connection(&mut self, error: Error) -> Error {
        // How far the statement came is unknown.
        self.history.mark_changed(SessionEffects::NONE);
        self.has_failed = true;
        if self.was_shut_down {
            return self.timed_out(); // the driver met only the end of a socket
        }
        if let Error::MySqlError(answer) = &error {
            self.answered = Instant::now();
            self.note_refusal(answer);
        }
        if error::breaks(&error) {
            return self.put_out_of_use(error);
        }
        if error::makes_sync_unknown(&error) {
            self.sync = SyncState::MustProve;
        }
        error
    }

    /// Marks the connection to be closed on return if the server refuses something that another
    /// server may accept.
    fn note_refusal(&mut self, answer: &MySqlError) {
        let closes = match error::refusal(answer) {
            None => false,
            Some(Refusal::NotReady) => {
                // Relaxed: it must only arrive at some time, and nothing else with it.
                self.shared.asks_readiness.store(true, Ordering::Relaxed);
                true
            }
            Some(Refusal::ReadOnlyServer) => true,
            Some(Refusal::ReadOnlyTransaction) => !self.asked_for_read_only,
        };
        self.closes_on_return |= closes && self.opened.elapsed() >= SETTLED;
    }

    /// Puts the connection out of use, because the last action failed with this error.
    pub(super) fn put_out_of_use_by_io(&mut self, error: io::Error) -> Error {
        self.put_out_of_use(Error::IoError(error))
    }

    pub(super) fn put_out_of_use(&mut self, error: Error) -> Error {
        let error = if error::is_timeout(&error) { self.timed_out() } else { error };
        let reason = error.to_string().into();
        self.health = Health::OutOfUse { reason, is_outcome_unknown: false };
        error
    }

    fn timed_out(&self) -> Error {
        let Timeouts { read, write } = self.timeouts;
        let show = |timeout: Option<_>| timeout.map_or("none".to_owned(), |t| format!("{t:?}"));
        let text = format!(
            "the server at {} did not answer in time (read timeout {}, write timeout {}), so this \
             connection cannot be used again: raise the timeouts for statements that take longer",
            self.shared.address,
            show(read),
            show(write)
        );
        io::Error::new(ErrorKind::TimedOut, text).into()
    }
}

impl Connection {
    pub(crate) fn new(
        conn: Conn,
        timeouts: Timeouts,
        history: History,
        shared: Arc<Shared>,
    ) -> Self {
        Self { state: ConnState::new(&conn, timeouts, history, shared), conn }
    }
}
