//! Ends waits for a server that signals would prolong.
//!
//! Each time a signal handler interrupts a read, the driver starts it again with its whole timeout.
//! So a thread that gets a signal every few milliseconds would wait for a silent server without a
//! limit. No setting of a socket helps against that; only another thread can end such a wait. One
//! thread for the whole process checks, at least once a second, which connections still wait for
//! the same answer, and shuts down the socket of one that has waited for its timeout. It starts
//! with the first connection and ends with the last.
//!
//! A connection announces the start and the end of a wait by one atomic operation each. It reads no
//! clock and takes no lock. The thread dates a wait from the look that first saw it, so a wait ends
//! up to a quarter of its timeout late, and never early.

use std::os::fd::{AsRawFd, RawFd};
use std::process;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use mysql::Conn;
use threadwise_core::parts::fork;
use threadwise_core::parts::sync::Mutex;

use crate::socket::{self, SignalsHeld};

/// The pauses between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// The connection does not wait.
const IDLE: u64 = 0;
/// The watchdog is shutting the socket down.
const SHUTTING_DOWN: u64 = 1;
/// The watchdog has shut the socket down.
const SHUT_DOWN: u64 = 2;
/// This and higher values are the numbers of waits. Each is used once.
const FIRST: u64 = 3;

/// The watchdog's view of a connection.
struct Watched {
    /// The socket's descriptor. It changes only between two waits.
    socket: AtomicI32,
    /// [`IDLE`], [`SHUTTING_DOWN`], [`SHUT_DOWN`], or the number of a wait.
    wait: AtomicU64,
    /// How long the wait may last, in milliseconds.
    limit: AtomicU64,
    /// The wait that the watchdog saw last, and when it saw that wait first. Only the watchdog uses
    /// these.
    seen: AtomicU64,
    seen_at: AtomicU64,
}

/// A connection's entry in the watchdog's list. While the connection does not wait, the watchdog
/// leaves the socket alone, so the socket may be closed before this is dropped.
pub(crate) struct WatchHandle {
    /// `None` if reads have no timeout.
    watched: Option<Arc<Watched>>,
    /// The number of the last wait.
    number: u64,
    /// Whether the watchdog has shut the socket down, and the connection has not asked yet.
    was_shut_down: bool,
    /// The process that opened the connection.
    process: u32,
}

/// All watched connections. Locked for a moment only, and `fork` waits meanwhile, so a forked child
/// never finds it locked.
static WATCH_LIST: Mutex<WatchList> =
    Mutex::new(WatchList { process: 0, watched: Vec::new(), watchdog: None });

struct WatchList {
    /// The process of this list. A forked child has a copy of its parent's list, and no watchdog.
    process: u32,
    watched: Vec<Weak<Watched>>,
    watchdog: Option<Thread>,
}

impl WatchHandle {
    /// Adds a connection, whose reads have this timeout, to the watchdog's list.
    pub(crate) fn of(conn: &Conn, timeout: Option<Duration>) -> Self {
        match timeout {
            Some(timeout) => Self::new(conn.as_raw_fd(), timeout),
            None => Self { watched: None, number: FIRST, was_shut_down: false, process: 0 },
        }
    }

    /// If the system has no thread for the watchdog, the connection is not watched until another
    /// one is opened.
    fn new(socket: RawFd, timeout: Duration) -> Self {
        let watched = Arc::new(Watched {
            socket: AtomicI32::new(socket),
            wait: AtomicU64::new(IDLE),
            limit: AtomicU64::new(millis(timeout)),
            seen: AtomicU64::new(IDLE),
            seen_at: AtomicU64::new(0),
        });
        let weak = Arc::downgrade(&watched);
        let watchdog = fork::hold_off(|| {
            let mut watch_list = WATCH_LIST.lock();
            if watch_list.process != process::id() {
                *watch_list =
                    WatchList { process: process::id(), watched: Vec::new(), watchdog: None };
            }
            watch_list.watched.push(weak);
            watch_list.watchdog.clone()
        });
        match watchdog {
            Some(watchdog) => watchdog.unpark(), // this one may need shorter pauses
            None => start(),
        }
        Self { watched: Some(watched), number: FIRST, was_shut_down: false, process: process::id() }
    }

    /// Makes sure that this is the connection's socket. The user may have put another `Conn` in the
    /// place of the first. Returns whether it has changed.
    pub(crate) fn follow(&mut self, conn: &Conn) -> bool {
        let Some(watched) = &self.watched else { return false };
        // Relaxed: `look` reads it after it has seen a wait, which is stored with Release later on.
        let socket = conn.as_raw_fd();
        watched.socket.swap(socket, Ordering::Relaxed) != socket
    }

    /// Notes that the connection waits for its server from now on, for at most `limit`.
    pub(crate) fn begin(&mut self, limit: Option<Duration>) {
        let Some(watched) = &self.watched else { return };
        let limit = limit.map_or(u64::MAX, millis);
        watched.limit.store(limit, Ordering::Relaxed); // see `begin_next`
        self.begin_next();
    }

    /// Notes that the next wait begins, with the same limit.
    pub(crate) fn begin_next(&mut self) {
        let Some(watched) = &self.watched else { return };
        self.number += 1;
        // Release: pairs with the Acquire load of `look`, which then sees this wait's limit.
        watched.wait.store(self.number, Ordering::Release);
    }

    /// Notes that the wait is over. After this the watchdog leaves the socket alone.
    pub(crate) fn end(&mut self) {
        let Some(watched) = &self.watched else { return };
        let wait = &watched.wait;
        let mut now = self.number;
        loop {
            // Acquire: pairs with the Release store of `SHUT_DOWN`, after which the socket may be
            // closed.
            match wait.compare_exchange(now, IDLE, Ordering::Acquire, Ordering::Acquire) {
                Ok(before) => {
                    self.was_shut_down |= before == SHUT_DOWN;
                    return;
                }
                Err(IDLE) => return,
                Err(SHUTTING_DOWN) => thread::yield_now(), // the watchdog is in one system call
                Err(other) => now = other,
            }
        }
    }

    /// Whether the watchdog has shut the socket down since the last call of this method.
    pub(crate) fn take_shut_down(&mut self) -> bool {
        std::mem::take(&mut self.was_shut_down)
    }
}

impl Drop for WatchHandle {
    fn drop(&mut self) {
        if self.watched.is_none() || self.process != process::id() {
            return; // a forked child has no watchdog
        }
        self.end(); // a statement that panicked has not done so
        let Some(watched) = &self.watched else { return };
        let watchdog = fork::hold_off(|| {
            let mut watch_list = WATCH_LIST.lock();
            let own = Arc::as_ptr(watched);
            watch_list.watched.retain(|other| other.as_ptr() != own);
            if watch_list.watched.is_empty() { watch_list.watchdog.clone() } else { None }
        });
        if let Some(watchdog) = watchdog {
            watchdog.unpark(); // it has nothing left to watch, and ends
        }
    }
}

impl Watched {
    /// Shuts the socket down if the wait has lasted too long at the time `now`.
    fn look(&self, now: u64) {
        let wait = self.wait.load(Ordering::Acquire); // pairs with `begin_next`
        if wait < FIRST {
            return;
        }
        if self.seen.load(Ordering::Relaxed) != wait {
            // Relaxed, both: only one thread reads and writes them.
            self.seen.store(wait, Ordering::Relaxed);
            self.seen_at.store(now, Ordering::Relaxed);
            return;
        }
        let limit = self.limit.load(Ordering::Relaxed);
        if now - self.seen_at.load(Ordering::Relaxed) < limit {
            return;
        }
        // Acquire here, and Release at the store of `SHUT_DOWN`: both pair with `end`. In between
        // `end` waits, so the connection is not returned and its socket is not closed.
        let shutting_down =
            self.wait.compare_exchange(wait, SHUTTING_DOWN, Ordering::Acquire, Ordering::Relaxed);
        if shutting_down.is_ok() {
            socket::shut_down(self.socket.load(Ordering::Relaxed)); // see `follow`
            self.wait.store(SHUT_DOWN, Ordering::Release);
        }
    }

    /// How long this connection allows until the next look.
    fn pause(&self) -> Duration {
        let eighth = self.limit.load(Ordering::Relaxed) / 8;
        Duration::from_millis(eighth).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }
}

/// Starts the thread. If another connection has started one meanwhile, the thread ends at once.
fn start() {
    let work = fork::apart_from_forks(watch);
    let thread = thread::Builder::new().name("mysql-watchdog".to_owned()).spawn(work);
    drop(thread); // it ends by itself; without it signals can prolong waits
}

fn watch() {
    let is_first = fork::hold_off(|| {
        let mut watch_list = WATCH_LIST.lock();
        let is_first = watch_list.watchdog.is_none();
        if is_first {
            watch_list.watchdog = Some(thread::current());
        }
        is_first
    });
    if !is_first {
        return;
    }
    let _signals = SignalsHeld::hold(); // signals are for the program's own threads
    let epoch = Instant::now();
    let mut watched = Vec::new();
    while list_watched(&mut watched) {
        let now = millis(epoch.elapsed());
        let pauses = watched.iter().map(|one: &Arc<Watched>| {
            one.look(now);
            one.pause()
        });
        let pause = pauses.min().unwrap_or(SHORTEST_PAUSE);
        watched.clear();
        thread::park_timeout(pause);
    }
}

/// Lists the watched connections. If there are none, the watchdog ends: from now on there is none.
fn list_watched(watched: &mut Vec<Arc<Watched>>) -> bool {
    fork::hold_off(|| {
        let mut watch_list = WATCH_LIST.lock();
        watched.extend(watch_list.watched.iter().filter_map(Weak::upgrade));
        if watch_list.watched.is_empty() {
            watch_list.watchdog = None;
        }
        !watch_list.watched.is_empty()
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
    fn a_wait_ends_after_its_limit_and_not_before() {
        let (mut ours, _theirs) = UnixStream::pair().unwrap();
        let limit = Duration::from_millis(100);
        let mut handle = WatchHandle::new(ours.as_raw_fd(), limit);
        handle.begin(Some(limit));
        let start = Instant::now();
        assert_eq!(ours.read(&mut [0]).unwrap(), 0, "the end, since the socket was shut down");
        assert!(start.elapsed() >= limit);
        handle.end();
        assert!(handle.take_shut_down());
        assert!(!handle.take_shut_down(), "once");
    }

    #[test]
    fn a_wait_that_is_renewed_or_over_is_left_alone() {
        const LIMIT: u64 = 200;
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let watched = Arc::new(Watched {
            socket: AtomicI32::new(ours.as_raw_fd()),
            wait: AtomicU64::new(IDLE),
            limit: AtomicU64::new(LIMIT),
            seen: AtomicU64::new(IDLE),
            seen_at: AtomicU64::new(0),
        });
        // It is not in the list: the test itself looks, at times of its choice.
        let mut handle = WatchHandle {
            watched: Some(Arc::clone(&watched)),
            number: FIRST,
            was_shut_down: false,
            process: process::id(),
        };
        let limit = Some(Duration::from_millis(LIMIT));
        for begun in (0..10 * LIMIT).step_by(150) {
            handle.begin(limit);
            watched.look(begun);
            watched.look(begun + 149);
        }
        handle.end();
        watched.look(100 * LIMIT);
        std::io::Write::write_all(&mut theirs, b"x").unwrap();
        assert_eq!(ours.read(&mut [0]).unwrap(), 1);
        assert!(!handle.take_shut_down());
    }
}
