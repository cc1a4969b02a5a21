//! Where a thread's connection is, and whether the thread uses it.
//!
//! | state | the slot has | next state | set by |
//! |---|---|---|---|
//! | `EMPTY` | no connection | `BORROWED` | the owner, before it opens a connection |
//! | `IDLE` | a connection that is not borrowed | `BORROWED` | the owner |
//! | | | `EMPTY` | the thread that closes the pool, and an owner that finds the pool closed or ends, under the lock |
//! | `BORROWED` | a connection that the owner uses, opens or closes | `IDLE`, `EMPTY` | the owner |
//! | | | `THREAD_ENDED` | the owner, when it ends while a guard still has the connection |
//! | `THREAD_ENDED` | a connection that a guard of an ended thread has | `EMPTY` | that guard |
//!
//! The owner writes the state and then reads the pool's [flags](Flags). A thread that closes the pool sets
//! a flag and then reads the states. Between write and read there is a [barrier] on both sides, so one of
//! the two sees the other. So either the closing thread or the owner closes the connection, and the owner
//! never uses it while the other one closes it. Only a pool whose flags are not clear takes the lock.
//!
//! If the system refuses the barrier, the closing thread gets no [`SeenByAll`] and leaves idle connections
//! to their owners. Each is closed by its owner's next `get`, by the end of its thread, or by the drop of
//! the pool's last handle.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;

use threadwise_core::parts::sync::atomic::{AtomicU32, Ordering};
use threadwise_core::parts::sync::{Mutex, UnsafeCell};
use threadwise_core::parts::{WasReset, foreign};

use crate::barrier;
use crate::flags::{Flags, SeenByAll};
use crate::this_thread::ThreadKey;

const EMPTY: u32 = 0;
const IDLE: u32 = 1;
const BORROWED: u32 = 2;
const THREAD_ENDED: u32 = 3;

pub(crate) struct Slot<T> {
    state: AtomicU32,
    /// How many [`Shared`]s there are. Only the owner uses it, hence `Relaxed`. Not 32 bits, which a
    /// program that forgets its shared connections could overflow within a minute.
    sharers: AtomicU64,
    /// The owner writes these two and any thread reads them: `Relaxed`, and never an exchange.
    gets: AtomicU64,
    resets: AtomicU64,
    content: UnsafeCell<Option<T>>,
    owner: ThreadKey,
    /// Held by a thread that takes an idle connection out.
    take_lock: Mutex<()>,
}

// SAFETY: the owner accesses the content while the state is `BORROWED` or `THREAD_ENDED`, if the flags
// were clear or the pool was not closed after the owner wrote that state. While the state is `IDLE`, the
// owner accesses it under the lock, and so does any thread in a pool that every owner sees closed. The
// barriers keep these apart, see above. The release of `IDLE` and the lock order what was done to the
// content. The content moves between threads, hence `Send`.
unsafe impl<T: Send> Sync for Slot<T> {}

/// A slot, on its owner's thread.
pub(crate) struct OwnerRef<'p, T> {
    slot: &'p Slot<T>,
    on_this_thread: PhantomData<*const T>,
}

/// The right to put a connection into an empty slot. The slot counts as borrowed until this is dropped.
/// So code of the program or of the manager may run meanwhile, and may borrow, without an effect on it.
pub(crate) struct Empty<'p, T>(OwnerRef<'p, T>);

/// The right to the content. A slot has one at a time. One of its methods ends it.
#[must_use = "a borrowed connection must be put back or taken out"]
pub(crate) struct Borrowed<'p, T>(OwnerRef<'p, T>);

/// The right to read the content. Several may exist; [`Slot::sharers`] counts them.
#[must_use = "each share must end"]
pub(crate) struct Shared<'p, T>(OwnerRef<'p, T>);

/// The state in which an owner finds its slot.
pub(crate) enum Found<'p, T> {
    /// Its connection, which it may use.
    Borrowed(Borrowed<'p, T>),
    /// Its connection, but the pool's flags are not clear.
    NeedsCheck(NeedsCheck<'p, T>),
    /// No connection.
    Empty(Empty<'p, T>),
    /// A guard has the connection.
    InUse,
}

/// A connection that counts as borrowed, but that the owner may not use before the [check](Self::check).
pub(crate) struct NeedsCheck<'p, T>(OwnerRef<'p, T>);

/// The result of returning a connection.
pub(crate) enum PutBack<'p, T> {
    /// It is idle.
    Idle,
    /// It is idle, but the pool's flags are not clear.
    NeedsCheck(OwnerRef<'p, T>),
    /// Its thread has ended, so the guard has to close it.
    ThreadEnded(Borrowed<'p, T>),
}

impl<T> Slot<T> {
    pub(crate) fn new(owner: ThreadKey) -> Self {
        Self {
            state: AtomicU32::new(EMPTY),
            sharers: AtomicU64::new(0),
            gets: AtomicU64::new(0),
            resets: AtomicU64::new(0),
            content: UnsafeCell::new(None),
            owner,
            take_lock: Mutex::new(()),
        }
    }

    /// # Safety
    ///
    /// The calling thread must be the slot's owner, which is always the same thread.
    #[inline]
    pub(crate) unsafe fn owner_ref(&self) -> OwnerRef<'_, T> {
        OwnerRef { slot: self, on_this_thread: PhantomData }
    }

    /// Takes the connection out if it is idle, on any thread.
    pub(crate) fn take_idle(&self, _: SeenByAll) -> Option<T> {
        self.take_if_idle()
    }

    /// Only for the owner, or with a [`SeenByAll`].
    fn take_if_idle(&self) -> Option<T> {
        let _lock = self.take_lock.lock();
        // Acquire: pairs with the owner's release in `put_back`, after its use of the connection.
        if self.state.load(Ordering::Acquire) != IDLE {
            return None;
        }
        self.state.store(EMPTY, Ordering::Relaxed);
        // SAFETY: the calling thread is the owner, or the state was `IDLE` after the barrier. Then the
        // owner sees that the pool is closed before it accesses the content, and waits for the lock.
        // Other threads that take the content wait for the lock too.
        self.content.with_mut(|content| unsafe { (*content).take() })
    }

    pub(crate) fn owner(&self) -> ThreadKey {
        self.owner
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.state.load(Ordering::Relaxed) == IDLE
    }

    /// How often the connection was borrowed, and how often it was reset.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.gets.load(Ordering::Relaxed), self.resets.load(Ordering::Relaxed))
    }

    /// Returns the counts and sets them to zero. Only for a slot that has left the registry.
    pub(crate) fn take_counts(&self) -> (u64, u64) {
        (self.gets.swap(0, Ordering::Relaxed), self.resets.swap(0, Ordering::Relaxed))
    }
}

/// A guard that was forgotten leaves its connection in the slot. Its destructor is foreign code.
impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // SAFETY: this is the only reference to the slot.
        foreign::dispose(self.content.with_mut(|content| unsafe { (*content).take() }));
    }
}

impl<T> Clone for OwnerRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for OwnerRef<'_, T> {}

impl<'p, T> OwnerRef<'p, T> {
    /// Marks the slot as borrowed, if no guard has its connection.
    #[inline]
    pub(crate) fn borrow(self, flags: &Flags) -> Found<'p, T> {
        // Relaxed: other threads write the state only in a closed pool, and then under the lock.
        match self.slot.state.load(Ordering::Relaxed) {
            IDLE => {}
            EMPTY => {
                self.slot.state.store(BORROWED, Ordering::Relaxed);
                return Found::Empty(Empty(self));
            }
            _ => return Found::InUse,
        }
        self.slot.state.store(BORROWED, Ordering::Relaxed);
        barrier::light();
        if flags.are_clear() {
            Found::Borrowed(Borrowed(self))
        } else {
            Found::NeedsCheck(NeedsCheck(self))
        }
    }

    /// Called when the owner's thread ends. Returns its connection, unless a guard has it: then the
    /// guard closes it.
    pub(crate) fn end(self) -> Option<T> {
        let _lock = self.slot.take_lock.lock();
        self.end_unlocked()
    }

    /// Like [`end`](Self::end), in a forked child. There the lock may stay held forever, and no other
    /// thread takes the connection.
    pub(crate) fn end_unlocked(self) -> Option<T> {
        match self.slot.state.load(Ordering::Relaxed) {
            IDLE => {
                self.slot.state.store(EMPTY, Ordering::Relaxed);
                // SAFETY: this is the owner's thread, and others take an idle connection only under the
                // lock.
                self.slot.content.with_mut(|content| unsafe { (*content).take() })
            }
            BORROWED => {
                self.slot.state.store(THREAD_ENDED, Ordering::Relaxed);
                None
            }
            _ => None,
        }
    }

    /// Adds another share of a connection that is shared already.
    pub(crate) fn share_again(self) -> Option<Shared<'p, T>> {
        let sharers = self.slot.sharers.load(Ordering::Relaxed);
        if sharers == 0 {
            return None;
        }
        self.slot.sharers.store(sharers + 1, Ordering::Relaxed);
        Some(Shared(self))
    }

    pub(crate) fn owner(&self) -> ThreadKey {
        self.slot.owner
    }

    pub(crate) fn is_borrowed(&self) -> bool {
        self.slot.state.load(Ordering::Relaxed) == BORROWED
    }

    /// Takes the owner's own connection out, unless it is in use or a thread that closes the pool was
    /// faster.
    pub(crate) fn take_idle(self) -> Option<T> {
        self.slot.take_if_idle()
    }
}

impl<'p, T> Empty<'p, T> {
    /// Puts the connection in that the owner has opened.
    pub(crate) fn fill(self, content: T) -> Borrowed<'p, T> {
        let owner = self.0;
        std::mem::forget(self); // its drop would mark the slot as empty
        // SAFETY: a slot has one `Empty` at a time, made while no connection was borrowed. While the
        // state is `BORROWED`, only the owner accesses the content.
        owner.slot.content.with_mut(|slot| unsafe { *slot = Some(content) });
        Borrowed(owner)
    }

    pub(crate) fn owner(&self) -> ThreadKey {
        self.0.slot.owner
    }
}

impl<T> Drop for Empty<'_, T> {
    fn drop(&mut self) {
        self.0.slot.state.store(EMPTY, Ordering::Relaxed);
    }
}

impl<'p, T> NeedsCheck<'p, T> {
    /// The connection, unless the pool is closed.
    pub(crate) fn check(self, flags: &Flags) -> Result<Borrowed<'p, T>, OwnerRef<'p, T>> {
        if flags.is_closed() {
            // Idle again, so that the closing thread or the owner can take it out.
            self.0.slot.state.store(IDLE, Ordering::Release); // pairs with the load in `take_if_idle`
            return Err(self.0);
        }
        Ok(Borrowed(self.0))
    }
}

const CONNECTED: &str = "a borrowed slot has a connection";

impl<'p, T> Borrowed<'p, T> {
    #[inline]
    pub(crate) fn content(&self) -> &T {
        self.0.slot.content.with(|content| {
            // SAFETY: `self` is the only right to the content, and is borrowed for as long as the
            // reference lives.
            let content = unsafe { (*content).as_ref() };
            // SAFETY: a `Borrowed` is made where there is a content: by `fill`, which has just put it
            // in, or in a slot that was `IDLE`, as only a `Borrowed` leaves one. Only `take_out`, which
            // ends the `Borrowed`, takes the content.
            unsafe { content.unwrap_unchecked() }
        })
    }

    #[inline]
    pub(crate) fn content_mut(&mut self) -> &mut T {
        self.0.slot.content.with_mut(|content| {
            // SAFETY: as in `content`, and `self` is mutably borrowed.
            let content = unsafe { (*content).as_mut() };
            // SAFETY: as in `content`.
            unsafe { content.unwrap_unchecked() }
        })
    }

    #[inline]
    pub(crate) fn count_get(&self) {
        add(&self.0.slot.gets, 1);
    }

    #[inline]
    pub(crate) fn count_reset(&self, was_reset: WasReset) {
        if was_reset.0 {
            add(&self.0.slot.resets, 1);
        }
    }

    /// Marks the slot as idle, unless its thread has ended.
    #[inline]
    pub(crate) fn put_back(self, flags: &Flags) -> PutBack<'p, T> {
        if self.0.slot.state.load(Ordering::Relaxed) != BORROWED {
            return PutBack::ThreadEnded(self);
        }
        // Release: pairs with the Acquire in `take_if_idle`.
        self.0.slot.state.store(IDLE, Ordering::Release);
        barrier::light();
        if flags.are_clear() { PutBack::Idle } else { PutBack::NeedsCheck(self.0) }
    }

    /// Takes the connection out of the slot.
    pub(crate) fn take_out(self) -> (Empty<'p, T>, T) {
        // SAFETY: `self` is the only right to the content.
        let content = self.0.slot.content.with_mut(|content| unsafe { (*content).take() });
        (Empty(self.0), content.expect(CONNECTED))
    }

    /// Makes the first share of the connection.
    pub(crate) fn share(self) -> Shared<'p, T> {
        self.0.slot.sharers.store(1, Ordering::Relaxed);
        Shared(self.0)
    }
}

impl<'p, T> Shared<'p, T> {
    pub(crate) fn content(&self) -> &T {
        self.0.slot.content.with(|content| {
            // SAFETY: while there is a `Shared`, there is no right to write.
            unsafe { (*content).as_ref().expect(CONNECTED) }
        })
    }

    /// Ends this share. Returns the connection if it was the last one.
    pub(crate) fn end(self) -> Option<Borrowed<'p, T>> {
        let sharers = self.0.slot.sharers.load(Ordering::Relaxed) - 1;
        self.0.slot.sharers.store(sharers, Ordering::Relaxed);
        (sharers == 0).then_some(Borrowed(self.0))
    }
}

/// Adds to a count without an exchange, since no other thread writes it.
#[inline]
fn add(count: &AtomicU64, more: u64) {
    count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}
