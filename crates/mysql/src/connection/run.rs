//! Runs work on a connection within a deadline, which the watchdog enforces, and records every
//! error.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use mysql::{Conn, Result};

use super::Connection;
use crate::session::commits::{AtStake, Ending};
use crate::socket::{self, Timeouts};
use crate::watchdog::WatchHandle;
use crate::{ErrorClass, classify};

/// Work that asks the server.
impl Connection {
    /// Runs `work`, which makes the server answer. Returns its value, and records the first error that
    /// it met after it had that.
    pub(crate) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Conn) -> (Result<T>, Result<()>),
    ) -> Result<T> {
        self.run_watched(|conn, _| work(conn))
    }

    /// Called when the history knows the statement that is about to be sent. If the server may commit
    /// it, makes sure that the server has not closed the connection yet: a statement that was not
    /// sent is certainly not committed.
    ///
    /// Looks at the socket unless the server has just answered. That takes about 0.4 µs.
    pub(crate) fn ensure_open(&mut self) -> Result<()> {
        let is_at_stake = self.state.history.at_stake() != AtStake::Nothing;
        if !is_at_stake || self.is_just_answered() || socket::is_quiet(&self.conn) {
            return Ok(());
        }
        self.state.history.statement_ended(Ending::Unclear); // it will not be sent
        // The driver takes the server's goodbye for the answer to a ping.
        self.run(|conn| (conn.ping(), Ok(())))?;
        Err(self.out_of_sync("the server has sent something without a question"))
    }

    /// Like [`run`](Self::run), for `work` that waits more than once, and tells the watchdog.
    pub(crate) fn run_watched<T>(
        &mut self,
        work: impl FnOnce(&mut Conn, &mut WatchHandle) -> (Result<T>, Result<()>),
    ) -> Result<T> {
        let value = self.run_unanswered(work)?;
        self.state.answered = Instant::now();
        Ok(value)
    }

    /// Like [`run_watched`](Self::run_watched), for `work` that may not need an answer of the server.
    pub(crate) fn run_unanswered<T>(
        &mut self,
        work: impl FnOnce(&mut Conn, &mut WatchHandle) -> (Result<T>, Result<()>),
    ) -> Result<T> {
        self.ensure_in_sync()?;
        self.keep_deadline()?;
        self.state.begin();
        let (value, rest) = work(&mut self.conn, &mut self.state.watch);
        self.state.end();
        if let Err(error) = rest {
            let error = self.state.note(error);
            if classify(&error) == ErrorClass::Unknown {
                return Err(error); // a value alone would hide it
            }
            self.state.history.statement_ended(Ending::Unclear); // a deadlock ends the transaction
        }
        value.map_err(|error| self.state.note(error))
    }
}

/// Deadlines and timeouts.
impl Connection {
    /// Runs `work`, which ends within `limit`, however many round trips it makes.
    pub(crate) fn within<T>(
        &mut self,
        limit: Duration,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.state.deadline = Instant::now().checked_add(limit);
        let outcome = work(self);
        self.state.deadline = None;
        let restored = if self.state.is_usable() {
            self.set_timeouts(self.state.usual_timeouts)
        } else {
            Ok(())
        };
        let value = outcome?;
        restored?;
        Ok(value)
    }

    /// When the running check or reset must end.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.state.deadline
    }

    /// How long the next wait for the server may last.
    pub(super) fn left(&mut self) -> Result<Option<Duration>> {
        let Some(deadline) = self.state.deadline else {
            return Ok(self.state.usual_timeouts.read);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.state.put_out_of_use_by_io(ErrorKind::TimedOut.into()));
        }
        Ok(self.state.usual_timeouts.within(left).read)
    }

    /// Shortens the socket's timeouts if there is a deadline.
    pub(super) fn keep_deadline(&mut self) -> Result<()> {
        if self.state.deadline.is_some() {
            let left = self.left()?.unwrap_or(Duration::MAX);
            self.set_timeouts(self.state.usual_timeouts.within(left))?;
        }
        Ok(())
    }

    /// Sets the timeouts that hold from now on where there is no deadline.
    pub(crate) fn set_usual_timeouts(&mut self, timeouts: Timeouts) -> Result<()> {
        self.state.usual_timeouts = timeouts;
        self.set_timeouts(timeouts)
    }

    fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<()> {
        if self.state.timeouts == timeouts {
            return Ok(());
        }
        socket::set_timeouts(&self.conn, timeouts)
            .map_err(|error| self.state.note(error.into()))?;
        self.state.timeouts = timeouts;
        Ok(())
    }
}

impl Connection {
    /// Ends the connection in a forked child, and sends nothing to the server: the session is the
    /// parent's.
    pub(crate) fn forget_in_child(self) {
        match socket::part(&self.conn) {
            // The driver's good-bye goes into the new socket, whose other end must outlive it.
            Ok(_other_end) => drop(self),
            Err(_) => std::mem::forget(self),
        }
    }
}
