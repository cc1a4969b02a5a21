//! Real time, or virtual time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use threadwise_systems::Shutdown;

/// The time of a scene.
pub(crate) enum Time {
    /// Real time. Ctrl-C ends all waiting.
    Real(Instant, Arc<Shutdown>),
    /// Virtual time. It stands still while a thread can run, then moves to the next wakeup.
    Counted(Counted),
}

#[derive(Default)]
pub(crate) struct Counted {
    state: Mutex<State>,
    jumped: Condvar,
}

#[derive(Default)]
struct State {
    now: Duration,
    sleepers: BTreeSet<(Duration, usize)>,
}

impl Time {
    /// The time since the scene began.
    pub(crate) fn now(&self) -> Duration {
        match self {
            Self::Real(began, _) => began.elapsed(),
            Self::Counted(counted) => counted.state.lock().now,
        }
    }

    /// Makes a thread wait for this long.
    pub(crate) fn pass(&self, thread: usize, span: Duration) {
        match self {
            // `is_over` reports whether Ctrl-C cut the wait short.
            Self::Real(_, shutdown) => drop(shutdown.wait_timeout(span)),
            Self::Counted(counted) => counted.sleep(thread, span),
        }
    }

    /// Whether the threads must begin nothing new.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Real(_, shutdown) if shutdown.has_begun())
    }
}

impl Counted {
    /// How many threads sleep.
    pub(crate) fn asleep(&self) -> usize {
        self.state.lock().sleepers.len()
    }

    /// Moves to the moment at which the next thread wakes, and wakes only that one.
    pub(crate) fn jump(&self) {
        let mut state = self.state.lock();
        if let Some((moment, _)) = state.sleepers.pop_first() {
            state.now = moment;
        }
        drop(state);
        self.jumped.notify_all();
    }

    fn sleep(&self, thread: usize, span: Duration) {
        let mut state = self.state.lock();
        let me = (state.now + span, thread);
        state.sleepers.insert(me);
        let sleeps = |state: &mut State| state.sleepers.contains(&me);
        self.jumped.wait_while(&mut state, sleeps);
    }
}
