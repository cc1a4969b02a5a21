//! How connections are opened: a thread's own one, or an overflow connection.

use std::sync::atomic::Ordering::Relaxed;

use threadwise_core::parts::{Deadline, foreign};
use threadwise_core::{CloseReason, ConnectError, GetError, ManageConnection};

use crate::core::{Core, Tracked};
use crate::exit;
use crate::get::{SlowResult, failed};
use crate::registry::EnterError;
use crate::search::{Check, NotLent, Search};
use crate::this_thread::ThreadKey;
use crate::thread_slot::{Borrowed, Empty};

impl<M: ManageConnection> Core<M> {
    /// Enters this thread into the registry, where it may wait for another thread to end, and opens its
    /// connection.
    #[cold]
    pub(crate) fn enter_and_open<'p>(
        &'p self,
        empty: Empty<'p, M>,
        mut search: Search,
    ) -> SlowResult<'p, M> {
        if self.flags.is_closed() {
            return failed(GetError::Closed); // `close` may not have reached the registry yet
        }
        let thread = empty.owner();
        let Some(slot) = self.find_or_make_slot() else {
            return failed(GetError::ThreadEnding);
        };
        let until = search.waits_until();
        let on_wait = || self.about_to_wait(&mut search);
        match self.registry.enter(thread, &slot, until, on_wait) {
            Ok(()) => self.open(OpenPermit::new(self, empty), search),
            Err(refused) => {
                drop(empty); // before the events are told, since the program may try again then
                failed(match (refused, until) {
                    (EnterError::Closed, _) => GetError::Closed,
                    (EnterError::Full, Some(deadline)) => {
                        self.timed_out(deadline, self.last_error.get())
                    }
                    (EnterError::Full, None) => self.exhausted(),
                })
            }
        }
    }

    /// Opens the connection of a thread that has an entry in the registry, and lends it.
    #[cold]
    pub(crate) fn open<'p>(
        &'p self,
        permit: OpenPermit<'p, M>,
        mut search: Search,
    ) -> SlowResult<'p, M> {
        match self.dial(&mut search, 0) {
            Ok(tracked) => self.search(permit.fill(tracked), Check::OnlyHook, search),
            Err(cause) => {
                drop(permit); // before the error, whose state counts it
                failed(self.not_opened(cause, search.deadline))
            }
        }
    }

    /// Opens an overflow connection, while this thread's own one is in use. The caller has counted
    /// it.
    pub(crate) fn open_overflow(
        &self,
        search: &mut Search,
    ) -> Result<Tracked<M::Connection>, GetError<M::Error>> {
        loop {
            let mut tracked = match self.dial(search, 1) {
                Ok(tracked) => tracked,
                Err(cause) => {
                    self.overflow_ended(); // before the error, whose state counts it
                    return Err(self.not_opened(cause, search.deadline));
                }
            };
            loop {
                let checked = self.check(&mut tracked, Check::OnlyHook, search);
                if self.flags.is_closed() {
                    self.end_overflow(tracked, CloseReason::PoolClosed);
                    return Err(GetError::Closed);
                }
                match checked {
                    Ok(()) => return Ok(tracked),
                    Err(NotLent::Close(reason, pause)) => {
                        self.lifecycle.close(tracked.conn, reason);
                        if !self.pause_after_refusal(pause, search) {
                            self.overflow_ended();
                            return Err(self.refused(search));
                        }
                        break;
                    }
                    Err(NotLent::Keep(pause)) => {
                        // The hook may have changed the session.
                        if let Err(reason) = self.lifecycle.check_in(&mut tracked.conn) {
                            self.lifecycle.close(tracked.conn, reason);
                            break;
                        }
                        if !self.pause_after_refusal(pause, search) {
                            self.end_overflow(tracked, CloseReason::Surplus);
                            return Err(self.refused(search));
                        }
                    }
                    Err(NotLent::TimeUp) => {
                        self.end_overflow(tracked, CloseReason::Surplus);
                        return Err(self.timed_out(search.deadline, search.refusals.cause()));
                    }
                }
            }
        }
    }

    /// Opens a connection. If that fails because the process has a shortage that the close of another
    /// connection of this pool may end, tries again after a pause. `own` is how many connections this
    /// thread has, which it cannot close meanwhile.
    ///
    /// # Errors
    ///
    /// The cause, if there is one. [`not_opened`](Self::not_opened) makes an error of it, once the caller
    /// has returned its capacity.
    fn dial(
        &self,
        search: &mut Search,
        own: usize,
    ) -> Result<Tracked<M::Connection>, Option<ConnectError<M::Error>>> {
        self.counts.connecting.fetch_add(1, Relaxed);
        let result = self.dial_until_deadline(search, own);
        self.counts.connecting.fetch_sub(1, Relaxed);
        result
    }

    fn dial_until_deadline(
        &self,
        search: &mut Search,
        own: usize,
    ) -> Result<Tracked<M::Connection>, Option<ConnectError<M::Error>>> {
        let deadline = search.deadline;
        loop {
            if deadline.has_passed() {
                return Err(search.refusals.cause());
            }
            let opened = self.lifecycle.open(deadline.remaining());
            self.last_error.note(&opened);
            let error = match opened {
                Ok(conn) => {
                    exit::has_connected();
                    return Ok(Tracked::new(conn, self.settings.clock.now()));
                }
                Err(error) => error,
            };
            let shortage_may_end = search.waits
                && self.lifecycle.is_shortage(&error)
                && self.open_connections() > own
                && !self.flags.is_closed();
            if !shortage_may_end {
                return Err(Some(error));
            }
            self.about_to_wait(search);
            self.registry.pause(deadline.at_most(search.backoff.next_pause()));
            if deadline.has_passed() || self.flags.is_closed() {
                return Err(Some(error));
            }
            foreign::dispose(error);
        }
    }

    /// The error of a `get` for which no connection could be opened.
    fn not_opened(
        &self,
        cause: Option<ConnectError<M::Error>>,
        deadline: Deadline,
    ) -> GetError<M::Error> {
        if self.flags.is_closed() {
            return GetError::Closed;
        }
        match cause {
            Some(error) if !deadline.has_passed() => GetError::ConnectFailed(error),
            cause => self.timed_out(deadline, cause),
        }
    }

    /// Replaces a borrower's lost connection, on the borrower's thread.
    ///
    /// # Errors
    ///
    /// Why there is no other connection. The guard keeps the lost one.
    #[cold]
    #[inline(never)]
    pub(crate) fn replace(
        &self,
        tracked: &mut Tracked<M::Connection>,
    ) -> Result<(), ConnectError<M::Error>> {
        if self.flags.is_forked() {
            return Err(ConnectError::Unavailable("the connection belongs to the parent process"));
        }
        if self.flags.is_closed() {
            return Err(ConnectError::Unavailable("the pool is closed"));
        }
        let conn = self.lifecycle.reopen(self.settings.get_timeout)?;
        let lost = std::mem::replace(tracked, Tracked::new(conn, self.settings.clock.now()));
        self.lifecycle.close(lost.conn, CloseReason::Broken);
        Ok(())
    }

    /// Removes the entry of a thread that has no connection any more.
    pub(crate) fn leave(&self, thread: ThreadKey) {
        self.registry.leave(thread, |slot| {
            let (gets, resets) = slot.slot.take_counts();
            self.counts.gets.fetch_add(gets, Relaxed);
            self.counts.resets.fetch_add(resets, Relaxed);
        });
    }
}

/// The entry of a thread in the registry, which is its right to have a connection. Its drop removes the
/// entry and wakes a waiter. So neither an error nor a panic can lose capacity.
pub(crate) struct EntryGuard<'p, M: ManageConnection> {
    pub(crate) core: &'p Core<M>,
    pub(crate) thread: ThreadKey,
}

impl<M: ManageConnection> Drop for EntryGuard<'_, M> {
    fn drop(&mut self) {
        self.core.leave(self.thread);
    }
}

/// A thread's right to open a connection: an empty slot and an entry.
///
/// The fields are dropped in this order: the slot may be gone with its entry.
pub(crate) struct OpenPermit<'p, M: ManageConnection> {
    empty: Empty<'p, M>,
    entry: EntryGuard<'p, M>,
}

impl<'p, M: ManageConnection> OpenPermit<'p, M> {
    /// The permit of a thread that has an entry in the registry.
    pub(crate) fn new(core: &'p Core<M>, empty: Empty<'p, M>) -> Self {
        let entry = EntryGuard { core, thread: empty.owner() };
        Self { empty, entry }
    }

    /// Puts a connection into the slot. From now on, the end of that connection removes the entry.
    pub(crate) fn fill(self, tracked: Tracked<M::Connection>) -> Borrowed<'p, M> {
        std::mem::forget(self.entry);
        self.empty.fill(tracked)
    }
}
