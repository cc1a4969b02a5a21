//! Which slot a thread used last: the first one it tries, since nobody else is likely to want it
//! and its cache lines are still here.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Hints that a thread keeps, each for the pools of one remainder: a wrong hint costs a look, so
/// there need not be one for every pool of a program.
const KEPT: usize = 8;

thread_local! {
    static HINTS: [Cell<usize>; KEPT] = const { [const { Cell::new(NONE) }; KEPT] };
    static NUMBER: Cell<usize> = const { Cell::new(NONE) };
}

/// No hint yet: the index of no slot.
const NONE: usize = usize::MAX;

/// Where this thread begins to look when it has no luck with its hint: elsewhere than the threads
/// that were started before and after it, so that each settles on a slot of its own.
pub(crate) fn home() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NUMBER.with(|number| {
        if number.get() == NONE {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed) % NONE);
        }
        number.get()
    })
}

/// Where a pool finds its hint in each thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HintKey(usize);

impl HintKey {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed) % KEPT)
    }

    #[inline]
    pub(crate) fn get(self) -> usize {
        HINTS.with(|hints| hints[self.0].get())
    }

    #[inline]
    pub(crate) fn set(self, index: usize) {
        HINTS.with(|hints| hints[self.0].set(index));
    }
}
