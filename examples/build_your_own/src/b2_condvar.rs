//! Step 2: a number of connections that is fixed, and a `Condvar` to wait at.
//!
//! **New**: all connections are opened at the start. Who finds none sleeps until one comes back. The
//! look and the falling asleep are one step under the lock; [`Pool::get_wrong`] shows what happens
//! otherwise: the *lost wake-up*.
//!
//! **The flaw**: `put` has to be called. Who returns early, or panics, takes the connection along,
//! and the pool is smaller for ever, until all sleep.
//!
//! ```text
//! cargo run -p build-your-own --bin b2_condvar
//! ```
//!
//! It prints:
//!
//! ```text
//! wrong: 1 connection is idle, and 1 thread sleeps
//! right: the thread that slept has connection 1
//! limit: 8 threads at the same time, at most 3 connections open
//! flaw:  a user panicked; idle: 0, open: 0, and the next one sleeps for ever
//! ```

use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use crate::server::{Manage, Refused, Server};
use crate::sync::{Condvar, Mutex, until};

/// A fixed number of connections.
pub struct Pool<M: Manage> {
    line: Mutex<Line<M::Connection>>,
    returned: Condvar, // NEW: where those sleep who found nothing
}

struct Line<C> {
    idle: Vec<C>,
    waiting: usize, // NEW: to be looked at by the scenes and the tests; nothing depends on it
}

impl<M: Manage> Pool<M> {
    /// Opens `size` connections: there are never more, and so many for ever. // NEW
    ///
    /// # Errors
    ///
    /// When the server lets nobody in.
    pub fn new(manager: M, size: usize) -> Result<Self, Refused> {
        let idle = (0..size).map(|_| manager.connect()).collect::<Result<_, _>>()?;
        Ok(Self { line: Mutex::new(Line { idle, waiting: 0 }), returned: Condvar::new() })
    }

    // ANCHOR: get
    /// Takes a connection; waits for one to come back.
    pub fn get(&self) -> M::Connection {
        let mut line = self.line.lock().unwrap();
        loop {
            if let Some(conn) = line.idle.pop() {
                return conn;
            }
            line.waiting += 1;
            // NEW: lets go of the lock and falls asleep in one step, so that no `put` comes in
            // between. In a loop: by the time it has the lock again, somebody else may have been
            // quicker; and a `Condvar` may wake for no reason.
            line = self.returned.wait(line).unwrap();
            line.waiting -= 1;
        }
    }

    /// Puts it aside for the next one, and wakes one. // NEW
    pub fn put(&self, conn: M::Connection) {
        self.line.lock().unwrap().idle.push(conn);
        self.returned.notify_one();
    }
    // ANCHOR_END: get

    // ANCHOR: wrong
    /// Wrong: between the look and the sleep the lock is free. A `put` that comes `in_the_gap`
    /// wakes nobody, since nobody sleeps yet; and then somebody falls asleep beside what it put.
    pub fn get_wrong(&self, in_the_gap: impl Fn()) -> M::Connection {
        loop {
            if let Some(conn) = self.line.lock().unwrap().idle.pop() {
                return conn;
            }
            in_the_gap();
            let mut line = self.line.lock().unwrap();
            line.waiting += 1;
            line = self.returned.wait(line).unwrap();
            line.waiting -= 1;
        }
    }
    // ANCHOR_END: wrong

    /// Connections that nobody uses, and threads that sleep.
    pub fn idle_and_waiting(&self) -> (usize, usize) {
        let line = self.line.lock().unwrap();
        (line.idle.len(), line.waiting)
    }
}

/// The scene.
pub fn main() {
    lost_wake_up();
    waiting();
    let server = Server::default();
    let pool = Pool::new(server.clone(), 3).unwrap();
    crowd(&pool);
    println!("limit: 8 threads at the same time, at most {} connections open", server.most_open());
    forgotten();
}

fn lost_wake_up() {
    let pool = Pool::new(Server::default(), 1).unwrap();
    let (in_the_gap, came) = mpsc::channel();
    let (go_on, may) = mpsc::channel();
    let conn = pool.get();
    thread::scope(|threads| {
        let pool = &pool;
        threads.spawn(move || {
            pool.put(pool.get_wrong(|| {
                in_the_gap.send(()).unwrap();
                may.recv().unwrap();
            }));
        });
        came.recv().unwrap(); // it has looked, and found nothing
        pool.put(conn);
        go_on.send(()).unwrap();
        until(|| pool.idle_and_waiting().1 == 1);
        let (idle, waiting) = pool.idle_and_waiting();
        println!("wrong: {idle} connection is idle, and {waiting} thread sleeps");
        pool.returned.notify_one(); // so that the scene can end
    });
}

fn waiting() {
    let pool = Pool::new(Server::default(), 1).unwrap();
    let conn = pool.get();
    thread::scope(|threads| {
        let waiter = threads.spawn(|| pool.get());
        until(|| pool.idle_and_waiting().1 == 1);
        pool.put(conn);
        println!("right: the thread that slept has connection {}", waiter.join().unwrap().number());
    });
}

fn crowd(pool: &Pool<Server>) {
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| (0..100).for_each(|_| pool.put(pool.get())));
        }
    });
}

fn forgotten() {
    let server = Server::default();
    let pool = Pool::new(server.clone(), 1).unwrap();
    thread::scope(|threads| {
        let user = threads.spawn(|| {
            let conn = pool.get();
            bug();
            pool.put(conn); // never reached
        });
        assert!(user.join().is_err());
    });
    let (idle, open) = (pool.idle_and_waiting().0, server.open());
    println!(
        "flaw:  a user panicked; idle: {idle}, open: {open}, and the next one sleeps for ever"
    );
}

/// Panics, without the message that a real one would print.
fn bug() {
    resume_unwind(Box::new("a bug of the user's"));
}
