//! Step 4: who waits says for how long.
//!
//! **New**: `get` computes one deadline and keeps to it, however often it is woken on the way. (To wait
//! for `timeout` anew after each wake-up would be to wait for as long as others go on waking it.)
//!
//! **The flaw**: what lies in the pool may have died there. A server that is restarted, or that has
//! had enough of idle clients, hangs up; and the next user is lent what is left.
//!
//! ```text
//! cargo run -p build-your-own --bin b4_deadlines
//! ```
//!
//! It prints:
//!
//! ```text
//! nobody gives back:         no connection came back in time
//! woken again and again:     no connection came back in time
//! given back in time:        an answer
//! flaw: the server was restarted, and the next user is told: the connection is lost
//! ```

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::server::{Manage, Refused, Server};
use crate::sync::{Condvar, Mutex, until};

/// A fixed number of places.
pub struct Pool<M: Manage> {
    manager: M,
    line: Mutex<Line<M::Connection>>,
    returned: Condvar,
}

struct Line<C> {
    idle: Vec<Place<C>>,
    waiting: usize,
}

/// The right to have a connection, and the connection, unless it has to be opened first.
type Place<C> = Option<C>;

/// Why there is no connection. // NEW
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "`Display` says it")]
pub enum GetError {
    TimedOut,
    Refused(Refused),
}

impl<M: Manage> Pool<M> {
    /// Opens `size` connections: there are never more.
    ///
    /// # Errors
    ///
    /// When the server lets nobody in.
    pub fn new(manager: M, size: usize) -> Result<Self, Refused> {
        let idle = (0..size).map(|_| manager.connect().map(Some)).collect::<Result<_, _>>()?;
        let line = Mutex::new(Line { idle, waiting: 0 });
        Ok(Self { manager, line, returned: Condvar::new() })
    }

    /// Borrows a connection; waits up to `timeout` for one to come back.
    ///
    /// # Errors
    ///
    /// When none came back; when one has to be opened, and the server lets nobody in.
    pub fn get(&self, timeout: Duration) -> Result<Guard<'_, M>, GetError> {
        let place = self.take(timeout).ok_or(GetError::TimedOut)?; // NEW
        let mut guard = Guard { pool: self, place };
        if guard.place.is_none() {
            guard.place = Some(self.manager.connect()?);
        }
        Ok(guard)
    }

    // ANCHOR: take
    fn take(&self, timeout: Duration) -> Option<Place<M::Connection>> {
        let deadline = Instant::now() + timeout; // NEW: once
        let mut line = self.line.lock().unwrap();
        loop {
            // First the look, then the clock: if a `put` woke this thread in the moment in which its
            // time was up, it woke nobody else, and what it put is this one's.
            if let Some(place) = line.idle.pop() {
                return Some(place);
            }
            let left = deadline.saturating_duration_since(Instant::now()); // NEW
            if left.is_zero() {
                return None;
            }
            line.waiting += 1;
            line = self.returned.wait_timeout(line, left).unwrap().0; // NEW
            line.waiting -= 1;
        }
    }
    // ANCHOR_END: take

    fn put(&self, place: Place<M::Connection>) {
        self.line.lock().unwrap().idle.push(place);
        self.returned.notify_one();
    }

    /// Wakes all who sleep, for nothing, as the system may at any time.
    pub fn disturb(&self) {
        self.returned.notify_all();
    }

    /// Places that nobody has, and threads that sleep.
    pub fn idle_and_waiting(&self) -> (usize, usize) {
        let line = self.line.lock().unwrap();
        (line.idle.len(), line.waiting)
    }
}

impl From<Refused> for GetError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no connection came back in time"),
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl std::error::Error for GetError {}

/// A borrowed connection; dropping it gives it back.
pub struct Guard<'p, M: Manage> {
    pool: &'p Pool<M>,
    place: Place<M::Connection>,
}

impl<M: Manage> Drop for Guard<'_, M> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.place = None; // closes it: it may be in the middle of something
        }
        self.pool.put(self.place.take());
    }
}

const FILLED: &str = "a place is filled before it is lent";

impl<M: Manage> Deref for Guard<'_, M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.place.as_ref().expect(FILLED)
    }
}

impl<M: Manage> DerefMut for Guard<'_, M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.place.as_mut().expect(FILLED)
    }
}

/// The scene.
pub fn main() {
    let server = Server::default();
    let pool = Pool::new(server.clone(), 3).unwrap();
    let held: Vec<_> = (0..3).map(|_| pool.get(LONG).unwrap()).collect();

    println!("nobody gives back:         {}", pool.get(SHORT).err().unwrap());
    println!("woken again and again:     {}", while_disturbed(&pool));
    thread::scope(|threads| {
        let waiter = threads.spawn(|| pool.get(LONG).unwrap().query().unwrap());
        until(|| pool.idle_and_waiting().1 == 1);
        drop(held);
        println!("given back in time:        {}", waiter.join().unwrap());
    });

    server.restart();
    let lost = pool.get(LONG).unwrap().query().unwrap_err();
    println!("flaw: the server was restarted, and the next user is told: {lost}");
}

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(60);

fn while_disturbed(pool: &Pool<Server>) -> GetError {
    let is_over = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| until(|| (pool.disturb(), is_over.load(Relaxed)).1));
        let error = pool.get(SHORT).err().unwrap();
        is_over.store(true, Relaxed);
        error
    })
}
