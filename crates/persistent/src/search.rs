//! What a `get` does that cannot lend its thread's connection as it is.
//!
//! | what there is | what happens |
//! |---|---|
//! | a connection that fails its check | it is closed, and another is opened in its place |
//! | a connection whose check takes longer than the caller waits | the thread keeps it for its next `get`, and the caller's time is up |
//! | a connection that the `on_acquire` hook refuses | see [`Refusals`] |
//! | no connection, and opening one fails for lack of descriptors, threads or memory | if the pool has other connections that may be closed meanwhile, another attempt after a pause |
//! | no connection, and opening one fails otherwise | the error |

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use threadwise_core::{
    Backoff, Clock, CloseReason, Deadline, GetError, ManageConnection, Patience, Refusals,
    Refused, Unchecked, Unfit,
};

use crate::core::{Core, Got, Held, Lent, failed};
use crate::opening::Room;

/// One `get` on its way to a connection.
pub(crate) struct Search {
    /// When its time is up.
    pub(crate) deadline: Deadline,
    /// Whether it waits for other threads.
    waits: bool,
    /// Whether it has waited for another thread already.
    has_waited: bool,
    refusals: Refusals,
    /// The pauses between attempts to open a connection.
    backoff: Backoff,
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

    /// Until when it waits for other threads; `None` is not at all.
    pub(crate) fn waits_until(&self) -> Option<Deadline> {
        self.waits.then_some(self.deadline)
    }
}

/// What is to be asked about a connection before it is lent.
pub(crate) enum Check {
    /// The free check left this open.
    Settle(Unchecked),
    All,
    /// It has just been opened.
    OnlyHook,
}

/// Why a connection is not lent, and what comes next.
enum Unlent {
    /// It is to be closed for this reason, and another to be opened.
    Close(CloseReason),
    /// It may be asked again after this pause.
    Keep(Duration),
    /// The time is up.
    GiveUp,
}

impl<M: ManageConnection> Core<M> {
    /// Lends this thread's connection, or another in its place, until the search's deadline.
    #[cold]
    #[inline(never)]
    pub(crate) fn search<'p>(
        &'p self,
        mut lent: Lent<'p, M>,
        mut check: Check,
        mut search: Search,
    ) -> Got<'p, M> {
        loop {
            let checked = self.check(lent.content_mut(), check, &mut search);
            // After it was said that the connection is in use.
            if self.flags.is_closed() {
                self.end(lent, CloseReason::PoolClosed);
                return failed(GetError::Closed);
            }
            check = Check::All;
            match checked {
                Ok(()) => {
                    lent.count_get();
                    return Ok(lent);
                }
                Err(Unlent::Close(reason)) => {
                    let (vacant, held) = lent.take_out();
                    let room = Room::new(self, vacant);
                    self.lifecycle.close(held.conn, reason);
                    return self.open(room, search);
                }
                Err(Unlent::Keep(pause)) => {
                    if let Err(error) = self.pause_after_refusal(pause, &search) {
                        self.put_back(lent); // the thread keeps it
                        return failed(error());
                    }
                }
                Err(Unlent::GiveUp) => {
                    self.put_back(lent);
                    return failed(self.timed_out(search.deadline, search.refusals.cause()));
                }
            }
        }
    }

    /// Opens the connection of a thread that has been entered, and lends it.
    #[cold]
    pub(crate) fn open<'p>(&'p self, room: Room<'p, M>, mut search: Search) -> Got<'p, M> {
        match self.dial(&mut search, 0) {
            Ok(held) => self.search(room.fill(held), Check::OnlyHook, search),
            Err(error) => {
                drop(room); // before the report, which counts it
                failed(error())
            }
        }
    }

    /// Opens a connection beside this thread's own, which is in use.
    pub(crate) fn open_overflow(
        &self,
        search: &mut Search,
    ) -> Result<Held<M::Connection>, GetError<M::Error>> {
        let give_up = |error: &dyn Fn() -> GetError<M::Error>, held: Option<Held<_>>| {
            match held {
                Some(held) => self.end_overflow(held, CloseReason::Surplus),
                None => self.overflow_ended(),
            }
            error() // after that, which it counts
        };
        loop {
            let mut held = match self.dial(search, 1) {
                Ok(held) => held,
                Err(error) => return Err(give_up(&error, None)),
            };
            loop {
                let checked = self.check(&mut held, Check::OnlyHook, search);
                if self.flags.is_closed() {
                    self.end_overflow(held, CloseReason::PoolClosed);
                    return Err(GetError::Closed);
                }
                match checked {
                    Ok(()) => return Ok(held),
                    Err(Unlent::Close(reason)) => {
                        self.lifecycle.close(held.conn, reason);
                        break;
                    }
                    Err(Unlent::Keep(pause)) => {
                        if let Err(error) = self.pause_after_refusal(pause, search) {
                            return Err(give_up(&error, Some(held)));
                        }
                    }
                    Err(Unlent::GiveUp) => {
                        let error = || self.timed_out(search.deadline, search.refusals.cause());
                        return Err(give_up(&error, Some(held)));
                    }
                }
            }
        }
    }

    /// Counts a search that waits for other threads, once.
    pub(crate) fn about_to_wait(&self, search: &mut Search) {
        if !search.has_waited {
            search.has_waited = true;
            self.lifecycle.about_to_wait();
        }
    }

    fn check(
        &self,
        held: &mut Held<M::Connection>,
        check: Check,
        search: &mut Search,
    ) -> Result<(), Unlent> {
        let Held { conn, alive, .. } = held;
        let checked = match check {
            Check::Settle(unchecked) => {
                self.lifecycle.settle(unchecked, conn, alive, search.deadline)
            }
            Check::All => match self.check_limits(held) {
                Ok(()) => {
                    let Held { conn, alive, .. } = held;
                    self.lifecycle.check_lend(conn, alive, || search.deadline)
                }
                Err(reason) => Err(Unfit::Close(reason)),
            },
            Check::OnlyHook => Ok(()),
        };
        checked.map_err(|unfit| match unfit {
            Unfit::Close(reason) => Unlent::Close(reason),
            Unfit::Undecided => Unlent::GiveUp,
        })?;
        match self.acquired(held, search.deadline) {
            Ok(()) => Ok(()),
            Err(veto) => Err(match search.refusals.add(veto) {
                Refused::Close => Unlent::Close(CloseReason::Vetoed),
                Refused::Keep(pause) => Unlent::Keep(pause),
            }),
        }
    }

    /// Opens a connection. If that fails because the process lacks something that another connection
    /// of this pool may give back, tries again after a pause. `own` is how many connections this
    /// thread has, which it cannot give back meanwhile.
    ///
    /// The error is for the caller to make, once it has given its place back.
    fn dial<'p>(
        &'p self,
        search: &mut Search,
        own: usize,
    ) -> Result<Held<M::Connection>, impl Fn() -> GetError<M::Error> + use<'p, M>> {
        let deadline = search.deadline;
        self.counts.connecting.fetch_add(1, Relaxed);
        let opened = loop {
            if deadline.has_passed() {
                break Err(search.refusals.cause());
            }
            let error = match self.lifecycle.open(deadline.remaining()) {
                Ok(conn) => break Ok(Held::new(conn, self.settings.clock.now())),
                Err(error) => error,
            };
            let may_mend = search.waits
                && self.lifecycle.is_shortage(&error)
                && self.open_connections() > own
                && !self.flags.is_closed();
            if !may_mend {
                break Err(Some(error));
            }
            self.about_to_wait(search);
            self.registry.pause(deadline.at_most(search.backoff.next_pause()));
            if deadline.has_passed() || self.flags.is_closed() {
                break Err(Some(error));
            }
        };
        self.counts.connecting.fetch_sub(1, Relaxed);
        opened.map_err(|cause| {
            move || match &cause {
                _ if self.flags.is_closed() => GetError::Closed,
                Some(error) if !deadline.has_passed() => GetError::ConnectFailed(error.clone()),
                cause => self.timed_out(deadline, cause.clone()),
            }
        })
    }

    /// The hook has refused a connection that is hardly at fault. `Ok` if it may be asked again.
    fn pause_after_refusal<'p>(
        &'p self,
        pause: Duration,
        search: &Search,
    ) -> Result<(), impl Fn() -> GetError<M::Error> + use<'p, M>> {
        let (deadline, waits) = (search.deadline, search.waits);
        if waits {
            self.registry.pause(deadline.at_most(pause));
        }
        if waits && !deadline.has_passed() {
            return Ok(());
        }
        let cause = search.refusals.cause();
        Err(move || match &cause {
            Some(cause) if !waits => GetError::ConnectFailed(cause.clone()),
            cause => self.timed_out(deadline, cause.clone()),
        })
    }
}
