//! The pool's methods, repeated without a clock, without threads of its own and without real
//! connections.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loom::thread;
use threadwise_core::parts::Deadline;

use crate::flags::Seen;
use crate::handoff::{Handoff, Joined, Looked};
use crate::origin::Origin;
use crate::settings::Limits;
use crate::slot::{Handed, Owned, Slot};
use crate::wait_queue::{QueueEnd, Ticket};
use crate::waiter::{Waiter, Wakeup};

/// A connection, and how often it was used. Each use changes it, so that loom sees two users at once.
pub(super) struct Conn {
    pub(super) uses: usize,
}

/// The pool's methods, as its `Core` composes them, and an account of what is open.
pub(super) struct ModelPool {
    pub(super) handoff: Handoff<Conn, io::Error>,
    start: Instant,
    // Not loom's atomics: the account is no part of the model.
    opened: AtomicUsize,
    closed: AtomicUsize,
}

/// The result of a `get`.
pub(super) enum Got<'p> {
    Connection(Owned<'p, Conn>),
    GaveUp,
    Closed,
}

/// A waiter in the queue.
pub(super) struct Waiting {
    waiter: Arc<Waiter<Conn, io::Error>>,
    ticket: Ticket,
}

impl ModelPool {
    pub(super) fn new(slots: usize, fair_after: Duration) -> Arc<Self> {
        Self::flagged(slots, fair_after, 0)
    }

    /// A pool with `flags` on each slot.
    pub(super) fn flagged(slots: usize, fair_after: Duration, flags: u32) -> Arc<Self> {
        let limits =
            Limits { max_size: slots, min_idle: 0, max_waiters: None, connect_concurrency: 1 };
        Arc::new(Self {
            handoff: Handoff::new(limits, fair_after, flags),
            start: Instant::now(),
            opened: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
        })
    }

    /// Opens a connection, for the caller to use or to put back.
    pub(super) fn open(&self) -> Handed<Conn> {
        self.try_open().expect("an empty slot")
    }

    pub(super) fn try_open(&self) -> Option<Handed<Conn>> {
        let slot = self.handoff.slots.begin_dial()?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        let mut state = self.handoff.state.lock();
        state.open += 1;
        let generation = state.generation;
        drop(state);
        Some(slot.fill(Conn { uses: 0 }, Origin { generation, group: 0 }, u64::MAX).hand_over())
    }

    /// Opens a connection that is idle.
    pub(super) fn open_idle(&self) {
        self.put(self.open());
    }

    /// Like `Core::give_back`; the time is `start`.
    pub(super) fn put(&self, handed: Handed<Conn>) {
        self.put_after(Duration::ZERO, handed);
    }

    /// Like `put`; the time is `time` after `start`.
    pub(super) fn put_after(&self, time: Duration, handed: Handed<Conn>) {
        let mut owned = self.handoff.slots.accept(handed);
        work(&mut owned);
        if let Err(marked) = self.handoff.put(owned, || self.start + time) {
            self.put_marked(marked);
        }
    }

    /// Like `Core::put_marked`.
    fn put_marked(&self, owned: Owned<'_, Conn>) {
        match self.handoff.decide(&owned, owned.close_flags(), true) {
            Some(_) => self.close(owned, true),
            None => self.put(owned.hand_over()),
        }
    }

    /// Like `Core::dial_succeeded`: hands off a connection that was just opened, or makes it idle.
    pub(super) fn add(&self, handed: Handed<Conn>) {
        let state = self.handoff.state.lock();
        let owned = self.handoff.slots.accept(handed);
        match self.handoff.add(state, owned) {
            Ok(()) => {}
            Err((owned, Some(_))) => self.close(owned, false),
            Err((owned, None)) => self.put_marked(owned),
        }
    }

    /// As `Core::replace`: a holder opens another connection in the place of its own, and puts it
    /// back.
    pub(super) fn replace_and_put(&self, handed: Handed<Conn>) {
        let generation = self.handoff.state.lock().generation;
        let mut owned = self.handoff.slots.accept(handed);
        self.opened.fetch_add(1, Ordering::Relaxed);
        let lost = owned.refill(Conn { uses: 0 }, Origin { generation, group: 0 }, u64::MAX);
        self.handoff.decide_replaced(&owned);
        assert!(lost.is_some(), "the holder had a connection");
        self.closed.fetch_add(1, Ordering::Relaxed);
        self.put(owned.hand_over());
    }

    /// Like `Core::close_in_background` and `Core::free_capacity`.
    fn close(&self, mut owned: Owned<'_, Conn>, was_closing: bool) {
        if !was_closing {
            self.handoff.state.lock().closing += 1;
        }
        owned.take_out().expect("a connection is closed once");
        owned.leave_empty();
        self.closed.fetch_add(1, Ordering::Relaxed);
        let mut state = self.handoff.state.lock();
        state.open -= 1;
        state.closing -= 1;
    }

    /// Like `Core::close`.
    pub(super) fn close_pool(&self) {
        let mut state = self.handoff.state.lock();
        state.closed = true;
        self.handoff.end_all_waits(state, || Wakeup::Closed);
        self.evict();
    }

    /// Like `Core::evict`.
    pub(super) fn evict(&self) {
        let mut state = self.handoff.state.lock();
        state.evicted = state.generation;
        state.generation += 1;
        drop(state);
        self.handoff.slots.retire_all(|owned| self.close(owned, false));
    }

    /// Like `Core::resize`.
    pub(super) fn shrink_by(&self, less: usize) {
        let mut state = self.handoff.state.lock();
        state.limits.max_size -= less;
        let surplus = self.handoff.shrink(&mut state);
        drop(state);
        for owned in surplus {
            self.close(owned, true);
        }
    }

    /// Does the housekeeper's work on a connection that is due for its keepalive.
    pub(super) fn keep_alive(&self) {
        if let Some(owned) = self.first_slot().reserve() {
            self.put(owned.hand_over());
        }
    }

    /// Does the housekeeper's work on a connection whose last answer is old.
    pub(super) fn mark_stale(&self) {
        self.first_slot().mark_stale();
    }

    /// The fast path of a `get`, for the first slot.
    pub(super) fn try_get(&self) -> Option<Owned<'_, Conn>> {
        self.first_slot().take()
    }

    /// Uses the first slot's connection, if the fast path gets it.
    pub(super) fn try_use(&self) {
        if let Some(owned) = self.try_get() {
            self.put(owned.hand_over());
        }
    }

    pub(super) fn first_slot(&self) -> &Slot<Conn> {
        self.handoff.slots.get(0).expect("a slot")
    }

    /// Opens a connection, which the pool then validates for a borrower.
    pub(super) fn reserve_for_check(&self) -> Handed<Conn> {
        let owned = self.handoff.slots.accept(self.open());
        owned.reserve_for_check();
        owned.hand_over()
    }

    /// A `get` that the fast path does not serve.
    pub(super) fn get(&self) -> Got<'_> {
        match self.join() {
            Ok(waiting) => self.wait(&waiting),
            Err(got) => got,
        }
    }

    /// Joins the queue, unless the `get` ends at once.
    pub(super) fn join(&self) -> Result<Waiting, Got<'_>> {
        self.join_with(None)
    }

    /// Joins the queue while the pool validates the first connection for the caller.
    pub(super) fn join_with_check(&self) -> Result<Waiting, Got<'_>> {
        self.join_with(Some(0))
    }

    fn join_with(&self, checked: Option<usize>) -> Result<Waiting, Got<'_>> {
        let waiter = Arc::new(Waiter::new());
        let (joined, state) = self.handoff.join(&waiter, self.start, QueueEnd::Back, 0, checked);
        drop(state);
        match joined {
            Joined::Connection(owned, _) => Err(Got::Connection(owned)),
            Joined::Waiting(ticket) => Ok(Waiting { waiter, ticket }),
            Joined::Closed => Err(Got::Closed),
            Joined::Full(_) => unreachable!("the queue has no limit"),
        }
    }

    /// Joins the queue before the other threads start, when no connection is idle.
    pub(super) fn join_first(&self) -> Waiting {
        self.join().ok().expect("no connection is idle yet")
    }

    /// Like `Core::wait`, without a deadline.
    pub(super) fn wait(&self, waiting: &Waiting) -> Got<'_> {
        self.wait_until(Deadline::after(None), waiting)
    }

    /// Like `wait`. The second value says whether the connection is stale.
    pub(super) fn wait_for_stale(&self, waiting: &Waiting) -> (Got<'_>, bool) {
        match waiting.waiter.wait(Deadline::after(None)) {
            Wakeup::Connection(handed, stale) => {
                (Got::Connection(self.handoff.slots.accept(handed)), stale)
            }
            _ => unreachable!("the only connection is handed off"),
        }
    }

    /// Like `Core::wait`, with a deadline that has passed. Loom chooses when the waiter notices.
    pub(super) fn give_up(&self, waiting: &Waiting) -> Got<'_> {
        self.wait_until(Deadline::after(Some(Duration::ZERO)), waiting)
    }

    fn wait_until(&self, deadline: Deadline, waiting: &Waiting) -> Got<'_> {
        loop {
            match waiting.waiter.wait(deadline) {
                Wakeup::Connection(handed, _) => {
                    return Got::Connection(self.handoff.slots.accept(handed));
                }
                Wakeup::Failed(_) => unreachable!("nothing fails in a model"),
                Wakeup::Closed => return Got::Closed,
                Wakeup::Look => {
                    if let Looked::Connection(owned, _) = self.handoff.look(waiting.ticket, 0) {
                        return Got::Connection(owned);
                    }
                }
                Wakeup::Nothing if self.handoff.cancel_wait(waiting.ticket) => return Got::GaveUp,
                Wakeup::Nothing => {}
            }
        }
    }

    /// Uses a connection, and puts it back.
    pub(super) fn use_it(&self, got: Got<'_>) {
        self.put(got.connection().hand_over());
    }

    /// Asserts that no thread holds a connection, all open connections are idle, and no thread
    /// waits.
    pub(super) fn assert_balance(&self, idle: usize) {
        let slots = &self.handoff.slots;
        let seen = slots.iter().filter(|slot| slot.seen() != Seen::Empty).count();
        assert_eq!(slots.idle(), idle, "idle connections");
        assert_eq!(seen, idle, "slots that have a connection");
        let open = self.opened.load(Ordering::Relaxed) - self.closed.load(Ordering::Relaxed);
        assert_eq!(open, idle, "connections that were opened and not closed");
        assert_eq!(self.handoff.state.lock().waiting(), 0, "threads in the queue");
    }
}

impl<'p> Got<'p> {
    pub(super) fn connection(self) -> Owned<'p, Conn> {
        match self {
            Self::Connection(owned) => owned,
            Self::GaveUp => panic!("gave up"),
            Self::Closed => panic!("closed"),
        }
    }
}

/// Uses a connection, twice, so that loom sees a second user in between from both sides.
fn work(owned: &mut Owned<'_, Conn>) {
    for _ in 0..2 {
        owned.content_mut().as_mut().expect("a connection").uses += 1;
    }
}

/// Starts a thread of the model.
pub(super) fn spawn<R: 'static>(
    pool: &Arc<ModelPool>,
    act: impl FnOnce(&ModelPool) -> R + 'static,
) -> thread::JoinHandle<R> {
    let pool = Arc::clone(pool);
    thread::spawn(move || act(&pool))
}
