//! A place for one connection, with a state word that says whose it is.
//!
//! Whoever moves a slot out of a state that anybody may take it from (`EMPTY`, `IDLE`) becomes its
//! owner and holds an [`Owned`], of which there is never more than one for a slot. Only the owner
//! touches the content. That is all that makes the `unsafe` in this file sound.
//!
//! | state | what it means | next | who moves it |
//! |---|---|---|---|
//! | `EMPTY` | no connection | `DIALLING` | a dialer that has a reservation |
//! | `DIALLING` | owned by a dialer | `BORROWED`, `EMPTY` | that dialer |
//! | `IDLE` | a connection that anybody may take | `BORROWED` | a borrower |
//! | | | `RESERVED` | close, evict, resize, keep-alive |
//! | `BORROWED` | owned by a borrower, or on its way to a waiter | `IDLE`, `EMPTY` | its owner |
//! | `RESERVED` | owned by the pool itself | `IDLE`, `EMPTY` | its owner |
//!
//! Marks may be set beside the state, by anybody. Each makes the fast path's exchange fail, so that
//! the slow path looks:
//!
//! | mark | on | what it means |
//! |---|---|---|
//! | `STALE` | any but `EMPTY` | ask the server before the next use |
//! | `RETIRE` | `BORROWED`, `RESERVED` | close instead of making it idle again |
//! | `EXPIRED` | `BORROWED`, `RESERVED` | the same, but not inside a transaction |
//! | `SURPLUS` | `BORROWED`, `RESERVED` | the same, if there are still too many by then |
//! | `RESTING` | `IDLE`, `RESERVED` | take others first, so that it grows old in peace |
//! | `SUSPENDED` | any | the pool is suspended: nobody may take it |
//! | `WATCHED` | any, for ever | something is done at each use: hooks, events, limits of use |
#![allow(unsafe_code)]

use std::marker::PhantomData;

use threadwise_core::sync::UnsafeCell;
use threadwise_core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use threadwise_core::{CloseReason, WasReset};

use crate::state::Verdict;

const EMPTY: u32 = 0;
const DIALLING: u32 = 1;
const IDLE: u32 = 2;
const BORROWED: u32 = 3;
const RESERVED: u32 = 4;
const STATE: u32 = 0b111;
/// Ask the server before the next use.
const STALE: u32 = 1 << 3;
const RETIRE: u32 = 1 << 4;
const EXPIRED: u32 = 1 << 5;
pub(crate) const SUSPENDED: u32 = 1 << 6;
pub(crate) const WATCHED: u32 = 1 << 7;
const SURPLUS: u32 = 1 << 8;
/// The load needs fewer connections: others are taken first.
const RESTING: u32 = 1 << 9;
/// The marks against making a connection idle again.
const UNWANTED: u32 = RETIRE | EXPIRED | SURPLUS;
/// The marks that outlive the connection.
const OF_SLOT: u32 = SUSPENDED | WATCHED;

/// On cache lines of its own: 128 bytes, since processors fetch lines in pairs. What each use
/// touches comes first, on one line.
#[repr(C, align(128))]
pub(crate) struct Slot<T> {
    state: AtomicU32,
    /// How often the content was taken by the fast path or the slow one. Written by the owner
    /// only, read by anybody: hence atomic, `Relaxed`, and never an exchange.
    uses: AtomicU64,
    /// How often a session in it was reset. As `uses`: a counter that all slots share would cost as
    /// much as an exchange.
    resets: AtomicU64,
    content: UnsafeCell<Option<T>>,
    index: usize,
    record: Record,
}

/// What is known about the connection in a slot. Written by the slot's owner, read by anybody:
/// `Relaxed`, since nothing is inferred from it about other memory.
#[derive(Debug)]
struct Record {
    /// Which generation of connections it belongs to.
    generation: AtomicU64,
    /// When it has to go, in nanoseconds of the pool's time.
    expires: AtomicU64,
    /// `uses` when it was opened.
    uses_before: AtomicU64,
    /// Of the slot's `uses`, those that no borrower asked for.
    unasked: AtomicU64,
    /// When it was lent, in nanoseconds of the pool's time; only where uses are watched.
    lent: AtomicU64,
    /// When the pool last had a sign of life: it was opened, or the server answered. In nanoseconds
    /// of the pool's time, or `SUSPECTED`, which any thread may write.
    alive: AtomicU64,
    /// A check of the pool's own has just had an answer, and the connection was not borrowed since.
    has_answered: AtomicBool,
}

/// No sign of life counts until the server answers again.
const SUSPECTED: u64 = 0;

impl Default for Record {
    fn default() -> Self {
        Self {
            generation: AtomicU64::new(0),
            expires: AtomicU64::new(u64::MAX),
            uses_before: AtomicU64::new(0),
            unasked: AtomicU64::new(0),
            lent: AtomicU64::new(0),
            alive: AtomicU64::new(SUSPECTED),
            has_answered: AtomicBool::new(false),
        }
    }
}

/// What is against making a connection idle again, as it was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks(u32);

impl Marks {
    pub(crate) const NONE: Self = Self(0);

    /// The same, but its time is not up, or does not count.
    pub(crate) fn unless_expired(self) -> Self {
        Self(self.0 & !EXPIRED)
    }

    pub(crate) fn is_evicted(self) -> bool {
        self.0 & RETIRE != 0
    }

    pub(crate) fn has_expired(self) -> bool {
        self.0 & EXPIRED != 0
    }
}

/// What a slot is seen to be; it may be something else by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Empty,
    Dialling,
    Idle { stale: bool },
    Borrowed,
    Reserved,
}

// SAFETY: the content is reached only through an `Owned`, of which there is one at a time; each
// transfer of that right goes through the state word or through a lock, so what the last owner did
// to the content is seen by the next. The content moves between threads, hence `T: Send`; no two
// threads look at it at once, hence `Sync` is not asked for. (`share` hands out `&T` to several
// threads, and asks for `Sync` there.)
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// An empty slot that is found under `index`, with `marks` of `OF_SLOT`.
    pub(crate) fn new(index: usize, marks: u32) -> Self {
        Self {
            state: AtomicU32::new(EMPTY | marks),
            uses: AtomicU64::new(0),
            resets: AtomicU64::new(0),
            content: UnsafeCell::new(None),
            index,
            record: Record::default(),
        }
    }

    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Takes the connection if anybody may and nothing is to be looked at first. The fast path:
    /// one exchange.
    #[inline]
    pub(crate) fn take(&self) -> Option<Owned<'_, T>> {
        // Acquire: pairs with the exchange in `put_back`, and so with all that earlier owners did.
        // SeqCst rather than that: a waiter that has announced itself looks here, and whoever puts
        // back looks for waiters afterwards; one of them must see the other.
        self.state
            .compare_exchange(IDLE, BORROWED, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
            .then(|| self.lent())
    }

    /// As [`take`](Self::take), out of the fast path: a slot that is watched, too.
    pub(crate) fn take_fresh(&self) -> Option<Owned<'_, T>> {
        self.exchange_if(|state| (state & !WATCHED == IDLE).then(|| state - IDLE + BORROWED))
            .map(|_| self.lent())
    }

    /// Takes the connection even if it is stale; the second value says that it is.
    pub(crate) fn take_stale(&self) -> Option<(Owned<'_, T>, bool)> {
        let was = self.exchange_if(|state| {
            let is_free = state & (STATE | SUSPENDED) == IDLE;
            is_free.then(|| (state & !(STALE | RESTING)) - IDLE + BORROWED)
        })?;
        Some((self.lent(), was & STALE != 0))
    }

    /// Takes an idle connection to hand it to a waiter: it stays stale if it is, and is counted as
    /// lent when the waiter has it.
    pub(crate) fn take_for_waiter(&self) -> Option<Owned<'_, T>> {
        self.exchange_if(|state| {
            (state & (STATE | SUSPENDED) == IDLE).then(|| state - IDLE + BORROWED)
        })
        .map(|_| self.owned())
    }

    /// Takes an idle connection for the pool's own purposes: it cannot be borrowed meanwhile.
    pub(crate) fn reserve(&self) -> Option<Owned<'_, T>> {
        self.exchange_if(|state| {
            (state & STATE == IDLE).then(|| (state & !STALE) - IDLE + RESERVED)
        })
        .map(|_| self.owned())
    }

    /// Takes a slot without a connection, to open one.
    pub(crate) fn begin_dial(&self) -> Option<Owned<'_, T>> {
        self.exchange_if(|state| (state & STATE == EMPTY).then(|| state - EMPTY + DIALLING))
            .map(|_| self.owned())
    }

    /// Marks an idle connection as one to ask the server about; `false` if it is not idle, or
    /// marked already.
    pub(crate) fn mark_stale(&self) -> bool {
        self.exchange_if(|state| (state & (STATE | STALE) == IDLE).then_some(state | STALE))
            .is_some()
    }

    /// Marks a connection that somebody has as one to ask the server about when it has come back;
    /// `false` if nobody has it.
    pub(crate) fn mark_suspect(&self) -> bool {
        // Before the mark, which publishes it.
        self.record.alive.store(SUSPECTED, Ordering::Relaxed);
        self.exchange_if(|state| (state & STATE == BORROWED).then_some(state | STALE)).is_some()
    }

    /// Has other idle connections taken before this one, until this one is taken.
    pub(crate) fn rest(&self) {
        let rest =
            |state: u32| (state & (STATE | STALE | RESTING) == IDLE).then_some(state | RESTING);
        self.exchange_if(rest);
    }

    /// Marks a borrowed connection as one whose last sign of life is old when it comes back; `false`
    /// if it is not borrowed, or marked already.
    pub(crate) fn mark_stale_in_use(&self) -> bool {
        self.exchange_if(|state| (state & (STATE | STALE) == BORROWED).then_some(state | STALE))
            .is_some()
    }

    /// When the pool last had a sign of life, in nanoseconds of the pool's time.
    pub(crate) fn alive(&self) -> u64 {
        self.record.alive.load(Ordering::Relaxed)
    }

    /// Whether the server has to answer before the next use, whatever it has answered before.
    pub(crate) fn is_suspected(&self) -> bool {
        self.alive() == SUSPECTED
    }

    /// Has the server asked about the connection before the next use: by the caller if it is idle,
    /// by its next user if somebody has it.
    pub(crate) fn suspect(&self, check: impl FnOnce(Owned<'_, T>)) {
        loop {
            if let Some(owned) = self.reserve() {
                return check(owned);
            }
            // Else it has become idle in between, or there is none, or the pool has it itself.
            if self.mark_suspect() || !matches!(self.seen(), Seen::Idle { .. } | Seen::Borrowed) {
                return;
            }
        }
    }

    /// Marks a connection that somebody has as one whose time is up; `false` if nobody has it.
    pub(crate) fn mark_expired(&self) -> bool {
        self.mark_in_use(EXPIRED)
    }

    /// As [`mark_expired`](Self::mark_expired), for one of perhaps too many.
    pub(crate) fn mark_surplus(&self) -> bool {
        self.mark_in_use(SURPLUS)
    }

    /// Whether those who share it may be joined by others, if it is not too many.
    pub(crate) fn may_be_joined(&self) -> bool {
        // SeqCst: who asks after `suspend` has returned sees that mark.
        self.state.load(Ordering::SeqCst) & (SUSPENDED | RETIRE | EXPIRED) == 0
    }

    /// Whether it is perhaps one of too many.
    pub(crate) fn may_be_surplus(&self) -> bool {
        self.state.load(Ordering::SeqCst) & SURPLUS != 0
    }

    fn mark_in_use(&self, mark: u32) -> bool {
        let mark =
            |state: u32| matches!(state & STATE, BORROWED | RESERVED).then_some(state | mark);
        // AcqRel: pairs with the exchange in `put_back`, which fails from now on.
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, mark).is_ok()
    }

    /// Lets nobody take the connection, whatever state the slot is in, until
    /// [`resume`](Self::resume).
    pub(crate) fn suspend(&self) {
        // SeqCst: as the exchanges that take, which fail from now on.
        self.state.fetch_or(SUSPENDED, Ordering::SeqCst);
    }

    pub(crate) fn resume(&self) {
        self.state.fetch_and(!SUSPENDED, Ordering::SeqCst);
    }

    /// Has the connection closed: by the caller if it is idle, by whoever has it when it comes
    /// back. `false` if there is none (yet: a dialer asks whether it is wanted once it is done).
    pub(crate) fn retire<'p>(&'p self, close: impl FnOnce(Owned<'p, T>)) -> bool {
        self.retire_or_mark(RETIRE, close)
    }

    /// As [`retire`](Self::retire), but when it comes back it is asked again whether there are too
    /// many.
    pub(crate) fn retire_surplus<'p>(&'p self, close: impl FnOnce(Owned<'p, T>)) -> bool {
        self.retire_or_mark(SURPLUS, close)
    }

    fn retire_or_mark<'p>(&'p self, mark: u32, close: impl FnOnce(Owned<'p, T>)) -> bool {
        loop {
            if let Some(owned) = self.reserve() {
                close(owned);
                return true;
            }
            if self.mark_in_use(mark) {
                return true;
            }
            // Else it has become idle in between.
            if matches!(self.seen(), Seen::Empty | Seen::Dialling) {
                return false;
            }
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        let state = self.state.load(Ordering::SeqCst);
        match state & STATE {
            EMPTY => Seen::Empty,
            DIALLING => Seen::Dialling,
            IDLE => Seen::Idle { stale: state & STALE != 0 },
            BORROWED => Seen::Borrowed,
            _ => Seen::Reserved,
        }
    }

    /// How often it was taken; the same number twice means that nobody used it in between.
    pub(crate) fn uses(&self) -> u64 {
        self.uses.load(Ordering::Relaxed)
    }

    /// How often it was taken for a borrower; one too many while it is being checked for that.
    pub(crate) fn lent_so_far(&self) -> u64 {
        self.uses().saturating_sub(self.record.unasked.load(Ordering::Relaxed))
    }

    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Relaxed)
    }

    /// Changes the state as `change` says, unless that is `None`. What it was.
    fn exchange_if(&self, change: impl FnMut(u32) -> Option<u32>) -> Option<u32> {
        self.state.fetch_update(Ordering::SeqCst, Ordering::Relaxed, change).ok()
    }

    /// The caller has just made itself the owner, to use the content.
    #[inline]
    fn lent(&self) -> Owned<'_, T> {
        let owned = self.owned();
        owned.count_use();
        owned
    }

    /// The caller has just made itself the owner.
    #[inline]
    fn owned(&self) -> Owned<'_, T> {
        Owned { slot: self, content: PhantomData }
    }

    /// When the connection has to go, in nanoseconds of the pool's time.
    pub(crate) fn expires(&self) -> u64 {
        self.record.expires.load(Ordering::Relaxed)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.record.generation.load(Ordering::Relaxed)
    }
}

/// The right to a slot and its content. It has to be used up by one of its methods: dropped, it
/// leaves the slot as one that is owned by nobody for ever, which is what a forgotten guard does.
#[must_use = "a slot that is owned must be put back, emptied or handed over"]
pub(crate) struct Owned<'p, T> {
    slot: &'p Slot<T>,
    /// It stands for this, and is `Send` and `Sync` as this is: a `T` that is not `Sync` must not
    /// be looked at by two threads through one guard.
    content: PhantomData<&'p mut T>,
}

impl<'p, T> Owned<'p, T> {
    #[inline]
    pub(crate) fn content(&self) -> &Option<T> {
        self.slot.content.with(|content| {
            // SAFETY: `self` is the only `Owned` of its slot, and borrowed for as long as the
            // reference lives, so nobody writes.
            unsafe { &*content }
        })
    }

    #[inline]
    pub(crate) fn content_mut(&mut self) -> &mut Option<T> {
        self.slot.content.with_mut(|content| {
            // SAFETY: `self` is the only `Owned` of its slot, and mutably borrowed for as long as
            // the reference lives, so nobody else reads or writes.
            unsafe { &mut *content }
        })
    }

    /// The content is lent once more. (Whoever takes what is idle need not say so.)
    #[inline]
    pub(crate) fn count_use(&self) {
        // Not an exchange: nobody else writes while there is an owner.
        let uses = &self.slot.uses;
        uses.store(uses.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// A use was none of a borrower's.
    pub(crate) fn count_unasked(&self) {
        let unasked = &self.slot.record.unasked;
        unasked.store(unasked.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn count_reset(&self, was_reset: WasReset) {
        let resets = &self.slot.resets;
        resets.store(resets.load(Ordering::Relaxed) + u64::from(was_reset.0), Ordering::Relaxed);
    }

    /// The slot, for looking at its state after `self` has been used up.
    #[inline]
    pub(crate) fn slot(&self) -> &'p Slot<T> {
        self.slot
    }

    /// Makes the connection one that anybody may take; the fast path: one exchange. If it was
    /// marked to be closed, it is still owned.
    #[inline]
    pub(crate) fn put_back(self) -> Result<(), Self> {
        debug_assert!(self.content().is_some());
        // Release: pairs with the exchanges that take. SeqCst: see `Slot::take`.
        let state =
            self.slot.state.compare_exchange(BORROWED, IDLE, Ordering::SeqCst, Ordering::Relaxed);
        match state {
            Ok(_) => Ok(()),
            Err(_) => self.put_back_marked(),
        }
    }

    #[cold]
    #[inline(never)]
    fn put_back_marked(self) -> Result<(), Self> {
        let put = self
            .slot
            .exchange_if(|state| (state & UNWANTED == 0).then_some((state & !STATE) | IDLE));
        put.map(drop).ok_or(self)
    }

    /// Whether it is to be closed rather than put back.
    pub(crate) fn is_retired(&self) -> bool {
        self.marks().0 != 0
    }

    /// What is against putting it back.
    pub(crate) fn marks(&self) -> Marks {
        Marks(self.slot.state.load(Ordering::Acquire) & UNWANTED)
    }

    /// Takes marks away that were looked into and found void.
    pub(crate) fn lift(&self, marks: Marks) {
        // AcqRel: as those who mark. A mark that was set after the look stays.
        self.slot.state.fetch_and(!marks.0, Ordering::AcqRel);
    }

    pub(crate) fn generation(&self) -> u64 {
        self.slot.generation()
    }

    /// A dial has succeeded: here is the connection, still owned. `expires` is when it has to go,
    /// in nanoseconds of the pool's time.
    pub(crate) fn fill(mut self, connection: T, generation: u64, expires: u64) -> Self {
        let before = self.refill(connection, generation, expires);
        debug_assert!(before.is_none());
        self.mark_as(Verdict::Keep);
        self
    }

    /// Puts a connection in the place of another one, which is returned. The marks of that one stay
    /// until [`mark_as`](Self::mark_as): they may be about this one too.
    pub(crate) fn refill(&mut self, connection: T, generation: u64, expires: u64) -> Option<T> {
        let before = self.content_mut().replace(connection);
        self.count_unasked();
        self.count_use(); // by the pool: who remembers the number sees that this is another
        let record = &self.slot.record;
        record.generation.store(generation, Ordering::Relaxed);
        record.expires.store(expires, Ordering::Relaxed);
        record.uses_before.store(self.slot.uses(), Ordering::Relaxed);
        before
    }

    /// The connection is new, and its marks are those that the verdict calls for.
    pub(crate) fn mark_as(&self, verdict: Verdict) {
        let mark = match verdict {
            Verdict::Keep => 0,
            Verdict::Ask => STALE,
            Verdict::Close(CloseReason::Surplus) => SURPLUS,
            Verdict::Close(_) => RETIRE,
        };
        let new = |state: u32| Some((state & OF_SLOT) | BORROWED | mark);
        // Relaxed: the owner stays the same; the next exchange publishes the content.
        let _ = self.slot.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, new);
    }

    /// At this time there was a sign of life.
    pub(crate) fn record_alive(&self, nanos: u64) {
        self.slot.record.alive.store(nanos.max(SUSPECTED + 1), Ordering::Relaxed);
    }

    /// A check of the pool's own has had an answer, which serves the next borrower.
    pub(crate) fn record_answer(&self, nanos: u64) {
        self.record_alive(nanos);
        self.slot.record.has_answered.store(true, Ordering::Relaxed);
    }

    /// Whether a check has had an answer since `start`, and the connection was not borrowed since
    /// that check.
    pub(crate) fn take_answer(&self, start: u64) -> bool {
        let has_answered = self.slot.record.has_answered.swap(false, Ordering::Relaxed);
        has_answered && self.slot.alive() >= start
    }

    /// It is lent at this time, where that is watched.
    pub(crate) fn record_lent(&self, nanos: u64) {
        self.slot.record.lent.store(nanos, Ordering::Relaxed);
    }

    /// When it was lent, where that is watched.
    pub(crate) fn lent(&self) -> u64 {
        self.slot.record.lent.load(Ordering::Relaxed)
    }

    /// How often it was lent.
    pub(crate) fn uses(&self) -> u64 {
        self.slot.uses() - self.slot.record.uses_before.load(Ordering::Relaxed)
    }

    /// What is to be handed over is a borrower's from now on, if the pool itself had it. Whether it
    /// is stale; other marks stay.
    pub(crate) fn lend(&self) -> bool {
        let lend = |state: u32| {
            let lent = (state & !(STATE | STALE | RESTING)) | BORROWED;
            (lent != state).then_some(lent)
        };
        // Relaxed: the owner stays the same, and hands the right over under a lock.
        let was = self.slot.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lend);
        was.is_ok_and(|was| was & STALE != 0)
    }

    /// Takes the connection out, so that the slot can be emptied once it is closed.
    pub(crate) fn take_out(&mut self) -> Option<T> {
        self.content_mut().take()
    }

    /// The slot has no connection any more.
    pub(crate) fn leave_empty(self) {
        debug_assert!(self.content().is_none());
        // Release: pairs with the exchange in `begin_dial`. Marks of the connection are void.
        self.slot.state.fetch_and(OF_SLOT, Ordering::Release);
    }

    /// Makes the right into a message to another thread, or into something without a lifetime.
    pub(crate) fn hand_over(self) -> Handed<T> {
        Handed { slot: self.slot, index: self.slot.index }
    }
}

/// An [`Owned`] on its way to another thread, or kept without the lifetime of its slots.
/// [`accept`](Handed::accept) makes it one again.
pub(crate) struct Handed<T> {
    slot: *const Slot<T>,
    index: usize,
}

// SAFETY: what is sent is the right to the content, which any thread may use if `T: Send`; the
// pointer itself is never followed.
unsafe impl<T: Send> Send for Handed<T> {}
// SAFETY: a shared `Handed` gives shared access to the content, which `T: Sync` allows.
unsafe impl<T: Sync> Sync for Handed<T> {}

impl<T> Handed<T> {
    /// Where the slot is found.
    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Takes up the right to `slot`, which must be the one that was handed over.
    pub(crate) fn accept(self, slot: &Slot<T>) -> Owned<'_, T> {
        self.check(slot);
        Owned { slot, content: PhantomData }
    }

    /// The content of `slot`, which must be the one that was handed over.
    pub(crate) fn content<'p>(&'p self, slot: &'p Slot<T>) -> &'p Option<T> {
        self.check(slot);
        slot.content.with(|content| {
            // SAFETY: `self` stands for the only `Owned` of this slot, and is borrowed for as long
            // as the reference lives, so nobody writes.
            unsafe { &*content }
        })
    }

    /// As [`content`](Self::content), to be changed.
    pub(crate) fn content_mut<'p>(&'p mut self, slot: &'p Slot<T>) -> &'p mut Option<T> {
        self.check(slot);
        slot.content.with_mut(|content| {
            // SAFETY: `self` stands for the only `Owned` of this slot, and is mutably borrowed for
            // as long as the reference lives, so nobody else reads or writes.
            unsafe { &mut *content }
        })
    }

    fn check(&self, slot: &Slot<T>) {
        assert!(std::ptr::eq(self.slot, slot), "the slot of another pool");
    }
}

/// An [`Owned`] that several threads hold together, each by shared reference. It can be taken apart
/// only when nobody holds it any more.
pub(crate) struct Lent<T> {
    handed: Handed<T>,
    holders: usize,
}

/// A part in a [`Lent`]. Dropped instead of given back to [`Lent::leave`], it is held for ever.
#[must_use = "a share must be given back"]
pub(crate) struct Share<'p, T> {
    slot: &'p Slot<T>,
}

impl<T> Lent<T> {
    pub(crate) fn new(owned: Owned<'_, T>) -> Self {
        Self { handed: owned.hand_over(), holders: 0 }
    }

    /// Where the slot is found.
    pub(crate) fn index(&self) -> usize {
        self.handed.index()
    }

    pub(crate) fn holders(&self) -> usize {
        self.holders
    }

    /// One more holder. `slot` must be the one that is lent.
    pub(crate) fn join<'p>(&mut self, slot: &'p Slot<T>) -> Share<'p, T>
    where
        T: Sync,
    {
        self.handed.check(slot);
        self.holders += 1;
        Share { slot }
    }

    /// One holder less.
    pub(crate) fn leave(&mut self, share: Share<'_, T>) {
        self.handed.check(share.slot);
        self.holders -= 1;
    }

    /// The right to the slot, once nobody holds a share of it.
    pub(crate) fn end(self) -> Handed<T> {
        assert_eq!(self.holders, 0, "somebody still uses the connection");
        self.handed
    }
}

impl<T: Sync> Share<'_, T> {
    pub(crate) fn content(&self) -> &Option<T> {
        self.slot.content.with(|content| {
            // SAFETY: `Lent::join` made this share from the only right to the slot, and
            // `Lent::end` does not give that right back while the share is held, so nobody
            // writes; several threads may read, since `T: Sync`.
            unsafe { &*content }
        })
    }
}

impl<T> Share<'_, T> {
    pub(crate) fn index(&self) -> usize {
        self.slot.index
    }
}
