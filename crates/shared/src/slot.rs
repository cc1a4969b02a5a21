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
//! Two marks may be set beside the state, by anybody. Each makes the fast path's exchange fail, so
//! that the slow path looks:
//!
//! | mark | on | what it means |
//! |---|---|---|
//! | `STALE` | `IDLE` | idle for long: ask the server before use |
//! | `RETIRE` | `BORROWED`, `RESERVED` | close instead of making it idle again |
#![allow(unsafe_code)]

use std::marker::PhantomData;

use threadwise_core::WasReset;
use threadwise_core::sync::UnsafeCell;
use threadwise_core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const EMPTY: u32 = 0;
const DIALLING: u32 = 1;
const IDLE: u32 = 2;
const BORROWED: u32 = 3;
const RESERVED: u32 = 4;
const STATE: u32 = 0b111;
const STALE: u32 = 0b1000;
const RETIRE: u32 = 0b1_0000;

/// On cache lines of its own: 128 bytes, since processors fetch lines in pairs.
#[repr(align(128))]
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

impl Seen {
    /// Whether there is a connection that may lie idle for long without being marked for it.
    pub(crate) fn is_unmarked(self) -> bool {
        !matches!(self, Self::Empty | Self::Dialling | Self::Idle { stale: true })
    }
}

// SAFETY: the content is reached only through an `Owned`, of which there is one at a time; each
// transfer of that right goes through the state word or through a lock, so what the last owner did
// to the content is seen by the next. The content moves between threads, hence `T: Send`; no two
// threads look at it at once, hence `Sync` is not asked for. (`share` hands out `&T` to several
// threads, and asks for `Sync` there.)
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// An empty slot that is found under `index`.
    pub(crate) fn new(index: usize) -> Self {
        Self {
            state: AtomicU32::new(EMPTY),
            uses: AtomicU64::new(0),
            resets: AtomicU64::new(0),
            content: UnsafeCell::new(None),
            index,
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
            .then(|| self.owned())
    }

    /// Takes the connection even if it is stale; the second value says that it is.
    pub(crate) fn take_stale(&self) -> Option<(Owned<'_, T>, bool)> {
        if let Some(owned) = self.take() {
            return Some((owned, false));
        }
        self.exchange(IDLE | STALE, BORROWED).then(|| (self.owned(), true))
    }

    /// Takes an idle connection for the pool's own purposes: it cannot be borrowed meanwhile.
    pub(crate) fn reserve(&self) -> Option<Owned<'_, T>> {
        (self.exchange(IDLE, RESERVED) || self.exchange(IDLE | STALE, RESERVED))
            .then(|| self.owned())
    }

    /// Takes a slot without a connection, to open one.
    pub(crate) fn begin_dial(&self) -> Option<Owned<'_, T>> {
        self.exchange(EMPTY, DIALLING).then(|| self.owned())
    }

    /// Marks an idle connection as one to ask the server about; `false` if it is not idle, or
    /// marked already.
    pub(crate) fn mark_stale(&self) -> bool {
        self.exchange(IDLE, IDLE | STALE)
    }

    /// Marks a connection that somebody has as one to close when that ends; `false` if nobody has
    /// it (take it, then).
    pub(crate) fn mark_retire(&self) -> bool {
        let mark =
            |state: u32| matches!(state & STATE, BORROWED | RESERVED).then_some(state | RETIRE);
        // AcqRel: pairs with the exchange in `put_back`, which fails from now on.
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, mark).is_ok()
    }

    /// Has the connection closed: by the caller if it is idle, by whoever has it when it comes
    /// back. `false` if there is none (yet: a dialer asks whether it is wanted once it is done).
    pub(crate) fn retire(&self, close: impl FnOnce(Owned<'_, T>)) -> bool {
        loop {
            if let Some(owned) = self.reserve() {
                close(owned);
                return true;
            }
            if self.mark_retire() {
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

    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Relaxed)
    }

    fn exchange(&self, from: u32, to: u32) -> bool {
        self.state.compare_exchange(from, to, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// The caller has just made itself the owner.
    #[inline]
    fn owned(&self) -> Owned<'_, T> {
        // Not an exchange: nobody else writes while there is an owner.
        self.uses.store(self.uses.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        Owned { slot: self, content: PhantomData }
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
            Err(RESERVED) => {
                if self.slot.exchange(RESERVED, IDLE) {
                    Ok(())
                } else {
                    Err(self)
                }
            }
            Err(_) => Err(self),
        }
    }

    /// Whether it is to be closed rather than put back.
    pub(crate) fn is_retired(&self) -> bool {
        self.slot.state.load(Ordering::Acquire) & RETIRE != 0
    }

    /// A dial has succeeded: here is the connection, still owned.
    pub(crate) fn fill(mut self, connection: T) -> Self {
        *self.content_mut() = Some(connection);
        // Relaxed: the owner stays the same; the next exchange publishes the content.
        self.slot.state.store(BORROWED, Ordering::Relaxed);
        self
    }

    /// What the pool itself had is a borrower's from now on; marks stay.
    pub(crate) fn lend(&self) {
        let lend = |state: u32| (state & STATE == RESERVED).then(|| state - RESERVED + BORROWED);
        // Relaxed: the owner stays the same, and hands the right over under a lock.
        let _ = self.slot.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lend);
    }

    /// Takes the connection out, so that the slot can be emptied once it is closed.
    pub(crate) fn take_out(&mut self) -> Option<T> {
        self.content_mut().take()
    }

    /// The slot has no connection any more.
    pub(crate) fn leave_empty(self) {
        debug_assert!(self.content().is_none());
        // Release: pairs with the exchange in `begin_dial`. A store would do, for only the owner
        // moves the slot on, and a mark that is set meanwhile is void; but loom does not know that
        // a store comes after an exchange that read what the storing thread had written.
        self.slot.state.swap(EMPTY, Ordering::Release);
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
