//! The threads that open connections. A borrower never does: it could not be served by a
//! connection that comes back while it hangs in a dial.
//!
//! A dialer is started when somebody waits and the limit allows another connection; it goes on
//! while that is so, and ends. While the server is down, one dialer keeps trying, with growing
//! pauses, and the others end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadwise_core::sync::thread;
use threadwise_core::{CloseReason, ConnectError, ManageConnection};

use crate::pool::{Core, Lock, OwnedSlot};
use crate::waiter::Mail;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// While anybody waits, a server that is back is found after this at the latest.
const LONGEST_PAUSE_WHEN_AWAITED: Duration = Duration::from_millis(200);

impl<M: ManageConnection> Core<M> {
    /// Starts as many dialers as are wanted and allowed, and lets go of the lock.
    pub(crate) fn meet_demand(&self, mut line: Lock<'_, M>) {
        let mut starting = 0;
        while line.reserve_dial(|| self.exchange.idle()) {
            starting += 1;
        }
        line.threads += starting;
        drop(line);
        (0..starting).for_each(|_| self.start_dialer());
    }

    /// Starts a dialer that opens one connection though nobody waits for it, if that is allowed.
    pub(crate) fn grow(&self, mut line: Lock<'_, M>) {
        let may = line.reserve_unwanted_dial();
        line.threads += usize::from(may);
        drop(line);
        if may {
            self.start_dialer();
        }
    }

    /// Starts a thread for a dial that has been reserved.
    #[cold]
    fn start_dialer(&self) {
        let Some(core) = self.me.upgrade() else { return }; // the last guard is ending
        let dial = thread::Builder::new().name("threadwise-dial".into());
        if let Err(error) = dial.spawn(move || core.dial()) {
            // Nobody may be left to try again, so those who wait are told at once.
            self.fail(ConnectError::Thread(Arc::new(error)), true);
            self.end_thread();
        }
    }

    /// What a dialer does.
    fn dial(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let slot = self.exchange.slots.begin_dial();
            let slot = slot.expect("a slot for each connection that may be open");
            match self.keeper.open(None) {
                Ok(conn) => {
                    pause = FIRST_PAUSE;
                    self.add(slot.fill(conn));
                }
                Err(error) => {
                    slot.leave_empty();
                    let is_permanent = self.keeper.is_permanent(&error);
                    self.fail(error, is_permanent);
                    if is_permanent || !self.pause(&mut pause) {
                        break;
                    }
                }
            }
            if !self.exchange.line.lock().reserve_dial(|| self.exchange.idle()) {
                break;
            }
        }
        self.end_thread();
    }

    /// Puts a connection that was just opened to use.
    fn add(&self, owned: OwnedSlot<'_, M>) {
        let mut line = self.exchange.line.lock();
        line.connecting -= 1;
        line.open += 1;
        line.last_error = None;
        let unwanted = match () {
            () if line.closed => Some(CloseReason::PoolClosed),
            () if line.open > line.limits.max_size => Some(CloseReason::Surplus),
            () => None,
        };
        if let Some(reason) = unwanted {
            drop(line);
            return self.give_up(owned, reason);
        }
        if let Err(owned) = self.exchange.hand_or_put_back(line, owned) {
            self.give_up_retired(owned);
        }
        self.progress.notify_all();
        self.chore.notify_one();
    }

    /// Remembers why no connection could be opened, and tells those who wait if waiting would not
    /// help.
    fn fail(&self, error: ConnectError<M::Error>, is_permanent: bool) {
        let mut line = self.exchange.line.lock();
        line.connecting -= 1;
        line.last_error = Some(error.clone());
        if is_permanent {
            self.exchange.dismiss_all(line, || Mail::Failed(error.clone()));
        } else {
            drop(line);
        }
        self.progress.notify_all();
    }

    /// Waits for the time to try again. `false` if another dialer does that already, or the pool
    /// was closed.
    fn pause(&self, pause: &mut Duration) -> bool {
        let mut line = self.exchange.line.lock();
        if line.probing || line.closed {
            return false;
        }
        line.probing = true;
        let start = Instant::now();
        let planned = *pause;
        loop {
            // Asked anew each time: somebody may have joined the line meanwhile.
            let awaited = line.waiting() > 0;
            let longest = if awaited { LONGEST_PAUSE_WHEN_AWAITED } else { LONGEST_PAUSE };
            let end = start + planned.min(longest);
            if line.closed || Instant::now() >= end {
                break;
            }
            line = self.retry.wait_until(line, Some(end));
        }
        line.probing = false;
        *pause = (planned * 2).min(LONGEST_PAUSE);
        !line.closed
    }

    pub(crate) fn end_thread(&self) {
        self.exchange.line.lock().threads -= 1;
        self.progress.notify_all();
    }
}
