//! Step 3: `get` returns a guard, and dropping the guard returns the connection.
//!
//! **New**: users no longer call `put`. A guard is dropped at the end of its scope, by an early
//! return and by a panic. After a panic the state of the connection is unknown, so the guard closes
//! it. But it returns the *place*, the right to have a connection. The next thread that takes an
//! empty place opens a connection.
//!
//! **The flaw**: a waiter waits forever if a thread keeps or forgets a guard.
//!
//! ```text
//! cargo run -p build-your-own --bin b3_guards_and_panics
//! ```
//!
//! It prints:
//!
//! ```text
//! after a normal use:        idle places: 1
//! after an early return:     idle places: 1
//! after a panic:             idle places: 1, connections open: 0
//! the next thread gets connection 2
//! flaw: it is never returned, and 1 thread sleeps forever
//! ```

use std::mem;
use std::ops::{Deref, DerefMut};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use crate::server::{Lost, Manage, Refused, Server};
use crate::sync::{Condvar, Mutex, until};

/// A fixed number of places.
pub struct Pool<M: Manage> {
    manager: M, // NEW: opens a new connection in an empty place
    state: Mutex<State<M::Connection>>,
    returned: Condvar,
}

struct State<C> {
    idle: Vec<Place<C>>,
    waiting: usize,
}

// ANCHOR: place
/// The right to have a connection, and the connection itself if it is open. // NEW
type Place<C> = Option<C>;
// ANCHOR_END: place

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

    // ANCHOR: get
    /// Borrows a connection. Waits until one is returned.
    ///
    /// # Errors
    ///
    /// If the pool must open a connection, and the server refuses it.
    pub fn get(&self) -> Result<Guard<'_, M>, Refused> {
        // NEW: from here on the guard returns the place on every path, even if `connect` fails.
        let mut guard = Guard { pool: self, place: self.take() };
        if guard.place.is_none() {
            guard.place = Some(self.manager.connect()?);
        }
        Ok(guard)
    }
    // ANCHOR_END: get

    fn take(&self) -> Place<M::Connection> {
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(place) = state.idle.pop() {
                return place;
            }
            state.waiting += 1;
            state = self.returned.wait(state).unwrap();
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

// ANCHOR: guard
/// A borrowed connection. Dropping the guard returns it. // NEW
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
// ANCHOR_END: guard

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
    let pool = Arc::new(Pool::new(server.clone(), 1).unwrap());

    drop(pool.get().unwrap());
    println!("after a normal use:        idle places: {}", pool.idle_and_waiting().0);

    leave_early(&pool).unwrap_err();
    println!("after an early return:     idle places: {}", pool.idle_and_waiting().0);

    let user = Arc::clone(&pool);
    let user = thread::spawn(move || {
        let _conn = user.get();
        bug();
    });
    assert!(user.join().is_err());
    let (idle, open) = (pool.idle_and_waiting().0, server.open());
    println!("after a panic:             idle places: {idle}, connections open: {open}");
    println!("the next thread gets connection {}", pool.get().unwrap().number());

    mem::forget(pool.get());
    let next = Arc::clone(&pool);
    thread::spawn(move || drop(next.get())); // sleeps until the program ends
    until(|| pool.idle_and_waiting().1 == 1);
    println!("flaw: it is never returned, and 1 thread sleeps forever");
}

fn leave_early(pool: &Pool<Server>) -> Result<(), Lost> {
    let mut conn = pool.get().unwrap();
    conn.query()?;
    Err(Lost)
}

/// Panics without printing a message.
fn bug() {
    resume_unwind(Box::new("a bug of the user"));
}
