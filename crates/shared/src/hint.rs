//! Which slot a thread used last: the first one it tries, since nobody else is likely to want it
//! and its cache lines are still here.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Hints that a thread keeps, each for the pools of one remainder: a wrong hint costs a look, so
/// there need not be one for every pool of a program.
const KEPT: usize = 8;

thread_local! {
    static HINTS: [Cell<usize>; KEPT] = const { [const { Cell::new(0) }; KEPT] };
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
