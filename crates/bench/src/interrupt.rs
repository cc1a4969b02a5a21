//! Ending a run early, with what was measured until then.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Whether the run is to end. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    is_raised: Mutex<bool>,
    raised: Condvar,
}

impl Interrupt {
    /// Asks for the end.
    pub fn raise(&self) {
        *self.lock() = true;
        self.0.raised.notify_all();
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.lock()
    }

    /// Sleeps for so long, or until the end is asked for.
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
    fn clones_are_the_same_one() {
        let interrupt = Interrupt::default();
        let same = interrupt.clone();
        assert!(!same.is_raised());
        interrupt.raise();
        assert!(same.is_raised());
    }

    #[test]
    fn a_sleeper_is_woken() {
        let interrupt = Interrupt::default();
        let sleeper = interrupt.clone();
        let sleeper = thread::spawn(move || sleeper.sleep(Duration::MAX));
        interrupt.raise();
        sleeper.join().unwrap();
    }
}
