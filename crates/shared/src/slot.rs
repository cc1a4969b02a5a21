//! A slot: it holds one connection, or none. Its word says which thread owns it.
//!
//! A thread that moves the word out of `EMPTY` or `IDLE` becomes the slot's owner and gets an
//! [`Owned`]. A slot never has more than one. Only the owner touches the content; that rule alone
//! makes the `unsafe` in this file sound. [`flags`](crate::flags) lists the states and flags of the
//! word; `DESIGN.md` lists its transitions.
#![allow(unsafe_code)]

use std::marker::PhantomData;

use threadwise_core::CloseReason;
use threadwise_core::parts::WasReset;
use threadwise_core::parts::sync::UnsafeCell;
use threadwise_core::parts::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::flags::{
    BORROWED, CLOSE_FLAGS, CloseFlags, DIALLING, EMPTY, EXPIRED, IDLE, RESERVED, RESTING, RETIRE,
    SLOT_FLAGS, STALE, STATE, SURPLUS, SUSPENDED, Seen, WATCHED,
};
use crate::origin::Origin;
use crate::state::Verdict;

/// Has cache lines of its own: 128 bytes, because processors fetch lines in pairs. The fields that
/// each use touches come first, on one line.
#[repr(C, align(128))]
pub(crate) struct Slot<T> {
    word: AtomicU32,
    /// How many times the content was taken, on the fast path and on the slow path. Only the owner
    /// writes it and any thread may read it. It is therefore atomic, `Relaxed`, and never changed by
    /// an exchange.
    uses: AtomicU64,
    /// How many times a session in this slot was reset. Written and read as `uses`. One counter for
    /// all slots would cost as much as an exchange.
    resets: AtomicU64,
    content: UnsafeCell<Option<T>>,
    index: usize,
    record: Record,
}

/// What the pool knows about the connection in a slot.
///
/// The owner writes it and any thread may read it. All accesses are `Relaxed`, because no thread
/// infers anything about other memory from them.
#[derive(Debug)]
struct Record {
    /// The connection's generation, and its group.
    generation: AtomicU64,
    group: AtomicU64,
    /// When the connection's lifetime ends, in nanoseconds since the pool was built.
    expires: AtomicU64,
    /// The value of `uses` when the connection was opened, and that of `gets`.
    uses_before: AtomicU64,
    gets_before: AtomicU64,
    /// The connection was idle, at least once before it was handed to a waiter.
    was_idle: AtomicBool,
    /// How many of the slot's `uses` were not a borrower's.
    internal_uses: AtomicU64,
    /// When the connection was borrowed, in nanoseconds since the pool was built. Only for watched
    /// slots.
    borrowed_at: AtomicU64,
    /// When the connection was returned or opened, in nanoseconds since the pool was built. Only if the
    /// manager makes quick checks.
    returned_at: AtomicU64,
    /// When the server last answered, opening included, in nanoseconds since the pool was built; or
    /// [`SUSPECTED`], which any thread may write.
    last_answer: AtomicU64,
    /// A check by the pool has just succeeded, and the connection was not borrowed since.
    check_answered: AtomicBool,
}

/// The value for a suspected connection: no earlier answer counts, and the server must answer again
/// before the next use.
const SUSPECTED: u64 = 0;

impl Default for Record {
    fn default() -> Self {
        Self {
            generation: AtomicU64::new(0),
            group: AtomicU64::new(0),
            expires: AtomicU64::new(u64::MAX),
            uses_before: AtomicU64::new(0),
            gets_before: AtomicU64::new(0),
            was_idle: AtomicBool::new(false),
            internal_uses: AtomicU64::new(0),
            borrowed_at: AtomicU64::new(0),
            returned_at: AtomicU64::new(0),
            last_answer: AtomicU64::new(SUSPECTED),
            check_answered: AtomicBool::new(false),
        }
    }
}

// SAFETY: only an `Owned` reaches the content, and a slot has one at a time. Each transfer of that
// right goes through the word or through a lock, so the next owner sees what the last one did. The
// content moves between threads, hence `T: Send`. No two threads look at it at once, so `T: Sync` is
// not needed. (`share` gives `&T` to several threads and requires `Sync` there.)
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// An empty slot with this `index`. `flags` is a subset of [`SLOT_FLAGS`].
    pub(crate) fn new(index: usize, flags: u32) -> Self {
        Self {
            word: AtomicU32::new(EMPTY | flags),
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

    /// The present state and flags.
    pub(crate) fn seen(&self) -> Seen {
        // SeqCst: see `take`. A waiter's look at the slots loads this word before it exchanges it.
        Seen::of(self.word.load(Ordering::SeqCst))
    }

    #[inline]
    fn owned(&self) -> Owned<'_, T> {
        Owned { slot: self, content: PhantomData }
    }

    /// Returns the caller's right to the slot: the caller has just become its owner. Counts a use
    /// of the content.
    #[inline]
    fn borrowed(&self) -> Owned<'_, T> {
        let owned = self.owned();
        owned.count_use();
        owned
    }

    /// Changes the word as `change` says, unless that is `None`. Returns the word before.
    fn exchange_if(&self, change: impl FnMut(u32) -> Option<u32>) -> Option<u32> {
        self.word.fetch_update(Ordering::SeqCst, Ordering::Relaxed, change).ok()
    }
}

/// # Becoming the owner
impl<T> Slot<T> {
    /// Takes the connection if it is idle and has no flag. This is the fast path: one exchange.
    #[inline]
    pub(crate) fn take(&self) -> Option<Owned<'_, T>> {
        // Acquire: pairs with the exchange in `put_back`, and so with all that earlier owners did.
        // SeqCst instead: a waiter publishes itself and then looks here; a returning thread puts back
        // here and then looks for waiters. One of the two must see the other.
        self.word
            .compare_exchange(IDLE, BORROWED, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
            .then(|| self.borrowed())
    }

    /// Like [`take`](Self::take), on the slow path: also takes a watched connection.
    pub(crate) fn take_fresh(&self) -> Option<Owned<'_, T>> {
        self.exchange_if(|word| (word & !WATCHED == IDLE).then(|| word - IDLE + BORROWED))
            .map(|_| self.borrowed())
    }

    /// Takes the connection even if it is stale. The second value says whether it is.
    pub(crate) fn take_stale(&self) -> Option<(Owned<'_, T>, bool)> {
        let was = self.exchange_if(|word| {
            let is_free = word & (STATE | SUSPENDED) == IDLE;
            is_free.then(|| (word & !(STALE | RESTING)) - IDLE + BORROWED)
        })?;
        Some((self.borrowed(), was & STALE != 0))
    }

    /// Takes an idle connection to hand it to a waiter. It stays stale if it is stale. The waiter
    /// counts the use when it has the connection.
    pub(crate) fn take_for_waiter(&self) -> Option<Owned<'_, T>> {
        self.exchange_if(|word| {
            (word & (STATE | SUSPENDED) == IDLE).then(|| word - IDLE + BORROWED)
        })
        .map(|_| {
            self.record.was_idle.store(true, Ordering::Relaxed);
            self.owned()
        })
    }

    /// Takes an idle connection for the pool itself, so that no thread can borrow it meanwhile.
    pub(crate) fn reserve(&self) -> Option<Owned<'_, T>> {
        self.exchange_if(|word| (word & STATE == IDLE).then(|| (word & !STALE) - IDLE + RESERVED))
            .map(|_| self.owned())
    }

    /// Like [`reserve`](Self::reserve), for a look at the connection: it stays stale if it is stale.
    pub(crate) fn reserve_to_look(&self) -> Option<Owned<'_, T>> {
        self.exchange_if(|word| (word & STATE == IDLE).then(|| word - IDLE + RESERVED))
            .map(|_| self.owned())
    }

    /// Takes an empty slot, to open a connection.
    pub(crate) fn begin_dial(&self) -> Option<Owned<'_, T>> {
        self.exchange_if(|word| (word & STATE == EMPTY).then(|| word - EMPTY + DIALLING))
            .map(|_| self.owned())
    }
}

/// # Flags, which any thread may set
impl<T> Slot<T> {
    /// Marks an idle connection as stale. `false` if it is not idle, or is stale already.
    pub(crate) fn mark_stale(&self) -> bool {
        self.exchange_if(|word| (word & (STATE | STALE) == IDLE).then_some(word | STALE)).is_some()
    }

    /// Marks a borrowed connection as stale: its last answer is old. `false` if it is not borrowed,
    /// or is stale already.
    pub(crate) fn mark_stale_in_use(&self) -> bool {
        self.exchange_if(|word| (word & (STATE | STALE) == BORROWED).then_some(word | STALE))
            .is_some()
    }

    /// Marks a borrowed connection as stale and voids its earlier answers. `false` if it is not
    /// borrowed.
    pub(crate) fn mark_suspect(&self) -> bool {
        // Before the mark, which publishes it.
        self.record.last_answer.store(SUSPECTED, Ordering::Relaxed);
        self.exchange_if(|word| (word & STATE == BORROWED).then_some(word | STALE)).is_some()
    }

    /// Makes sure that the server answers before the connection's next use. If the connection is
    /// idle, `check` gets it; if it is borrowed, the next borrower validates it.
    pub(crate) fn suspect(&self, check: impl FnOnce(Owned<'_, T>)) {
        loop {
            if let Some(owned) = self.reserve() {
                return check(owned);
            }
            // Otherwise it has become idle in between, or there is none, or the pool owns it.
            if self.mark_suspect() || !matches!(self.seen(), Seen::Idle { .. } | Seen::Borrowed) {
                return;
            }
        }
    }

    /// Makes threads take other idle connections before this one, until one of them takes it.
    pub(crate) fn mark_resting(&self) {
        let rest = |word: u32| (word & (STATE | STALE | RESTING) == IDLE).then_some(word | RESTING);
        self.exchange_if(rest);
    }

    /// Marks a borrowed or reserved connection whose lifetime is over. `false` if it is neither.
    pub(crate) fn mark_expired(&self) -> bool {
        self.mark_in_use(EXPIRED)
    }

    /// Marks a borrowed or reserved connection that may be one too many. `false` if it is neither.
    pub(crate) fn mark_surplus(&self) -> bool {
        self.mark_in_use(SURPLUS)
    }

    fn mark_in_use(&self, flag: u32) -> bool {
        let mark = |word: u32| matches!(word & STATE, BORROWED | RESERVED).then_some(word | flag);
        // AcqRel: pairs with the exchange in `put_back`, which fails from now on.
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, mark).is_ok()
    }

    /// Makes a connection close: `close` gets it if it is idle, otherwise its owner closes it on
    /// return. Returns `false` if there is none. (A dialer asks whether its connection is wanted
    /// after it has opened it.)
    pub(crate) fn retire<'p>(&'p self, close: impl FnOnce(Owned<'p, T>)) -> bool {
        self.retire_or_mark(RETIRE, close)
    }

    /// Like [`retire`](Self::retire), but the owner closes it only if too many are open by then.
    pub(crate) fn retire_surplus<'p>(&'p self, close: impl FnOnce(Owned<'p, T>)) -> bool {
        self.retire_or_mark(SURPLUS, close)
    }

    fn retire_or_mark<'p>(&'p self, flag: u32, close: impl FnOnce(Owned<'p, T>)) -> bool {
        loop {
            if let Some(owned) = self.reserve() {
                close(owned);
                return true;
            }
            if self.mark_in_use(flag) {
                return true;
            }
            // Otherwise it has become idle in between.
            if matches!(self.seen(), Seen::Empty | Seen::Dialling) {
                return false;
            }
        }
    }

    /// Keeps every thread from taking the connection, in any state, until
    /// [`resume`](Self::resume).
    pub(crate) fn suspend(&self) {
        // SeqCst: as the exchanges that take, which fail from now on.
        self.word.fetch_or(SUSPENDED, Ordering::SeqCst);
    }

    pub(crate) fn resume(&self) {
        // SeqCst: as the exchanges that take, which succeed from now on.
        self.word.fetch_and(!SUSPENDED, Ordering::SeqCst);
    }

    /// Whether more threads may join those that share the connection, unless it is surplus.
    pub(crate) fn may_be_joined(&self) -> bool {
        // SeqCst: a caller that comes after `suspend` has returned sees the flag.
        self.word.load(Ordering::SeqCst) & (SUSPENDED | RETIRE | EXPIRED) == 0
    }

    /// Whether the connection may be one too many.
    pub(crate) fn may_be_surplus(&self) -> bool {
        self.word.load(Ordering::SeqCst) & SURPLUS != 0 // SeqCst: as `may_be_joined`
    }
}

/// # What any thread may read
impl<T> Slot<T> {
    /// How many times the content was taken. The same number twice means no use in between.
    pub(crate) fn uses(&self) -> u64 {
        self.uses.load(Ordering::Relaxed)
    }

    /// How many times a borrower got the content; one too many while a connection is being checked
    /// for a borrower.
    pub(crate) fn gets(&self) -> u64 {
        self.uses().saturating_sub(self.record.internal_uses.load(Ordering::Relaxed))
    }

    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Relaxed)
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin {
            generation: self.record.generation.load(Ordering::Relaxed),
            group: self.record.group.load(Ordering::Relaxed),
        }
    }

    /// When the connection's lifetime ends, in nanoseconds since the pool was built.
    pub(crate) fn expires(&self) -> u64 {
        self.record.expires.load(Ordering::Relaxed)
    }

    /// When the server last answered, in nanoseconds since the pool was built.
    pub(crate) fn last_answer(&self) -> u64 {
        self.record.last_answer.load(Ordering::Relaxed)
    }

    /// Whether the server must answer before the next use, whatever it has answered before.
    pub(crate) fn is_suspected(&self) -> bool {
        self.last_answer() == SUSPECTED
    }
}

/// The right to a slot and its content.
///
/// One of its methods must use it up. If it is dropped instead, the slot has an owner forever; a
/// leaked guard does that.
#[must_use = "an owned slot must be put back, emptied or handed over"]
pub(crate) struct Owned<'p, T> {
    slot: &'p Slot<T>,
    /// Makes this type `Send` and `Sync` only if a `&mut T` is: two threads must not look at a `T`
    /// that is not `Sync` through one guard.
    content: PhantomData<&'p mut T>,
}

/// # The content
impl<'p, T> Owned<'p, T> {
    #[inline]
    pub(crate) fn content(&self) -> &Option<T> {
        self.slot.content.with(|content| {
            // SAFETY: `self` is the only `Owned` of its slot and is borrowed for as long as the
            // reference lives, so no thread writes.
            unsafe { &*content }
        })
    }

    #[inline]
    pub(crate) fn content_mut(&mut self) -> &mut Option<T> {
        self.slot.content.with_mut(|content| {
            // SAFETY: `self` is the only `Owned` of its slot and is mutably borrowed for as long as
            // the reference lives, so no other thread reads or writes.
            unsafe { &mut *content }
        })
    }

    /// Takes the connection out, so that the slot can be emptied when the connection is closed.
    pub(crate) fn take_out(&mut self) -> Option<T> {
        self.content_mut().take()
    }

    /// The slot, for a look at its word after `self` was used up.
    #[inline]
    pub(crate) fn slot(&self) -> &'p Slot<T> {
        self.slot
    }

    /// Fills the slot after a dial has succeeded; the caller still owns it. `expires` is when the
    /// lifetime ends, in nanoseconds since the pool was built.
    pub(crate) fn fill(mut self, connection: T, origin: Origin, expires: u64) -> Self {
        let before = self.refill(connection, origin, expires);
        debug_assert!(before.is_none());
        self.mark_as(Verdict::Keep);
        self
    }

    /// Replaces the connection and returns the one before. The flags of that one stay until
    /// [`mark_as`](Self::mark_as): they may apply to the new one too.
    pub(crate) fn refill(&mut self, connection: T, origin: Origin, expires: u64) -> Option<T> {
        let before = self.content_mut().replace(connection);
        // A use by the pool: a reader that remembers `uses` sees that this is another connection.
        self.count_internal_use();
        self.count_use();
        let record = &self.slot.record;
        record.generation.store(origin.generation, Ordering::Relaxed);
        record.group.store(origin.group, Ordering::Relaxed);
        record.expires.store(expires, Ordering::Relaxed);
        record.uses_before.store(self.slot.uses(), Ordering::Relaxed);
        record.gets_before.store(self.slot.gets(), Ordering::Relaxed);
        record.was_idle.store(false, Ordering::Relaxed);
        before
    }

    /// Gives a new connection the flag that the verdict calls for, and no other.
    pub(crate) fn mark_as(&self, verdict: Verdict) {
        let flag = match verdict {
            Verdict::Keep => 0,
            Verdict::Validate => STALE,
            Verdict::Close(CloseReason::Surplus) => SURPLUS,
            Verdict::Close(_) => RETIRE,
        };
        let new = |word: u32| Some((word & SLOT_FLAGS) | BORROWED | flag);
        // Relaxed: the owner stays the same; the next exchange publishes the content.
        let _ = self.slot.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, new);
    }
}

/// # Ending the ownership
impl<T> Owned<'_, T> {
    /// Makes the connection idle. This is the fast path: one exchange. Returns `self` if the
    /// connection is marked to be closed.
    #[inline]
    pub(crate) fn put_back(self) -> Result<(), Self> {
        debug_assert!(self.content().is_some());
        // Release: pairs with the exchanges that take. SeqCst: see `Slot::take`.
        let word =
            self.slot.word.compare_exchange(BORROWED, IDLE, Ordering::SeqCst, Ordering::Relaxed);
        match word {
            Ok(_) => Ok(()),
            Err(_) => self.put_back_flagged(),
        }
    }

    #[cold]
    #[inline(never)]
    fn put_back_flagged(self) -> Result<(), Self> {
        let put = self
            .slot
            .exchange_if(|word| (word & CLOSE_FLAGS == 0).then_some((word & !STATE) | IDLE));
        match put {
            Some(_) => Ok(()),
            None => Err(self),
        }
    }

    /// Empties the slot after its connection was closed. Flags of the connection are void.
    pub(crate) fn leave_empty(self) {
        debug_assert!(self.content().is_none());
        // Release: pairs with the exchange in `begin_dial`.
        self.slot.word.fetch_and(SLOT_FLAGS, Ordering::Release);
    }

    /// Makes a borrowed connection one that the pool itself owns, for a validation. Marks from now on
    /// until it is put back would be older than the server's answer, so there are none. Clears the
    /// stale flag; other flags stay.
    pub(crate) fn reserve_for_check(&self) {
        let reserve = |word: u32| Some((word & !(STATE | STALE)) | RESERVED);
        // SeqCst: as the exchange that makes the connection idle again. A waiter that reads a later
        // word in `is_check_pending` counts as a waiter by then.
        let _ = self.slot.word.fetch_update(Ordering::SeqCst, Ordering::Relaxed, reserve);
    }

    /// Turns the right into a message to another thread, or into a value without a lifetime.
    pub(crate) fn hand_over(self) -> Handed<T> {
        Handed { slot: self.slot, index: self.slot.index }
    }

    /// Prepares a handoff: if the pool itself had the connection, marks it as borrowed. Clears the
    /// stale flag and returns whether it was set; other flags stay.
    pub(crate) fn mark_borrowed(&self) -> bool {
        let borrow = |word: u32| {
            let borrowed = (word & !(STATE | STALE | RESTING)) | BORROWED;
            (borrowed != word).then_some(borrowed)
        };
        // Relaxed: the owner stays the same, and hands the right over under a lock.
        let was = self.slot.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, borrow);
        was.is_ok_and(|was| was & STALE != 0)
    }
}

/// # Flags
impl<T> Owned<'_, T> {
    /// Whether the connection is marked to be closed instead of put back.
    pub(crate) fn is_marked_to_close(&self) -> bool {
        !self.close_flags().is_empty()
    }

    pub(crate) fn close_flags(&self) -> CloseFlags {
        // Acquire: pairs with the update in `mark_in_use`.
        CloseFlags::of(self.slot.word.load(Ordering::Acquire))
    }

    /// Clears flags that the pool has checked and that no longer apply. If another thread has set a
    /// flag since that check, it stays.
    pub(crate) fn clear_flags(&self, flags: CloseFlags) {
        // AcqRel: pairs with the update in `mark_in_use`.
        self.slot.word.fetch_and(!flags.bits(), Ordering::AcqRel);
    }
}

/// # Counters and records
impl<T> Owned<'_, T> {
    /// Counts a use of the content.
    #[inline]
    pub(crate) fn count_use(&self) {
        // Not an exchange: only the owner writes.
        let uses = &self.slot.uses;
        uses.store(uses.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Notes that one of the uses was not a borrower's.
    pub(crate) fn count_internal_use(&self) {
        let internal_uses = &self.slot.record.internal_uses;
        internal_uses.store(internal_uses.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Counts the use of a connection that has replaced the holder's. The pool has counted that borrow
    /// already, but it is the first of this connection.
    pub(crate) fn count_holders_use(&self) {
        self.count_internal_use();
        self.count_use();
        let gets_before = &self.slot.record.gets_before;
        gets_before.store(gets_before.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn count_reset(&self, was_reset: WasReset) {
        let resets = &self.slot.resets;
        resets.store(resets.load(Ordering::Relaxed) + u64::from(was_reset.0), Ordering::Relaxed);
    }

    /// How many times a borrower got this connection.
    pub(crate) fn gets(&self) -> u64 {
        let before = self.slot.record.gets_before.load(Ordering::Relaxed);
        self.slot.gets().saturating_sub(before)
    }

    /// Whether a waiter that was handed this connection is its first user, and gets it from the dialer.
    pub(crate) fn is_new(&self) -> bool {
        let record = &self.slot.record;
        let uses = self.slot.uses() - record.uses_before.load(Ordering::Relaxed);
        uses == 1 && !record.was_idle.load(Ordering::Relaxed)
    }

    pub(crate) fn origin(&self) -> Origin {
        self.slot.origin()
    }

    /// Notes that the server answered at this time.
    pub(crate) fn record_answer(&self, nanos: u64) {
        self.slot.record.last_answer.store(nanos.max(SUSPECTED + 1), Ordering::Relaxed);
    }

    /// Notes that the server answered a check by the pool. The answer serves the next borrower.
    pub(crate) fn record_check_answer(&self, nanos: u64) {
        self.record_answer(nanos);
        self.slot.record.check_answered.store(true, Ordering::Relaxed);
    }

    /// Whether a check was answered since `start`, without a borrow after it. Uses the answer up.
    pub(crate) fn take_check_answer(&self, start: u64) -> bool {
        let has_answered = self.slot.record.check_answered.swap(false, Ordering::Relaxed);
        has_answered && self.slot.last_answer() >= start
    }

    /// Notes when the connection was borrowed.
    pub(crate) fn record_borrowed(&self, nanos: u64) {
        self.slot.record.borrowed_at.store(nanos, Ordering::Relaxed);
    }

    pub(crate) fn borrowed_at(&self) -> u64 {
        self.slot.record.borrowed_at.load(Ordering::Relaxed)
    }

    /// Notes when the connection was returned, or opened.
    pub(crate) fn record_returned(&self, nanos: u64) {
        self.slot.record.returned_at.store(nanos, Ordering::Relaxed);
    }

    pub(crate) fn returned_at(&self) -> u64 {
        self.slot.record.returned_at.load(Ordering::Relaxed)
    }
}

/// An [`Owned`] on its way to another thread, or kept without the lifetime of its slots.
/// [`accept`](Handed::accept) makes it an `Owned` again.
pub(crate) struct Handed<T> {
    slot: *const Slot<T>,
    index: usize,
}

// SAFETY: this sends the right to the content, which any thread may use if `T: Send`. No code follows
// the pointer itself.
unsafe impl<T: Send> Send for Handed<T> {}
// SAFETY: a shared `Handed` gives shared access to the content, which `T: Sync` allows.
unsafe impl<T: Sync> Sync for Handed<T> {}

impl<T> Handed<T> {
    /// The index of the slot.
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
            // SAFETY: `self` stands for the only `Owned` of this slot and is borrowed for as long as
            // the reference lives, so no thread writes.
            unsafe { &*content }
        })
    }

    /// Like [`content`](Self::content), for writing.
    pub(crate) fn content_mut<'p>(&'p mut self, slot: &'p Slot<T>) -> &'p mut Option<T> {
        self.check(slot);
        slot.content.with_mut(|content| {
            // SAFETY: `self` stands for the only `Owned` of this slot and is mutably borrowed for as
            // long as the reference lives, so no other thread reads or writes.
            unsafe { &mut *content }
        })
    }

    fn check(&self, slot: &Slot<T>) {
        assert!(std::ptr::eq(self.slot, slot), "the right belongs to another slot");
    }
}

/// An [`Owned`] that several threads hold together, each by shared reference. The right to the slot
/// comes back only when no thread holds a [`Share`] of it.
pub(crate) struct SharedOwned<T> {
    handed: Handed<T>,
    holders: usize,
}

/// One thread's part of a [`SharedOwned`]. The thread must return it with [`SharedOwned::leave`].
/// If it is dropped instead, it counts as held forever.
#[must_use = "a share must be returned with `leave`"]
pub(crate) struct Share<'p, T> {
    slot: &'p Slot<T>,
}

impl<T> SharedOwned<T> {
    pub(crate) fn new(owned: Owned<'_, T>) -> Self {
        Self { handed: owned.hand_over(), holders: 0 }
    }

    /// The index of the slot.
    pub(crate) fn index(&self) -> usize {
        self.handed.index()
    }

    pub(crate) fn holders(&self) -> usize {
        self.holders
    }

    /// Adds a holder. `slot` must be the one that is shared.
    pub(crate) fn join<'p>(&mut self, slot: &'p Slot<T>) -> Share<'p, T>
    where
        T: Sync,
    {
        self.handed.check(slot);
        self.holders += 1;
        Share { slot }
    }

    /// Removes a holder.
    pub(crate) fn leave(&mut self, share: Share<'_, T>) {
        self.handed.check(share.slot);
        self.holders -= 1;
    }

    /// The right to the slot, when no thread holds a share of it any more.
    pub(crate) fn end(self) -> Handed<T> {
        assert_eq!(self.holders, 0, "another thread still uses the connection");
        self.handed
    }
}

impl<T: Sync> Share<'_, T> {
    pub(crate) fn content(&self) -> &Option<T> {
        self.slot.content.with(|content| {
            // SAFETY: `SharedOwned::join` made this share from the only right to the slot, and
            // `SharedOwned::end` does not return that right while the share is held, so no thread
            // writes. Several threads may read, since `T: Sync`.
            unsafe { &*content }
        })
    }
}

impl<T> Share<'_, T> {
    pub(crate) fn index(&self) -> usize {
        self.slot.index
    }
}
