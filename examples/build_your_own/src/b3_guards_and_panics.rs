//! Step 3: what is borrowed is a guard, and a guard gives back when it is dropped.
//!
//! **New**: nobody calls `put` any more. A guard is dropped on every way out: at the end, by an early
//! return, by a panic. After a panic nobody knows what the connection is in the middle of, so it is
//! closed; but its *place*, the right to have a connection, goes back. A place without a
//! connection is filled by who takes it next.
//!
//! **The flaw**: who waits, waits for ever. One guard that is kept or forgotten is enough.
//!
//! ```text
//! cargo run -p build-your-own --bin b3_guards_and_panics
//! ```
//!
//! It prints:
//!
//! ```text
//! given back without a word: idle places: 1
//! after an early return:     idle places: 1
//! after a panic:             idle places: 1, connections open: 0
//! the next one is lent connection 2
//! flaw: it is never given back, and 1 thread sleeps for ever
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
    manager: M, // NEW: opens what takes the place of a connection that was closed
    line: Mutex<Line<M::Connection>>,
    returned: Condvar,
}

struct Line<C> {
    idle: Vec<Place<C>>,
    waiting: usize,
}

// ANCHOR: place
/// The right to have a connection, and the connection, unless it has to be opened first. // NEW
type Place<C> = Option<C>;
// ANCHOR_END: place

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

    // ANCHOR: get
    /// Borrows a connection; waits for one to come back.
    ///
    /// # Errors
    ///
    /// When one has to be opened, and the server lets nobody in.
    pub fn get(&self) -> Result<Guard<'_, M>, Refused> {
        // NEW: from here on the place comes back, whatever happens: also if `connect` fails.
        let mut guard = Guard { pool: self, place: self.take() };
        if guard.place.is_none() {
            guard.place = Some(self.manager.connect()?);
        }
        Ok(guard)
    }
    // ANCHOR_END: get

    fn take(&self) -> Place<M::Connection> {
        let mut line = self.line.lock().unwrap();
        loop {
            if let Some(place) = line.idle.pop() {
                return place;
            }
            line.waiting += 1;
            line = self.returned.wait(line).unwrap();
            line.waiting -= 1;
        }
    }

    fn put(&self, place: Place<M::Connection>) {
        self.line.lock().unwrap().idle.push(place);
        self.returned.notify_one();
    }

    /// Places that nobody has, and threads that sleep.
    pub fn idle_and_waiting(&self) -> (usize, usize) {
        let line = self.line.lock().unwrap();
        (line.idle.len(), line.waiting)
    }
}

// ANCHOR: guard
/// A borrowed connection; dropping it gives it back. // NEW
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

/// The scene.
pub fn main() {
    let server = Server::default();
    let pool = Arc::new(Pool::new(server.clone(), 1).unwrap());

    drop(pool.get().unwrap());
    println!("given back without a word: idle places: {}", pool.idle_and_waiting().0);

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
    println!("the next one is lent connection {}", pool.get().unwrap().number());

    mem::forget(pool.get());
    let next = Arc::clone(&pool);
    thread::spawn(move || drop(next.get())); // nobody can join it: it ends with the program
    until(|| pool.idle_and_waiting().1 == 1);
    println!("flaw: it is never given back, and 1 thread sleeps for ever");
}

fn leave_early(pool: &Pool<Server>) -> Result<(), Lost> {
    let mut conn = pool.get().unwrap();
    conn.query()?;
    Err(Lost)
}

/// Panics, without the message that a real one would print.
fn bug() {
    resume_unwind(Box::new("a bug of the user's"));
}
