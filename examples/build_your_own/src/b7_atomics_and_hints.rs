//! Step 7: no lock while a connection is free, and order without its price.
//!
//! **New**: each place is a slot with its own atomic state. A thread tries the slot that it used
//! last: one exchange takes it and one returns it, on cache lines that no other thread uses. Only a
//! thread that finds no free slot goes to the queue and its lock. The queue keeps strict order only
//! for threads that have waited longer than `fair_after`. Before that, a running thread may be
//! faster.
//!
//! **What production needs besides the protocol**: here borrowers open connections themselves, the
//! pool closes only dead ones and resets none, and a program cannot close the pool. `SharedPool` has
//! this protocol and all of that.
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
//! a returning thread:        overtakes one that has not waited for long
//! but one that has waited:   no connection was returned in time
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
    slots: Slots<M::Connection>, // NEW: instead of a list under the lock
    waiter_count: WaiterCount,   // NEW
    state: Mutex<State>,
    fair_after: Duration, // NEW
}

/// The number of waiters. Written only under the lock, and read by each return. So it is on a cache
/// line that changes only when the queue does. // NEW
#[repr(align(128))]
struct WaiterCount(AtomicUsize);

struct State {
    waiters: VecDeque<Waiter>,
    slept: usize,
}

struct Waiter {
    mailbox: Arc<Mailbox<Wakeup>>,
    since: Instant,
}

/// The message to a waiter. // NEW
enum Wakeup {
    /// A slot is free: look for it, and wait again if another thread was faster.
    Look,
    /// This slot is yours.
    Yours(Right),
}

thread_local! {
    /// The slot that this thread used last. Other threads rarely want it. // NEW
    static LAST: Cell<usize> = const { Cell::new(0) };
}
// ANCHOR_END: pool

impl<M: Manage> Pool<M> {
    /// Places for `size` connections. None is opened yet. A thread that has waited for a
    /// millisecond is next.
    pub fn new(manager: M, size: usize) -> Self {
        Self::with_fair_after(manager, size, Duration::from_millis(1))
    }

    /// Like `new`, with another time than a millisecond. Zero is strict order, as in step 6.
    pub fn with_fair_after(manager: M, size: usize, fair_after: Duration) -> Self {
        LAST.set(0);
        Self {
            manager,
            slots: Slots::new(size),
            waiter_count: WaiterCount(AtomicUsize::new(0)),
            state: Mutex::new(State { waiters: VecDeque::new(), slept: 0 }),
            fair_after,
        }
    }

    // ANCHOR: get
    /// Borrows a connection. Waits up to `timeout` until one is returned.
    ///
    /// # Errors
    ///
    /// If no thread returns one in time, or if the pool must open one and the server refuses it.
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

    // Not inlined, and its result fits into a register. If the guard were built in memory, that
    // would cost as much as an exchange.
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
        let mut state = self.state.lock().unwrap();
        state.waiters.push_back(Waiter { mailbox: Arc::clone(&mailbox), since });
        // ANCHOR: announce
        // NEW: first announces itself, then looks once more. `put` does it in the opposite order.
        // So one of the two sees the other, and no thread sleeps while a slot is free.
        self.announce(&state);
        if let Some(right) = self.slots.take_any() {
            self.leave(state, &mailbox);
            return Some(right);
        }
        // ANCHOR_END: announce
        state.slept += 1;
        drop(state);
        loop {
            match mailbox.wait(since + timeout) {
                Some(Wakeup::Yours(right)) => return Some(right),
                Some(Wakeup::Look) => {
                    let state = self.state.lock().unwrap();
                    // (If it is not in the queue any more, a slot is in its mailbox.)
                    if state.contains(&mailbox)
                        && let Some(right) = self.slots.take_any()
                    {
                        self.leave(state, &mailbox);
                        return Some(right);
                    }
                }
                None => {
                    self.leave(self.state.lock().unwrap(), &mailbox);
                    // No message comes after this, but one may have come before.
                    return match mailbox.take() {
                        Some(Wakeup::Yours(right)) => Some(right),
                        _ => None,
                    };
                }
            }
        }
    }

    /// Leaves the queue. If a slot is free, sends the next waiter to look.
    fn leave(&self, mut state: MutexGuard<'_, State>, mailbox: &Arc<Mailbox<Wakeup>>) {
        state.waiters.retain(|waiter| !Arc::ptr_eq(&waiter.mailbox, mailbox));
        self.announce(&state);
        self.send_to_look(&state);
    }

    /// Publishes the number of waiters.
    fn announce(&self, state: &State) {
        // SeqCst: with the look at the slots that follows, pairs with `put`.
        self.waiter_count.0.store(state.waiters.len(), Ordering::SeqCst);
        model_fence();
    }

    // ANCHOR: put
    #[inline]
    fn put(&self, right: Right) {
        // Relaxed: only a first look, so that a slot for a waiter does not become free in between.
        // The look below decides.
        if self.waiter_count.0.load(Ordering::Relaxed) != 0 {
            return self.put_beside_waiters(right);
        }
        self.slots.give_back(right);
        model_fence();
        // SeqCst: with the exchange in `give_back`, pairs with `announce` and the look after it.
        if self.waiter_count.0.load(Ordering::SeqCst) != 0 {
            self.put_before_waiters();
        }
    }

    /// A waiter has just joined the queue, and may not have seen the slot.
    #[cold]
    fn put_before_waiters(&self) {
        self.send_to_look(&self.state.lock().unwrap());
    }

    #[cold]
    fn put_beside_waiters(&self, right: Right) {
        let mut state = self.state.lock().unwrap();
        let is_due = |first: &mut Waiter| first.since.elapsed() >= self.fair_after;
        if let Some(first) = state.waiters.pop_front_if(is_due) {
            self.announce(&state);
            first.mailbox.post(Wakeup::Yours(right)); // as in step 6: never free in between
        } else {
            self.slots.give_back(right); // NEW: for the fastest thread
        }
        self.send_to_look(&state);
    }

    /// If a slot is free, sends the first waiter to look.
    fn send_to_look(&self, state: &State) {
        if let Some(first) = state.waiters.front()
            && self.slots.any_free()
        {
            first.mailbox.post_if_empty(Wakeup::Look);
        }
    }
    // ANCHOR_END: put

    /// The numbers of free places and of waiting threads.
    pub fn idle_and_waiting(&self) -> (usize, usize) {
        (self.slots.free(), self.waiter_count.0.load(Ordering::SeqCst))
    }

    /// How often a thread had to sleep.
    pub fn slept(&self) -> usize {
        self.state.lock().unwrap().slept
    }
}

impl State {
    fn contains(&self, mailbox: &Arc<Mailbox<Wakeup>>) -> bool {
        self.waiters.iter().any(|waiter| Arc::ptr_eq(&waiter.mailbox, mailbox))
    }
}

// ANCHOR: guard
/// A borrowed connection. Dropping the guard returns it.
pub struct Guard<'p, M: Manage> {
    pool: &'p Pool<M>,
    right: Right, // NEW: the connection stays in its slot
    /// Makes the guard `Sync` only if the connection is.
    content: PhantomData<&'p mut M::Connection>,
}

impl<M: Manage> Drop for Guard<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if thread::panicking() {
            self.close(); // its state is unknown
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

/// The demonstration.
pub fn main() {
    let pool = Pool::new(Server::default(), 3);
    let numbers = [(); 3].map(|()| pool.get(LONG).unwrap().number().to_string());
    println!("3 uses by one thread:      connections {}", numbers.join(", "));
    let first = pool.get(LONG).unwrap();
    let second = thread::scope(|threads| threads.spawn(|| pool.get(LONG).unwrap().number()).join());
    println!("and by another meanwhile:  connection {}", second.unwrap());
    drop(first);

    let pool = Pool::with_fair_after(Server::default(), 1, LONG);
    assert!((0..1000).any(|_| again(&pool).is_ok())); // nearly always in the first try
    println!("a returning thread:        overtakes one that has not waited for long");
    let pool = Pool::with_fair_after(Server::default(), 1, Duration::ZERO);
    println!("but one that has waited:   {}", again(&pool).unwrap_err());
}

const LONG: Duration = Duration::from_secs(60);

/// While another thread sleeps, returns the only connection and asks for it again.
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
