//! Step 7: no lock while a connection is free, and order without its price.
//!
//! **New**: each place is a slot with a state of its own, in an atomic. Who wants one tries the slot it
//! used last: one exchange to take it, one to give it back, on cache lines that nobody else wants. Only
//! who finds nothing free goes to the line and its lock. And the line is strict about those only
//! who have waited for longer than `fair_after`: before that, a thread that runs may be quicker.
//!
//! **What it leaves** is what makes a pool fit for production, and no flaw of the protocol: borrowers
//! open connections themselves, nothing is closed but what is dead, nothing is reset, nobody can be
//! told that the pool is closed. `SharedPool` is this, and that.
//!
//! ```text
//! cargo run -p build-your-own --bin b7_atomics_and_hints
//! ```
//!
//! It prints:
//!
//! ```text
//! 3 uses by one thread:      connections 1, 1, 1
//! and by another meanwhile:  connection 2
//! who gives back goes on:    past one that has not waited for long
//! and past one that has:     no connection came back in time
//! ```

use std::cell::Cell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::b4_deadlines::GetError;
use crate::b6_fifo_hand_off::Mailbox;
use crate::server::{Manage, Server};
use crate::slots::{Right, Slots};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, model_fence, until};

// ANCHOR: pool
/// A fixed number of places.
pub struct Pool<M: Manage> {
    manager: M,
    slots: Slots<M::Connection>, // NEW: instead of a list behind the lock
    announced: Announced,        // NEW
    line: Mutex<Line>,
    fair_after: Duration, // NEW
}

/// How many wait. Written under the lock only, read by everybody who gives back: so on a cache line
/// that changes only when the line does. // NEW
#[repr(align(128))]
struct Announced(AtomicUsize);

struct Line {
    waiters: VecDeque<Waiter>,
    slept: usize,
}

struct Waiter {
    mailbox: Arc<Mailbox<Mail>>,
    since: Instant,
}

/// What a waiter is told. // NEW
enum Mail {
    /// Something is free: go and see, and come back if somebody was quicker.
    Look,
    /// This one is yours.
    Yours(Right),
}

thread_local! {
    /// The slot that this thread used last: nobody else is likely to want it. // NEW
    static LAST: Cell<usize> = const { Cell::new(0) };
}
// ANCHOR_END: pool

impl<M: Manage> Pool<M> {
    /// Places for `size` connections; none is opened yet. Who has waited for a millisecond is next.
    pub fn new(manager: M, size: usize) -> Self {
        Self::with_fair_after(manager, size, Duration::from_millis(1))
    }

    /// The same for another time than a millisecond: zero is strict order, as in step 6.
    pub fn with_fair_after(manager: M, size: usize, fair_after: Duration) -> Self {
        LAST.set(0);
        Self {
            manager,
            slots: Slots::new(size),
            announced: Announced(AtomicUsize::new(0)),
            line: Mutex::new(Line { waiters: VecDeque::new(), slept: 0 }),
            fair_after,
        }
    }

    // ANCHOR: get
    /// Borrows a connection; waits up to `timeout` for one to come back.
    ///
    /// # Errors
    ///
    /// When none came back; when one has to be opened, and the server lets nobody in.
    #[inline]
    pub fn get(&self, timeout: Duration) -> Result<Guard<'_, M>, GetError> {
        let right = match self.slots.take(LAST.get()) {
            Some(right) => right, // NEW: no lock, no clock
            None => self.take_slowly(timeout).ok_or(GetError::TimedOut)?,
        };
        let mut guard = Guard { pool: self, right, content: PhantomData };
        let content = guard.content_mut();
        if content.as_mut().is_none_or(|conn| self.manager.is_broken(conn)) {
            self.open(content)?;
        }
        Ok(guard)
    }
    // ANCHOR_END: get

    // Out of line, and what it returns fits into a register: a guard that had to be put together in
    // memory would cost as much as an exchange.
    #[cold]
    fn open(&self, content: &mut Option<M::Connection>) -> Result<(), GetError> {
        *content = None; // closed before the next is opened
        *content = Some(self.manager.connect()?);
        Ok(())
    }

    #[cold]
    fn take_slowly(&self, timeout: Duration) -> Option<Right> {
        let right = self.slots.take_any().or_else(|| self.wait(timeout))?;
        LAST.set(right.index());
        Some(right)
    }

    fn wait(&self, timeout: Duration) -> Option<Right> {
        let since = Instant::now();
        let mailbox = Arc::new(Mailbox::new());
        let mut line = self.line.lock().unwrap();
        line.waiters.push_back(Waiter { mailbox: Arc::clone(&mailbox), since });
        // ANCHOR: announce
        // NEW: first says that it waits, then looks once more; `put` does it the other way round. So one
        // of the two sees the other, and nobody falls asleep beside a free slot.
        self.announce(&line);
        if let Some(right) = self.slots.take_any() {
            self.leave(line, &mailbox);
            return Some(right);
        }
        // ANCHOR_END: announce
        line.slept += 1;
        drop(line);
        loop {
            match mailbox.wait(since + timeout) {
                Some(Mail::Yours(right)) => return Some(right),
                Some(Mail::Look) => {
                    let line = self.line.lock().unwrap();
                    // (If it is not in the line any more, there is better mail by now.)
                    if line.contains(&mailbox)
                        && let Some(right) = self.slots.take_any()
                    {
                        self.leave(line, &mailbox);
                        return Some(right);
                    }
                }
                None => {
                    self.leave(self.line.lock().unwrap(), &mailbox);
                    // Nobody posts to it any more; but before that somebody may have.
                    return match mailbox.take() {
                        Some(Mail::Yours(right)) => Some(right),
                        _ => None,
                    };
                }
            }
        }
    }

    /// Out of the line. If it was the one that was sent to look, the next is.
    fn leave(&self, mut line: MutexGuard<'_, Line>, mailbox: &Arc<Mailbox<Mail>>) {
        line.waiters.retain(|waiter| !Arc::ptr_eq(&waiter.mailbox, mailbox));
        self.announce(&line);
        self.send_to_look(&line);
    }

    /// Says how many wait.
    fn announce(&self, line: &Line) {
        // SeqCst: with the look at the slots that follows, pairs with `put`.
        self.announced.0.store(line.waiters.len(), Ordering::SeqCst);
        model_fence();
    }

    // ANCHOR: put
    #[inline]
    fn put(&self, right: Right) {
        // Relaxed: a first look, so that what belongs to a waiter does not become free first. It
        // decides nothing; the one below does.
        if self.announced.0.load(Ordering::Relaxed) != 0 {
            return self.put_beside_waiters(right);
        }
        self.slots.give_back(right);
        model_fence();
        // SeqCst: with the exchange in `give_back`, pairs with `announce` and the look after it.
        if self.announced.0.load(Ordering::SeqCst) != 0 {
            self.put_before_waiters();
        }
    }

    /// Somebody has joined the line just now, and may not have seen the slot.
    #[cold]
    fn put_before_waiters(&self) {
        self.send_to_look(&self.line.lock().unwrap());
    }

    #[cold]
    fn put_beside_waiters(&self, right: Right) {
        let mut line = self.line.lock().unwrap();
        let is_due = |first: &mut Waiter| first.since.elapsed() >= self.fair_after;
        if let Some(first) = line.waiters.pop_front_if(is_due) {
            self.announce(&line);
            first.mailbox.post(Mail::Yours(right)); // as in step 6: never free in between
        } else {
            self.slots.give_back(right); // NEW: for whoever is quickest
        }
        self.send_to_look(&line);
    }

    /// If something is free, the first in the line has to know.
    fn send_to_look(&self, line: &Line) {
        if let Some(first) = line.waiters.front()
            && self.slots.any_free()
        {
            first.mailbox.post_if_empty(Mail::Look);
        }
    }
    // ANCHOR_END: put

    /// Places that nobody has, and threads in the line.
    pub fn idle_and_waiting(&self) -> (usize, usize) {
        (self.slots.free(), self.announced.0.load(Ordering::SeqCst))
    }

    /// How often somebody had to sleep.
    pub fn slept(&self) -> usize {
        self.line.lock().unwrap().slept
    }
}

impl Line {
    fn contains(&self, mailbox: &Arc<Mailbox<Mail>>) -> bool {
        self.waiters.iter().any(|waiter| Arc::ptr_eq(&waiter.mailbox, mailbox))
    }
}

// ANCHOR: guard
/// A borrowed connection; dropping it gives it back.
pub struct Guard<'p, M: Manage> {
    pool: &'p Pool<M>,
    right: Right, // NEW: the connection stays where it is
    /// It stands for this: a connection that is not `Sync` is not looked at by two threads.
    content: PhantomData<&'p mut M::Connection>,
}

impl<M: Manage> Drop for Guard<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if thread::panicking() {
            self.close(); // it may be in the middle of something
        }
        self.pool.put(mem::replace(&mut self.right, Right::NONE));
    }
}
// ANCHOR_END: guard

const FILLED: &str = "a place is filled before it is lent";

impl<M: Manage> Guard<'_, M> {
    #[inline]
    fn content_mut(&mut self) -> &mut Option<M::Connection> {
        self.pool.slots.content_mut(&mut self.right)
    }

    #[cold]
    fn close(&mut self) {
        *self.content_mut() = None;
    }
}

impl<M: Manage> Deref for Guard<'_, M> {
    type Target = M::Connection;

    #[inline]
    fn deref(&self) -> &M::Connection {
        self.pool.slots.content(&self.right).as_ref().expect(FILLED)
    }
}

impl<M: Manage> DerefMut for Guard<'_, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.content_mut().as_mut().expect(FILLED)
    }
}

/// The scene.
pub fn main() {
    let pool = Pool::new(Server::default(), 3);
    let numbers = [(); 3].map(|()| pool.get(LONG).unwrap().number().to_string());
    println!("3 uses by one thread:      connections {}", numbers.join(", "));
    let first = pool.get(LONG).unwrap();
    let second = thread::scope(|threads| threads.spawn(|| pool.get(LONG).unwrap().number()).join());
    println!("and by another meanwhile:  connection {}", second.unwrap());
    drop(first);

    let pool = Pool::with_fair_after(Server::default(), 1, LONG);
    assert!((0..1000).any(|_| again(&pool).is_ok())); // nearly always the first
    println!("who gives back goes on:    past one that has not waited for long");
    let pool = Pool::with_fair_after(Server::default(), 1, Duration::ZERO);
    println!("and past one that has:     {}", again(&pool).unwrap_err());
}

const LONG: Duration = Duration::from_secs(60);

/// While somebody sleeps, gives back the only connection, and asks for it once more.
fn again(pool: &Pool<Server>) -> Result<(), GetError> {
    let only = pool.get(LONG).unwrap();
    let (go_on, may) = mpsc::channel();
    thread::scope(|threads| {
        threads.spawn(move || {
            let _conn = pool.get(LONG).unwrap();
            may.recv().unwrap();
        });
        until(|| pool.idle_and_waiting().1 == 1);
        drop(only);
        let again = pool.get(Duration::ZERO).map(drop);
        go_on.send(()).unwrap();
        again
    })
}
