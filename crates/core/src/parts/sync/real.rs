//! The types and functions of this module, from the standard library.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

pub use std::sync::atomic;
pub use std::thread;

/// Gives access to the data, and unlocks the mutex when it is dropped.
pub type MutexGuard<'a, T> = std::sync::MutexGuard<'a, T>;

/// A mutex that is never poisoned.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A mutex around `value`.
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Waits for the lock and takes it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A condition variable for [`Mutex`].
#[derive(Debug, Default)]
pub struct Condvar(std::sync::Condvar);

impl Condvar {
    /// A condition variable without waiters.
    #[must_use]
    pub const fn new() -> Self {
        Self(std::sync::Condvar::new())
    }

    /// Waits for a notification until `deadline`; `None` is no limit. May return without either, so
    /// the caller checks its condition again.
    pub fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, T> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        self.wait_for(guard, left)
    }

    /// The same as [`wait_until`](Self::wait_until), for the time `left`.
    pub fn wait_for<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        left: Option<Duration>,
    ) -> MutexGuard<'a, T> {
        match left {
            None => self.0.wait(guard).unwrap_or_else(PoisonError::into_inner),
            Some(left) => {
                self.0.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Wakes one waiter.
    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Wakes all waiters.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// A cell whose content is reached by a pointer. The code that follows the pointer says why that is
/// sound.
#[derive(Debug, Default)]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    /// A cell around `value`.
    pub const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `read` with a pointer for reading. No other thread may write meanwhile.
    #[inline]
    pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Calls `write` with a pointer for writing. No other thread may use the cell meanwhile.
    #[inline]
    pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Does nothing: all `SeqCst` accesses are in one order with each other. Loom treats them as `AcqRel`
/// and needs a fence to see that order.
#[inline(always)]
pub fn model_fence() {}
