//! The threads that open connections. A borrower never does: it could not be served by a
//! connection that comes back while it hangs in a dial.
//!
//! A dialer is started when somebody waits and the limit allows another connection; it looks again
//! whether that is so just before each dial, goes on while it is, and ends. While the server is
//! down, one dialer keeps trying, with growing pauses, and the others end; once it has succeeded,
//! two may dial at once, then four, and so on. A dial that takes longer than `connect_patience` is
//! left to itself: others begin as if it were not there, but for the connection that it may open,
//! which counts.

use std::sync::Arc;
use std::time::Duration;

use threadwise_core::sync::thread;
use threadwise_core::{CloseReason, ConnectError, ManageConnection, fork};

use crate::chance;
use crate::line::DialTicket;
use crate::pool::{Core, Lock, OwnedSlot};
use crate::waiter::Mail;

/// While anybody waits, a server that is back is found after this at the latest.
const LONGEST_PAUSE_WHEN_AWAITED: Duration = Duration::from_millis(200);

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
        drop(line);
        tickets.into_iter().for_each(|ticket| self.start_dialer(ticket));
    }

    /// Starts a dialer that opens one connection though nobody waits for it, if that is allowed.
    pub(crate) fn grow(&self, mut line: Lock<'_, M>) {
        let ticket = line.reserve_unwanted_dial();
        line.threads += usize::from(ticket.is_some());
        drop(line);
        if let Some(ticket) = ticket {
            self.start_dialer(ticket);
        }
    }

    /// Starts a thread for a dial that has been reserved.
    #[cold]
    fn start_dialer(&self, ticket: DialTicket) {
        let Some(core) = self.me.upgrade() else { return }; // the last guard is ending
        let dial = thread::Builder::new().name(self.thread_name("dial"));
        if let Err(error) = dial.spawn(fork::apart_from_forks(move || core.dial(ticket))) {
            // Nobody may be left to try again, so those who wait are told at once.
            self.fail(ticket, ConnectError::Thread(Arc::new(error)), true);
            self.end_thread();
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
            match self.keeper.open(None) {
                Ok(conn) => {
                    pause = self.settings.connect_backoff.first;
                    self.add(ticket, slot.fill(conn, generation, self.expires()));
                }
                Err(error) => {
                    slot.leave_empty();
                    let is_permanent = self.keeper.is_permanent(&error);
                    let probes = self.fail(ticket, error, is_permanent);
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
        let begins = line.begin_dial(ticket, self.settings.clock.now(), || self.exchange.idle());
        if !begins {
            line.end_dial(ticket);
        }
        let generation = begins.then_some(line.generation);
        drop(line);
        // The housekeeper has to see when it takes too long; who waits for a pool to close, that it
        // does not begin.
        self.chore.notify_one();
        self.progress.notify_all();
        generation
    }

    /// Until when a connection that is opened now may live.
    pub(crate) fn expires(&self) -> u64 {
        let Some(lifetime) = self.settings.ages.max_lifetime else { return u64::MAX };
        let less = lifetime.mul_f64(self.settings.ages.lifetime_jitter * chance::fraction());
        self.nanos(self.settings.clock.now())
            .saturating_add(nanos_of(lifetime.saturating_sub(less)))
    }

    /// Puts a connection that was just opened to use.
    fn add(&self, ticket: DialTicket, owned: OwnedSlot<'_, M>) {
        let mut line = self.exchange.line.lock();
        line.end_dial(ticket);
        line.open += 1;
        line.last_error = None;
        line.is_hopeless = false;
        line.speed_up();
        let unwanted = match () {
            () if line.closed => Some(CloseReason::PoolClosed),
            () if line.surplus() > 0 => Some(CloseReason::Surplus),
            () if owned.generation() <= line.evicted => Some(CloseReason::Evicted),
            () => None,
        };
        if let Some(reason) = unwanted {
            drop(line);
            return self.give_up(owned, reason);
        }
        if let Err(owned) = self.exchange.hand_or_put_back(line, owned) {
            self.retired(owned);
        }
        self.progress.notify_all();
        self.chore.notify_one();
    }

    /// Remembers why no connection could be opened, and tells those who wait if waiting would not
    /// help. Whether the calling dialer is the one that tries again, after a pause: from now on, so
    /// that nobody takes the server for one that no dialer is at.
    fn fail(&self, ticket: DialTicket, error: ConnectError<M::Error>, is_permanent: bool) -> bool {
        let mut line = self.exchange.line.lock();
        line.end_dial(ticket);
        let probes = !(is_permanent || line.probing || line.closed);
        line.probing |= probes;
        line.slow_down();
        line.last_error = Some(error.clone());
        line.is_hopeless = is_permanent;
        if is_permanent {
            self.exchange.dismiss_all(line, || Mail::Failed(error.clone()));
        } else {
            drop(line);
        }
        self.progress.notify_all();
        probes
    }

    /// Waits for the time to try again, as the dialer that does. `false` if the pool was closed.
    fn pause(&self, pause: &mut Duration) -> bool {
        let mut line = self.exchange.line.lock();
        let start = self.settings.clock.now();
        let planned = pause.saturating_sub(pause.mul_f64(chance::fraction() / 4.0));
        loop {
            // Asked anew each time: somebody may have joined the line meanwhile.
            let awaited = line.waiting() > 0;
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
