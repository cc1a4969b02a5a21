//! A thread's instructions for a round, and what tells it that the time is over.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::gate::StartGate;

/// The phases of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Operations do not count yet.
    WarmingUp,
    Measuring,
    /// No thread begins another operation.
    Over,
}

/// The phase of the round. All threads read it all the time, so it has its own cache line.
#[repr(align(128))]
#[derive(Debug)]
pub(super) struct Signal(AtomicU8);

impl Signal {
    pub(super) fn new(phase: Phase) -> Self {
        Self(AtomicU8::new(phase as u8))
    }

    pub(super) fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Relaxed);
    }

    #[inline]
    pub(super) fn is(&self, phase: Phase) -> bool {
        self.0.load(Relaxed) == phase as u8
    }
}

/// What a thread is to do in a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// The number of operations that it may make.
    pub(super) limit: u64,
    /// Whether to measure holds and idle times, too.
    pub(super) uses: bool,
}

/// A thread's instructions for a round.
#[derive(Clone, Copy)]
pub(super) struct Turn<'r> {
    pub(super) terms: Terms,
    pub(super) signal: &'r Signal,
    /// If present, the thread first waits until all threads have asked.
    pub(super) gate: Option<&'r StartGate>,
}

impl Turn<'_> {
    /// Whether there is another operation to make. Each thread makes at least one, so that the
    /// warmup reaches the threads that the system starts last.
    #[inline]
    pub(super) fn goes_on(&self, tried: u64) -> bool {
        tried == 0 || (tried < self.terms.limit && !self.is_over())
    }

    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.signal.is(Phase::Over)
    }

    #[inline]
    pub(super) fn is_measured(&self) -> bool {
        self.signal.is(Phase::Measuring)
    }
}
