//! How a thread finds its slot in a pool: in a cache of its own, or else in the list in [`exit`].
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use threadwise_core::ManageConnection;

use crate::cache_line::CacheLine;
use crate::core::Core;
use crate::exit::{self, ThreadEnd};
use crate::slot::Slot;
use crate::thread_slot::{OwnerRef, ThreadSlot};

/// A number of a thread that no other thread of this process ever gets. (The standard library's thread
/// ids are slower to get.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ThreadKey(u64);

impl ThreadKey {
    #[cfg(all(test, loom))]
    pub(crate) const FOR_MODELS: Self = Self(0);

    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: the number only has to be a new one.
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A number of a pool that no other pool of this process ever gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolKey(u64);

impl PoolKey {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1); // zero stands for no pool
        // Relaxed: the number only has to be a new one.
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl<M: ManageConnection> Core<M> {
    /// This thread's slot, if it is in the cache.
    #[inline]
    pub(crate) fn cached_slot(&self) -> Option<OwnerRef<'_, M>> {
        // SAFETY: the slots of this pool are of this type. Until the thread has entered the registry,
        // the slot is used in this call only, on a thread that is not ending and while the pool exists.
        // Afterwards, as long as the slot has a connection or a guard of one, the registry keeps it
        // alive.
        let slot: &ThreadSlot<M> = unsafe { cached(self.key) }?;
        // SAFETY: the cache has only slots of this thread.
        Some(unsafe { slot.slot.owner_ref() })
    }

    /// This thread's slot, found or made. `None` on a thread that is ending.
    pub(crate) fn slot_of_this_thread(&self) -> Option<OwnerRef<'_, M>> {
        if let Some(found) = self.cached_slot() {
            return Some(found);
        }
        remember(self.key, &self.find_or_make_slot()?);
        self.cached_slot()
    }

    /// This thread's slot from its list. `None` on a thread that is ending.
    pub(crate) fn find_or_make_slot(&self) -> Option<Arc<ThreadSlot<M>>> {
        exit::slot_of(self.key, |owner| ThreadSlot {
            slot: CacheLine::new(Slot::new(owner)),
            core: Weak::clone(&self.weak_self),
        })
    }
}

/// How many pools a thread can use in turns and find each of its slots in the cache.
const CACHED: usize = 4;

#[derive(Clone, Copy)]
struct CacheEntry {
    pool: u64,
    slot: *const (),
}

const NO_ENTRY: CacheEntry = CacheEntry { pool: 0, slot: ptr::null() };

thread_local! {
    /// The list in `exit` keeps each slot alive. The cache has no destructor, so it can be read until
    /// the very end of the thread.
    static CACHE: [Cell<CacheEntry>; CACHED] = const { [const { Cell::new(NO_ENTRY) }; CACHED] };
}

/// This thread's slot in a pool, if it is in the cache.
///
/// # Safety
///
/// `S` must be the type of the pool's slots. The reference may be used while this thread is not ending,
/// or while something else keeps the slot alive.
#[inline]
unsafe fn cached<'p, S>(pool: PoolKey) -> Option<&'p S> {
    let entry = CACHE.with(|cache| cache[index_of(pool)].get());
    // SAFETY: the entry was made for the pool with this number, which only the caller's pool has, so the
    // slot is of the caller's type. It is alive: the list in `exit` keeps it until the thread ends or the
    // pool is gone, and clears the cache before it drops a slot.
    (entry.pool == pool.0).then(|| unsafe { &*entry.slot.cast::<S>() })
}

/// Puts a slot of this thread, which came from [`exit::slot_of`], into the cache.
fn remember<S: ThreadEnd>(pool: PoolKey, slot: &Arc<S>) {
    let entry = CacheEntry { pool: pool.0, slot: Arc::as_ptr(slot).cast() };
    CACHE.with(|cache| cache[index_of(pool)].set(entry));
}

/// Clears the cache. To be called before a slot of this thread is dropped.
pub(crate) fn clear_cache() {
    CACHE.with(|cache| {
        for entry in cache {
            entry.set(NO_ENTRY);
        }
    });
}

#[inline]
fn index_of(pool: PoolKey) -> usize {
    pool.0 as usize % CACHED
}
