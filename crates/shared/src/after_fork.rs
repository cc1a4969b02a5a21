//! What becomes of a pool in a forked child: an orphan, which nothing of is used any more, and its
//! heir, another pool with the same settings and nothing open.
//!
//! The orphan's locks may be held for ever, by threads that the child does not have, and what they
//! were writing may be there in part. So nothing of it is touched but atomics and what has not
//! changed since it was built. Each verb begins with [`current`](AfterFork::living); only borrowing and
//! giving back do not, which are to cost nothing more: their fast paths fail by themselves, for all
//! slots of an orphan are marked as suspended, and its `looks` is set. What a guard of the child's
//! own thread has borrowed is let go of without a word when that guard ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use threadwise_core::fork::{AfterFork, ChildPool, ForkAware};
use threadwise_core::{Deadline, GetError, ManageConnection, Patience};

use crate::builder::Settings;
use crate::guard::PooledConnection;
use crate::state::Limits;
use crate::pool::{CONNECTED, Core, FAREWELL, OwnedSlot};
use crate::slot::Slot;

/// What an heir has as the orphan had it. In atomics, since the line's lock may be held; `Relaxed`,
/// since the child reads what was last written before the fork, or while it was made.
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

    /// As they are now.
    fn limits(&self) -> Limits {
        Limits { max_size: self.max_size.load(Ordering::Relaxed), ..self.limits }
    }
}

impl<M: ManageConnection> ForkAware for Core<M> {
    fn forked(&self) {
        self.child_pool.set_due();
        // Relaxed: it is the child's only thread that returns read this on, before there are others.
        self.looks.store(true, Ordering::Relaxed);
        self.exchange.slots.iter().for_each(Slot::suspend);
    }
}

impl<M: ManageConnection> AfterFork for Core<M> {
    fn child_pool_cell(&self) -> &ChildPool<Self> {
        &self.child_pool
    }

    /// Not suspended, since whoever would resume it may not be in this process. Its threads start with
    /// the first dial.
    fn make_child_pool(&self) -> Arc<Self> {
        let settings = Settings { limits: self.snapshot.limits(), ..self.settings };
        let child = Self::new(self.lifecycle.child_pool(), self.hint, settings);
        if self.snapshot.closed.load(Ordering::Relaxed) {
            child.close(Instant::now());
        }
        child
    }

    fn end(&self) {
        let deadline = Deadline::after(Some(FAREWELL));
        self.close(deadline.instant().unwrap_or_else(Instant::now));
        self.await_threads(deadline);
    }
}

impl<M: ManageConnection> Core<M> {
    /// A `get` that found nothing to take in an orphan. Once the heir has a connection for this
    /// thread, it takes the heir's fast path.
    #[cold]
    #[inline(never)]
    pub(crate) fn get_in_child(
        &self,
        patience: Patience,
    ) -> Result<PooledConnection<'_, M>, GetError<M::Error>> {
        self.child_pool().get(patience)
    }

    /// A guard from before the fork has ended in the child: its connection is the parent's.
    pub(crate) fn forget_in_child(&self, mut owned: OwnedSlot<'_, M>) {
        self.lifecycle.forget_in_child(owned.take_out().expect(CONNECTED));
    }
}

#[cfg(all(test, unix, not(loom)))]
mod tests {
    use std::sync::Barrier;
    use std::thread;
    use std::time::Duration;

    use threadwise_testkit::FakeManager;
    use threadwise_testkit::forked::{self, End};
    use threadwise_testkit::wait::AtEnd;

    use super::*;
    use crate::pool::SharedPool;

    type Pool = SharedPool<FakeManager>;

    /// Runs `act` in children of a process in which another thread has locked what it can of `pool`.
    fn in_child_of_locked(pool: &Pool, act: impl FnOnce()) {
        let (locked, done) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                let core = pool.core();
                let _locks = (core.exchange.line.lock(), core.sharing.lock(), core.holders.lock());
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
            assert!(pool.close_and_wait(Duration::from_secs(5)).is_ok());
            pool.close();
        });
    }

    #[test]
    fn the_last_handle_ends_though_its_parents_pool_is_locked() {
        let pool = Pool::new(FakeManager).unwrap();
        in_child_of_locked(&pool, || {
            // As if the handle were dropped, which the test has only a reference to.
            pool.core.last_handle_dropped();
        });
    }
}
