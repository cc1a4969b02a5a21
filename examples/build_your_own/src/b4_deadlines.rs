//! Step 4: `get` has a timeout.
//!
//! **New**: `get` computes one deadline and keeps it, however often it is woken before. (If it
//! waited for the whole `timeout` after each wakeup, frequent wakeups would extend the wait without
//! end.)
//!
//! **The flaw**: an idle connection may die in the pool. A server closes connections when it
//! restarts, or when they are idle for too long. The next user then gets a dead connection.
//!
//! ```text
//! cargo run -p build-your-own --bin b4_deadlines
//! ```
//!
//! It prints:
//!
//! ```text
//! no connection returned:    no connection was returned in time
//! woken repeatedly:          no connection was returned in time
//! returned in time:          an answer
//! flaw: the server was restarted, and the next user gets an error: the connection is lost
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
    state: Mutex<State<M::Connection>>,
    returned: Condvar,
}

struct State<C> {
    idle: Vec<Place<C>>,
    waiting: usize,
}

/// The right to have a connection, and the connection itself if it is open.
type Place<C> = Option<C>;

/// Why there is no connection. // NEW
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "`Display` says it")]
pub enum GetError {
    TimedOut,
    Refused(Refused),
}

impl<M: Manage> Pool<M> {
    /// Opens `size` connections. There are never more.
    ///
    /// # Errors
    ///
    /// If the server refuses the connection.
    pub fn new(manager: M, size: usize) -> Result<Self, Refused> {
        let idle = (0..size).map(|_| manager.connect().map(Some)).collect::<Result<_, _>>()?;
        let state = Mutex::new(State { idle, waiting: 0 });
        Ok(Self { manager, state, returned: Condvar::new() })
    }

    /// Borrows a connection. Waits up to `timeout` until one is returned.
    ///
    /// # Errors
    ///
    /// If no thread returns one in time, or if the pool must open one and the server refuses it.
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
        let mut state = self.state.lock().unwrap();
        loop {
            // First the list, then the clock. If a `put` woke this thread just when its time was
            // up, it woke no other thread, so this one must take the place.
            if let Some(place) = state.idle.pop() {
                return Some(place);
            }
            let left = deadline.saturating_duration_since(Instant::now()); // NEW
            if left.is_zero() {
                return None;
            }
            state.waiting += 1;
            state = self.returned.wait_timeout(state, left).unwrap().0; // NEW
            state.waiting -= 1;
        }
    }
    // ANCHOR_END: take

    fn put(&self, place: Place<M::Connection>) {
        self.state.lock().unwrap().idle.push(place);
        self.returned.notify_one();
    }

    /// Wakes all sleeping threads for no reason, as the system may at any time.
    pub fn disturb(&self) {
        self.returned.notify_all();
    }

    /// The numbers of free places and of sleeping threads.
    pub fn idle_and_waiting(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.idle.len(), state.waiting)
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
            Self::TimedOut => f.write_str("no connection was returned in time"),
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl std::error::Error for GetError {}

/// A borrowed connection. Dropping the guard returns it.
pub struct Guard<'p, M: Manage> {
    pool: &'p Pool<M>,
    place: Place<M::Connection>,
}

impl<M: Manage> Drop for Guard<'_, M> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.place = None; // closes it: its state is unknown
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

/// The demonstration.
pub fn main() {
    let server = Server::default();
    let pool = Pool::new(server.clone(), 3).unwrap();
    let held: Vec<_> = (0..3).map(|_| pool.get(LONG).unwrap()).collect();

    println!("no connection returned:    {}", pool.get(SHORT).err().unwrap());
    println!("woken repeatedly:          {}", while_disturbed(&pool));
    thread::scope(|threads| {
        let waiter = threads.spawn(|| pool.get(LONG).unwrap().query().unwrap());
        until(|| pool.idle_and_waiting().1 == 1);
        drop(held);
        println!("returned in time:          {}", waiter.join().unwrap());
    });

    server.restart();
    let lost = pool.get(LONG).unwrap().query().unwrap_err();
    println!("flaw: the server was restarted, and the next user gets an error: {lost}");
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
