//! A manager that fails, hangs and panics as its script says, in front of any other manager.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use threadwise_core::{ConnectionInfo, ManageConnection, Moment, Outcome};

use crate::script::{Call, Script, Step};
use crate::{Holding, Ledger};

/// A manager in front of another one. It does the step of its [`Script`], or calls the manager
/// behind it, and keeps the [`Ledger`].
#[derive(Debug)]
pub struct Scripted<M> {
    behind: M,
    script: Arc<Script>,
    ledger: Arc<Ledger>,
}

/// A connection of a [`Scripted`] manager: one of the manager behind it, with a number. However it
/// ends, the ledger records that it was closed.
#[derive(Debug)]
pub struct ScriptedConnection<C> {
    behind: C,
    note: Note,
}

/// Dropped after the connection itself, by the order of the fields.
#[derive(Debug)]
struct Note {
    id: u64,
    ledger: Arc<Ledger>,
}

impl Drop for Note {
    fn drop(&mut self) {
        self.ledger.add_closed(self.id);
    }
}

/// An error of a [`Scripted`] manager.
#[derive(Debug)]
pub enum ScriptedError<E> {
    /// The script's error.
    Scripted {
        /// The call that failed.
        call: Call,
        /// Whether the error is permanent.
        for_good: bool,
    },
    /// An error of the manager behind the script.
    Behind(E),
}

impl<M: ManageConnection> Scripted<M> {
    /// Puts a script and a ledger in front of `behind`.
    pub fn new(behind: M) -> Self {
        Self { behind, script: Arc::default(), ledger: Arc::default() }
    }

    /// The script: what happens at each call.
    pub fn script(&self) -> Arc<Script> {
        Arc::clone(&self.script)
    }

    /// The ledger: what was opened, closed and held.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// Does the script's step. `Ok` means to call the manager behind it.
    fn act(&self, call: Call, limit: Option<Duration>) -> Result<(), ScriptedError<M::Error>> {
        self.act_as(call, self.script.take(call), limit)
    }

    fn act_as(
        &self,
        call: Call,
        step: Step,
        limit: Option<Duration>,
    ) -> Result<(), ScriptedError<M::Error>> {
        let error = |for_good| Err(ScriptedError::Scripted { call, for_good });
        match step {
            Step::Pass => Ok(()),
            Step::Fail => error(false),
            Step::FailForGood => error(true),
            Step::Panic => panic!("{call:?} panics, as its script says"),
            Step::Hang(gate) => {
                if gate.pass(limit) {
                    Ok(())
                } else {
                    error(false)
                }
            }
        }
    }

    fn open(
        &self,
        limit: Option<Duration>,
        connect: impl FnOnce() -> Result<M::Connection, M::Error>,
    ) -> Result<ScriptedConnection<M::Connection>, ScriptedError<M::Error>> {
        let dialling = self.ledger.dialling();
        self.act(Call::Connect, limit)?;
        let behind = connect().map_err(ScriptedError::Behind)?;
        let note = Note { id: dialling.succeeded(), ledger: self.ledger() };
        Ok(ScriptedConnection { behind, note })
    }
}

impl<M: ManageConnection> ManageConnection for Scripted<M> {
    type Connection = ScriptedConnection<M::Connection>;
    type Error = ScriptedError<M::Error>;

    fn connect(&self) -> Result<Self::Connection, Self::Error> {
        self.open(None, || self.behind.connect())
    }

    fn is_valid(&self, conn: &mut Self::Connection) -> Result<(), Self::Error> {
        self.act(Call::IsValid, None)?;
        self.behind.is_valid(&mut conn.behind).map_err(ScriptedError::Behind)
    }

    fn has_broken(&self, conn: &mut Self::Connection) -> bool {
        self.act(Call::HasBroken, None).is_err() || self.behind.has_broken(&mut conn.behind)
    }

    fn connect_within(&self, limit: Duration) -> Result<Self::Connection, Self::Error> {
        self.open(Some(limit), || self.behind.connect_within(limit))
    }

    fn is_valid_within(
        &self,
        conn: &mut Self::Connection,
        limit: Duration,
    ) -> Result<(), Self::Error> {
        self.act(Call::IsValid, Some(limit))?;
        self.behind.is_valid_within(&mut conn.behind, limit).map_err(ScriptedError::Behind)
    }

    fn is_valid_patient(
        &self,
        conn: &mut Self::Connection,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<(), Self::Error>> {
        match self.script.take(Call::IsValid) {
            // The answer is still to come, and the next check waits for it.
            Step::Hang(gate) if !gate.pass(Some(patience)) => {
                self.script.again(Call::IsValid, Step::Hang(gate));
                return None;
            }
            Step::Hang(_) => {}
            step => {
                if let Err(error) = self.act_as(Call::IsValid, step, Some(limit)) {
                    return Some(Err(error));
                }
            }
        }
        let answer = self.behind.is_valid_patient(&mut conn.behind, patience, limit)?;
        Some(answer.map_err(ScriptedError::Behind))
    }

    fn last_answer(&self, conn: &Self::Connection) -> Option<Instant> {
        self.behind.last_answer(&conn.behind)
    }

    fn reset(&self, conn: &mut Self::Connection) -> Result<(), Self::Error> {
        self.act(Call::Reset, None)?;
        self.ledger.add_reset();
        self.behind.reset(&mut conn.behind).map_err(ScriptedError::Behind)
    }

    fn reset_within(
        &self,
        conn: &mut Self::Connection,
        limit: Duration,
    ) -> Result<(), Self::Error> {
        self.act(Call::Reset, Some(limit))?;
        self.ledger.add_reset();
        self.behind.reset_within(&mut conn.behind, limit).map_err(ScriptedError::Behind)
    }

    fn begin_session(&self, conn: &mut Self::Connection) {
        self.behind.begin_session(&mut conn.behind);
    }

    fn has_changed(&self, conn: &mut Self::Connection) -> bool {
        self.behind.has_changed(&mut conn.behind)
    }

    fn has_broken_at(&self, conn: &mut Self::Connection, moment: Moment) -> bool {
        self.act(Call::HasBroken, None).is_err()
            || self.behind.has_broken_at(&mut conn.behind, moment)
    }

    fn quick_check(&self, conn: &mut Self::Connection) -> Result<(), Self::Error> {
        self.behind.quick_check(&mut conn.behind).map_err(ScriptedError::Behind)
    }

    fn quick_check_after(&self) -> Option<Duration> {
        self.behind.quick_check_after()
    }

    fn in_transaction(&self, conn: &mut Self::Connection) -> bool {
        self.behind.in_transaction(&mut conn.behind)
    }

    fn in_transaction_shared(&self, conn: &Self::Connection) -> bool {
        self.behind.in_transaction_shared(&conn.behind)
    }

    fn should_retire(&self, conn: &mut Self::Connection) -> bool {
        self.behind.should_retire(&mut conn.behind)
    }

    fn group(&self, conn: &Self::Connection) -> u64 {
        self.behind.group(&conn.behind)
    }

    fn info<'c>(&'c self, conn: &'c Self::Connection) -> ConnectionInfo<'c> {
        self.behind.info(&conn.behind)
    }

    fn on_error(&self, conn: &mut Self::Connection, error: &Self::Error) -> Outcome {
        match error {
            ScriptedError::Scripted { .. } => Outcome::Lost,
            ScriptedError::Behind(error) => self.behind.on_error(&mut conn.behind, error),
        }
    }

    fn pool_closed(&self) {
        self.behind.pool_closed();
    }

    fn forked(&self) {
        self.behind.forked();
    }

    fn is_lost(&self, error: &Self::Error) -> bool {
        match error {
            ScriptedError::Scripted { .. } => true,
            ScriptedError::Behind(error) => self.behind.is_lost(error),
        }
    }

    fn is_permanent(&self, error: &Self::Error) -> bool {
        match error {
            ScriptedError::Scripted { for_good, .. } => *for_good,
            ScriptedError::Behind(error) => self.behind.is_permanent(error),
        }
    }

    fn is_shortage(&self, error: &Self::Error) -> bool {
        match error {
            ScriptedError::Scripted { .. } => false,
            ScriptedError::Behind(error) => self.behind.is_shortage(error),
        }
    }

    fn not_reconnected(&self, error: Self::Error, cause: &(dyn Error + 'static)) -> Self::Error {
        match error {
            ScriptedError::Behind(error) => {
                ScriptedError::Behind(self.behind.not_reconnected(error, cause))
            }
            error => error,
        }
    }

    fn address(&self) -> Option<Cow<'_, str>> {
        self.behind.address()
    }

    fn forget_in_child(&self, conn: Self::Connection) {
        let ScriptedConnection { behind, note } = conn;
        std::mem::forget(note); // the ledger of this process is a copy
        self.behind.forget_in_child(behind);
    }

    fn set_pool_name(&mut self, name: &str) {
        self.behind.set_pool_name(name);
    }

    fn close(&self, conn: Self::Connection) {
        let ScriptedConnection { behind, note } = conn;
        let _ = self.act(Call::Close, None);
        self.behind.close(behind);
        drop(note);
    }
}

impl<C> ScriptedConnection<C> {
    /// The connection's number. The first connection that was opened has the number 1.
    pub fn id(&self) -> u64 {
        self.note.id
    }

    /// Records that the caller uses the connection, until it drops the returned value.
    #[must_use]
    pub fn hold(&self) -> Holding {
        self.note.ledger.hold(self.note.id)
    }
}

impl<C> Deref for ScriptedConnection<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.behind
    }
}

impl<C> DerefMut for ScriptedConnection<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.behind
    }
}

impl<E: fmt::Display> fmt::Display for ScriptedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scripted { call, .. } => write!(f, "{call:?} fails, as its script says"),
            Self::Behind(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for ScriptedError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Scripted { .. } => None,
            Self::Behind(error) => error.source(),
        }
    }
}
