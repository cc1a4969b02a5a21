//! Whether a connection still works, and whether it is in step with its server.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use mysql::Result;
use mysql::prelude::Queryable;

use super::Connection;
use super::state::SyncState;
use crate::ping::Ping;
use crate::socket;

/// For this long after an answer the free check does not look at the socket. A look takes about 0.4 µs,
/// reading the clock a tenth of that. Another session cannot end this one so soon: its `KILL` takes a
/// round trip.
const FRESH: Duration = Duration::from_micros(20);

/// The free check, and the check that asks the server.
impl Connection {
    /// Whether the connection is known to be out of use, or should be closed instead of used again.
    /// Looks at the socket, unless the server has answered within [`FRESH`].
    pub(crate) fn is_broken(&mut self) -> bool {
        if !self.state.is_usable() || self.state.closes_on_return {
            return true;
        }
        if self.state.ping.is_some() {
            // What is ready to be read may be its answer.
            return self.finish_ping(Some(Instant::now())).is_err();
        }
        !self.is_just_answered() && !socket::is_quiet(&self.conn)
    }

    /// Whether the server has answered so recently that it cannot have closed the connection since.
    pub(super) fn is_just_answered(&self) -> bool {
        self.state.answered.elapsed() < FRESH
    }

    /// When the server last answered.
    pub(crate) fn last_answer(&self) -> Instant {
        self.state.answered
    }

    /// Pings the server. If it is unknown whether the connection is in sync, makes it prove that
    /// instead.
    pub(crate) fn check(&mut self) -> Result<()> {
        if !self.state.may_be_out_of_sync() {
            return if self.state.ping.is_some() {
                self.finish_ping(None).map(drop)
            } else {
                self.ping()
            };
        }
        self.ensure_in_sync()?;
        if self.state.may_be_out_of_sync() { self.prove_sync() } else { Ok(()) }
    }

    /// Like [`check`](Self::check), for a caller that waits no longer than `patience`. `None` means
    /// that the answer has not come by then. If only the driver can read the answer, the caller waits
    /// for `limit`.
    pub(crate) fn check_patiently(
        &mut self,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<()>> {
        if self.state.may_be_out_of_sync() || !self.state.can_ping_itself() {
            return Some(self.within(limit, Self::check));
        }
        let patient_until = Instant::now().checked_add(patience);
        if self.state.ping.is_none() {
            let limit = self.state.usual_timeouts.within(limit).read;
            let sent = self.state.check_usable().and_then(|()| Ping::send(&self.conn, limit));
            match sent {
                Ok(ping) => self.state.ping = Some(ping),
                Err(error) => return Some(Err(self.state.note(error))),
            }
        }
        self.finish_ping(patient_until).transpose()
    }

    pub(super) fn send_ping_and_wait(&mut self) -> Result<()> {
        self.ensure_in_sync()?;
        if !self.state.can_ping_itself() {
            return self.run(|conn| (conn.ping(), Ok(())));
        }
        let limit = self.left()?;
        let ping = Ping::send(&self.conn, limit).map_err(|error| self.state.note(error))?;
        self.state.ping = Some(ping);
        self.finish_ping(None).map(drop)
    }

    /// Reads the answer to the last ping, if it comes before `patient_until`.
    fn finish_ping(&mut self, patient_until: Option<Instant>) -> Result<Option<()>> {
        let Some(ping) = &mut self.state.ping else { return Ok(Some(())) };
        let until = patient_until.into_iter().chain(self.state.deadline).min();
        match ping.finish(&self.conn, until) {
            Ok(None) if self.state.deadline.is_none_or(|deadline| Instant::now() < deadline) => {
                Ok(None)
            }
            Ok(None) => Err(self.state.put_out_of_use_by_io(ErrorKind::TimedOut.into())),
            Ok(Some(())) => {
                self.state.ping = None;
                self.state.answered = Instant::now();
                Ok(Some(()))
            }
            Err(error) => {
                self.state.ping = None;
                Err(self.state.note(error))
            }
        }
    }
}

/// The order of questions and answers.
impl Connection {
    /// Makes sure that the next answer will be the one to the next statement.
    pub(crate) fn ensure_in_sync(&mut self) -> Result<()> {
        self.state.check_usable()?;
        self.finish_ping(None)?;
        // The user may have put another `Conn` in the place of this one, with timeouts of its own.
        if self.state.may_be_out_of_sync() && self.state.watch.follow(&self.conn) {
            socket::set_timeouts(&self.conn, self.state.timeouts)
                .map_err(|error| self.state.note(error.into()))?;
        }
        if self.state.may_be_out_of_sync() && !socket::is_quiet(&self.conn) {
            let text = "a part of the server's answer to an earlier statement is unread";
            return Err(self.out_of_sync(text));
        }
        if self.state.must_prove_sync() {
            self.prove_sync()?;
        }
        self.close_uncached()
    }

    /// Asks the server to repeat a random number. Any other answer is one to an earlier statement. (A
    /// ping would accept that answer too.)
    pub(crate) fn prove_sync(&mut self) -> Result<()> {
        self.keep_deadline()?;
        let nonce = RandomState::new().hash_one(self.connection_id());
        self.state.begin();
        let answer = self.conn.query_opt::<u64, _>(format!("SELECT {nonce}"));
        self.state.end();
        let rows = match answer {
            Ok(rows) => rows,
            Err(error) => {
                let error = self.state.note(error);
                return Err(self.state.put_out_of_use(error));
            }
        };
        if matches!(&rows[..], [Ok(number)] if *number == nonce) {
            self.state.check_usable()?; // the watchdog may have shut the socket down meanwhile
            self.state.answered = Instant::now();
            self.state.has_failed = false;
            self.state.sync = SyncState::InSync;
            return Ok(());
        }
        Err(self.out_of_sync("the server still sends answers to earlier statements"))
    }

    pub(super) fn out_of_sync(&mut self, text: &str) -> mysql::Error {
        self.state.put_out_of_use_by_io(io::Error::new(ErrorKind::InvalidData, text))
    }

    /// Closes the prepared statements that no later call will use. Costs no round trip.
    fn close_uncached(&mut self) -> Result<()> {
        while let Some(statement) = self.state.prepared.take_to_close() {
            self.conn.close(statement).map_err(|error| self.state.note(error))?;
        }
        Ok(())
    }
}
