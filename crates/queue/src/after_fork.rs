//! The pool in a forked child.
//!
//! The child has a copy of everything, sockets included, but only the thread that forked. Its copy
//! of the queue may be in the middle of another thread's operation and stay there, and the
//! connections belong to the parent. So the child uses nothing of the parent's pool but its flags,
//! its settings and its manager. A child pool takes its place: its places are empty, and the first
//! borrowers open the connections. A guard from before the fork forgets its connection, and sends
//! nothing to the server. The child never drops the parent's pool, see [`ForkAware`].

use std::sync::Arc;

use threadwise_core::ManageConnection;
use threadwise_core::parts::fork::{AfterFork, ChildPool, ForkAware};

use crate::core::Core;
use crate::place::Place;

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
        for index in 0..self.settings.size {
            child.put(Some(Box::new(Place::empty(index))));
        }
        child
    }

    fn end(&self) {
        self.close();
    }
}
