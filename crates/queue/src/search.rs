//! What a `get` does when the place that it drew has no connection that can be lent as it is.
//!
//! | what the place has | what happens |
//! |---|---|
//! | a connection that fails its check | it is closed, and another is opened in its place |
//! | a connection whose check takes longer than the caller waits | it stays in the pool, and the caller's time is up |
//! | a connection that the `on_acquire` hook refuses | see [`Refusals`] |
//! | no connection | another is opened |
//! | no connection, and opening one fails | the error, if the pool has no other connection; otherwise the caller waits for one of those, and tries again after a pause |

use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::{
    Backoff, Clock, CloseReason, ConnectError, Deadline, GetError, ManageConnection, Patience,
    Refusals, Refused, Unchecked, Unfit,
};

use crate::place::Place;
use crate::pool::{Core, Got};

/// One `get` on its way to a connection.
pub(crate) struct Search<E> {
    /// When its time is up.
    pub(crate) deadline: Deadline,
    /// Whether it waits for other threads.
    waits: bool,
    refusals: Refusals,
    /// The last failure to open a connection.
    failed: Option<ConnectError<E>>,
    /// The pauses between attempts to open one.
    backoff: Backoff,
}

impl<E> Search<E> {
    pub(crate) fn begin(patience: Patience) -> Self {
        Self {
            deadline: patience.work_deadline(Clock::SYSTEM),
            waits: patience.waits(),
            refusals: Refusals::default(),
            failed: None,
            backoff: Backoff::default(),
        }
    }

    /// Why no connection was lent, as far as it is known.
    fn cause(&self) -> Option<ConnectError<E>> {
        self.failed.clone().or_else(|| self.refusals.cause())
    }
}

/// How a search goes on with a place whose connection was not lent.
enum Step<C> {
    /// The place has no connection any more.
    Fill(Box<Place<C>>),
    /// The place went back into the queue: draw another, after this pause.
    Draw(Duration),
    /// The time is up.
    GiveUp,
}

/// A place with a connection that may be lent, or how to go on.
type Tried<C> = Result<Box<Place<C>>, Step<C>>;

impl<M: ManageConnection> Core<M> {
    /// Searches for a connection, beginning with `place`, until the search's deadline.
    #[cold]
    #[inline(never)]
    pub(crate) fn search(
        &self,
        mut place: Box<Place<M::Connection>>,
        mut unchecked: Option<Unchecked>,
        mut search: Search<M::Error>,
    ) -> Got<'_, M> {
        loop {
            if self.is_closed() {
                self.put(Some(place)); // which closes it
                return Err(GetError::Closed);
            }
            let mut tried = match place.conn {
                Some(_) => self.try_lend(place, unchecked.take(), &mut search),
                None => Err(Step::Fill(place)),
            };
            place = loop {
                match tried {
                    Ok(place) => return Ok(self.lent(place)),
                    Err(Step::Fill(place)) => match self.fill(place, &mut search)? {
                        // A connection that was just opened need not be validated.
                        Filled::Opened(place) => tried = self.offer(place, &mut search),
                        Filled::Returned(place) => break place,
                    },
                    Err(Step::Draw(pause)) => break self.draw_after(pause, &mut search)?,
                    Err(Step::GiveUp) => {
                        return Err(self.timed_out(search.deadline, search.cause()));
                    }
                }
            };
        }
    }

    /// Checks the place's connection, and asks the hook.
    fn try_lend(
        &self,
        mut place: Box<Place<M::Connection>>,
        unchecked: Option<Unchecked>,
        search: &mut Search<M::Error>,
    ) -> Tried<M::Connection> {
        let Place { conn: Some(conn), alive, .. } = &mut *place else {
            return Err(Step::Fill(place));
        };
        let checked = match unchecked {
            Some(unchecked) => self.lifecycle.settle(unchecked, conn, alive, search.deadline),
            None => self.lifecycle.check_lend(conn, alive, || search.deadline),
        };
        match checked {
            Ok(()) => self.offer(place, search),
            Err(Unfit::Close(reason)) => {
                self.clear(&mut place, reason);
                Err(Step::Fill(place))
            }
            Err(Unfit::Undecided) => {
                self.put(Some(place));
                Err(Step::GiveUp)
            }
        }
    }

    /// Asks the `on_acquire` hook whether the place's connection may be lent.
    fn offer(
        &self,
        mut place: Box<Place<M::Connection>>,
        search: &mut Search<M::Error>,
    ) -> Tried<M::Connection> {
        let Err(veto) = self.acquired(&mut place, search.deadline) else { return Ok(place) };
        match search.refusals.add(veto) {
            Refused::Close => {
                self.clear(&mut place, CloseReason::Vetoed);
                Err(Step::Fill(place))
            }
            Refused::Keep(pause) => {
                self.put(Some(place));
                Err(Step::Draw(pause))
            }
        }
    }

    /// Draws another place after a pause. For a caller that does not wait, there is none.
    fn draw_after(
        &self,
        pause: Duration,
        search: &mut Search<M::Error>,
    ) -> Result<Box<Place<M::Connection>>, GetError<M::Error>> {
        let deadline = search.deadline;
        if !search.waits {
            return Err(match search.cause() {
                Some(cause) => GetError::ConnectFailed(cause),
                None => self.exhausted(),
            });
        }
        self.pause(deadline.at_most(pause));
        if deadline.has_passed() {
            return Err(self.timed_out(deadline, search.cause()));
        }
        match self.next_entry(deadline) {
            Some(Some(place)) => Ok(place),
            Some(None) => Err(self.closed()),
            None => Err(self.timed_out(deadline, search.cause())),
        }
    }

    /// Sleeps until `end`, or until the pool is closed.
    fn pause(&self, end: Deadline) {
        /// How soon a thread that pauses notices that the pool was closed.
        const LOOK: Duration = Duration::from_millis(20);
        while let Some(left) = end.remaining().filter(|left| !left.is_zero())
            && !self.is_closed()
        {
            thread::sleep(left.min(LOOK));
        }
    }

    /// Opens the connection that belongs into an empty place. If that fails while the pool has
    /// other connections, waits for one of them to come back.
    fn fill(
        &self,
        mut place: Box<Place<M::Connection>>,
        search: &mut Search<M::Error>,
    ) -> Result<Filled<M::Connection>, GetError<M::Error>> {
        loop {
            if self.is_closed() {
                self.put(Some(place)); // which closes it
                return Err(GetError::Closed);
            }
            if search.deadline.has_passed() {
                self.put(Some(place)); // before the report, which counts it
                return Err(self.timed_out(search.deadline, search.cause()));
            }
            match self.open_in(&mut place, search.deadline) {
                Ok(()) if self.is_closed() => {
                    self.put(Some(place)); // which closes it
                    return Err(GetError::Closed);
                }
                Ok(()) => return Ok(Filled::Opened(place)),
                Err(error) => search.failed = Some(error),
            }
            place = match self.wait_for_another(place, search)? {
                Waited::Returned(place) => return Ok(Filled::Returned(place)),
                Waited::Paused(place) => place,
            };
        }
    }

    /// Opens a connection in an empty place.
    fn open_in(
        &self,
        place: &mut Place<M::Connection>,
        deadline: Deadline,
    ) -> Result<(), ConnectError<M::Error>> {
        self.counts.connecting.fetch_add(1, Relaxed);
        let opened = self.lifecycle.open(deadline.remaining());
        self.counts.connecting.fetch_sub(1, Relaxed);
        self.seat(place, opened?);
        Ok(())
    }

    /// An attempt to open a connection failed: waits for one that comes back, but not for longer
    /// than the pause before the next attempt. Keeps `place`, which has no connection, meanwhile.
    fn wait_for_another(
        &self,
        place: Box<Place<M::Connection>>,
        search: &mut Search<M::Error>,
    ) -> Result<Waited<M::Connection>, GetError<M::Error>> {
        let deadline = search.deadline;
        let failed = search.failed.clone();
        // Relaxed: a number that lags behind costs an early error or a pause, as if the other
        // thread had been a moment later or earlier.
        let may_come_back = search.waits && self.counts.open.load(Relaxed) > 0;
        if !may_come_back || deadline.has_passed() {
            self.put(Some(place)); // before the report, which counts it
            return Err(match failed {
                Some(error) if !deadline.has_passed() => GetError::ConnectFailed(error),
                cause => self.timed_out(deadline, cause),
            });
        }
        // A permanent failure is not tried again: that might lock the account.
        let is_permanent = failed.is_some_and(|error| self.lifecycle.is_permanent(&error));
        let pause = search.backoff.next_pause();
        let until = if is_permanent { deadline } else { deadline.at_most(pause) };
        match self.next_entry(until) {
            Some(Some(returned)) => {
                self.put(Some(place));
                Ok(Waited::Returned(returned))
            }
            Some(None) => {
                self.put(Some(place)); // which closes it
                Err(self.closed())
            }
            None if is_permanent || deadline.has_passed() => {
                self.put(Some(place));
                Err(self.timed_out(deadline, search.failed.clone()))
            }
            None => Ok(Waited::Paused(place)),
        }
    }

    /// Puts a connection into a place.
    pub(crate) fn seat(&self, place: &mut Place<M::Connection>, conn: M::Connection) {
        self.counts.open.fetch_add(1, Relaxed);
        place.alive = Some(Instant::now());
        place.conn = Some(conn);
    }
}

/// A place that has a connection again, or may have one.
enum Filled<C> {
    /// The connection was just opened.
    Opened(Box<Place<C>>),
    /// The place came back, with or without a connection.
    Returned(Box<Place<C>>),
}

enum Waited<C> {
    /// This place came back, with or without a connection.
    Returned(Box<Place<C>>),
    /// None did; the caller's own place.
    Paused(Box<Place<C>>),
}
