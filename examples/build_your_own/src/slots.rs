//! The slots of step 7, and its `unsafe` code: each slot has one owner at a time, which needs no
//! lock.
//!
//! A slot is `FREE` or `TAKEN`. The thread that moves it from `FREE` to `TAKEN` gets the [`Right`]
//! to it. Only that right gives access to the content, so one thread at most has access.
#![allow(unsafe_code)]

use crate::sync::UnsafeCell;
use crate::sync::atomic::{AtomicU32, Ordering};

const FREE: u32 = 0;
const TAKEN: u32 = 1;

// ANCHOR: slot
/// On its own cache lines, so that two threads with two connections do not slow each other down.
/// Processors fetch lines in pairs of 64 bytes.
#[repr(align(128))]
struct Slot<C> {
    state: AtomicU32,
    content: UnsafeCell<Option<C>>,
}

/// The right to the content of a slot. While it exists, no other thread can take the slot. It is
/// not `Clone`, only `take` makes it, and it stays in its pool.
pub(crate) struct Right {
    index: usize,
}
// ANCHOR_END: slot

pub(crate) struct Slots<C>(Box<[Slot<C>]>);

// SAFETY: access to a content needs its slot's `Right`, and there is one at a time. So no two
// threads use it at once, and `C: Sync` is not needed. But different threads use it, so `C: Send`
// is. `take` says why the next owner sees what the last one did.
unsafe impl<C: Send> Sync for Slots<C> {}

impl<C> Slots<C> {
    pub(crate) fn new(count: usize) -> Self {
        let slot = |_| Slot { state: AtomicU32::new(FREE), content: UnsafeCell::new(None) };
        Self((0..count).map(slot).collect())
    }

    // ANCHOR: take
    /// Takes a slot if it is free.
    #[inline]
    pub(crate) fn take(&self, index: usize) -> Option<Right> {
        let slot = self.0.get(index)?;
        // Acquire: pairs with the exchange in `give_back`, so it sees what the last owner did.
        // SeqCst: a waiter announces itself before it looks here, and a returning thread looks for
        // waiters after it frees the slot. In one order of these four, one sees the other.
        slot.state
            .compare_exchange(FREE, TAKEN, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
            .then_some(Right { index })
    }

    /// Frees the slot, and uses up the right.
    #[inline]
    pub(crate) fn give_back(&self, right: Right) {
        // Release: pairs with the exchange in `take`. SeqCst: see there.
        self.0[right.index].state.swap(FREE, Ordering::SeqCst);
    }
    // ANCHOR_END: take

    /// Takes any free slot.
    pub(crate) fn take_any(&self) -> Option<Right> {
        let free = (0..self.0.len()).filter(|&index| self.is_free(index));
        free.map(|index| self.take(index)).find_map(|taken| taken)
    }

    pub(crate) fn any_free(&self) -> bool {
        (0..self.0.len()).any(|index| self.is_free(index))
    }

    pub(crate) fn free(&self) -> usize {
        (0..self.0.len()).filter(|&index| self.is_free(index)).count()
    }

    fn is_free(&self, index: usize) -> bool {
        // SeqCst: a waiter looks here, as in `take`.
        self.0[index].state.load(Ordering::SeqCst) == FREE
    }

    // ANCHOR: content
    #[inline]
    pub(crate) fn content<'a>(&'a self, right: &'a Right) -> &'a Option<C> {
        self.0[right.index].content.with(|content| {
            // SAFETY: `right` is the only right to this slot, and it is borrowed while the
            // reference lives, so no thread writes.
            unsafe { &*content }
        })
    }

    #[inline]
    pub(crate) fn content_mut<'a>(&'a self, right: &'a mut Right) -> &'a mut Option<C> {
        self.0[right.index].content.with_mut(|content| {
            // SAFETY: `right` is the only right to this slot, and it is mutably borrowed while the
            // reference lives, so no other thread reads or writes.
            unsafe { &mut *content }
        })
    }
    // ANCHOR_END: content
}

impl Right {
    /// A right to no slot, for a guard that has given its own away.
    pub(crate) const NONE: Self = Self { index: usize::MAX };

    /// The number of the slot.
    pub(crate) fn index(&self) -> usize {
        self.index
    }
}
