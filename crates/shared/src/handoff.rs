//! Where connections and the threads that want them meet: the slots, the line, and the protocol
//! between them. No I/O, no clock; `DESIGN.md` has the table of transitions and the proof sketch.
//!
//! The protocol in four sentences. Whoever wants a connection takes an idle one by one exchange on
//! its slot. If there is none, it *announces* itself (`waiting`) and looks again before it sleeps;
//! whoever puts one back does so by one exchange and *then* looks whether anybody is announced; in
//! that order, one of the two sees the other. What goes to a waiter that has waited longer than
//! `fair_after` never becomes idle: the right to it is handed over under the lock. What becomes
//! idle while younger waiters wait sends one of them to look.

use std::time::{Duration, Instant};

use threadwise_core::CloseReason;
use threadwise_core::sync::atomic::{AtomicUsize, Ordering};
use threadwise_core::sync::{Mutex, MutexGuard, model_fence};

use crate::state::{Limits, Line, Place, SharedWaiter, Ticket, Verdict};
use crate::slot::{Marks, Owned, Seen, Slot};
use crate::slots::Slots;
use crate::waiter::Mail;

pub(crate) struct Exchange<T, E> {
    pub(crate) slots: Slots<T>,
    announced: Announced,
    pub(crate) fair_after: Duration,
    pub(crate) line: Mutex<Line<T, E>>,
}

/// How many wait. Written under the lock only, read by everybody who puts back: so on a cache line
/// that changes only when the line does.
#[repr(align(128))]
struct Announced {
    waiting: AtomicUsize,
}

pub(crate) type Locked<'p, T, E> = MutexGuard<'p, Line<T, E>>;

/// What comes of joining the line.
pub(crate) enum Joined<'p, T> {
    /// There was one after all; the second value says that it is stale.
    Connection(Owned<'p, T>, bool),
    Waiting(Ticket),
    Full(usize),
    Closed,
}

/// What comes of going to see.
pub(crate) enum Looked<'p, T> {
    Connection(Owned<'p, T>, bool),
    /// Sleep on.
    Nothing,
}

impl<T, E> Exchange<T, E> {
    /// With `marks` on each slot.
    pub(crate) fn new(limits: Limits, fair_after: Duration, marks: u32) -> Self {
        Self {
            slots: Slots::new(limits.max_size, marks),
            announced: Announced { waiting: AtomicUsize::new(0) },
            fair_after,
            line: Mutex::new(Line::new(limits)),
        }
    }

    /// Makes a connection idle, or hands it to who has waited for long. One that is marked to be
    /// closed comes back.
    #[inline]
    pub(crate) fn put<'p>(
        &self,
        owned: Owned<'p, T>,
        now: impl FnOnce() -> Instant,
    ) -> Result<(), Owned<'p, T>> {
        // A first look, so that what belongs to a waiter does not become idle first. Relaxed: it
        // decides nothing; the look below does.
        if self.announced.waiting.load(Ordering::Relaxed) != 0 {
            return self.put_with_waiters(owned, now);
        }
        let slot = owned.slot();
        owned.put_back()?;
        model_fence();
        // SeqCst: with the exchange above, pairs with `announce` and the look that follows it.
        if self.announced.waiting.load(Ordering::SeqCst) != 0 {
            self.serve_from(slot, now);
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn put_with_waiters<'p>(
        &self,
        owned: Owned<'p, T>,
        now: impl FnOnce() -> Instant,
    ) -> Result<(), Owned<'p, T>> {
        let now = now(); // before the lock: others need that
        let line = self.line.lock();
        if owned.is_retired() {
            return Err(owned);
        }
        if self.is_due(&line, now) {
            self.hand(line, owned);
            return Ok(());
        }
        owned.put_back()?; // nobody can join the line meanwhile
        self.tell_to_look(line);
        Ok(())
    }

    /// A connection has become idle, and a waiter may not have seen it.
    #[cold]
    #[inline(never)]
    fn serve_from(&self, slot: &Slot<T>, now: impl FnOnce() -> Instant) {
        let now = now(); // before the lock: others need that
        let line = self.line.lock();
        if self.is_due(&line, now)
            && let Some(owned) = slot.take_for_waiter()
        {
            return self.hand(line, owned);
        }
        self.tell_to_look(line);
    }

    /// Whether somebody has waited for so long that those who come later ought to wait as well.
    pub(crate) fn has_due_waiter(&self, now: impl FnOnce() -> Instant) -> bool {
        self.announced.waiting.load(Ordering::Relaxed) != 0 && self.is_due(&self.line.lock(), now())
    }

    /// Whether somebody has waited for so long that the next connection is theirs.
    fn is_due(&self, line: &Line<T, E>, now: Instant) -> bool {
        let has_waited =
            |since| now.saturating_duration_since(since) >= self.fair_after && !line.suspended;
        line.oldest().is_some_and(has_waited)
    }

    /// Hands a connection to who has waited longest, or makes it idle if nobody waits. One that is
    /// marked to be closed comes back. For connections that were just opened: nobody else counts
    /// on those.
    fn hand_or_put_back<'p>(
        &self,
        line: Locked<'_, T, E>,
        owned: Owned<'p, T>,
    ) -> Result<(), Owned<'p, T>> {
        if line.waiting() > 0 && !line.suspended {
            self.hand(line, owned);
            return Ok(());
        }
        owned.put_back() // under the lock: who joins the line afterwards sees it
    }

    /// Hands the right to a connection to who has waited longest.
    fn hand(&self, mut line: Locked<'_, T, E>, owned: Owned<'_, T>) {
        let waiter = self.hand_to_oldest(&mut line, owned);
        // It may have been on the way to look at something that is idle still.
        let next = self.pass_look_on(&mut line);
        drop(line);
        waiter.wake();
        next.inspect(|next| next.wake());
    }

    /// The part of [`hand`](Self::hand) that is done under the lock; who is to be woken after it.
    fn hand_to_oldest(
        &self,
        line: &mut Locked<'_, T, E>,
        owned: Owned<'_, T>,
    ) -> SharedWaiter<T, E> {
        let waiter = line.pop().expect("the caller saw a waiter under this lock");
        let stale = owned.lend();
        waiter.post(Mail::Connection(owned.hand_over(), stale));
        self.announce(line);
        waiter
    }

    /// Lets nobody take a connection, from the moment at which this returns.
    pub(crate) fn suspend(&self) {
        let mut line = self.line.lock();
        line.suspended = true;
        self.slots.iter().for_each(Slot::suspend);
    }

    /// Ends that, and hands what is idle to those who have waited, in order. What is done next needs
    /// the lock.
    pub(crate) fn resume(&self) -> Locked<'_, T, E> {
        let mut line = self.line.lock();
        line.suspended = false;
        self.slots.iter().for_each(Slot::resume);
        let mut served = Vec::new();
        while line.waiting() > 0
            && let Some(owned) = self.slots.iter().find_map(Slot::take_for_waiter)
        {
            served.push(self.hand_to_oldest(&mut line, owned));
        }
        drop(line);
        served.iter().for_each(|waiter| waiter.wake());
        self.line.lock()
    }

    /// Something is idle: sends a waiter to look, unless one is on the way.
    fn tell_to_look(&self, mut line: Locked<'_, T, E>) {
        if line.suspended {
            return;
        }
        let told = line.send_to_look().inspect(|waiter| waiter.post(Mail::Look));
        drop(line);
        told.inspect(|waiter| waiter.wake());
    }

    /// Nobody is on the way to look any more: if something is idle, somebody has to be.
    fn pass_look_on(&self, line: &mut Locked<'_, T, E>) -> Option<SharedWaiter<T, E>> {
        if line.waiting() == 0 || line.is_looking() || line.suspended || !self.slots.any_idle() {
            return None;
        }
        line.send_to_look().inspect(|waiter| waiter.post(Mail::Look))
    }

    /// Joins the line, unless there is a connection after all: a stale one only if `stale_too`. What is
    /// done next needs the lock.
    pub(crate) fn join<'p>(
        &'p self,
        waiter: &SharedWaiter<T, E>,
        since: Instant,
        place: Place,
        home: usize,
        stale_too: bool,
    ) -> (Joined<'p, T>, Locked<'p, T, E>) {
        let mut line = self.line.lock();
        if line.closed {
            return (Joined::Closed, line);
        }
        if let (Place::Back, false, Some(max)) = (place, line.has_room(), line.limits.max_waiters) {
            return (Joined::Full(max), line);
        }
        let ticket = line.join(waiter, since, place);
        self.announce(&line);
        let Some((owned, stale)) = self.slots.take_any(home, stale_too) else {
            return (Joined::Waiting(ticket), line);
        };
        line.leave(ticket);
        self.announce(&line);
        (Joined::Connection(owned, stale), line)
    }

    /// Goes to see, as it was told to. (If it was taken out of the line meanwhile, there is a
    /// better message by now.)
    pub(crate) fn look(&self, ticket: Ticket, home: usize) -> Looked<'_, T> {
        let mut line = self.line.lock();
        line.forget_look(ticket);
        if !line.contains(ticket) {
            return Looked::Nothing;
        }
        let Some((owned, stale)) = self.slots.take_any(home, true) else {
            return Looked::Nothing;
        };
        line.leave(ticket);
        self.announce(&line);
        let next = self.pass_look_on(&mut line);
        drop(line);
        next.inspect(|next| next.wake());
        Looked::Connection(owned, stale)
    }

    /// Leaves the line for good; `false` if it was taken out of it already and has a message.
    pub(crate) fn give_up(&self, ticket: Ticket) -> bool {
        let mut line = self.line.lock();
        let left = line.leave(ticket);
        self.announce(&line);
        let next = self.pass_look_on(&mut line);
        drop(line);
        next.inspect(|next| next.wake());
        left
    }

    /// Ends the wait of all, with the same message.
    pub(crate) fn dismiss_all(&self, mut line: Locked<'_, T, E>, mail: impl Fn() -> Mail<T, E>) {
        let waiters = line.leave_all();
        self.announce(&line);
        waiters.iter().for_each(|waiter| waiter.post(mail()));
        drop(line);
        waiters.iter().for_each(|waiter| waiter.wake());
    }

    /// Says how many wait. Called with the lock held, whenever that has changed.
    fn announce(&self, line: &Line<T, E>) {
        // SeqCst: with the look at the slots that follows in `join`, pairs with `put`.
        self.announced.waiting.store(line.waiting(), Ordering::SeqCst);
        model_fence();
    }

    /// A connection came back with these marks against it. Why it is to be closed, as which it
    /// counts from now on; `None` if there is no reason any more, and the marks are gone.
    /// `may_expire` is false for one that must not be closed merely because its time is up.
    pub(crate) fn judge(
        &self,
        owned: &Owned<'_, T>,
        marks: Marks,
        may_expire: bool,
    ) -> Option<CloseReason> {
        let mut line = self.line.lock();
        let against = if may_expire { marks } else { marks.unless_expired() };
        match line.verdict(owned.generation(), against) {
            Verdict::Close(reason) => {
                line.closing += 1;
                Some(reason)
            }
            Verdict::Keep | Verdict::Ask => {
                owned.lift(marks); // under the lock: who lowers the limit comes before or after
                None
            }
        }
    }

    /// A holder's connection was replaced. What was decided meanwhile about all connections, or
    /// about the number of them, holds for the new one too.
    pub(crate) fn judge_replaced(&self, owned: &Owned<'_, T>) {
        let line = self.line.lock();
        // Under the lock: whoever decides about all connections has done so before, or comes to
        // this one afterwards and finds it.
        owned.mark_as(line.verdict(owned.generation(), Marks::NONE));
    }

    /// A connection was just opened, and counts as open: hands it to who has waited longest, or makes
    /// it idle. One that the pool does not want comes back, with the reason; without one if it was
    /// marked meanwhile.
    pub(crate) fn add<'p>(
        &self,
        line: Locked<'_, T, E>,
        owned: Owned<'p, T>,
    ) -> Result<(), (Owned<'p, T>, Option<CloseReason>)> {
        match line.verdict(owned.generation(), Marks::NONE) {
            Verdict::Close(reason) => return Err((owned, Some(reason))),
            Verdict::Ask => _ = owned.slot().mark_suspect(),
            Verdict::Keep => {}
        }
        self.hand_or_put_back(line, owned).map_err(|owned| (owned, None))
    }

    /// Lowers the number of connections to the limit. Those to be closed at once, which count as
    /// being closed.
    pub(crate) fn shrink<'p>(&'p self, line: &mut Locked<'_, T, E>) -> Vec<Owned<'p, T>> {
        let retired = self.slots.retire_surplus(line.surplus());
        line.closing += retired.len();
        retired
    }

    /// Idle connections right now.
    pub(crate) fn idle(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot.seen(), Seen::Idle { .. })).count()
    }
}
