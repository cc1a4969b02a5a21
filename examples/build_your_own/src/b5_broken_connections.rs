//! Step 5: the pool does not lend a connection that is known to be dead.
//!
//! **New**: a thread that takes a place checks the connection in it, and opens another one if it is
//! dead. It does so outside the lock, because a server may be slow. If the server refuses, the
//! borrower gets an error, and its guard returns the place. The pool opens a connection only when a
//! thread needs it, so the program can start while the server is down.
//!
//! **The flaw**: *barging*. `put` wakes a sleeping thread, but gives it nothing. Before that thread
//! runs again, another running thread can take the connection. This can happen again and again.
//!
//! ```text
//! cargo run -p build-your-own --bin b5_broken_connections
//! ```
//!
//! It prints:
//!
//! ```text
//! at the start:              0 connections open
//! the first user:            an answer, from connection 1
//! after a restart:           an answer, from connection 2
//! while the server refuses:  the server refused the connection
//! and later, 3 users at once: 3 connections open
//! flaw: a thread that came later overtook the one that slept
//! ```

use std::ops::{Deref, DerefMut};
use std::thread;
use std::time::{Duration, Instant};

use crate::b4_deadlines::GetError;
use crate::server::{Manage, Server};
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

impl<M: Manage> Pool<M> {
    /// Places for `size` connections. None is opened yet. // NEW
    pub fn new(manager: M, size: usize) -> Self {
        let idle = (0..size).map(|_| None).collect();
        let state = Mutex::new(State { idle, waiting: 0 });
        Self { manager, state, returned: Condvar::new() }
    }

    // ANCHOR: get
    /// Borrows a connection. Waits up to `timeout` until one is returned.
    ///
    /// # Errors
    ///
    /// If no thread returns one in time, or if the pool must open one and the server refuses it.
    pub fn get(&self, timeout: Duration) -> Result<Guard<'_, M>, GetError> {
        let place = self.take(timeout).ok_or(GetError::TimedOut)?;
        let mut guard = Guard { pool: self, place };
        // NEW: closes the dead connection before it opens another, to keep the limit.
        if guard.place.as_mut().is_some_and(|conn| self.manager.is_broken(conn)) {
            guard.place = None;
        }
        if guard.place.is_none() {
            guard.place = Some(self.manager.connect()?);
        }
        Ok(guard)
    }
    // ANCHOR_END: get

    fn take(&self, timeout: Duration) -> Option<Place<M::Connection>> {
        let deadline = Instant::now() + timeout;
        let mut state = self.state.lock().unwrap();
        loop {
            // First the list, then the clock. If a `put` woke this thread just when its time was
            // up, it woke no other thread, so this one must take the place.
            if let Some(place) = state.idle.pop() {
                return Some(place);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state.waiting += 1;
            state = self.returned.wait_timeout(state, left).unwrap().0;
            state.waiting -= 1;
        }
    }

    fn put(&self, place: Place<M::Connection>) {
        self.state.lock().unwrap().idle.push(place);
        self.returned.notify_one();
    }

    /// The numbers of free places and of sleeping threads.
    pub fn idle_and_waiting(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.idle.len(), state.waiting)
    }
}

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
    let pool = Pool::new(server.clone(), 3);
    println!("at the start:              {} connections open", server.open());
    println!("the first user:            {}", ask(&pool));
    server.restart();
    println!("after a restart:           {}", ask(&pool));

    server.restart();
    server.refuse(true);
    println!("while the server refuses:  {}", pool.get(LONG).err().unwrap());
    server.refuse(false);
    let held: Vec<_> = (0..3).map(|_| pool.get(LONG).unwrap()).collect();
    println!("and later, {} users at once: {} connections open", held.len(), server.open());
    drop(held);

    let pool = Pool::new(server, 1);
    assert!((0..1000).any(|_| overtakes(&pool))); // nearly always in the first try
    println!("flaw: a thread that came later overtook the one that slept");
}

const LONG: Duration = Duration::from_secs(60);

fn ask(pool: &Pool<Server>) -> String {
    let mut conn = pool.get(LONG).unwrap();
    format!("{}, from connection {}", conn.query().unwrap(), conn.number())
}

// ANCHOR: overtakes
/// While another thread sleeps, returns the only connection and asks for it again.
fn overtakes(pool: &Pool<Server>) -> bool {
    let only = pool.get(LONG).unwrap();
    thread::scope(|threads| {
        threads.spawn(|| drop(pool.get(LONG)));
        until(|| pool.idle_and_waiting().1 == 1);
        drop(only);
        pool.get(Duration::ZERO).is_ok()
    })
}
// ANCHOR_END: overtakes
