//! What keeps a pool from being quiet.
#![allow(unsafe_code)]

use threadwise_core::sync::atomic::{AtomicU32, Ordering};

use crate::barrier;

/// A word that each use looks at twice. While it is zero, a thread has its connection to itself and
/// there is nothing to do besides lending it.
#[derive(Debug)]
pub(crate) struct Flags(AtomicU32);

/// Proof that every owner sees that the pool is closed before it touches an idle connection, so that
/// another thread may take that connection away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenByAll(());

impl Flags {
    /// The pool is closed: whoever finds a connection that is not in use closes it. For ever.
    pub(crate) const CLOSED: u32 = 1;
    /// This is a forked child, and the pool its parent's. For ever.
    pub(crate) const ORPHANED: u32 = 1 << 1;
    /// Something is done at each use: hooks, events, limits. From the start, or never.
    pub(crate) const WATCHED: u32 = 1 << 2;
    /// The system offers no barrier for others, so each use has one of its own. From the start.
    pub(crate) const FENCED: u32 = 1 << 3;

    pub(crate) fn new(is_watched: bool) -> Self {
        let watched = if is_watched { Self::WATCHED } else { 0 };
        let fenced = if barrier::register() { 0 } else { Self::FENCED };
        Self(AtomicU32::new(watched | fenced))
    }

    /// Whether there is nothing to do.
    #[inline]
    pub(crate) fn are_quiet(&self) -> bool {
        // Relaxed: ordered by the barriers, see `slot`.
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Whether this is set. After [`barrier::full`], so that it is true of now.
    pub(crate) fn has(&self, flag: u32) -> bool {
        barrier::full();
        self.0.load(Ordering::Relaxed) & flag != 0
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.has(Self::CLOSED)
    }

    /// In a forked child nothing of the pool but this word may be used.
    pub(crate) fn is_forked(&self) -> bool {
        // Relaxed: it is set on the only thread of a process, before any other is started.
        self.0.load(Ordering::Relaxed) & Self::ORPHANED != 0
    }

    /// Closes the pool. Each thread that has not said before that it uses its connection sees it when
    /// it does; `None` if the system refuses the barrier for that, so that each thread sees it sooner
    /// or later, and only a thread itself may take its connection away.
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

    /// Closes a pool that is not in use. No barrier is needed, so none can be refused.
    ///
    /// # Safety
    ///
    /// No handle of the pool and no guard is left, and the calling thread has synchronised with the
    /// end of each of them: what their threads did with their connections happened before.
    pub(crate) unsafe fn close_unused(&self) -> SeenByAll {
        self.set_closed();
        SeenByAll(())
    }

    fn set_closed(&self) -> u32 {
        // SeqCst: pairs with the fence of an owner, see `slot`.
        self.0.fetch_or(Self::CLOSED, Ordering::SeqCst)
    }

    pub(crate) fn forked(&self) {
        self.0.fetch_or(Self::ORPHANED, Ordering::SeqCst);
    }
}
