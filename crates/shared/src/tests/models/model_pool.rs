//! The pool's verbs, told again without a clock, threads of their own and real connections.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loom::thread;
use threadwise_core::Deadline;

use crate::handoff::{Exchange, Joined, Looked};
use crate::state::{Limits, Place, Ticket};
use crate::slot::{Handed, Owned, Seen, Slot};
use crate::waiter::{Mail, Waiter};

/// A connection, and how often it was used: changed at each use, so that two users at once are
/// seen by loom.
pub(super) struct Conn {
    pub(super) uses: usize,
}

/// The pool's verbs, as its `Core` composes them, and an account of what is open.
pub(super) struct Play {
    pub(super) exchange: Exchange<Conn, io::Error>,
    start: Instant,
    // Not loom's: the account is no part of the play.
    opened: AtomicUsize,
    closed: AtomicUsize,
}

/// What becomes of a `get`.
pub(super) enum Got<'p> {
    Connection(Owned<'p, Conn>),
    GaveUp,
    Closed,
}

/// A place in the line.
pub(super) struct Waiting {
    waiter: Arc<Waiter<Conn, io::Error>>,
    ticket: Ticket,
}

impl Play {
    pub(super) fn new(slots: usize, fair_after: Duration) -> Arc<Self> {
        Self::marked(slots, fair_after, 0)
    }

    /// With `marks` on each slot.
    pub(super) fn marked(slots: usize, fair_after: Duration, marks: u32) -> Arc<Self> {
        let limits =
            Limits { max_size: slots, min_idle: 0, max_waiters: None, connect_concurrency: 1 };
        Arc::new(Self {
            exchange: Exchange::new(limits, fair_after, marks),
            start: Instant::now(),
            opened: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
        })
    }

    /// Opens a connection, for the caller to use or to put.
    pub(super) fn open(&self) -> Handed<Conn> {
        self.try_open().expect("an empty slot")
    }

    pub(super) fn try_open(&self) -> Option<Handed<Conn>> {
        let slot = self.exchange.slots.begin_dial()?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        let mut line = self.exchange.line.lock();
        line.open += 1;
        let generation = line.generation;
        drop(line);
        Some(slot.fill(Conn { uses: 0 }, generation, u64::MAX).hand_over())
    }

    /// Opens a connection that is idle.
    pub(super) fn open_idle(&self) {
        self.put(self.open());
    }

    /// As `Core::give_back`; the time is `start`.
    pub(super) fn put(&self, handed: Handed<Conn>) {
        self.put_after(Duration::ZERO, handed);
    }

    /// As `put`, so long after `start`.
    pub(super) fn put_after(&self, time: Duration, handed: Handed<Conn>) {
        let mut owned = self.exchange.slots.accept(handed);
        work(&mut owned);
        if let Err(retired) = self.exchange.put(owned, || self.start + time) {
            self.retired(retired);
        }
    }

    /// As `Core::retired`.
    fn retired(&self, owned: Owned<'_, Conn>) {
        match self.exchange.judge(&owned, owned.marks(), true) {
            Some(_) => self.close(owned, true),
            None => self.put(owned.hand_over()),
        }
    }

    /// As `Core::add`: a connection that was just opened is put to use.
    pub(super) fn add(&self, handed: Handed<Conn>) {
        let line = self.exchange.line.lock();
        let owned = self.exchange.slots.accept(handed);
        match self.exchange.add(line, owned) {
            Ok(()) => {}
            Err((owned, Some(_))) => self.close(owned, false),
            Err((owned, None)) => self.retired(owned),
        }
    }

    /// As `Core::replace`: a holder opens another connection in the place of its own, and puts it.
    pub(super) fn replace_and_put(&self, handed: Handed<Conn>) {
        let generation = self.exchange.line.lock().generation;
        let mut owned = self.exchange.slots.accept(handed);
        self.opened.fetch_add(1, Ordering::Relaxed);
        let lost = owned.refill(Conn { uses: 0 }, generation, u64::MAX);
        self.exchange.judge_replaced(&owned);
        assert!(lost.is_some(), "the holder had a connection");
        self.closed.fetch_add(1, Ordering::Relaxed);
        self.put(owned.hand_over());
    }

    /// As `Core::give_up` and `Core::free`.
    fn close(&self, mut owned: Owned<'_, Conn>, was_closing: bool) {
        if !was_closing {
            self.exchange.line.lock().closing += 1;
        }
        owned.take_out().expect("a connection is closed once");
        owned.leave_empty();
        self.closed.fetch_add(1, Ordering::Relaxed);
        let mut line = self.exchange.line.lock();
        line.open -= 1;
        line.closing -= 1;
    }

    /// As `Core::close`.
    pub(super) fn close_pool(&self) {
        let mut line = self.exchange.line.lock();
        line.closed = true;
        self.exchange.dismiss_all(line, || Mail::Closed);
        self.evict();
    }

    /// As `Core::evict`.
    pub(super) fn evict(&self) {
        let mut line = self.exchange.line.lock();
        line.evicted = line.generation;
        line.generation += 1;
        drop(line);
        self.exchange.slots.retire_all(|owned| self.close(owned, false));
    }

    /// As `Core::resize`.
    pub(super) fn shrink_by(&self, less: usize) {
        let mut line = self.exchange.line.lock();
        line.limits.max_size -= less;
        let surplus = self.exchange.shrink(&mut line);
        drop(line);
        surplus.into_iter().for_each(|owned| self.close(owned, true));
    }

    /// What the housekeeper does with a connection that is to be kept alive.
    pub(super) fn keep_alive(&self) {
        let slot = self.exchange.slots.get(0).expect("a slot");
        if let Some(owned) = slot.reserve() {
            self.put(owned.hand_over());
        }
    }

    /// What the housekeeper does with a connection that has been idle for long.
    pub(super) fn mark_stale(&self) {
        self.exchange.slots.get(0).expect("a slot").mark_stale();
    }

    /// The fast path of a `get`, for the first slot.
    pub(super) fn try_get(&self) -> Option<Owned<'_, Conn>> {
        self.exchange.slots.get(0).and_then(Slot::take)
    }

    /// Uses the first slot's connection, if it can be had without further ado.
    pub(super) fn try_use(&self) {
        if let Some(owned) = self.try_get() {
            self.put(owned.hand_over());
        }
    }

    /// A `get` that has no luck on the fast path.
    pub(super) fn get(&self) -> Got<'_> {
        match self.join() {
            Ok(waiting) => self.wait(&waiting),
            Err(got) => got,
        }
    }

    /// Takes a place in the line, unless there is an end of it at once.
    pub(super) fn join(&self) -> Result<Waiting, Got<'_>> {
        let waiter = Arc::new(Waiter::new());
        let (joined, line) = self.exchange.join(&waiter, self.start, Place::Back, 0, true);
        drop(line);
        match joined {
            Joined::Connection(owned, _) => Err(Got::Connection(owned)),
            Joined::Waiting(ticket) => Ok(Waiting { waiter, ticket }),
            Joined::Closed => Err(Got::Closed),
            Joined::Full(_) => unreachable!("the line has no limit"),
        }
    }

    /// Takes a place in the line before the play begins, when nothing is idle.
    pub(super) fn join_first(&self) -> Waiting {
        self.join().ok().expect("nothing is idle yet")
    }

    /// As `Core::wait`, for ever.
    pub(super) fn wait(&self, waiting: &Waiting) -> Got<'_> {
        self.wait_until(Deadline::after(None), waiting)
    }

    /// As `wait`; the second value says that the connection is stale.
    pub(super) fn wait_for_stale(&self, waiting: &Waiting) -> (Got<'_>, bool) {
        match waiting.waiter.wait(Deadline::after(None)) {
            Mail::Connection(handed, stale) => {
                (Got::Connection(self.exchange.slots.accept(handed)), stale)
            }
            _ => unreachable!("the only connection is handed over"),
        }
    }

    /// As `Core::wait`, with a time that is up: when that is, is for loom to choose.
    pub(super) fn give_up(&self, waiting: &Waiting) -> Got<'_> {
        self.wait_until(Deadline::after(Some(Duration::ZERO)), waiting)
    }

    fn wait_until(&self, deadline: Deadline, waiting: &Waiting) -> Got<'_> {
        loop {
            match waiting.waiter.wait(deadline) {
                Mail::Connection(handed, _) => {
                    return Got::Connection(self.exchange.slots.accept(handed));
                }
                Mail::Failed(_) => unreachable!("nothing fails in a play"),
                Mail::Closed => return Got::Closed,
                Mail::Look => {
                    if let Looked::Connection(owned, _) = self.exchange.look(waiting.ticket, 0) {
                        return Got::Connection(owned);
                    }
                }
                Mail::Nothing if self.exchange.give_up(waiting.ticket) => return Got::GaveUp,
                Mail::Nothing => {}
            }
        }
    }

    /// Uses a connection, and puts it back.
    pub(super) fn use_it(&self, got: Got<'_>) {
        self.put(got.connection().hand_over());
    }

    /// Nobody holds anything any more: what is open is idle, and nobody waits.
    pub(super) fn assert_balance(&self, idle: usize) {
        let seen = self.exchange.slots.iter().filter(|slot| slot.seen() != Seen::Empty).count();
        assert_eq!(self.exchange.idle(), idle, "connections that anybody may take");
        assert_eq!(seen, idle, "slots that have a connection");
        let open = self.opened.load(Ordering::Relaxed) - self.closed.load(Ordering::Relaxed);
        assert_eq!(open, idle, "connections that were opened and not closed");
        assert_eq!(self.exchange.line.lock().waiting(), 0, "threads in the line");
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

/// Uses a connection, twice, so that a second user in between is seen from both sides.
fn work(owned: &mut Owned<'_, Conn>) {
    for _ in 0..2 {
        owned.content_mut().as_mut().expect("a connection").uses += 1;
    }
}

/// Starts a thread of the play.
pub(super) fn spawn<R: 'static>(
    play: &Arc<Play>,
    part: impl FnOnce(&Play) -> R + 'static,
) -> thread::JoinHandle<R> {
    let play = Arc::clone(play);
    thread::spawn(move || part(&play))
}
