//! A start at which all threads have asked for a connection.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Counts the threads that have asked for a connection, and lets threads wait for all of them.
#[derive(Debug)]
pub(super) struct StartGate {
    threads: usize,
    asked: AtomicUsize,
}

impl StartGate {
    /// How often a waiting thread looks at the count.
    const LOOK: Duration = Duration::from_micros(200);
    /// The time that the last threads have to fall asleep in the wait queue after they are counted.
    const SETTLE: Duration = Duration::from_millis(2);

    pub(super) fn new(threads: usize) -> Self {
        Self { threads, asked: AtomicUsize::new(0) }
    }

    pub(super) fn begin(&self) {
        self.asked.store(0, Relaxed); // the runner's barrier makes it visible to the threads
    }

    /// Counts the calling thread, which is about to ask.
    pub(super) fn ask(&self) {
        self.asked.fetch_add(1, Relaxed);
    }

    /// Waits until all threads have asked.
    pub(super) fn wait_for_all(&self) {
        if self.is_complete() {
            return;
        }
        while !self.is_complete() {
            thread::sleep(Self::LOOK);
        }
        thread::sleep(Self::SETTLE);
    }

    fn is_complete(&self) -> bool {
        self.asked.load(Relaxed) == self.threads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_gate_opens_when_all_threads_have_asked() {
        let gate = StartGate::new(2);
        thread::scope(|scope| {
            gate.ask();
            let other = scope.spawn(|| gate.wait_for_all());
            assert!(!gate.is_complete() && !other.is_finished());
            gate.ask();
            gate.wait_for_all();
        });
        gate.begin();
        assert!(!gate.is_complete());
    }
}
