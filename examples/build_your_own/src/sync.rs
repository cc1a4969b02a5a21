//! Re-exports `std::sync`. With `--cfg loom` the same names come from loom, which runs a small
//! program through every interleaving of its threads.

#[cfg(loom)]
pub use loom::{
    cell::UnsafeCell,
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};
#[cfg(not(loom))]
pub use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};

/// Lets other threads run until `condition` holds. So a test knows that a thread sleeps, without
/// sleeping itself.
pub fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// A cell that gives out pointers to its content. Code that uses a pointer says why that is sound.
/// (Loom's cell notices if two threads do so at once.)
#[cfg(not(loom))]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    /// A cell around `value`.
    pub const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// A pointer for reading, while no thread writes.
    #[inline]
    pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// A pointer for writing, while there is no other.
    #[inline]
    pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Does nothing, because all `SeqCst` accesses are in one order. Loom treats them as `AcqRel`, and
/// needs a fence to see that order.
#[inline(always)]
pub fn model_fence() {
    #[cfg(loom)]
    atomic::fence(atomic::Ordering::SeqCst);
}
