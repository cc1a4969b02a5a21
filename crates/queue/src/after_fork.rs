//! What becomes of a pool in a forked child.
//!
//! The child has a copy of everything, sockets included, and only the thread that forked. So the
//! queue may be in the middle of another thread's operation for ever, and the connections are the
//! parent's. The pool's core is an orphan there: it is not touched any more, but for its flags; an
//! heir with empty places does its work, and the first borrowers fill them. What was borrowed before
//! the fork is let go without a word to the server. The orphan itself is never dropped, as
//! [`ForkAware`] says.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use threadwise_core::ManageConnection;
use threadwise_core::fork::{AfterFork, ChildPool, ForkAware};

use crate::place::Place;
use crate::pool::{CLOSED, Core};

/// This process is a forked child, and the pool its parent's.
pub(crate) const ORPHANED: u8 = 2;

impl<M: ManageConnection> ForkAware for Core<M> {
    fn forked(&self) {
        // Relaxed: set on the child's only thread; the others are started by it afterwards.
        self.flags.fetch_or(ORPHANED, Relaxed);
        self.child_pool.set_due();
    }
}

impl<M: ManageConnection> AfterFork for Core<M> {
    fn child_pool_cell(&self) -> &ChildPool<Self> {
        &self.child_pool
    }

    fn make_child_pool(&self) -> Arc<Self> {
        let child = Self::new(self.lifecycle.child_pool(), self.settings.clone());
        if self.flags.load(Relaxed) & CLOSED != 0 {
            child.close();
        }
        for number in 0..self.settings.size {
            child.put(Some(Box::new(Place { number, conn: None, since: None, alive: None })));
        }
        child
    }

    fn end(&self) {
        self.close();
    }
}
