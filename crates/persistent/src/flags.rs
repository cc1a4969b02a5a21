//! The flags of a pool. Every `get` and every return reads this one word, which is zero while the fast
//! path applies.
#![allow(unsafe_code)]

use threadwise_core::parts::sync::atomic::{AtomicU32, Ordering};

use crate::barrier;

/// While the word is zero, each thread has its connection to itself, and a `get` only has to lend it.
#[derive(Debug)]
pub(crate) struct Flags(AtomicU32);

/// Proof that every owner sees the closed flag before it touches an idle connection. So another thread
/// may take that connection out of its slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenByAll(());

impl Flags {
    /// The pool is closed: the thread that finds an idle connection closes it. Stays set.
    const CLOSED: u32 = 1;
    /// This process is a forked child, and the pool is its parent's. Stays set.
    const FORKED: u32 = 1 << 1;
    /// Each use has work of its own, see `per_use`. Set when the pool is made, or never.
    const PER_USE: u32 = 1 << 2;
    /// The system offers no barrier for other threads, so each use has one of its own. Set when the pool
    /// is made, or never.
    const FENCED: u32 = 1 << 3;

    pub(crate) fn new(has_per_use_work: bool) -> Self {
        let per_use = if has_per_use_work { Self::PER_USE } else { 0 };
        let fenced = if barrier::register() { 0 } else { Self::FENCED };
        Self(AtomicU32::new(per_use | fenced))
    }

    /// Whether a use may take the fast path.
    #[inline]
    pub(crate) fn are_clear(&self) -> bool {
        // Relaxed: the barriers order it, see `slot`.
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Whether the pool is closed. Passes a full barrier first, so that the answer is not an old one.
    pub(crate) fn is_closed(&self) -> bool {
        barrier::full();
        self.0.load(Ordering::Relaxed) & Self::CLOSED != 0
    }

    /// Whether this is a forked child, which must use nothing of the pool but this word.
    pub(crate) fn is_forked(&self) -> bool {
        // Relaxed: the child's only thread sets it, before it starts other threads.
        self.0.load(Ordering::Relaxed) & Self::FORKED != 0
    }

    /// Sets the closed flag, and makes sure that each owner sees it before its next use.
    ///
    /// Returns `None` if the system refuses the barrier for that. Then each owner sees the flag sooner or
    /// later, and only the owner may take its connection out of its slot.
    pub(crate) fn close(&self) -> Option<SeenByAll> {
        let before = self.set_closed();
        // Where each use has a full barrier of its own, this thread's is enough.
        let seen = if before & Self::FENCED == 0 {
            barrier::heavy()
        } else {
            barrier::full();
            true
        };
        seen.then_some(SeenByAll(()))
    }

    /// Sets the closed flag of a pool that no thread uses. Needs no barrier, so nothing can refuse it.
    ///
    /// # Safety
    ///
    /// The pool has no handle and no guard any more, and the calling thread has synchronised with the
    /// end of each of them: what their threads did with their connections happened before.
    pub(crate) unsafe fn close_unused(&self) -> SeenByAll {
        self.set_closed();
        SeenByAll(())
    }

    fn set_closed(&self) -> u32 {
        // SeqCst: pairs with the fence of an owner, see `slot`.
        self.0.fetch_or(Self::CLOSED, Ordering::SeqCst)
    }

    pub(crate) fn set_forked(&self) {
        self.0.fetch_or(Self::FORKED, Ordering::SeqCst);
    }
}
