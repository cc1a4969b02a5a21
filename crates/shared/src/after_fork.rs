//! A pool in a forked child: the child does not use it, but a child pool with the same settings and
//! no connections.
//!
//! Threads that do not exist in the child may hold the parent pool's locks forever, and the child
//! may see their last writes in part. The child therefore touches only atomics and what has not
//! changed since the pool was built. Each public method begins with
//! [`current`](AfterFork::current), except borrowing and returning, which must not cost more. Their
//! fast paths fail by themselves: in a child all slots are suspended, and `slow_return` is set. If
//! the child drops a guard from before the fork, it forgets the connection and sends nothing to the
//! server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use threadwise_core::ManageConnection;
use threadwise_core::parts::fork::{AfterFork, ChildPool, ForkAware};
use threadwise_core::parts::{Deadline, Patience};

use crate::core::{CLOSE_GRACE, CONNECTED, Core, OwnedSlot};
use crate::pool::GetResult;
use crate::settings::{Limits, Settings};
use crate::slot::Slot;

/// The values that a child pool takes from its parent's state. They are atomics, because a thread
/// that does not exist in the child may hold the pool's lock. `Relaxed`: the child reads the last
/// values from before the fork, or from its moment.
pub(crate) struct ForkSnapshot {
    limits: Limits,
    max_size: AtomicUsize,
    closed: AtomicBool,
}

impl ForkSnapshot {
    pub(crate) fn new(limits: Limits) -> Self {
        let max_size = AtomicUsize::new(limits.max_size);
        Self { limits, max_size, closed: AtomicBool::new(false) }
    }

    pub(crate) fn resized(&self, max_size: usize) {
        self.max_size.store(max_size, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// The limits as they are now.
    fn limits(&self) -> Limits {
        Limits { max_size: self.max_size.load(Ordering::Relaxed), ..self.limits }
    }
}

impl<M: ManageConnection> ForkAware for Core<M> {
    fn forked(&self) {
        self.child_pool.set_due();
        // Relaxed: the child's only thread stores it, before it starts another.
        self.slow_return.store(true, Ordering::Relaxed);
        self.handoff.slots.iter().for_each(Slot::suspend);
    }
}

impl<M: ManageConnection> AfterFork for Core<M> {
    fn child_pool_cell(&self) -> &ChildPool<Self> {
        &self.child_pool
    }

    /// The child pool is not suspended, because the thread that would resume it may not be in this
    /// process. Its threads start with its first dial.
    fn make_child_pool(&self) -> Arc<Self> {
        let settings = Settings { limits: self.snapshot.limits(), ..self.settings };
        let child = Self::new(self.lifecycle.child_pool(), self.affinity, settings);
        if self.snapshot.closed.load(Ordering::Relaxed) {
            child.close(Instant::now());
        }
        child
    }

    fn end(&self) {
        let deadline = Deadline::after(Some(CLOSE_GRACE));
        self.close(deadline.instant().unwrap_or_else(Instant::now));
        self.await_threads(deadline);
    }
}

impl<M: ManageConnection> Core<M> {
    /// Like `get`, in a child. After the child pool has opened a connection for this thread, this
    /// uses the child pool's fast path.
    #[cold]
    #[inline(never)]
    pub(crate) fn get_in_child(&self, patience: Patience) -> GetResult<'_, M> {
        self.child_pool().get(patience)
    }

    /// Ends a guard from before the fork. Its connection is the parent's.
    pub(crate) fn forget_in_child(&self, mut owned: OwnedSlot<'_, M>) {
        self.lifecycle.forget_in_child(owned.take_out().expect(CONNECTED));
    }
}

#[cfg(all(test, unix, not(loom)))]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use threadwise_testkit::FakeManager;
    use threadwise_testkit::forked::{self, End};
    use threadwise_testkit::wait::{AtEnd, PATIENCE};

    use super::*;
    use crate::pool::SharedPool;

    type Pool = SharedPool<FakeManager>;

    /// Runs `act` in a forked child while another thread of the parent holds every lock of `pool`.
    fn in_child_of_locked(pool: &Pool, act: impl FnOnce()) {
        let (locked, done) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                let core = pool.core();
                let _locks = (core.handoff.state.lock(), core.sharing.lock(), core.holders.lock());
                locked.wait();
                done.wait();
            });
            locked.wait();
            let _end = AtEnd(|| _ = done.wait());
            forked::run(End::AtOnce, act);
        });
    }

    #[test]
    fn a_child_takes_no_lock_of_its_parents_pool() {
        forked::alone(|| {
            let pool = Pool::builder().max_size(6).max_sharing(1).trace_holders(true);
            let pool = pool.build(FakeManager).unwrap();
            let guard = || pool.get().unwrap();
            let mut guards = Some((guard(), guard(), guard(), pool.get_owned().unwrap()));
            let mut shares = Some((pool.share().unwrap(), pool.share().unwrap()));
            let mut other = Some(pool.clone());
            in_child_of_locked(&pool, || {
                let (dropped, discarded, detached, owned) = guards.take().unwrap();
                drop((dropped, owned));
                discarded.discard();
                std::mem::forget(detached.detach());
                let (one, two) = shares.take().unwrap();
                drop(one.transaction());
                drop(one);
                two.discard();
                drop(other.take());
                assert_eq!(pool.state().open, 0);
                drop((pool.get().unwrap(), pool.get_owned().unwrap(), pool.share().unwrap()));
                pool.suspend();
                assert!(pool.try_get().is_err());
                pool.resume();
                pool.resize(7).unwrap();
                pool.evict();
                pool.evict_idle();
                pool.evict_generation(1);
                assert!(!pool.manager().connect().unwrap().broken);
                assert!(pool.close_and_wait(PATIENCE).is_ok());
                pool.close();
            });
        });
    }

    #[test]
    fn the_last_handle_can_be_dropped_in_a_child_though_its_parents_pool_is_locked() {
        forked::alone(|| {
            let pool = Pool::new(FakeManager).unwrap();
            in_child_of_locked(&pool, || {
                // As if the handle were dropped. The test has only a reference to it.
                pool.core.last_handle_dropped();
            });
        });
    }
}
