//! Opening a thread's connection, or one beside it.

use std::sync::atomic::Ordering;

use threadwise_core::{ConnectError, Deadline, Exhausted, GetError, ManageConnection};

use crate::core::{Core, Got, Held, Lent, Otherwise, Vacant, failed};
use crate::exit::ThreadKey;
use crate::guard::PooledConnection;
use crate::registry::Refused;
use crate::search::Search;

impl<M: ManageConnection> Core<M> {
    #[cold]
    pub(crate) fn enter_and_open<'p>(
        &'p self,
        vacant: Vacant<'p, M>,
        mut search: Search,
    ) -> Got<'p, M> {
        if self.flags.is_closed() {
            return failed(GetError::Closed); // the registry may not have been told yet
        }
        let thread = vacant.owner();
        let Some(slot) = self.slot_of_this_thread() else {
            return failed(GetError::ThreadEnding);
        };
        let until = search.waits_until();
        let on_wait = || self.about_to_wait(&mut search);
        if let Err(refused) = self.registry.enter(thread, &slot, until, on_wait) {
            drop(vacant); // before the report, on which the program may try again
            return failed(match (refused, search.waits_until()) {
                (Refused::Closed, _) => GetError::Closed,
                (Refused::Full, Some(deadline)) => self.timed_out(deadline, None),
                (Refused::Full, None) => {
                    GetError::Exhausted(Box::new(Exhausted::new(self.state(), None)))
                }
            });
        }
        self.open(Room::new(self, vacant), search)
    }

    /// This thread's connection is in use already: another, if the settings allow for that.
    #[cold]
    pub(crate) fn get_overflow(&self, mut search: Search) -> Got<'_, M> {
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
        match self.open_overflow(&mut search) {
            Ok(held) => {
                self.counts.gets.fetch_add(1, Ordering::Relaxed);
                Err(Box::new(Otherwise::Guard(PooledConnection::overflowing(self, held))))
            }
            Err(error) => failed(error),
        }
    }

    pub(crate) fn timed_out(
        &self,
        deadline: Deadline,
        cause: Option<ConnectError<M::Error>>,
    ) -> GetError<M::Error> {
        let advice = "raise `max_threads` or `get_timeout`, end threads that need no connection, \
                      or share connections between threads with a shared pool";
        self.lifecycle.timed_out(deadline, || self.state(), cause, advice)
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

    pub(crate) fn fill(self, held: Held<M::Connection>) -> Lent<'p, M> {
        std::mem::forget(self.entry); // it is in the care of whoever gets the connection
        self.vacant.fill(held)
    }
}
