//! The rest of a `get` that cannot lend its thread's connection as it is.
//!
//! | the thread has | what happens |
//! |---|---|
//! | a connection that fails its check | the pool closes it and opens another one in its place |
//! | a connection whose check takes longer than the caller waits | the thread keeps it for its next `get`, and the caller times out |
//! | a connection that the `on_acquire` hook refuses | see [`Refusals`] |
//! | no connection, and opening one fails for lack of descriptors, threads or memory | another attempt after a pause, if the pool has other connections that may be closed meanwhile |
//! | no connection, and opening one fails for another reason | the error |

use std::time::Duration;

use threadwise_core::parts::{Backoff, Deadline, Patience, Refusals, Refused, Unchecked, Unfit};
use threadwise_core::{Clock, CloseReason, GetError, ManageConnection};

use crate::core::{Core, Tracked};
use crate::get::{SlowResult, failed};
use crate::open::OpenPermit;
use crate::thread_slot::Borrowed;

/// One `get` on its way to a connection.
pub(crate) struct Search {
    pub(crate) deadline: Deadline,
    /// Whether the caller waits for other threads.
    pub(crate) waits: bool,
    /// Whether it has waited for another thread already.
    has_waited: bool,
    pub(crate) refusals: Refusals,
    /// The pauses between attempts to open a connection.
    pub(crate) backoff: Backoff,
}

impl Search {
    pub(crate) fn begin(patience: Patience) -> Self {
        Self {
            deadline: patience.work_deadline(Clock::SYSTEM),
            waits: patience.waits(),
            has_waited: false,
            refusals: Refusals::default(),
            backoff: Backoff::default(),
        }
    }

    /// Until when the caller waits for other threads; `None` if it does not wait.
    pub(crate) fn waits_until(&self) -> Option<Deadline> {
        self.waits.then_some(self.deadline)
    }
}

/// The checks of a connection before the pool lends it.
pub(crate) enum Check {
    /// The checks that the free check left open, and the hook.
    Settle(Unchecked),
    /// The limits, the free check, a validation if one is due, and the hook.
    All,
    /// Only the hook, because the connection was just opened.
    OnlyHook,
}

/// Why the pool does not lend a connection.
pub(crate) enum NotLent {
    /// The pool closes it for this reason, and opens another one after this pause.
    Close(CloseReason, Duration),
    /// The hook refused it. The pool asks the hook again after this pause.
    Keep(Duration),
    /// The caller's time is up before the server's answer.
    TimeUp,
}

impl<M: ManageConnection> Core<M> {
    /// Lends this thread's connection, or another one in its place, until the search's deadline.
    #[cold]
    #[inline(never)]
    pub(crate) fn search<'p>(
        &'p self,
        mut borrowed: Borrowed<'p, M>,
        mut check: Check,
        mut search: Search,
    ) -> SlowResult<'p, M> {
        loop {
            let checked = self.check(borrowed.content_mut(), check, &mut search);
            // After the slot was marked as borrowed: a thread that closes the pool from now on leaves the
            // connection to this one.
            if self.flags.is_closed() {
                self.end(borrowed, CloseReason::PoolClosed);
                return failed(GetError::Closed);
            }
            check = Check::All;
            match checked {
                Ok(()) => {
                    borrowed.count_get();
                    return Ok(borrowed);
                }
                Err(NotLent::Close(reason, pause)) => {
                    if !self.pause_after_refusal(pause, &search) {
                        self.end(borrowed, reason);
                        return failed(self.refused(&search));
                    }
                    return self.reopen(borrowed, reason, search);
                }
                Err(NotLent::Keep(pause)) => {
                    // The hook may have changed the session.
                    if let Err(reason) = self.check_in(&mut borrowed) {
                        return self.reopen(borrowed, reason, search);
                    }
                    if !self.pause_after_refusal(pause, &search) {
                        self.put_back(borrowed); // the thread keeps it
                        return failed(self.refused(&search));
                    }
                }
                Err(NotLent::TimeUp) => {
                    self.put_back(borrowed);
                    return failed(self.timed_out(search.deadline, search.refusals.cause()));
                }
            }
        }
    }

    /// Closes the thread's connection for `reason`, and opens another one in its place.
    fn reopen<'p>(
        &'p self,
        borrowed: Borrowed<'p, M>,
        reason: CloseReason,
        search: Search,
    ) -> SlowResult<'p, M> {
        let (empty, tracked) = borrowed.take_out();
        let permit = OpenPermit::new(self, empty);
        self.lifecycle.close(tracked.conn, reason);
        self.open(permit, search)
    }

    /// Checks a connection that is about to be lent, and calls the `on_acquire` hook.
    pub(crate) fn check(
        &self,
        tracked: &mut Tracked<M::Connection>,
        check: Check,
        search: &mut Search,
    ) -> Result<(), NotLent> {
        let deadline = search.deadline;
        let checked = match check {
            Check::Settle(unchecked) => {
                let Tracked { conn, last_alive, .. } = tracked;
                self.lifecycle.settle(unchecked, conn, last_alive, deadline)
            }
            Check::All => self.check_limits(tracked).map_err(Unfit::Close).and_then(|()| {
                let Tracked { conn, last_alive, used_at, .. } = tracked;
                let idle = || self.settings.clock.now().saturating_duration_since(*used_at);
                self.lifecycle.check_lend(conn, last_alive, idle, deadline)
            }),
            Check::OnlyHook => Ok(()),
        };
        match checked {
            Ok(()) => {}
            Err(Unfit::Close(reason)) => return Err(NotLent::Close(reason, Duration::ZERO)),
            Err(Unfit::Undecided) => return Err(NotLent::TimeUp),
        }
        self.before_lending(tracked, deadline).map_err(|veto| {
            match self.lifecycle.refuse(&mut search.refusals, veto) {
                Refused::Close(pause) => NotLent::Close(CloseReason::Vetoed, pause),
                Refused::Keep(pause) => NotLent::Keep(pause),
            }
        })
    }

    /// Pauses before the next connection, or before the hook is asked about the same one again.
    /// Returns whether the caller's time allows that; a pause of zero takes none.
    pub(crate) fn pause_after_refusal(&self, pause: Duration, search: &Search) -> bool {
        if pause.is_zero() {
            return true;
        }
        if !search.waits {
            return false;
        }
        self.registry.pause(search.deadline.at_most(pause));
        !search.deadline.has_passed()
    }

    /// The error after the hook's last refusal.
    pub(crate) fn refused(&self, search: &Search) -> GetError<M::Error> {
        match search.refusals.cause() {
            Some(cause) if !search.waits => GetError::ConnectFailed(cause),
            cause => self.timed_out(search.deadline, cause),
        }
    }

    /// Counts a search that waits for other threads, once.
    pub(crate) fn about_to_wait(&self, search: &mut Search) {
        if !search.has_waited {
            search.has_waited = true;
            self.lifecycle.about_to_wait();
        }
    }
}
