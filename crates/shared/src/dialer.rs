//! The threads that open connections. A borrower never does: it could not be served by a
//! connection that comes back while it hangs in a dial.
//!
//! A dialer is started when somebody waits and the limit allows another connection; it looks again
//! whether that is so just before each dial, goes on while it is, and ends. While the server is
//! down, one dialer keeps trying, with growing pauses, and the others end; once it has succeeded,
//! two may dial at once, then four, and so on. A dial that takes longer than `connect_patience` is
//! left to itself: others begin as if it were not there, but for the connection that it may open,
//! which counts.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use threadwise_core::foreign::dispose;
use threadwise_core::sync::thread;
use threadwise_core::{ConnectError, ManageConnection, fork};

use crate::jitter;
use crate::state::DialTicket;
use crate::pool::{Core, Lock, OwnedSlot};
use crate::slot::WATCHED;
use crate::waiter::Mail;

/// While anybody waits, a server that is back is found after this at the latest.
pub(crate) const LONGEST_PAUSE_WHEN_AWAITED: Duration = Duration::from_millis(200);

/// How long the housekeeper waits until it tries again to start a thread that the system refused.
pub(crate) const WITHOUT_THREAD: Duration = Duration::from_millis(50);

/// How long a dialer pauses after failures: `first`, then twice as long each time up to `longest`,
/// less up to a quarter by chance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl<M: ManageConnection> Core<M> {
    /// Starts as many dialers as are wanted and allowed, and lets go of the lock.
    pub(crate) fn meet_demand(&self, mut line: Lock<'_, M>) {
        let mut tickets = Vec::new(); // allocates nothing while it is empty
        while let Some(ticket) = line.reserve_dial(|| self.exchange.idle()) {
            tickets.push(ticket);
        }
        line.threads += tickets.len();
        self.add_slots(&line);
        drop(line);
        tickets.into_iter().for_each(|ticket| self.start_dialer(ticket));
    }

    /// Starts a dialer that opens one connection though nobody waits for it, if that is allowed.
    pub(crate) fn grow(&self, mut line: Lock<'_, M>) {
        let ticket = line.reserve_unwanted_dial();
        self.begin_reserved(line, ticket);
    }

    /// Starts a dialer, if there is a ticket for one, and lets go of the lock.
    pub(crate) fn begin_reserved(&self, mut line: Lock<'_, M>, ticket: Option<DialTicket>) {
        line.threads += usize::from(ticket.is_some());
        self.add_slots(&line);
        drop(line);
        if let Some(ticket) = ticket {
            self.start_dialer(ticket);
        }
    }

    /// Sees to it that there is a slot for each connection that is open or being opened. Nothing is
    /// reserved while the pool is suspended, so new slots are not.
    fn add_slots(&self, line: &Lock<'_, M>) {
        let marks = if self.settings.watch.watches_uses { WATCHED } else { 0 };
        self.exchange.slots.grow(line.open + line.connecting(), marks);
    }

    /// Starts a thread for a dial that has been reserved.
    #[cold]
    fn start_dialer(&self, ticket: DialTicket) {
        let Some(core) = self.me.upgrade() else { return }; // the last guard is ending
        let dial = thread::Builder::new().name(self.thread_name("dial"));
        if let Err(error) = dial.spawn(fork::apart_from_forks(move || core.dial(ticket))) {
            self.fail_without_thread(ticket, error);
        }
    }

    /// The system had no thread for a dialer. Those who wait go on waiting: a connection may come
    /// back, and the housekeeper tries again. Without either, they are told at once.
    fn fail_without_thread(&self, ticket: DialTicket, error: io::Error) {
        let error = ConnectError::Thread(Arc::new(error));
        let mut line = self.exchange.line.lock();
        line.end_dial(ticket);
        line.threads -= 1;
        line.slow_down();
        let before = line.replace_error(Some(error.clone()));
        // Relaxed: see `start_housekeeper`.
        if line.may_come_back() || self.is_kept.load(Ordering::Relaxed) {
            let again = self.settings.clock.now().checked_add(WITHOUT_THREAD);
            self.tell_housekeeper(&mut line, again);
            drop(line);
        } else {
            self.exchange.dismiss_all(line, || Mail::Failed(error.clone()));
        }
        self.progress.notify_all();
        dispose(before);
    }

    /// Tells the housekeeper that something is to be seen to at `moment`.
    pub(crate) fn tell_housekeeper(&self, line: &mut Lock<'_, M>, moment: Option<Instant>) {
        if line.look_by(moment) {
            self.chore.notify_one();
        }
    }

    /// What a dialer does.
    fn dial(&self, mut ticket: DialTicket) {
        // An heir has none yet. If no thread is to be had, the next dial tries again.
        let _ = self.start_housekeeper();
        let mut pause = self.settings.connect_backoff.first;
        while let Some(generation) = self.begin_dial(ticket) {
            let slot = self.exchange.slots.begin_dial();
            let slot = slot.expect("a slot for each connection that may be open");
            match self.lifecycle.open(None) {
                Ok(conn) => {
                    pause = self.settings.connect_backoff.first;
                    let filled = slot.fill(conn, generation, self.expires());
                    filled.record_alive(self.nanos(self.settings.clock.now()));
                    self.add(ticket, filled);
                }
                Err(error) => {
                    slot.leave_empty();
                    let probes = self.fail(ticket, error);
                    if !probes || !self.pause(&mut pause) {
                        break;
                    }
                }
            }
            let mut line = self.exchange.line.lock();
            let next = line.reserve_dial(|| self.exchange.idle());
            self.meet_demand(line); // others may dial again, after a success
            match next {
                Some(next) => ticket = next,
                None => break,
            }
        }
        self.end_thread();
    }

    /// Looks once more whether the connection is wanted. The generation that it will belong to.
    fn begin_dial(&self, ticket: DialTicket) -> Option<u64> {
        let mut line = self.exchange.line.lock();
        let now = self.settings.clock.now();
        let begins = line.begin_dial(ticket, now, || self.exchange.idle());
        if begins {
            let overdue = now.checked_add(self.settings.connect_patience);
            self.tell_housekeeper(&mut line, overdue);
        } else {
            line.end_dial(ticket);
        }
        let generation = begins.then_some(line.generation);
        drop(line);
        // Whoever waits for the pool to close sees that the dial does not begin.
        self.progress.notify_all();
        generation
    }

    /// Until when a connection that is opened now may live.
    pub(crate) fn expires(&self) -> u64 {
        let Some(lifetime) = self.settings.ages.max_lifetime else { return u64::MAX };
        let part = self.settings.ages.lifetime_jitter * jitter::fraction();
        let less = jitter::part_of(lifetime, part);
        self.nanos(self.settings.clock.now())
            .saturating_add(nanos_of(lifetime.saturating_sub(less)))
    }

    /// Puts a connection that was just opened to use.
    fn add(&self, ticket: DialTicket, owned: OwnedSlot<'_, M>) {
        let mut line = self.exchange.line.lock();
        line.end_dial(ticket);
        line.open += 1;
        let error = line.replace_error(None);
        line.is_hopeless = false;
        line.speed_up();
        match self.exchange.add(line, owned) {
            Ok(()) => {}
            Err((owned, Some(reason))) => self.give_up(owned, reason),
            Err((owned, None)) => self.retired(owned),
        }
        self.progress.notify_all();
        self.chore.notify_one();
        dispose(error);
    }

    /// Remembers why no connection could be opened, and tells those who wait if waiting would not
    /// help: the error is permanent, and no connection may come back. Whether the calling dialer is
    /// the one that tries again, after a pause: from now on, so that no thread takes the server for
    /// one that no dialer is at.
    fn fail(&self, ticket: DialTicket, error: ConnectError<M::Error>) -> bool {
        let is_permanent = self.lifecycle.is_permanent(&error);
        let mut line = self.exchange.line.lock();
        line.end_dial(ticket);
        let is_vain = is_permanent && !line.may_come_back();
        let probes = !(is_vain || line.probing || line.closed);
        line.probing |= probes;
        line.slow_down();
        let before = line.replace_error(Some(error.clone()));
        line.is_hopeless = is_permanent;
        if is_vain {
            self.exchange.dismiss_all(line, || Mail::Failed(error.clone()));
        } else {
            drop(line);
        }
        self.progress.notify_all();
        dispose(before);
        dispose(Some(error));
        probes
    }

    /// Waits for the time to try again, as the dialer that does. `false` if the pool was closed.
    fn pause(&self, pause: &mut Duration) -> bool {
        let mut line = self.exchange.line.lock();
        let start = self.settings.clock.now();
        let planned = pause.saturating_sub(jitter::part_of(*pause, jitter::fraction() / 4.0));
        loop {
            // Asked anew each time: a thread may have joined the line meanwhile. A server that refuses
            // for good is not asked more often for it, unless nothing else can serve that thread.
            let waits = line.waiting() > 0;
            if waits && line.is_hopeless && !line.may_come_back() {
                break;
            }
            let awaited = waits && !line.is_hopeless;
            let longest = if awaited { LONGEST_PAUSE_WHEN_AWAITED } else { Duration::MAX };
            let end = start.checked_add(planned.min(longest));
            if line.closed || end.is_some_and(|end| self.settings.clock.now() >= end) {
                break;
            }
            line = self.settings.clock.wait_until(&self.retry, line, end);
        }
        line.probing = false;
        *pause = pause.saturating_mul(2).min(self.settings.connect_backoff.longest);
        !line.closed
    }

    pub(crate) fn end_thread(&self) {
        self.exchange.line.lock().threads -= 1;
        self.progress.notify_all();
    }
}

/// More than the clock can express is for ever.
pub(crate) fn nanos_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
