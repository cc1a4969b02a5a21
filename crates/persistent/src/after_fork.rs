//! What a forked child has in place of its parent's pool.

use std::sync::Arc;

use threadwise_core::ManageConnection;
use threadwise_core::fork::{AfterFork, ChildPool, ForkAware};

use crate::core::Core;

impl<M: ManageConnection> ForkAware for Core<M> {
    fn forked(&self) {
        self.flags.forked();
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
        self.end_slots();
    }
}
