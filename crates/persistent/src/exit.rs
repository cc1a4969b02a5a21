//! The end of a thread: the list of its slots, whose connections are closed then.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use threadwise_core::parts::foreign;

use crate::this_thread::{self, PoolKey, ThreadKey};

/// A thread's slot in one pool, as the list of all its slots knows it.
pub(crate) trait ThreadEnd: Any + Send + Sync {
    /// The thread has ended. Called on that thread while its thread-local values are destroyed, and
    /// therefore before a `join` on it returns.
    fn thread_ended(&self);

    /// Whether the pool no longer exists.
    fn is_over(&self) -> bool;
}

thread_local! {
    static THIS_THREAD: ThisThread = ThisThread::new();
    static CLOSER: Closer = const { Closer };
}

/// Ends the thread's slots before the drivers' own thread-local values are destroyed.
///
/// A driver may need such a value to close a connection, as PostgreSQL's needs tokio's. It gets its
/// value in its first connect. Linux destroys the values in the reverse order, so this one, which comes
/// after a connect, is destroyed before. On other systems, and for the driver of another pool that the
/// thread uses later, the order is not certain.
struct Closer;

impl Drop for Closer {
    fn drop(&mut self) {
        let _ = THIS_THREAD.try_with(ThisThread::end_slots);
    }
}

/// Notes that this thread has opened a connection. Costs about a nanosecond.
pub(crate) fn has_connected() {
    let _ = CLOSER.try_with(|_| ());
}

struct ThisThread {
    key: ThreadKey,
    /// Whether the thread has begun to close the connections of its slots.
    is_ending: Cell<bool>,
    slots: RefCell<Vec<(PoolKey, Arc<dyn ThreadEnd>)>>,
}

impl ThisThread {
    fn new() -> Self {
        Self { key: ThreadKey::new(), is_ending: Cell::new(false), slots: RefCell::default() }
    }

    fn find(&self, pool: PoolKey) -> Option<Arc<dyn ThreadEnd>> {
        let slots = self.slots.borrow();
        slots.iter().find(|(key, _)| *key == pool).map(|(_, slot)| Arc::clone(slot))
    }

    /// Adds a slot, and drops those of pools that no longer exist.
    fn add(&self, pool: PoolKey, slot: Arc<dyn ThreadEnd>) {
        let mut slots = self.slots.borrow_mut();
        this_thread::clear_cache(); // it may point to a slot that is dropped now
        let over: Vec<_> = slots.extract_if(.., |(_, slot)| slot.is_over()).collect();
        slots.push((pool, slot));
        drop(slots);
        // The destructors of a connection and of a manager are foreign code, which may use a pool.
        for slot in over {
            foreign::dispose(slot);
        }
    }

    fn end_slots(&self) {
        self.is_ending.set(true);
        this_thread::clear_cache();
        for (_, slot) in self.slots.take() {
            // It may drop a pool's manager last. A panic here would end the process.
            let _ = foreign::call(|| slot.thread_ended());
            foreign::dispose(slot);
        }
    }
}

impl Drop for ThisThread {
    fn drop(&mut self) {
        self.end_slots(); // there is no `Closer` if no connection was opened
    }
}

/// This thread's slot in a pool: the one that it has, or a new one from `make`. The list keeps the slot
/// until the thread ends, or until the pool does not exist any more and another slot is added. `None` on
/// a thread that is ending and has begun to close the connections of its slots.
pub(crate) fn slot_of<S: ThreadEnd>(
    pool: PoolKey,
    make: impl FnOnce(ThreadKey) -> S,
) -> Option<Arc<S>> {
    let slot_of = |this: &ThisThread| {
        if this.is_ending.get() {
            return None;
        }
        if let Some(found) = this.find(pool) {
            let found: Arc<dyn Any + Send + Sync> = found;
            return Some(found.downcast().expect("a pool's slots are of one type"));
        }
        let slot = Arc::new(make(this.key));
        this.add(pool, Arc::clone(&slot) as Arc<dyn ThreadEnd>);
        Some(slot)
    };
    THIS_THREAD.try_with(slot_of).ok().flatten()
}
