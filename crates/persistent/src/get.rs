//! A checkout, from the thread's slot to a guard.

use std::sync::atomic::Ordering;

use threadwise_core::parts::fork::AfterFork;
use threadwise_core::parts::{Deadline, Patience, Unchecked};
use threadwise_core::{ConnectError, Exhausted, GetError, ManageConnection};

use crate::core::{Core, Tracked};
use crate::guard::PooledConnection;
use crate::search::{Check, Search};
use crate::slot::{Found, NeedsCheck};
use crate::thread_slot::Borrowed;

pub(crate) type GetResult<'p, M> =
    Result<PooledConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

/// The result of the slow paths. It fits into two registers: a result that is built in memory would
/// cost as much as the rest of the fast path.
pub(crate) type SlowResult<'p, M> = Result<Borrowed<'p, M>, Box<NotOwn<'p, M>>>;

/// The result of a slow path that did not borrow this thread's own connection.
pub(crate) enum NotOwn<'p, M: ManageConnection> {
    Failed(GetError<M::Error>),
    /// An overflow connection, or one of the child pool.
    Other(PooledConnection<'p, M>),
}

pub(crate) fn failed<M: ManageConnection>(error: GetError<M::Error>) -> SlowResult<'static, M> {
    Err(Box::new(NotOwn::Failed(error)))
}

impl<M: ManageConnection> Core<M> {
    /// The fast path: this thread's connection is in its slot, passes the manager's free check, and no
    /// flag is set. Asks for `patience` only where it matters.
    #[inline(always)] // otherwise its result would go through memory
    pub(crate) fn get(&self, patience: impl FnOnce() -> Patience) -> GetResult<'_, M> {
        let result = match self.cached_slot() {
            Some(owner) => match owner.borrow(&self.flags) {
                Found::Borrowed(mut borrowed) => {
                    match self.lifecycle.free_check_out(&mut borrowed.content_mut().conn) {
                        Ok(()) => {
                            borrowed.count_get();
                            Ok(borrowed)
                        }
                        Err(unchecked) => {
                            self.get_after_failed_check(unchecked, borrowed, patience())
                        }
                    }
                }
                // Apart from the next arm, so that the fast path need not prepare which one it is.
                Found::NeedsCheck(unchecked) => self.get_checked(unchecked, patience()),
                found => self.get_slow(found, patience()),
            },
            None => self.get_uncached(patience()),
        };
        match result {
            Ok(borrowed) => Ok(PooledConnection::new(self, borrowed)),
            Err(not_own) => match *not_own {
                NotOwn::Failed(error) => Err(error),
                NotOwn::Other(guard) => Ok(guard),
            },
        }
    }

    /// Called when the thread's cache does not have the slot: the thread never used this pool, or
    /// has used other pools since.
    #[cold]
    #[inline(never)]
    fn get_uncached(&self, patience: Patience) -> SlowResult<'_, M> {
        if self.flags.is_forked() {
            return self.get_in_child(patience);
        }
        if self.flags.is_closed() {
            return failed(GetError::Closed);
        }
        let Some(owner) = self.slot_of_this_thread() else { return failed(GetError::ThreadEnding) };
        self.get_slow(owner.borrow(&self.flags), patience)
    }

    /// Called when a flag is set, the slot is empty, or this thread uses its connection already.
    #[cold]
    #[inline(never)]
    fn get_slow<'p>(
        &'p self,
        found: Found<'p, Tracked<M::Connection>>,
        patience: Patience,
    ) -> SlowResult<'p, M> {
        if self.flags.is_forked() {
            return self.get_in_child(patience); // the slot has the parent's connection
        }
        match found {
            Found::Borrowed(borrowed) => self.search(borrowed, Check::All, Search::begin(patience)),
            Found::NeedsCheck(unchecked) => self.get_checked(unchecked, patience),
            Found::Empty(empty) => self.enter_and_open(empty, Search::begin(patience)),
            Found::InUse => self.get_overflow(Search::begin(patience)),
        }
    }

    /// Called when a flag is set and the slot has a connection.
    #[cold]
    #[inline(never)]
    fn get_checked<'p>(
        &'p self,
        unchecked: NeedsCheck<'p, Tracked<M::Connection>>,
        patience: Patience,
    ) -> SlowResult<'p, M> {
        if self.flags.is_forked() {
            return self.get_in_child(patience); // the slot has the parent's connection
        }
        match unchecked.check(&self.flags) {
            Ok(borrowed) => self.search(borrowed, Check::All, Search::begin(patience)),
            Err(owner) => {
                self.close_idle(owner);
                failed(GetError::Closed)
            }
        }
    }

    /// Called when the connection did not pass the free check.
    #[cold]
    #[inline(never)]
    fn get_after_failed_check<'p>(
        &'p self,
        unchecked: Unchecked,
        borrowed: Borrowed<'p, M>,
        patience: Patience,
    ) -> SlowResult<'p, M> {
        self.search(borrowed, Check::Settle(unchecked), Search::begin(patience))
    }

    /// This thread uses its own connection already. Opens an overflow connection if the settings
    /// allow it.
    #[cold]
    fn get_overflow(&self, mut search: Search) -> SlowResult<'_, M> {
        if self.flags.is_closed() {
            return failed(GetError::Closed);
        }
        let max = self.settings.max_overflow;
        let add_one = |count: usize| (count < max).then_some(count + 1);
        // Relaxed: the limit depends on nothing but this number.
        let count = &self.counts.overflow;
        if count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add_one).is_err() {
            return failed(GetError::AlreadyBorrowed);
        }
        match self.open_overflow(&mut search) {
            Ok(tracked) => {
                self.counts.gets.fetch_add(1, Ordering::Relaxed);
                Err(Box::new(NotOwn::Other(PooledConnection::overflow(self, tracked))))
            }
            Err(error) => failed(error),
        }
    }

    /// Borrows from the child pool, in a forked child.
    fn get_in_child(&self, patience: Patience) -> SlowResult<'_, M> {
        match self.child_pool().get(|| patience) {
            Ok(guard) => Err(Box::new(NotOwn::Other(guard))),
            Err(error) => failed(error),
        }
    }

    pub(crate) fn exhausted(&self) -> GetError<M::Error> {
        GetError::Exhausted(Box::new(Exhausted::new(self.state(), self.last_error.get())))
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
