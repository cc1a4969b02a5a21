//! A gate at which threads wait until a test opens it. With it, a test lets a call hang for as long
//! as it wants.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A gate. It is closed at first; once opened it stays open.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    arrived: usize,
}

impl Gate {
    /// Waits until the gate is open or `limit` has passed. Returns whether it is open.
    pub fn pass(&self, limit: Option<Duration>) -> bool {
        let end = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut state = self.lock();
        state.arrived += 1;
        self.changed.notify_all();
        while !state.open {
            state = match end.map(|end| end.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }

    /// Whether a thread has come to the gate.
    pub fn has_arrivals(&self) -> bool {
        self.lock().arrived > 0
    }

    /// Lets all threads through from now on.
    pub fn open(&self) {
        self.lock().open = true;
        self.changed.notify_all();
    }

    /// Returns a value that opens the gate when it is dropped, so that a failing test ends too.
    #[must_use]
    pub fn open_at_end(self: &Arc<Self>) -> OpenAtEnd {
        OpenAtEnd(Arc::clone(self))
    }

    /// Waits until `count` threads have come to the gate.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::wait::PATIENCE).
    pub fn await_arrivals(&self, count: usize) {
        crate::wait::until("threads to come to the gate", || self.lock().arrived >= count);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens its gate when it is dropped. [`Gate::open_at_end`] returns it.
#[derive(Debug)]
pub struct OpenAtEnd(Arc<Gate>);

impl Drop for OpenAtEnd {
    fn drop(&mut self) {
        self.0.open();
    }
}
