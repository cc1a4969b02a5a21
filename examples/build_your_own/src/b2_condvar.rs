//! Step 2: a fixed number of connections, and a `Condvar` for waiting.
//!
//! **New**: all connections are opened at the start. A thread that finds none sleeps until one is
//! returned. It looks and falls asleep in one step under the lock. [`Pool::get_wrong`] shows what
//! happens otherwise: the *lost wakeup*.
//!
//! **The flaw**: each user must call `put`. A user that returns early or panics loses the
//! connection. The pool then has one connection fewer, and in the end all threads sleep.
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
//! flaw:  a user panicked; idle: 0, open: 0, and the next thread sleeps forever
//! ```

use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use crate::server::{Manage, Refused, Server};
use crate::sync::{Condvar, Mutex, until};

/// A fixed number of connections.
pub struct Pool<M: Manage> {
    state: Mutex<State<M::Connection>>,
    returned: Condvar, // NEW: threads that found no connection sleep here
}

struct State<C> {
    idle: Vec<C>,
    waiting: usize, // NEW: for the demonstrations and the tests only
}

impl<M: Manage> Pool<M> {
    /// Opens `size` connections. There are never more, and never fewer. // NEW
    ///
    /// # Errors
    ///
    /// If the server refuses the connection.
    pub fn new(manager: M, size: usize) -> Result<Self, Refused> {
        let idle = (0..size).map(|_| manager.connect()).collect::<Result<_, _>>()?;
        Ok(Self { state: Mutex::new(State { idle, waiting: 0 }), returned: Condvar::new() })
    }

    // ANCHOR: get
    /// Takes a connection. Waits until one is returned.
    pub fn get(&self) -> M::Connection {
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(conn) = state.idle.pop() {
                return conn;
            }
            state.waiting += 1;
            // NEW: releases the lock and falls asleep in one step, so that no `put` comes in
            // between. In a loop, because another thread may be faster when this one wakes up,
            // and because a `Condvar` may wake a thread for no reason.
            state = self.returned.wait(state).unwrap();
            state.waiting -= 1;
        }
    }

    /// Puts the connection aside, and wakes one thread. // NEW
    pub fn put(&self, conn: M::Connection) {
        self.state.lock().unwrap().idle.push(conn);
        self.returned.notify_one();
    }
    // ANCHOR_END: get

    // ANCHOR: wrong
    /// Wrong: between the look and the sleep the lock is free. A `put` that comes `in_the_gap`
    /// wakes no thread, because none sleeps yet. Then this thread sleeps, although a connection is
    /// idle.
    pub fn get_wrong(&self, in_the_gap: impl Fn()) -> M::Connection {
        loop {
            if let Some(conn) = self.state.lock().unwrap().idle.pop() {
                return conn;
            }
            in_the_gap();
            let mut state = self.state.lock().unwrap();
            state.waiting += 1;
            state = self.returned.wait(state).unwrap();
            state.waiting -= 1;
        }
    }
    // ANCHOR_END: wrong

    /// The numbers of idle connections and of sleeping threads.
    pub fn idle_and_waiting(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.idle.len(), state.waiting)
    }
}

/// The demonstration.
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
        pool.returned.notify_one(); // so that the demonstration can end
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
        "flaw:  a user panicked; idle: {idle}, open: {open}, and the next thread sleeps forever"
    );
}

/// Panics without printing a message.
fn bug() {
    resume_unwind(Box::new("a bug of the user"));
}
