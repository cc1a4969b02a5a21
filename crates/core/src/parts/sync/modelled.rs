//! The types and functions of this module, from loom.

use std::time::{Duration, Instant};

pub use loom::cell::UnsafeCell;
pub use loom::sync::atomic;
pub use loom::thread;

/// Gives access to the data, and unlocks the mutex when it is dropped.
pub type MutexGuard<'a, T> = loom::sync::MutexGuard<'a, T>;

/// A mutex: see the one for programs in `real.rs`.
#[derive(Debug)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A mutex around `value`.
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    /// Waits for the lock and takes it.
    #[expect(clippy::missing_panics_doc, reason = "a model that panics has failed already")]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// A condition variable: see the one for programs in `real.rs`.
#[derive(Debug, Default)]
pub struct Condvar(loom::sync::Condvar);

impl Condvar {
    /// A condition variable without waiters.
    #[must_use]
    pub fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    /// Waits for a notification. A model has no time, so no deadline ends the wait.
    #[expect(clippy::missing_panics_doc, reason = "a model that panics has failed already")]
    pub fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: Option<Instant>,
    ) -> MutexGuard<'a, T> {
        self.0.wait(guard).unwrap()
    }

    /// The same as [`wait_until`](Self::wait_until).
    pub fn wait_for<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: Option<Duration>,
    ) -> MutexGuard<'a, T> {
        self.wait_until(guard, None)
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

/// Gives `SeqCst` accesses the one order that they have outside a model.
pub fn model_fence() {
    atomic::fence(atomic::Ordering::SeqCst);
}
