//! Ends waits that signals keep alive.
//!
//! The driver begins a read anew, with its whole time-out, each time that a signal's handler interrupts
//! it. So a thread that gets a signal every few milliseconds would wait for a silent server forever.
//! No setting of a socket helps against that: only another thread can end such a wait. One thread for
//! the whole process looks now and then, a second apart at most, which connections still wait for the
//! same answer, and shuts the socket of one that has waited for its time-out. It starts with the
//! first connection and ends with the last.
//!
//! A connection says that it waits, and that it goes on, by one atomic operation each; it reads no
//! clock and takes no lock. The thread dates a wait from the look at which it first saw it, so a wait ends
//! up to a quarter of its time-out too late, and never too early.

use std::os::fd::{AsRawFd, RawFd};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use mysql::Conn;
use threadwise_core::fork;
use threadwise_core::sync::Mutex;

use crate::socket::{self, SignalsHeld};

/// How far apart the looks are.
const RARELY: Duration = Duration::from_secs(1);
const OFTEN: Duration = Duration::from_millis(10);

/// Nothing is waited for.
const IDLE: u64 = 0;
/// The watchdog is shutting the socket down at this moment.
const ENDING: u64 = 1;
/// The watchdog has shut the socket down.
const ENDED: u64 = 2;
/// Higher values are the numbers of waits, each used once.
const FIRST: u64 = 3;

/// What the watchdog sees of a connection.
struct Watched {
    socket: RawFd,
    /// [`IDLE`], [`ENDING`], [`ENDED`], or the number of a wait.
    wait: AtomicU64,
    /// How long that may last, in milliseconds.
    limit: AtomicU64,
    /// The wait that the watchdog saw last, and when it saw that for the first time. Its own.
    seen: AtomicU64,
    seen_at: AtomicU64,
}

/// A connection's place in the watchdog's list. While no wait of it is under way, the watchdog leaves the
/// socket alone; so the socket may be closed before this is dropped.
pub(crate) struct Lead {
    /// `None` if reads have no time-out.
    watched: Option<Arc<Watched>>,
    /// That of the last wait.
    number: u64,
    /// The watchdog has shut the socket down, and the connection does not know yet.
    has_ended: bool,
    /// The process that opened the connection.
    process: u32,
}

/// All that are watched. Locked for a moment only, in which the process is not forked: so a child never
/// finds it locked.
static PACK: Mutex<Pack> = Mutex::new(Pack { process: 0, watched: Vec::new(), watchdog: None });

struct Pack {
    /// The process that this list is of: a forked child has a copy of its parent's, and no watchdog.
    process: u32,
    watched: Vec<Weak<Watched>>,
    watchdog: Option<Thread>,
}

impl Lead {
    /// Has the watchdog watch a connection, whose reads have this time-out.
    pub(crate) fn of(conn: &Conn, timeout: Option<Duration>) -> Self {
        match timeout {
            Some(timeout) => Self::new(conn.as_raw_fd(), timeout),
            None => Self { watched: None, number: FIRST, has_ended: false, process: 0 },
        }
    }

    /// If no thread can be
    /// started, the connection is not watched until another one is opened.
    fn new(socket: RawFd, timeout: Duration) -> Self {
        let watched = Arc::new(Watched {
            socket,
            wait: AtomicU64::new(IDLE),
            limit: AtomicU64::new(millis(timeout)),
            seen: AtomicU64::new(IDLE),
            seen_at: AtomicU64::new(0),
        });
        let weak = Arc::downgrade(&watched);
        let watchdog = fork::hold_off(|| {
            let mut pack = PACK.lock();
            if pack.process != process::id() {
                *pack = Pack { process: process::id(), watched: Vec::new(), watchdog: None };
            }
            pack.watched.push(weak);
            pack.watchdog.clone()
        });
        match watchdog {
            Some(watchdog) => watchdog.unpark(), // this one may have to be looked at more often
            None => start(),
        }
        Self { watched: Some(watched), number: FIRST, has_ended: false, process: process::id() }
    }

    /// The connection waits for its server from now on, for `limit` at most.
    pub(crate) fn begin(&mut self, limit: Option<Duration>) {
        let Some(watched) = &self.watched else { return };
        let limit = limit.map_or(u64::MAX, millis);
        watched.limit.store(limit, Ordering::Relaxed); // see `resume`
        self.resume();
    }

    /// The next wait, with the same limit.
    pub(crate) fn resume(&mut self) {
        let Some(watched) = &self.watched else { return };
        self.number += 1;
        // Release: pairs with `look`, which sees this wait's limit with it.
        watched.wait.store(self.number, Ordering::Release);
    }

    /// Nothing is waited for any more. After this the watchdog leaves the socket alone.
    pub(crate) fn end(&mut self) {
        let Some(watched) = &self.watched else { return };
        let wait = &watched.wait;
        let mut now = self.number;
        loop {
            // Acquire: pairs with the store of `ENDED`, after which the socket may be closed.
            match wait.compare_exchange(now, IDLE, Ordering::Acquire, Ordering::Acquire) {
                Ok(before) => {
                    self.has_ended |= before == ENDED;
                    return;
                }
                Err(IDLE) => return,
                Err(ENDING) => thread::yield_now(), // for one system call of the watchdog's
                Err(other) => now = other,
            }
        }
    }

    /// Whether the watchdog has ended a wait since this was last asked.
    pub(crate) fn take_ended(&mut self) -> bool {
        std::mem::take(&mut self.has_ended)
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if self.watched.is_none() || self.process != process::id() {
            return; // a forked child has no watchdog that could look at it
        }
        self.end(); // a statement that panicked has not
        let Some(watched) = &self.watched else { return };
        let watchdog = fork::hold_off(|| {
            let mut pack = PACK.lock();
            let own = Arc::as_ptr(watched);
            pack.watched.retain(|other| other.as_ptr() != own);
            pack.watched.is_empty().then(|| pack.watchdog.clone()).flatten()
        });
        if let Some(watchdog) = watchdog {
            watchdog.unpark(); // it has nothing left to do
        }
    }
}

impl Watched {
    /// Ends the wait if it has lasted for too long by now.
    fn look(&self, now: u64) {
        let wait = self.wait.load(Ordering::Acquire); // pairs with `begin`
        if wait < FIRST {
            return;
        }
        if self.seen.load(Ordering::Relaxed) != wait {
            // Relaxed, both: one thread alone reads and writes them.
            self.seen.store(wait, Ordering::Relaxed);
            self.seen_at.store(now, Ordering::Relaxed);
            return;
        }
        let limit = self.limit.load(Ordering::Relaxed);
        if now - self.seen_at.load(Ordering::Relaxed) < limit {
            return;
        }
        // Acquire, and the store of `ENDED` is a release: pair with `end`. In between, the connection
        // is not given back, and so its socket is not closed.
        let ending = self.wait.compare_exchange(wait, ENDING, Ordering::Acquire, Ordering::Relaxed);
        if ending.is_ok() {
            socket::shut_down(self.socket);
            self.wait.store(ENDED, Ordering::Release);
        }
    }

    /// How long until the next look.
    fn pause(&self) -> Duration {
        let eighth = self.limit.load(Ordering::Relaxed) / 8;
        Duration::from_millis(eighth).clamp(OFTEN, RARELY)
    }
}

/// Starts the thread, unless another connection has done so meanwhile.
fn start() {
    let work = fork::apart_from_forks(watch);
    let thread = thread::Builder::new().name("mysql-watchdog".to_owned()).spawn(work);
    drop(thread); // it ends by itself; without it, signals can draw waits out
}

fn watch() {
    let is_first = fork::hold_off(|| {
        let mut pack = PACK.lock();
        let is_first = pack.watchdog.is_none();
        if is_first {
            pack.watchdog = Some(thread::current());
        }
        is_first
    });
    if !is_first {
        return;
    }
    let _signals = SignalsHeld::hold(); // they are for the program's own threads
    let epoch = Instant::now();
    let mut watched = Vec::new();
    while list(&mut watched) {
        let now = millis(epoch.elapsed());
        let pauses = watched.iter().map(|one: &Arc<Watched>| {
            one.look(now);
            one.pause()
        });
        let pause = pauses.min().unwrap_or(OFTEN);
        watched.clear();
        thread::park_timeout(pause);
    }
}

/// Lists the connections. If there are none, the watchdog is none from now on.
fn list(watched: &mut Vec<Arc<Watched>>) -> bool {
    fork::hold_off(|| {
        let mut pack = PACK.lock();
        watched.extend(pack.watched.iter().filter_map(Weak::upgrade));
        if pack.watched.is_empty() {
            pack.watchdog = None;
        }
        !pack.watched.is_empty()
    })
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_wait_ends_after_its_time_and_no_earlier() {
        let (mut ours, _theirs) = UnixStream::pair().unwrap();
        let limit = Duration::from_millis(100);
        let mut lead = Lead::new(ours.as_raw_fd(), limit);
        lead.begin(Some(limit));
        let start = Instant::now();
        assert_eq!(ours.read(&mut [0]).unwrap(), 0, "the end, since the socket was shut down");
        assert!(start.elapsed() >= limit);
        lead.end();
        assert!(lead.take_ended());
        assert!(!lead.take_ended(), "once");
    }

    #[test]
    fn a_wait_that_goes_on_or_is_over_is_left_alone() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let limit = Duration::from_millis(200);
        let mut lead = Lead::new(ours.as_raw_fd(), limit);
        lead.begin(Some(limit));
        for _ in 0..6 {
            thread::sleep(limit / 4);
            lead.begin(Some(limit));
        }
        lead.end();
        thread::sleep(limit * 2);
        std::io::Write::write_all(&mut theirs, b"x").unwrap();
        assert_eq!(ours.read(&mut [0]).unwrap(), 1);
        assert!(!lead.take_ended());
    }
}
