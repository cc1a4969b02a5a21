//! Where a thread's connection lies, and whether the thread uses it.
//!
//! | state | what it means | next | who moves it |
//! |---|---|---|---|
//! | `EMPTY` | no connection | `BORROWED` | the owner, about to open one |
//! | `IDLE` | one that is not used | `BORROWED` | the owner |
//! | | | `EMPTY` | whoever closes the pool, and the owner that finds it closed or ends, under the lock |
//! | `BORROWED` | one that the owner uses, opens or closes | `IDLE`, `EMPTY` | the owner |
//! | | | `ENDED` | the owner, its thread ending while a guard lives on |
//! | `ENDED` | one that a guard of an ended thread has | `EMPTY` | that guard |
//!
//! The owner writes the state and then looks whether the pool is [quiet](Flags); who closes the pool
//! says so and then looks at the states. Between write and look lies a [barrier], so one of the two
//! sees the other: a connection is closed by whoever closes the pool, or by its owner, and never
//! used by one while the other closes it. Only where the pool is not quiet is there a lock. Where the
//! system refuses the barrier, who closes the pool has no [`SeenByAll`], and leaves what is idle to
//! its owner: to its next `get`, the end of its thread, or whoever drops the pool's last handle.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;

use threadwise_core::sync::atomic::{AtomicU32, Ordering};
use threadwise_core::sync::{Mutex, UnsafeCell};
use threadwise_core::{WasReset, foreign};

use crate::barrier;
use crate::exit::ThreadKey;
use crate::flags::{Flags, SeenByAll};

const EMPTY: u32 = 0;
const IDLE: u32 = 1;
const BORROWED: u32 = 2;
const ENDED: u32 = 3;

pub(crate) struct Slot<T> {
    state: AtomicU32,
    /// How many hold it together, where it is shared. The owner's alone: `Relaxed`. Not 32 bits,
    /// which a program that forgets what it shares could overflow within a minute.
    sharers: AtomicU64,
    /// Written by the owner only, read by anybody: `Relaxed`, and never an exchange.
    gets: AtomicU64,
    resets: AtomicU64,
    content: UnsafeCell<Option<T>>,
    owner: ThreadKey,
    /// Held by whoever takes an idle connection away.
    takes: Mutex<()>,
}

// SAFETY: the content is reached by the owner while the state is `BORROWED` or `ENDED` and the pool
// was quiet or not closed after that was written, or under the lock while the state is `IDLE`, by the
// owner or in a pool that every owner sees closed; the barriers keep these apart, see above. The release of `IDLE` and the lock order
// what was done to it. The content moves between threads, hence `Send`.
unsafe impl<T: Send> Sync for Slot<T> {}

/// The right of a slot's owner: the thread that calls is the slot's.
pub(crate) struct Own<'p, T> {
    slot: &'p Slot<T>,
    on_this_thread: PhantomData<*const T>,
}

/// The right to put a connection into a slot that has none. Until it ends the slot counts as borrowed,
/// so that code of the program's or the manager's that runs meanwhile, and borrows, changes nothing.
pub(crate) struct Vacant<'p, T>(Own<'p, T>);

/// The right to the content. One at a time for a slot; it ends by one of its methods.
#[must_use = "a connection that is lent must come back or be taken out"]
pub(crate) struct Lent<'p, T>(Own<'p, T>);

/// The right to look at the content, of one of several; counted by `sharers`.
#[must_use = "who shares a connection must leave"]
pub(crate) struct Shared<'p, T>(Own<'p, T>);

/// What an owner finds.
pub(crate) enum Found<'p, T> {
    /// Its connection, which it uses from now on.
    Lent(Lent<'p, T>),
    /// The same, but the pool is not quiet.
    Disturbed(Disturbed<'p, T>),
    /// No connection.
    Nothing(Vacant<'p, T>),
    /// A guard has it.
    Borrowed,
}

/// The owner has said that it uses the connection, and may not yet.
pub(crate) struct Disturbed<'p, T>(Own<'p, T>);

/// What becomes of a connection that its owner does not use any more.
pub(crate) enum Back<'p, T> {
    Idle,
    /// It is idle, and the pool is not quiet.
    Disturbed(Own<'p, T>),
    /// Its thread has ended.
    Ended(Lent<'p, T>),
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
            takes: Mutex::new(()),
        }
    }

    /// # Safety
    ///
    /// The calling thread has to be the slot's owner: always the same one.
    #[inline]
    pub(crate) unsafe fn own(&self) -> Own<'_, T> {
        Own { slot: self, on_this_thread: PhantomData }
    }

    /// Takes the connection away if the owner does not use it. For any thread.
    pub(crate) fn take_idle(&self, _: SeenByAll) -> Option<T> {
        self.take_if_idle()
    }

    /// For the owner, or with [`SeenByAll`].
    fn take_if_idle(&self) -> Option<T> {
        let _takes = self.takes.lock();
        // Acquire: pairs with the owner's release of what it has done to the connection.
        if self.state.load(Ordering::Acquire) != IDLE {
            return None;
        }
        self.state.store(EMPTY, Ordering::Relaxed);
        // SAFETY: the calling thread is the owner, or the state was `IDLE` after the barrier, so its
        // owner sees that the pool is closed before it touches the content, and waits for the lock.
        // Others that take it wait for the lock, too.
        self.content.with_mut(|content| unsafe { (*content).take() })
    }

    pub(crate) fn owner(&self) -> ThreadKey {
        self.owner
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.state.load(Ordering::Relaxed) == IDLE
    }

    /// How often the connection was lent, and how often reset.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.gets.load(Ordering::Relaxed), self.resets.load(Ordering::Relaxed))
    }

    /// The same, which begin at zero again. While it is entered nowhere.
    pub(crate) fn take_counts(&self) -> (u64, u64) {
        (self.gets.swap(0, Ordering::Relaxed), self.resets.swap(0, Ordering::Relaxed))
    }
}

/// What is left there, of a guard that was forgotten: its destructor is foreign.
impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // SAFETY: this is the only reference to the slot.
        foreign::dispose(self.content.with_mut(|content| unsafe { (*content).take() }));
    }
}

impl<T> Clone for Own<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Own<'_, T> {}

impl<'p, T> Own<'p, T> {
    /// The owner wants to use its connection.
    #[inline]
    pub(crate) fn borrow(self, flags: &Flags) -> Found<'p, T> {
        // Relaxed: others write the state in a closed pool only, and then under the lock.
        match self.slot.state.load(Ordering::Relaxed) {
            IDLE => {}
            EMPTY => {
                self.slot.state.store(BORROWED, Ordering::Relaxed);
                return Found::Nothing(Vacant(self));
            }
            _ => return Found::Borrowed,
        }
        self.slot.state.store(BORROWED, Ordering::Relaxed);
        barrier::light();
        if flags.are_quiet() { Found::Lent(Lent(self)) } else { Found::Disturbed(Disturbed(self)) }
    }

    /// The owner's thread ends. Its connection, unless it is borrowed: then its guard closes it.
    pub(crate) fn end(self) -> Option<T> {
        let _takes = self.slot.takes.lock();
        self.end_unlocked()
    }

    /// The same where there are no others: in a forked child, where the lock may be held for ever.
    pub(crate) fn end_unlocked(self) -> Option<T> {
        match self.slot.state.load(Ordering::Relaxed) {
            IDLE => {
                self.slot.state.store(EMPTY, Ordering::Relaxed);
                // SAFETY: the owner is here, and others take what is idle under the lock only.
                self.slot.content.with_mut(|content| unsafe { (*content).take() })
            }
            BORROWED => {
                self.slot.state.store(ENDED, Ordering::Relaxed);
                None
            }
            _ => None,
        }
    }

    /// One more of those who share the connection; `None` if it is not shared.
    pub(crate) fn join(self) -> Option<Shared<'p, T>> {
        let sharers = self.slot.sharers.load(Ordering::Relaxed);
        (sharers > 0).then(|| {
            self.slot.sharers.store(sharers + 1, Ordering::Relaxed);
            Shared(self)
        })
    }

    pub(crate) fn owner(&self) -> ThreadKey {
        self.slot.owner
    }

    pub(crate) fn is_borrowed(&self) -> bool {
        self.slot.state.load(Ordering::Relaxed) == BORROWED
    }

    /// The owner takes its own connection away, unless it is in use or another thread, which closes
    /// the pool, was faster.
    pub(crate) fn take_idle(self) -> Option<T> {
        self.slot.take_if_idle()
    }
}

impl<'p, T> Vacant<'p, T> {
    /// The owner has opened a connection.
    pub(crate) fn fill(self, content: T) -> Lent<'p, T> {
        let own = self.0;
        std::mem::forget(self); // it goes on, as the right to the content
        // SAFETY: there is one of these at a time, made where no connection is lent, and while the
        // state says that one is, nobody but the owner touches the content.
        own.slot.content.with_mut(|slot| unsafe { *slot = Some(content) });
        Lent(own)
    }

    pub(crate) fn owner(&self) -> ThreadKey {
        self.0.slot.owner
    }
}

impl<T> Drop for Vacant<'_, T> {
    fn drop(&mut self) {
        self.0.slot.state.store(EMPTY, Ordering::Relaxed);
    }
}

impl<'p, T> Disturbed<'p, T> {
    /// Whether the connection may be used nevertheless: the pool is not closed.
    pub(crate) fn settle(self, flags: &Flags) -> Result<Lent<'p, T>, Own<'p, T>> {
        if flags.is_closed() {
            // Idle again, for whoever closes it to find, which may be the owner.
            self.0.slot.state.store(IDLE, Ordering::Release);
            return Err(self.0);
        }
        Ok(Lent(self.0))
    }
}

const CONNECTED: &str = "a slot that is lent has a connection";

impl<'p, T> Lent<'p, T> {
    #[inline]
    pub(crate) fn content(&self) -> &T {
        self.0.slot.content.with(|content| {
            // SAFETY: `self` is the only right to the content, and borrowed for as long as the
            // reference lives.
            let content = unsafe { (*content).as_ref() };
            // SAFETY: a `Lent` is made where there is a content: by `fill`, which has just put it
            // there, or in a slot that was `IDLE`, as only a `Lent` leaves one; and only `take_out`,
            // which ends it, takes the content.
            unsafe { content.unwrap_unchecked() }
        })
    }

    #[inline]
    pub(crate) fn content_mut(&mut self) -> &mut T {
        self.0.slot.content.with_mut(|content| {
            // SAFETY: as above, and mutably borrowed.
            let content = unsafe { (*content).as_mut() };
            // SAFETY: as above.
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

    /// The owner does not use the connection any more.
    #[inline]
    pub(crate) fn put_back(self, flags: &Flags) -> Back<'p, T> {
        if self.0.slot.state.load(Ordering::Relaxed) != BORROWED {
            return Back::Ended(self);
        }
        // Release: pairs with the Acquire of who takes it away.
        self.0.slot.state.store(IDLE, Ordering::Release);
        barrier::light();
        if flags.are_quiet() { Back::Idle } else { Back::Disturbed(self.0) }
    }

    /// Takes the connection out of the slot.
    pub(crate) fn take_out(self) -> (Vacant<'p, T>, T) {
        // SAFETY: `self` is the only right to the content.
        let content = self.0.slot.content.with_mut(|content| unsafe { (*content).take() });
        (Vacant(self.0), content.expect(CONNECTED))
    }

    /// Lends it to several of this thread's, by shared reference.
    pub(crate) fn share(self) -> Shared<'p, T> {
        self.0.slot.sharers.store(1, Ordering::Relaxed);
        Shared(self.0)
    }
}

impl<'p, T> Shared<'p, T> {
    pub(crate) fn content(&self) -> &T {
        self.0.slot.content.with(|content| {
            // SAFETY: there is no right to write while there are those who share, and this is one.
            unsafe { (*content).as_ref().expect(CONNECTED) }
        })
    }

    /// One less. What they shared, if this was the last.
    pub(crate) fn leave(self) -> Option<Lent<'p, T>> {
        let sharers = self.0.slot.sharers.load(Ordering::Relaxed) - 1;
        self.0.slot.sharers.store(sharers, Ordering::Relaxed);
        (sharers == 0).then_some(Lent(self.0))
    }
}

/// Not an exchange: nobody else writes.
#[inline]
fn add(count: &AtomicU64, more: u64) {
    count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}
