//! How much of the heap is in use, and how often memory was asked for.
//!
//! A program that wants to know has [`Counting`] as its global allocator. It counts only while a
//! [`Ledger`] is open; otherwise it costs each allocation a look at a flag that hardly ever changes.

#![allow(unsafe_code)] // an allocator is `unsafe` to implement

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

static IS_OPEN: AtomicBool = AtomicBool::new(false);
static IN_USE: AtomicI64 = AtomicI64::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The system's allocator, which counts the bytes that it was asked for, and how often. (The crate
/// `stats_alloc` counts all the time, in counters that all threads write to: where a driver allocates
/// for each query, that would be part of what is measured.)
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting;

/// Counts from its opening until it is dropped, whatever thread allocates. What an allocator needs for
/// itself is not counted, and no stacks are.
#[derive(Debug)]
pub struct Ledger {
    _others_wait: MutexGuard<'static, ()>,
}

impl Ledger {
    /// Begins to count; waits until no other ledger is open. `None` if the program has another global
    /// allocator.
    #[must_use]
    pub fn open() -> Option<Self> {
        let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let ledger = Self { _others_wait: guard };
        IS_OPEN.store(true, Relaxed);
        let before = ledger.allocations(); // bytes may fall meanwhile: another thread may free some
        drop(black_box(Box::new(0_u8)));
        let counts = ledger.allocations() > before;
        counts.then_some(ledger)
    }

    /// Bytes in use beyond those from before it was opened; less than nothing if more was given back. Only
    /// the difference of two of them says something.
    #[must_use]
    pub fn bytes(&self) -> i64 {
        IN_USE.load(Relaxed)
    }

    /// How often memory was asked for, or more of it. Only the difference of two of them says something.
    #[must_use]
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

// SAFETY: all is left to the system's allocator; the count touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, || layout.size() as i64);
        // SAFETY: what the caller promises is what `System` asks for.
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
