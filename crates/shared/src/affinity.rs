//! Which slot a thread used last.
//!
//! A thread tries that slot first: other threads are unlikely to want it, and its cache lines are
//! still on the thread's processor.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many last slots a thread remembers, each for the pools with one remainder. A wrong one costs a
/// look at a slot, so that a program with many pools needs no more of them.
const REMEMBERED: usize = 8;

thread_local! {
    static LAST_SLOTS: [Cell<usize>; REMEMBERED] =
        const { [const { Cell::new(NONE) }; REMEMBERED] };
    static THREAD_NUMBER: Cell<usize> = const { Cell::new(NONE) };
}

/// A value that is not the index of a slot.
const NONE: usize = usize::MAX;

/// Where this thread starts to search all slots when its last slot is taken. Threads that started one
/// after the other get different numbers, so that each settles on a slot of its own.
pub(crate) fn start_index() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    THREAD_NUMBER.with(|number| {
        if number.get() == NONE {
            // Relaxed: the number says nothing about other memory.
            number.set(NEXT.fetch_add(1, Ordering::Relaxed) % NONE);
        }
        number.get()
    })
}

/// The place of a pool's last slot in the memory of each thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Affinity(usize);

impl Affinity {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // Relaxed: the number says nothing about other memory.
        Self(NEXT.fetch_add(1, Ordering::Relaxed) % REMEMBERED)
    }

    /// The index of the slot that this thread used last.
    #[inline]
    pub(crate) fn get(self) -> usize {
        LAST_SLOTS.with(|slots| slots[self.0].get())
    }

    #[inline]
    pub(crate) fn set(self, index: usize) {
        LAST_SLOTS.with(|slots| slots[self.0].set(index));
    }
}
