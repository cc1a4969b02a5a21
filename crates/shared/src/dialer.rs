//! The threads that open connections. A borrower never does: it could not be served by a
//! connection that comes back while it hangs in a dial.
//!
//! A dialer is started when somebody waits and the limit allows another connection; it goes on
//! while that is so, and ends. While the server is down, one dialer keeps trying, with growing
//! pauses, and the others end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::{ConnectError, ManageConnection};

use crate::line::{Idle, Outcome};
use crate::pool::{Core, Lock};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// While anybody waits, a server that is back is found after this at the latest.
const LONGEST_PAUSE_WHEN_AWAITED: Duration = Duration::from_millis(200);

impl<M: ManageConnection> Core<M> {
    /// Starts as many dialers as are wanted and allowed, and lets go of the lock.
    pub(crate) fn meet_demand(&self, mut line: Lock<'_, M>) {
        let mut starting = 0;
        while line.reserve_dial() {
            starting += 1;
        }
        line.dialers += starting;
        drop(line);
        (0..starting).for_each(|_| self.start_dialer());
    }

    /// Starts a dialer that opens one connection though nobody waits for it, if that is allowed.
    pub(crate) fn grow(&self, mut line: Lock<'_, M>) {
        let may = line.reserve_unwanted_dial();
        line.dialers += usize::from(may);
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
            self.end_dialer();
        }
    }

    /// What a dialer does.
    fn dial(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.keeper.open(None) {
                Ok(conn) => {
                    pause = FIRST_PAUSE;
                    self.add(conn);
                }
                Err(error) => {
                    let is_permanent = self.keeper.is_permanent(&error);
                    self.fail(error, is_permanent);
                    if is_permanent || !self.pause(&mut pause) {
                        break;
                    }
                }
            }
            if !self.line.lock().reserve_dial() {
                break;
            }
        }
        self.end_dialer();
    }

    /// Puts a connection that was just opened to use.
    fn add(&self, conn: M::Connection) {
        let mut line = self.line.lock();
        line.connecting -= 1;
        line.open += 1;
        line.last_error = None;
        self.hand_on(line, Idle { conn, since: Instant::now() });
        self.progress.notify_all();
    }

    /// Remembers why no connection could be opened, and tells those who wait if waiting would not
    /// help.
    fn fail(&self, error: ConnectError<M::Error>, is_permanent: bool) {
        let mut line = self.line.lock();
        line.connecting -= 1;
        line.last_error = Some(error.clone());
        let told = if is_permanent { std::mem::take(&mut line.waiters) } else { VecDeque::new() };
        drop(line);
        for waiter in told {
            waiter.hand(Outcome::Failed(error.clone()));
        }
        self.progress.notify_all();
    }

    /// Waits for the time to try again. `false` if another dialer does that already, or the pool
    /// was closed.
    fn pause(&self, pause: &mut Duration) -> bool {
        let mut line = self.line.lock();
        if line.probing || line.closed {
            return false;
        }
        line.probing = true;
        let start = Instant::now();
        let planned = *pause;
        loop {
            // Asked anew each time: somebody may have joined the line meanwhile.
            let awaited = !line.waiters.is_empty();
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

    fn end_dialer(&self) {
        self.line.lock().dialers -= 1;
        self.progress.notify_all();
    }
}
