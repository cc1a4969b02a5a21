//! The door to `std::sync`. With `--cfg loom` the same names come from loom, which runs a small
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

/// Lets others run until `condition` holds: how the scenes and the tests know that a thread has
/// fallen asleep, without sleeping themselves.
pub fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// A cell whose content is reached by pointer; whoever follows the pointer says why that is sound.
/// (Loom's notices if two threads do so at once.)
#[cfg(not(loom))]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    /// A cell around `value`.
    pub const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// A pointer for reading, while nobody writes.
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

/// Nothing: `SeqCst` accesses are in one order with each other by themselves. Loom takes them for
/// `AcqRel` ones, and needs a fence to see that order.
#[inline(always)]
pub fn model_fence() {
    #[cfg(loom)]
    atomic::fence(atomic::Ordering::SeqCst);
}
