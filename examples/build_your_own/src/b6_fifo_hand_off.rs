//! Step 6: the thread that has waited longest is next.
//!
//! **New**: a wait queue, called `state`. A thread that finds no place adds a mailbox at its end and
//! sleeps there. `put` hands the place to the first mailbox, so no thread that comes later can take
//! it. A waiter that gives up removes its mailbox under the same lock. So either it got a place
//! before that, and uses it, or it never gets one.
//!
//! **The flaw**: if many threads wait, each use costs a thread switch. The next thread has to wake
//! up first, while the running thread joins the end of the queue. And each use takes the lock twice.
//!
//! ```text
//! cargo run -p build-your-own --bin b6_fifo_hand_off
//! ```
//!
//! It prints:
//!
//! ```text
//! a later thread:            no connection was returned in time
//! the sleeping thread:       an answer
//! flaw: 4 threads used one connection 400 times, and slept before nearly every use
//! ```

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::b4_deadlines::GetError;
use crate::server::{Manage, Server};
use crate::sync::{Condvar, Mutex, until};

/// A fixed number of places.
pub struct Pool<M: Manage> {
    manager: M,
    state: Mutex<State<M::Connection>>,
}

// ANCHOR: state
struct State<C> {
    idle: Vec<Place<C>>,                       // empty while a thread waits
    waiters: VecDeque<Arc<Mailbox<Place<C>>>>, // NEW
    slept: usize,                              // how often a thread waited; for the tests
}

/// Where one thread sleeps, and where it gets its place. // NEW
pub struct Mailbox<T> {
    mail: Mutex<Option<T>>,
    came: Condvar,
}
// ANCHOR_END: state

/// The right to have a connection, and the connection itself if it is open.
type Place<C> = Option<C>;

impl<M: Manage> Pool<M> {
    /// Places for `size` connections. None is opened yet.
    pub fn new(manager: M, size: usize) -> Self {
        let idle = (0..size).map(|_| None).collect();
        let state = Mutex::new(State { idle, waiters: VecDeque::new(), slept: 0 });
        Self { manager, state }
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

        if guard.place.as_mut().is_some_and(|conn| self.manager.is_broken(conn)) {
            guard.place = None;
        }
        if guard.place.is_none() {
            guard.place = Some(self.manager.connect()?);
        }
        Ok(guard)
    }
    // ANCHOR_END: get

    // ANCHOR: take
    fn take(&self, timeout: Duration) -> Option<Place<M::Connection>> {
        let deadline = Instant::now() + timeout;
        let mut state = self.state.lock().unwrap();
        if let Some(place) = state.idle.pop() {
            return Some(place);
        }
        // NEW: joins the queue before it releases the lock.
        let mailbox = Arc::new(Mailbox::new());
        state.waiters.push_back(Arc::clone(&mailbox));
        state.slept += 1;
        drop(state);
        mailbox.wait(deadline).or_else(|| self.give_up(&mailbox))
    }

    /// Leaves the queue, so that no place comes later. Returns the one that came before. // NEW
    fn give_up(
        &self,
        mailbox: &Arc<Mailbox<Place<M::Connection>>>,
    ) -> Option<Place<M::Connection>> {
        let mut state = self.state.lock().unwrap();
        state.waiters.retain(|waiter| !Arc::ptr_eq(waiter, mailbox));
        mailbox.take()
    }

    fn put(&self, place: Place<M::Connection>) {
        let mut state = self.state.lock().unwrap();
        match state.waiters.pop_front() {
            Some(first) => first.post(place), // NEW: it is never idle in between
            None => state.idle.push(place),
        }
    }
    // ANCHOR_END: take

    /// The numbers of free places and of waiting threads.
    pub fn idle_and_waiting(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.idle.len(), state.waiters.len())
    }

    /// How often a thread had to sleep.
    pub fn slept(&self) -> usize {
        self.state.lock().unwrap().slept
    }
}

// ANCHOR: mailbox
impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        Self { mail: Mutex::new(None), came: Condvar::new() }
    }

    /// Leaves a message, and wakes the thread that waits for it.
    pub(crate) fn post(&self, mail: T) {
        *self.mail.lock().unwrap() = Some(mail);
        self.came.notify_one();
    }

    /// Like `post`, unless there is a message already. (Not needed before step 7.)
    pub(crate) fn post_if_empty(&self, mail: T) {
        let mut old = self.mail.lock().unwrap();
        if old.is_none() {
            *old = Some(mail);
            self.came.notify_one();
        }
    }

    /// The message, if there is one.
    pub(crate) fn take(&self) -> Option<T> {
        self.mail.lock().unwrap().take()
    }

    /// Sleeps until there is a message, or until `deadline`.
    pub(crate) fn wait(&self, deadline: Instant) -> Option<T> {
        let mut mail = self.mail.lock().unwrap();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if mail.is_some() || left.is_zero() {
                return mail.take();
            }
            mail = self.came.wait_timeout(mail, left).unwrap().0;
        }
    }
}
// ANCHOR_END: mailbox

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
    let pool = Pool::new(Server::default(), 1);
    in_order(&pool);
    assert!(crowd(&pool) > 390);
    println!("flaw: 4 threads used one connection 400 times, and slept before nearly every use");
}

const LONG: Duration = Duration::from_secs(60);

fn in_order(pool: &Pool<Server>) {
    let only = pool.get(LONG).unwrap();
    let (go_on, may) = mpsc::channel();
    thread::scope(|threads| {
        let sleeper = threads.spawn(move || {
            let mut conn = pool.get(LONG).unwrap();
            may.recv().unwrap();
            conn.query().unwrap()
        });
        until(|| pool.idle_and_waiting().1 == 1);
        drop(only); // belongs to the sleeper from now on, even if it does not run yet
        println!("a later thread:            {}", pool.get(Duration::ZERO).err().unwrap());
        go_on.send(()).unwrap();
        println!("the sleeping thread:       {}", sleeper.join().unwrap());
    });
}

// ANCHOR: crowd
/// Four threads use a connection 100 times each, and each use lasts until the others wait. Returns
/// how often they slept.
fn crowd(pool: &Pool<Server>) -> usize {
    let before = pool.slept();
    let users = AtomicUsize::new(4);
    let use_it = || {
        let _conn = pool.get(LONG).unwrap();
        until(|| pool.idle_and_waiting().1 + 1 >= users.load(SeqCst));
    };
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                (0..100).for_each(|_| use_it());
                users.fetch_sub(1, SeqCst)
            });
        }
    });
    pool.slept() - before
}
// ANCHOR_END: crowd
