//! Opening a thread's connection, or one beside it.

use std::sync::atomic::Ordering;

use threadwise_core::{CloseReason, ConnectError, Deadline, Exhausted, GetError, ManageConnection};

use crate::core::{Core, Got, Held, Lent, Otherwise, Vacant, failed};
use crate::exit::ThreadKey;
use crate::guard::PooledConnection;
use crate::registry::Refused;

impl<M: ManageConnection> Core<M> {
    #[cold]
    pub(crate) fn enter_and_open<'p>(
        &'p self,
        vacant: Vacant<'p, M>,
        deadline: Option<Deadline>,
    ) -> Got<'p, M> {
        if self.flags.is_closed() {
            return failed(GetError::Closed); // the registry may not have been told yet
        }
        let thread = vacant.owner();
        let Some(slot) = self.slot_of_this_thread() else {
            return failed(GetError::ThreadEnding);
        };
        let on_wait = || self.keeper.tally().waited();
        if let Err(refused) = self.registry.enter(thread, &slot, deadline, on_wait) {
            drop(vacant); // before the report, on which the program may try again
            return failed(match (refused, deadline) {
                (Refused::Closed, _) => GetError::Closed,
                (Refused::Full, Some(deadline)) => self.timed_out(deadline, None),
                (Refused::Full, None) => {
                    GetError::Exhausted(Box::new(Exhausted::new(self.state(), None)))
                }
            });
        }
        self.open(Room::new(self, vacant), deadline.unwrap_or_else(|| self.time_for_work()))
    }

    /// Opens the connection of a thread that has been entered.
    #[cold]
    pub(crate) fn open<'p>(&'p self, room: Room<'p, M>, deadline: Deadline) -> Got<'p, M> {
        let held = match self.dial(deadline) {
            Ok(held) => held,
            Err(error) => {
                drop(room); // before the report, which counts it
                return failed(self.not_opened(error, deadline));
            }
        };
        let lent = room.fill(held);
        // After it was said that the connection is in use.
        if self.flags.is_closed() {
            self.end(lent, CloseReason::PoolClosed);
            return failed(GetError::Closed);
        }
        lent.count_get();
        Ok(lent)
    }

    /// Opens a connection that nobody has a veto against, or says why not; `None` is that there is no
    /// time left.
    fn dial(
        &self,
        deadline: Deadline,
    ) -> Result<Held<M::Connection>, Option<ConnectError<M::Error>>> {
        while !deadline.has_passed() {
            self.counts.connecting.fetch_add(1, Ordering::Relaxed);
            let opened = self.keeper.open(deadline.remaining());
            self.counts.connecting.fetch_sub(1, Ordering::Relaxed);
            let mut conn = opened.map_err(Some)?;
            match self.keeper.acquired(&mut conn) {
                Ok(()) => {
                    let now = self.settings.clock.now();
                    self.tell_acquired(deadline);
                    return Ok(Held::new(conn, now));
                }
                Err(reason) => self.keeper.close(conn, reason),
            }
        }
        Err(None)
    }

    fn not_opened(
        &self,
        error: Option<ConnectError<M::Error>>,
        deadline: Deadline,
    ) -> GetError<M::Error> {
        match error {
            None => self.timed_out(deadline, None),
            Some(error) => {
                let timed_out = |cause| self.timed_out(deadline, cause);
                self.keeper.connect_failed(error, deadline, timed_out)
            }
        }
    }

    /// This thread's connection is in use already: another, if the settings allow for that.
    #[cold]
    pub(crate) fn get_overflow(&self, deadline: Option<Deadline>) -> Got<'_, M> {
        if self.flags.is_closed() {
            return failed(GetError::Closed);
        }
        let most = self.settings.max_overflow;
        let more = |count: usize| (count < most).then_some(count + 1);
        // Relaxed: the number alone is the limit.
        let count = &self.counts.overflow;
        if count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return failed(GetError::AlreadyBorrowed);
        }
        let deadline = deadline.unwrap_or_else(|| self.time_for_work());
        match self.dial(deadline) {
            Ok(held) => {
                self.counts.gets.fetch_add(1, Ordering::Relaxed);
                let guard = PooledConnection::overflowing(self, held);
                if self.flags.is_closed() {
                    return failed(GetError::Closed); // the guard closes it
                }
                Err(Box::new(Otherwise::Guard(guard)))
            }
            Err(error) => {
                self.counts.overflow.fetch_sub(1, Ordering::Relaxed);
                failed(self.not_opened(error, deadline))
            }
        }
    }

    fn timed_out(
        &self,
        deadline: Deadline,
        cause: Option<ConnectError<M::Error>>,
    ) -> GetError<M::Error> {
        let advice = "raise `max_threads` or `get_timeout`, end threads that need no connection, \
                      or share connections between threads with a shared pool";
        self.keeper.timed_out(deadline, || self.state(), cause, advice)
    }
}

/// A thread's right to have a connection. However it ends, another thread may have one then: that
/// is how capacity survives errors and panics.
pub(crate) struct Entry<'p, M: ManageConnection> {
    pub(crate) core: &'p Core<M>,
    pub(crate) thread: ThreadKey,
}

impl<M: ManageConnection> Drop for Entry<'_, M> {
    fn drop(&mut self) {
        self.core.leave(self.thread);
    }
}

/// A thread's right to open a connection: an empty slot and an entry. If it ends without one, the
/// slot ends first: it may be gone with its entry.
pub(crate) struct Room<'p, M: ManageConnection> {
    vacant: Vacant<'p, M>,
    entry: Entry<'p, M>,
}

impl<'p, M: ManageConnection> Room<'p, M> {
    /// Of a thread that has been entered.
    pub(crate) fn new(core: &'p Core<M>, vacant: Vacant<'p, M>) -> Self {
        let entry = Entry { core, thread: vacant.owner() };
        Self { vacant, entry }
    }

    fn fill(self, held: Held<M::Connection>) -> Lent<'p, M> {
        std::mem::forget(self.entry); // it is in the care of whoever gets the connection
        self.vacant.fill(held)
    }
}
