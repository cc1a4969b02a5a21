//! What a thread knows of its slots, and who has to know that it ends.
#![allow(unsafe_code)]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use threadwise_core::foreign;

/// A number for a thread that no other thread of this process ever gets. (The standard library's are
/// slower to come by.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ThreadKey(u64);

#[cfg(all(test, loom))]
impl ThreadKey {
    pub(crate) const FOR_MODELS: Self = Self(0);
}

/// A number that no other pool of this process ever gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolKey(u64);

impl PoolKey {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1); // zero is no pool's
        // Relaxed: nothing but the number's being new is asked of it.
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A slot of one thread's in one pool.
pub(crate) trait ThreadEnd: Any + Send + Sync {
    /// The thread has ended. Called on it, as its thread-local values are destroyed, so before a
    /// `join` on it returns.
    fn thread_ended(&self);

    /// Whether the pool is no more.
    fn is_over(&self) -> bool;
}

/// How many pools a thread may use in turns and find its slots at once.
const CACHED: usize = 4;

#[derive(Clone, Copy)]
struct Cached {
    pool: u64,
    slot: *const (),
}

const NOTHING: Cached = Cached { pool: 0, slot: ptr::null() };

thread_local! {
    /// Each is kept alive by `THIS_THREAD`. Has no destructor, so it can be read to the very end.
    static CACHE: [Cell<Cached>; CACHED] = const { [const { Cell::new(NOTHING) }; CACHED] };
    static THIS_THREAD: ThisThread = ThisThread::new();
}

struct ThisThread {
    key: ThreadKey,
    slots: RefCell<Vec<(PoolKey, Arc<dyn ThreadEnd>)>>,
}

impl ThisThread {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: as above.
        Self { key: ThreadKey(NEXT.fetch_add(1, Ordering::Relaxed)), slots: RefCell::default() }
    }
}

impl ThisThread {
    fn find(&self, pool: PoolKey) -> Option<Arc<dyn ThreadEnd>> {
        let slots = self.slots.borrow();
        slots.iter().find(|(key, _)| *key == pool).map(|(_, slot)| Arc::clone(slot))
    }

    fn add(&self, pool: PoolKey, slot: Arc<dyn ThreadEnd>) {
        let mut slots = self.slots.borrow_mut();
        forget_all(); // what is dropped now must not be found any more
        let over: Vec<_> = slots.extract_if(.., |(_, slot)| slot.is_over()).collect();
        slots.push((pool, slot));
        drop(slots);
        // A connection may go with it, and a manager: foreign, and free to use a pool.
        over.into_iter().for_each(foreign::dispose);
    }
}

impl Drop for ThisThread {
    fn drop(&mut self) {
        forget_all();
        for (_, slot) in self.slots.take() {
            // What it drops last may be a pool's manager. A panic here would end the process.
            let _ = foreign::call(|| slot.thread_ended());
            foreign::dispose(slot);
        }
    }
}

fn forget_all() {
    CACHE.with(|cache| cache.iter().for_each(|cached| cached.set(NOTHING)));
}

/// This thread's slot in this pool: the one it had, or a new one, which is told when the thread ends
/// and kept alive until then or until the pool is no more. `None` on a thread that is ending, whose
/// slots have been told already.
pub(crate) fn slot_of<S: ThreadEnd>(
    pool: PoolKey,
    make: impl FnOnce(ThreadKey) -> S,
) -> Option<Arc<S>> {
    let slot_of = |this: &ThisThread| {
        if let Some(found) = this.find(pool) {
            let found: Arc<dyn Any + Send + Sync> = found;
            return found.downcast().expect("a pool's slots are of one type");
        }
        let slot = Arc::new(make(this.key));
        this.add(pool, Arc::clone(&slot) as Arc<dyn ThreadEnd>);
        slot
    };
    THIS_THREAD.try_with(slot_of).ok()
}

/// Lets [`find`] find this slot of this thread's, which came from [`slot_of`].
pub(crate) fn remember<S: ThreadEnd>(pool: PoolKey, slot: &Arc<S>) {
    let found = Cached { pool: pool.0, slot: Arc::as_ptr(slot).cast() };
    CACHE.with(|cache| cache[place_of(pool)].set(found));
}

#[inline]
fn place_of(pool: PoolKey) -> usize {
    pool.0 as usize % CACHED
}

/// This thread's slot in this pool, if it was used lately.
///
/// # Safety
///
/// `S` has to be the type of the pool's slots; and what comes back may be used while this thread is
/// not ending, or while something else keeps the slot alive.
#[inline]
pub(crate) unsafe fn find<'p, S>(pool: PoolKey) -> Option<&'p S> {
    let cached = CACHE.with(|cache| cache[place_of(pool)].get());
    // SAFETY: it was remembered for a pool that has this number, which is the caller's alone, so it
    // is of the caller's type. It is alive: `THIS_THREAD` keeps it until the thread ends or the pool
    // is no more, and empties the cache before it drops one.
    (cached.pool == pool.0).then(|| unsafe { &*cached.slot.cast::<S>() })
}
