//! A checkout, from the queue to a guard.

use std::sync::atomic::Ordering::Relaxed;

use threadwise_core::parts::{Deadline, Patience, Unchecked};
use threadwise_core::{ConnectError, Exhausted, GetError, ManageConnection};

use crate::core::{Core, increment};
use crate::guard::PooledConnection;
use crate::place::{Entry, Place};
use crate::search::Search;

pub(crate) type GetResult<'p, M> =
    Result<PooledConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

impl<M: ManageConnection> Core<M> {
    #[inline(always)] // see `lend`
    pub(crate) fn get(&self, patience: Patience) -> GetResult<'_, M> {
        match self.receiver.try_recv() {
            Ok(entry) => self.lend(entry, patience),
            Err(_) => self.wait(patience),
        }
    }

    /// Makes a guard of an entry. The fast path asks the manager's free check only. It reads no clock,
    /// which a working connection in a pool without hooks and events does not need.
    ///
    /// Always inlined: a guard that is returned through memory is written as two words and read as one,
    /// which a processor cannot forward. That took a third of the checkout's time.
    #[inline(always)]
    fn lend(&self, entry: Entry<M::Connection>, patience: Patience) -> GetResult<'_, M> {
        let Some(mut place) = entry else { return Err(self.closed()) };
        let mut unchecked = None;
        if self.flags.are_clear()
            && let Some(conn) = &mut place.conn
        {
            match self.lifecycle.free_check_out(conn) {
                Ok(()) => return Ok(self.guard(place)),
                Err(result) => unchecked = Some(result),
            }
        }
        self.get_slow(place, unchecked, patience)
    }

    #[inline]
    pub(crate) fn guard(&self, place: Box<Place<M::Connection>>) -> PooledConnection<'_, M> {
        increment(&self.place_counts[place.index].gets);
        PooledConnection { place: Some(place), core: self }
    }

    /// Called when the place is empty, its connection did not pass the free check, or a flag is
    /// set.
    #[cold]
    #[inline(never)]
    fn get_slow(
        &self,
        place: Box<Place<M::Connection>>,
        unchecked: Option<Unchecked>,
        patience: Patience,
    ) -> GetResult<'_, M> {
        self.search(place, unchecked, Search::begin(patience))
    }

    /// Called when the queue was empty.
    #[cold]
    fn wait(&self, patience: Patience) -> GetResult<'_, M> {
        if self.flags.is_closed() {
            return Err(GetError::Closed); // another thread has the marker at this moment
        }
        if !patience.waits() {
            return Err(self.exhausted());
        }
        let search = Search::begin(patience);
        self.lifecycle.about_to_wait();
        match self.wait_for_entry(search.deadline) {
            Some(Some(place)) => self.search(place, None, search),
            Some(None) => Err(self.closed()),
            None => Err(self.timed_out(search.deadline, self.last_error.get())),
        }
    }

    /// Waits until `deadline` for an entry of the queue.
    pub(crate) fn wait_for_entry(&self, deadline: Deadline) -> Option<Entry<M::Connection>> {
        self.counts.waiting.fetch_add(1, Relaxed);
        let entry = match deadline.instant() {
            Some(instant) => self.receiver.recv_deadline(instant).ok(),
            None => self.receiver.recv().ok(),
        };
        self.counts.waiting.fetch_sub(1, Relaxed);
        entry
    }

    /// The error of a `get` that received the marker of a closed pool.
    #[cold]
    pub(crate) fn closed(&self) -> GetError<M::Error> {
        self.put(None); // wakes the next waiter
        GetError::Closed
    }

    #[cold]
    pub(crate) fn exhausted(&self) -> GetError<M::Error> {
        GetError::Exhausted(Box::new(Exhausted::new(self.state(), self.last_error.get())))
    }

    #[cold]
    pub(crate) fn timed_out(
        &self,
        deadline: Deadline,
        cause: Option<ConnectError<M::Error>>,
    ) -> GetError<M::Error> {
        let advice = "hold connections for a shorter time, or raise `size` or `get_timeout`";
        self.lifecycle.timed_out(deadline, || self.state(), cause, advice)
    }
}
