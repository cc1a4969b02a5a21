//! The places of step 7, and its `unsafe`: each has one owner at a time, who needs no lock.
//!
//! A place is `FREE` or `TAKEN`. Who moves it from `FREE` to `TAKEN` gets the [`Right`] to it, and only
//! with that right its content can be reached, so there is never more than one who does.
#![allow(unsafe_code)]

use crate::sync::UnsafeCell;
use crate::sync::atomic::{AtomicU32, Ordering};

const FREE: u32 = 0;
const TAKEN: u32 = 1;

// ANCHOR: slot
/// On cache lines of its own, so that two threads with two connections do not meet: processors fetch
/// lines in pairs of 64 bytes.
#[repr(align(128))]
struct Slot<C> {
    state: AtomicU32,
    content: UnsafeCell<Option<C>>,
}

/// The right to what is in a slot: as long as it exists, nobody else can take the slot. Not `Clone`,
/// and made in one place only. It stays in the pool it is from.
pub(crate) struct Right {
    index: usize,
}
// ANCHOR_END: slot

pub(crate) struct Slots<C>(Box<[Slot<C>]>);

// SAFETY: a content is reached with its slot's `Right` only, of which there is one at a time, so no two
// threads look at it at once, and `C: Sync` is not asked for; it is used on one thread after the
// other, hence `C: Send`. That the next owner sees what the last one did: see `take`.
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
        // Acquire: pairs with the exchange in `give_back`, and so sees what the last owner did.
        // SeqCst rather than that: who waits has said so before it looks here, and who gives back
        // looks for waiters afterwards. In one order of all four, one sees the other.
        slot.state
            .compare_exchange(FREE, TAKEN, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
            .then_some(Right { index })
    }

    /// Lets anybody take it. The right is used up.
    #[inline]
    pub(crate) fn give_back(&self, right: Right) {
        // Release: pairs with the exchange in `take`. SeqCst: see there.
        self.0[right.index].state.swap(FREE, Ordering::SeqCst);
    }
    // ANCHOR_END: take

    /// Takes any that is free.
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
        // SeqCst: the look of who waits, as in `take`.
        self.0[index].state.load(Ordering::SeqCst) == FREE
    }

    // ANCHOR: content
    #[inline]
    pub(crate) fn content<'a>(&'a self, right: &'a Right) -> &'a Option<C> {
        self.0[right.index].content.with(|content| {
            // SAFETY: `right` is the only one to this slot, and borrowed for as long as the
            // reference lives, so nobody writes.
            unsafe { &*content }
        })
    }

    #[inline]
    pub(crate) fn content_mut<'a>(&'a self, right: &'a mut Right) -> &'a mut Option<C> {
        self.0[right.index].content.with_mut(|content| {
            // SAFETY: `right` is the only one to this slot, and mutably borrowed for as long as the
            // reference lives, so nobody else reads or writes.
            unsafe { &mut *content }
        })
    }
    // ANCHOR_END: content
}

impl Right {
    /// To no slot: what is left of a guard that has given its own away.
    pub(crate) const NONE: Self = Self { index: usize::MAX };

    /// Which slot.
    pub(crate) fn index(&self) -> usize {
        self.index
    }
}
