//! Step 6: who has waited longest is next.
//!
//! **New**: a line. Who finds no place leaves a mailbox at the end of it and sleeps there. `put` does not
//! put the place where anybody may take it: it posts it to the first in the line. Who comes
//! later finds nothing, and who is woken has got what it waited for. Who gives up takes its mailbox out
//! of the line, under the lock under which others post: so it was posted to before, and has a
//! place after all, or it never will be.
//!
//! **The flaw**: each use by a crowd costs a switch of threads, since the next one has to wake up before
//! it can begin, while the one who could go on stands at the end of the line. And each use locks, twice.
//!
//! ```text
//! cargo run -p build-your-own --bin b6_fifo_hand_off
//! ```
//!
//! It prints:
//!
//! ```text
//! a thread that came later:  no connection came back in time
//! the one that slept has it: an answer
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
    line: Mutex<Line<M::Connection>>,
}

// ANCHOR: line
struct Line<C> {
    idle: Vec<Place<C>>,                       // none, while anybody waits
    waiters: VecDeque<Arc<Mailbox<Place<C>>>>, // NEW
    slept: usize,                              // how often somebody joined the line: for the tests
}

/// Where one thread sleeps, and where it gets what it waits for. // NEW
pub struct Mailbox<T> {
    mail: Mutex<Option<T>>,
    came: Condvar,
}
// ANCHOR_END: line

/// The right to have a connection, and the connection, unless it has to be opened first.
type Place<C> = Option<C>;

impl<M: Manage> Pool<M> {
    /// Places for `size` connections; none is opened yet.
    pub fn new(manager: M, size: usize) -> Self {
        let idle = (0..size).map(|_| None).collect();
        let line = Mutex::new(Line { idle, waiters: VecDeque::new(), slept: 0 });
        Self { manager, line }
    }

    // ANCHOR: get
    /// Borrows a connection; waits up to `timeout` for one to come back.
    ///
    /// # Errors
    ///
    /// When none came back; when one has to be opened, and the server lets nobody in.
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
        let mut line = self.line.lock().unwrap();
        if let Some(place) = line.idle.pop() {
            return Some(place);
        }
        // NEW: joins the line, before the lock is free.
        let mailbox = Arc::new(Mailbox::new());
        line.waiters.push_back(Arc::clone(&mailbox));
        line.slept += 1;
        drop(line);
        mailbox.wait(deadline).or_else(|| self.give_up(&mailbox))
    }

    /// Leaves the line. Nobody posts to it after that; what came before is taken. // NEW
    fn give_up(
        &self,
        mailbox: &Arc<Mailbox<Place<M::Connection>>>,
    ) -> Option<Place<M::Connection>> {
        let mut line = self.line.lock().unwrap();
        line.waiters.retain(|waiter| !Arc::ptr_eq(waiter, mailbox));
        mailbox.take()
    }

    fn put(&self, place: Place<M::Connection>) {
        let mut line = self.line.lock().unwrap();
        match line.waiters.pop_front() {
            Some(first) => first.post(place), // NEW: it is never idle in between
            None => line.idle.push(place),
        }
    }
    // ANCHOR_END: take

    /// Places that nobody has, and threads in the line.
    pub fn idle_and_waiting(&self) -> (usize, usize) {
        let line = self.line.lock().unwrap();
        (line.idle.len(), line.waiters.len())
    }

    /// How often somebody had to sleep.
    pub fn slept(&self) -> usize {
        self.line.lock().unwrap().slept
    }
}

// ANCHOR: mailbox
impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        Self { mail: Mutex::new(None), came: Condvar::new() }
    }

    /// Leaves a message, and wakes who waits for it.
    pub(crate) fn post(&self, mail: T) {
        *self.mail.lock().unwrap() = Some(mail);
        self.came.notify_one();
    }

    /// The same unless there is one already. (Not needed before step 7.)
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

    /// Sleeps until there is one, or until `deadline`.
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
        drop(only); // the sleeper's from now on, whether it runs or not
        println!("a thread that came later:  {}", pool.get(Duration::ZERO).err().unwrap());
        go_on.send(()).unwrap();
        println!("the one that slept has it: {}", sleeper.join().unwrap());
    });
}

// ANCHOR: crowd
/// A busy hour: four threads use a connection 100 times each, and each use lasts until the others
/// stand in the line. How often they slept.
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
