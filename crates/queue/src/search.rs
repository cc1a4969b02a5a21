//! The rest of a `get` whose place has no connection that can be lent as it is.
//!
//! | the place has | what happens |
//! |---|---|
//! | a connection that fails its check | the pool closes it and opens another one for the place |
//! | a connection whose check takes longer than the caller waits | it stays in the pool, and the caller times out |
//! | a connection that the `on_acquire` hook refuses | see [`Refusals`] |
//! | no connection | the pool opens one |
//! | no connection, and opening one fails | an error, if the pool has no other connection; otherwise the caller waits for one of those to come back, and tries again after a pause (after a permanent error it only waits) |

use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use threadwise_core::parts::{
    Backoff, Deadline, Patience, Refusals, Refused, Unchecked, Unfit, foreign,
};
use threadwise_core::{Clock, CloseReason, ConnectError, GetError, ManageConnection};

use crate::core::Core;
use crate::get::GetResult;
use crate::place::{Entry, Place};

/// How soon a thread that sleeps notices that the pool was closed, or that a connection came back.
const POLL: Duration = Duration::from_millis(20);

/// One `get` on its way to a connection.
pub(crate) struct Search<E> {
    pub(crate) deadline: Deadline,
    /// Whether the caller waits for other threads.
    waits: bool,
    refusals: Refusals,
    /// Why the last attempt to open a connection failed.
    connect_error: Option<ConnectError<E>>,
    /// The pauses between attempts.
    backoff: Backoff,
}

impl<E> Search<E> {
    pub(crate) fn begin(patience: Patience) -> Self {
        Self {
            deadline: patience.work_deadline(Clock::SYSTEM),
            waits: patience.waits(),
            refusals: Refusals::default(),
            connect_error: None,
            backoff: Backoff::default(),
        }
    }

    /// Why the search found no connection, if that is known.
    fn cause(&self) -> Option<ConnectError<E>> {
        self.connect_error.clone().or_else(|| self.refusals.cause())
    }
}

/// What a search does next.
enum Step<C> {
    /// Check the connection of this place.
    Check(Box<Place<C>>),
    /// Open a connection for this place, which has none.
    Fill(Box<Place<C>>),
    /// Ask the `on_acquire` hook about the connection of this place.
    AskHook(Box<Place<C>>),
    /// Lend the connection of this place.
    Lend(Box<Place<C>>),
    /// Receive another place from the queue, after this pause.
    Receive(Duration),
}

/// What a step leads to: another step, or the error that ends the search.
type Next<M> =
    Result<Step<<M as ManageConnection>::Connection>, GetError<<M as ManageConnection>::Error>>;

impl<M: ManageConnection> Core<M> {
    /// Searches for a connection until the search's deadline, beginning with `place`. `unchecked`
    /// is the result of `get`'s free check of its connection, if that did not pass.
    #[cold]
    #[inline(never)]
    pub(crate) fn search(
        &self,
        place: Box<Place<M::Connection>>,
        mut unchecked: Option<Unchecked>,
        mut search: Search<M::Error>,
    ) -> GetResult<'_, M> {
        let mut step = Step::Check(place);
        loop {
            step = match step {
                Step::Check(place) => self.check(place, unchecked.take(), &search)?,
                Step::Fill(place) => self.fill(place, &mut search)?,
                Step::AskHook(place) => self.ask_hook(place, &mut search),
                Step::Lend(place) => return Ok(self.guard(place)),
                Step::Receive(pause) => self.receive_after(pause, &search)?,
            };
        }
    }

    /// Checks the connection of a place: the free check, and a validation if one is due.
    fn check(
        &self,
        mut place: Box<Place<M::Connection>>,
        unchecked: Option<Unchecked>,
        search: &Search<M::Error>,
    ) -> Next<M> {
        if self.flags.is_closed() {
            self.put(Some(place)); // which closes it
            return Err(GetError::Closed);
        }
        let Place { conn: Some(conn), last_alive, returned_at, .. } = &mut *place else {
            return Ok(Step::Fill(place));
        };
        let checked = match unchecked {
            Some(unchecked) => self.lifecycle.settle(unchecked, conn, last_alive, search.deadline),
            None => {
                let idle = || returned_at.map_or(Duration::ZERO, |moment| moment.elapsed());
                self.lifecycle.check_lend(conn, last_alive, idle, search.deadline)
            }
        };
        match checked {
            Ok(()) => Ok(Step::AskHook(place)),
            Err(Unfit::Close(reason)) => {
                self.clear(&mut place, reason);
                Ok(Step::Fill(place))
            }
            Err(Unfit::Undecided) => {
                self.put(Some(place));
                Err(self.timed_out(search.deadline, search.cause()))
            }
        }
    }

    /// Calls the `on_acquire` hook, if there is one.
    fn ask_hook(
        &self,
        mut place: Box<Place<M::Connection>>,
        search: &mut Search<M::Error>,
    ) -> Step<M::Connection> {
        let Err(veto) = self.before_lending(&mut place, search.deadline) else {
            return Step::Lend(place);
        };
        match self.lifecycle.refuse(&mut search.refusals, veto) {
            Refused::Close(Duration::ZERO) => {
                self.clear(&mut place, CloseReason::Vetoed);
                Step::Fill(place)
            }
            Refused::Close(pause) => {
                self.clear(&mut place, CloseReason::Vetoed);
                self.put(Some(place));
                Step::Receive(pause)
            }
            Refused::Keep(pause) => {
                self.check_in(place);
                Step::Receive(pause)
            }
        }
    }

    /// Receives another place from the queue after a pause. Fails for a caller that does not wait.
    fn receive_after(&self, pause: Duration, search: &Search<M::Error>) -> Next<M> {
        let deadline = search.deadline;
        if !search.waits {
            return Err(match search.cause() {
                Some(cause) => GetError::ConnectFailed(cause),
                None => self.exhausted(),
            });
        }
        self.sleep_until(deadline.at_most(pause));
        if deadline.has_passed() {
            return Err(self.timed_out(deadline, search.cause()));
        }
        match self.wait_for_entry(deadline) {
            Some(Some(place)) => Ok(Step::Check(place)),
            Some(None) => Err(self.closed()),
            None => Err(self.timed_out(deadline, search.cause())),
        }
    }

    /// Sleeps until `end`, or until the pool is closed.
    fn sleep_until(&self, end: Deadline) {
        while !self.flags.is_closed() {
            match end.remaining() {
                Some(left) if !left.is_zero() => thread::sleep(left.min(POLL)),
                _ => return,
            }
        }
    }

    /// Opens a connection for an empty place. A connection that was just opened needs no check.
    fn fill(&self, mut place: Box<Place<M::Connection>>, search: &mut Search<M::Error>) -> Next<M> {
        if self.flags.is_closed() {
            self.put(Some(place)); // which closes it
            return Err(GetError::Closed);
        }
        if search.deadline.has_passed() {
            self.put(Some(place)); // before the error, whose state counts it
            return Err(self.timed_out(search.deadline, search.cause()));
        }
        match self.open_into(&mut place, search.deadline) {
            Ok(()) if self.flags.is_closed() => {
                self.put(Some(place)); // which closes it
                Err(GetError::Closed)
            }
            Ok(()) => Ok(Step::AskHook(place)),
            Err(error) => self.wait_for_another(place, error, search),
        }
    }

    /// Waits for another connection to come back, after `error` in an attempt to open one. Waits no
    /// longer than the pause before the next attempt, and keeps the empty place meanwhile.
    fn wait_for_another(
        &self,
        place: Box<Place<M::Connection>>,
        error: ConnectError<M::Error>,
        search: &mut Search<M::Error>,
    ) -> Next<M> {
        let deadline = search.deadline;
        foreign::dispose(search.connect_error.replace(error.clone()));
        if deadline.has_passed() {
            self.put(Some(place)); // before the error, whose state counts it
            return Err(self.timed_out(deadline, Some(error)));
        }
        if !search.waits || !self.has_open() {
            self.put(Some(place));
            return Err(GetError::ConnectFailed(error));
        }
        // A permanent failure is not tried again: that might lock the account.
        let is_permanent = self.lifecycle.is_permanent(&error);
        let pause = search.backoff.next_pause();
        let until = if is_permanent { deadline } else { deadline.at_most(pause) };
        match self.wait_for_connection(until) {
            Some(Some(returned)) => {
                self.put(Some(place));
                Ok(Step::Check(returned))
            }
            Some(None) => {
                self.put(Some(place)); // which closes it
                Err(self.closed())
            }
            None if deadline.has_passed() => {
                self.put(Some(place));
                Err(self.timed_out(deadline, Some(error)))
            }
            None if is_permanent => {
                self.put(Some(place));
                Err(GetError::ConnectFailed(error)) // no connection is open any more
            }
            None => Ok(Step::Fill(place)),
        }
    }

    /// Waits until `end` for a place that has a connection. Returns `None` at `end`, and before it if
    /// no connection is open any more. `Some(None)` is the marker of a closed pool.
    ///
    /// Places without a connection go back at once: another thread may fill them. This one does not,
    /// because its own attempt has just failed. While there are such places it looks every [`POLL`],
    /// because the queue cannot wake it for the others only.
    fn wait_for_connection(&self, end: Deadline) -> Option<Entry<M::Connection>> {
        while !end.has_passed() && self.has_open() {
            match self.wait_for_entry(end)? {
                Some(place) if place.conn.is_none() => {
                    self.put(Some(place));
                    if let Some(found) = self.take_from_queue(|place| place.conn.is_some()) {
                        return Some(Some(found));
                    }
                    self.sleep_until(end.at_most(POLL));
                }
                found => return Some(found),
            }
        }
        None
    }

    /// Whether the pool has an open connection, which may come back.
    fn has_open(&self) -> bool {
        // Relaxed: a number that lags behind costs an early error or a pause, as if the other thread
        // had been a moment earlier or later.
        self.counts.open.load(Relaxed) > 0
    }
}
