//! The flags of a pool. Every `get` and every return reads this one word, which is zero while the fast
//! path applies.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};

pub(crate) struct Flags(AtomicU8);

impl Flags {
    /// The pool is closed. Stays set.
    const CLOSED: u8 = 1;
    /// This process is a forked child, and the pool is its parent's. Stays set.
    pub(crate) const FORKED: u8 = 1 << 1;
    /// Each use has work of its own, see `per_use`. Set when the pool is made, or never.
    pub(crate) const PER_USE: u8 = 1 << 2;

    pub(crate) fn new(has_per_use_work: bool) -> Self {
        Self(AtomicU8::new(if has_per_use_work { Self::PER_USE } else { 0 }))
    }

    /// Whether a `get` may take the fast path.
    #[inline]
    pub(crate) fn are_clear(&self) -> bool {
        // Acquire pairs with the exchange of `set_closed`: after `close` has returned, no `get` lends
        // a connection.
        self.0.load(Acquire) == 0
    }

    /// Returns the whole word. A return tests [`FORKED`](Self::FORKED) and
    /// [`PER_USE`](Self::PER_USE) in it.
    #[inline]
    pub(crate) fn at_return(&self) -> u8 {
        // Relaxed: no other thread of this process sets either of them.
        self.0.load(Relaxed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.load(Acquire) & Self::CLOSED != 0 // as in `are_clear`
    }

    /// Whether the pool is closed, for a thread that has put an entry into the queue.
    ///
    /// A pool that is closed meanwhile may have emptied its queue before the entry arrived. The
    /// channel's `try_send` advances its tail by a `SeqCst` exchange before this load, and `close` sets
    /// the flag before it reads the tail. So one of the two sees the other.
    #[inline]
    pub(crate) fn is_closed_after_send(&self) -> bool {
        self.0.load(SeqCst) & Self::CLOSED != 0
    }

    /// Returns whether this call closed the pool.
    pub(crate) fn set_closed(&self) -> bool {
        // SeqCst pairs with the load in `is_closed_after_send`.
        self.0.fetch_or(Self::CLOSED, SeqCst) & Self::CLOSED == 0
    }

    pub(crate) fn set_forked(&self) {
        // Relaxed: the child's only thread sets it, before it starts other threads.
        self.0.fetch_or(Self::FORKED, Relaxed);
    }
}
