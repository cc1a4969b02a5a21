//! What becomes of a pool in a forked child.
//!
//! The child has a copy of everything, sockets included, and only the thread that forked. So the
//! queue may be in the middle of another thread's operation for ever, and the connections are the
//! parent's. The pool's core is an orphan there: it is not touched any more, but for its flags; an
//! heir with empty places does its work, and the first borrowers fill them. What was borrowed before
//! the fork is let go without a word to the server. The orphan itself is never dropped, as
//! [`Orphan`] says.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use threadwise_core::ManageConnection;
use threadwise_core::fork::Orphan;

use crate::QueuePool;
use crate::place::Place;
use crate::pool::{CLOSED, Core};

/// This process is a forked child, and the pool its parent's.
pub(crate) const ORPHANED: u8 = 2;

impl<M: ManageConnection> Orphan for Core<M> {
    fn orphan(&self) {
        // Relaxed: set on the child's only thread; the others are started by it afterwards.
        self.flags.fetch_or(ORPHANED, Relaxed);
    }
}

impl<M: ManageConnection> QueuePool<M> {
    /// The pool, or in a forked child its heir. All that a handle does goes through here.
    #[inline]
    pub(crate) fn core(&self) -> &Arc<Core<M>> {
        if self.core.is_orphan() { self.core.heir() } else { &self.core }
    }
}

impl<M: ManageConnection> Core<M> {
    #[inline]
    pub(crate) fn is_orphan(&self) -> bool {
        self.flags.load(Relaxed) & ORPHANED != 0 // see `orphan`
    }

    /// Does the pool's work in this process.
    #[cold]
    pub(crate) fn heir(&self) -> &Arc<Self> {
        let heir = self.heir.get_or_make(|| self.bequeath());
        if heir.is_orphan() { heir.heir() } else { heir } // a child's child
    }

    fn bequeath(&self) -> Arc<Self> {
        let heir = Self::new(self.keeper.heir(), self.settings.clone());
        if self.flags.load(Relaxed) & CLOSED != 0 {
            heir.close();
        }
        for number in 0..self.settings.size {
            heir.put(Some(Box::new(Place { number, conn: None, since: None })));
        }
        heir
    }

    /// The last handle of this process is gone. (Handles of threads that are not in a child are not.)
    pub(crate) fn last_handle_dropped(&self) {
        match self.heir.get() {
            _ if !self.is_orphan() => self.close(),
            Some(heir) => heir.last_handle_dropped(),
            None => {}
        }
    }
}
