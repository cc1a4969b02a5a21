//! Counts the bytes in use on the heap, and the allocations.
//!
//! A program that needs this has [`Counting`] as its global allocator. It counts only while a
//! [`Ledger`] is open. Otherwise each allocation costs one load of a flag that rarely changes.

#![allow(unsafe_code)] // `GlobalAlloc` is an unsafe trait

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

static IS_OPEN: AtomicBool = AtomicBool::new(false);
static IN_USE: AtomicI64 = AtomicI64::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The system's allocator, with a count of the bytes and the calls.
///
/// The crate `stats_alloc` counts all the time, in counters to which all threads write. If a driver
/// allocates for each query, that would be part of the measured time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting;

/// Counts the allocations of all threads until it is dropped. The allocator's own memory and stacks
/// are not included.
pub struct Ledger {
    _others_wait: MutexGuard<'static, ()>,
}

impl Ledger {
    /// Waits until no other ledger is open, and begins to count. `None` if the program has another
    /// global allocator.
    #[must_use]
    pub fn open() -> Option<Self> {
        let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let ledger = Self { _others_wait: guard };
        IS_OPEN.store(true, Relaxed);
        let before = ledger.allocations(); // not bytes, because another thread may free some
        drop(black_box(Box::new(0_u8)));
        let counts = ledger.allocations() > before;
        counts.then_some(ledger)
    }

    /// Returns the bytes allocated less the bytes freed; negative if more were freed. Only the
    /// difference of two calls has a meaning.
    pub fn bytes(&self) -> i64 {
        IN_USE.load(Relaxed)
    }

    /// Returns the number of allocations and reallocations. Only the difference of two calls has a
    /// meaning.
    pub fn allocations(&self) -> u64 {
        ALLOCATIONS.load(Relaxed)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        IS_OPEN.store(false, Relaxed);
    }
}

#[inline]
fn count(allocations: u64, bytes: impl FnOnce() -> i64) {
    if IS_OPEN.load(Relaxed) {
        ALLOCATIONS.fetch_add(allocations, Relaxed);
        IN_USE.fetch_add(bytes(), Relaxed);
    }
}

// SAFETY: the system's allocator does all the work; counting does not touch its memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, || layout.size() as i64);
        // SAFETY: the caller keeps the contract of this method, which is that of `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, || layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, || size as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        count(0, || -(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}
