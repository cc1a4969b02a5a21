//! Loom's, behind the same names.

use std::time::{Duration, Instant};

pub use loom::cell::UnsafeCell;
pub use loom::sync::atomic;
pub use loom::thread;

/// Held while the data is looked at.
pub type MutexGuard<'a, T> = loom::sync::MutexGuard<'a, T>;

/// See the real one.
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

/// See the real one.
#[derive(Debug, Default)]
pub struct Condvar(loom::sync::Condvar);

impl Condvar {
    /// A condition variable that nobody waits on.
    #[must_use]
    pub fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    /// Waits for a notification. There is no time in a model: nobody gives up here.
    #[expect(clippy::missing_panics_doc, reason = "a model that panics has failed already")]
    pub fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: Option<Instant>,
    ) -> MutexGuard<'a, T> {
        self.0.wait(guard).unwrap()
    }

    /// As [`wait_until`](Self::wait_until).
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

/// The order in which `SeqCst` accesses are by themselves outside a model.
pub fn model_fence() {
    atomic::fence(atomic::Ordering::SeqCst);
}
