//! A signal that ends a run early and keeps what was measured until then.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A request to end the run. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    is_raised: Mutex<bool>,
    raised: Condvar,
}

impl Interrupt {
    /// Requests the end of the run.
    pub fn raise(&self) {
        *self.lock() = true;
        self.0.raised.notify_all();
    }

    /// Whether the end was requested.
    pub fn is_raised(&self) -> bool {
        *self.lock()
    }

    /// Sleeps for `time`, or until the end is requested.
    pub fn sleep(&self, time: Duration) {
        let wait = self.0.raised.wait_timeout_while(self.lock(), time, |is_raised| !*is_raised);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.is_raised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn clones_share_the_request() {
        let interrupt = Interrupt::default();
        let same = interrupt.clone();
        assert!(!same.is_raised());
        interrupt.raise();
        assert!(same.is_raised());
    }

    #[test]
    fn raising_wakes_a_sleeping_thread() {
        let interrupt = Interrupt::default();
        let sleeper = interrupt.clone();
        let sleeper = thread::spawn(move || sleeper.sleep(Duration::MAX));
        interrupt.raise();
        sleeper.join().unwrap();
    }
}
