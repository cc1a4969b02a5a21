//! The pool in a forked child.
//!
//! The child has a copy of everything, sockets included, but only the thread that forked. So it
//! uses nothing of the parent's pool but its flags, its settings and its manager. A child pool
//! takes its place, which is empty at first. A guard from before the fork forgets its connection,
//! and sends nothing to the server. The child never drops the parent's pool, see [`ForkAware`].

use std::sync::Arc;

use threadwise_core::ManageConnection;
use threadwise_core::parts::fork::{AfterFork, ChildPool, ForkAware};

use crate::core::Core;

impl<M: ManageConnection> ForkAware for Core<M> {
    fn forked(&self) {
        self.flags.set_forked();
        self.child_pool.set_due();
    }
}

impl<M: ManageConnection> AfterFork for Core<M> {
    fn child_pool_cell(&self) -> &ChildPool<Self> {
        &self.child_pool
    }

    fn make_child_pool(&self) -> Arc<Self> {
        let child = Self::new(self.lifecycle.child_pool(), self.settings.clone());
        if self.flags.is_closed() {
            child.close();
        }
        child
    }

    fn end(&self) {
        self.close_unused();
    }
}
