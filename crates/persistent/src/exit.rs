//! What a thread knows of its slots, and who has to know that it ends.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use threadwise_core::fork;

/// A number for a thread that no other thread of this process ever gets. (The ids of
/// `thread_local` are used again; the standard library's are slower to come by.)
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
pub(crate) trait ThreadEnd: Send + Sync {
    /// The thread has ended. Called on it, as its thread-local values are destroyed, so before a
    /// `join` on it returns.
    fn thread_ended(&self);
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

/// Runs `look`, which asks `thread_local` for this thread's value. That crate gives a thread its number
/// under a lock, which a forked child must not find held by a thread that it does not have.
pub(crate) fn numbered<R>(look: impl FnOnce() -> R) -> R {
    thread_local! {
        static HAS_NUMBER: Cell<bool> = const { Cell::new(false) };
    }
    if HAS_NUMBER.get() {
        return look();
    }
    let found = fork::hold_off(look);
    HAS_NUMBER.set(true);
    found
}

struct ThisThread {
    key: ThreadKey,
    slots: RefCell<Vec<Arc<dyn ThreadEnd>>>,
}

impl ThisThread {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: as above.
        Self { key: ThreadKey(NEXT.fetch_add(1, Ordering::Relaxed)), slots: RefCell::default() }
    }
}

impl Drop for ThisThread {
    fn drop(&mut self) {
        forget_all();
        for slot in self.slots.take() {
            slot.thread_ended();
        }
    }
}

fn forget_all() {
    CACHE.with(|cache| cache.iter().for_each(|cached| cached.set(NOTHING)));
}

/// This thread, or `None` if it is ending and its slots have been told already.
pub(crate) fn this_thread() -> Option<ThreadKey> {
    THIS_THREAD.try_with(|this| this.key).ok()
}

/// Tells `slot` when this thread ends, and keeps it alive until then. Does nothing on a thread that
/// is ending.
pub(crate) fn on_exit(slot: Arc<dyn ThreadEnd>) {
    let _ = THIS_THREAD.try_with(|this| {
        let mut slots = this.slots.borrow_mut();
        forget_all(); // what is dropped now must not be found any more
        slots.retain(|slot| Arc::strong_count(slot) > 1); // pools come and go
        slots.push(slot);
    });
}

/// Lets [`find`] find this slot of this thread's, which was given to [`on_exit`].
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
    // is of the caller's type. It is alive: `on_exit` keeps it until the thread ends, and what it
    // drops before that, and that end, empties the cache.
    (cached.pool == pool.0).then(|| unsafe { &*cached.slot.cast::<S>() })
}
